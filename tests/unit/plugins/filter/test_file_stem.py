# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter file_stem; the names themselves are tested with the pages."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.filter.file_stem import FilterModule

FILE_STEM = FilterModule().filters()["file_stem"]


@pytest.mark.parametrize(("name", "stem"), [("ws1.example", "ws1.example"), ("../../x", "~2e.~2f..~2fx")])
def test_a_name(name: str, stem: str) -> None:
    assert FILE_STEM(name) == stem


def test_what_is_no_name() -> None:
    with pytest.raises(AnsibleFilterError, match="found NoneType, expected a name"):
        FILE_STEM(None)
