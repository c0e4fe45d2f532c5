# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An argument that is not a result of the module is an error that says what was expected."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.filter.host_verdict import host_verdict
from ansible_collections.vfio.workstation.plugins.filter.refusal_table import refusal_table
from ansible_collections.vfio.workstation.plugins.filter.request_table import request_table


@pytest.mark.parametrize("broken", [None, [], "text", {"ws1": None}, {"ws1": "text"}])
def test_tables_say_what_they_expect(broken: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"request_table: found .*expected a mapping from host names"):
        request_table(broken)
    with pytest.raises(AnsibleFilterError, match=r"refusal_table: found .*expected a mapping from host names"):
        refusal_table(broken)


def test_the_verdict_says_what_it_expects() -> None:
    with pytest.raises(AnsibleFilterError, match="host_verdict: found list, expected the return values of the module"):
        host_verdict([])
    assert host_verdict({"unreachable": True, "msg": "no route"}) == {
        "word": "unreachable",
        "reason": "unreachable: no route",
        "guest_differences": [],
    }
