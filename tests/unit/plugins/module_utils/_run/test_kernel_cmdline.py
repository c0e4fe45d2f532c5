# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of kernel_cmdline."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._run.kernel_cmdline import check_parameters

FINE: dict[str, Any] = {"owner": "iommu", "args": ["iommu=pt"], "state": "present", "accept": [], "root": "/"}


def test_valid_parameters_have_no_mistakes() -> None:
    assert check_parameters(FINE, check_mode=False) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "the owner's name": ({"owner": "A"}, "owner: invalid name 'A'"),
    "nothing to add": ({"args": []}, "the list is empty"),
    "a blank": ({"args": [" "]}, "args[0]: ' ' is empty"),
    "a value alone": ({"args": ["=pt"]}, "has a value without a name"),
    "not ASCII": ({"args": ["a=é"]}, "not printable ASCII"),
    "an open quote": ({"args": ["ok", 'a="b']}, "args[1]"),
    "for init": ({"args": ["-- single"]}, "go to init"),
    "twice": ({"args": ["a-b=1", "a_b=1"]}, "is given twice"),
    "contradictory": ({"args": ["iommu=pt", "iommu=off"]}, "can't be given together"),
    "a code": ({"accept": ["force"]}, "accept: 'force' is not a refusal code"),
    "a capture that is to be changed": ({"root": "/proc/self/root/proc/.."}, "can't be changed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named(name: str) -> None:
    change, words = WRONG[name]
    errors = check_parameters({**FINE, **change}, check_mode=False)
    assert any(words in error for error in errors), errors


def test_all_mistakes_are_named_at_once() -> None:
    errors = check_parameters({**FINE, "owner": "", "args": ["", 'a="', "c -- b"], "accept": ["x"]}, check_mode=False)
    assert len(errors) == 5
