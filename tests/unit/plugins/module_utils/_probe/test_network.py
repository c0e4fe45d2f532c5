# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host has a default route."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._probe.network import has_default_route
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

HEADER = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
DEFAULT = "eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\n"
LOCAL = "eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n"
DOWN = "eth0 00000000 0100A8C0 0002 0 0 0 00000000 0 0 0\n"
ZERO = "0" * 32
DEFAULT_V6 = f"{ZERO} 00 {ZERO} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00000003 eth0\n"
REJECT_V6 = f"{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200 lo\n"


@pytest.mark.parametrize(
    ("v4", "v6", "expected"),
    [
        (HEADER + LOCAL + DEFAULT, "", True),
        (HEADER + LOCAL, REJECT_V6 + DEFAULT_V6, True),
        (HEADER + LOCAL, REJECT_V6, False),
        (HEADER + DOWN, "", False),
        ("", "", False),
        ("\0 x", "x", False),
    ],
)
def test_a_default_route_is_recognized(tmp_path: Path, v4: str, v6: str, expected: bool) -> None:
    folder = tmp_path / "proc/net"
    folder.mkdir(parents=True)
    (folder / "route").write_text(v4)
    (folder / "ipv6_route").write_text(v6)
    assert has_default_route(Tree(str(tmp_path))) is expected


def test_a_host_without_networking_has_none(tmp_path: Path) -> None:
    assert has_default_route(Tree(str(tmp_path))) is False
