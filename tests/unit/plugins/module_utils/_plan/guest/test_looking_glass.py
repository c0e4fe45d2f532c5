# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that Looking Glass shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import GuestRequest, LookingGlassRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import RemoveFile, RunTool, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.display import display_of
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.existing import Existing
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.looking_glass import (
    looking_glass_notes,
    looking_glass_settings,
    looking_glass_steps,
    shared_mib,
)

FULL_HD = LookingGlassRequest(1920, 1080)


@pytest.mark.parametrize(
    ("width", "height", "hdr", "expected"),
    [  # the table of common values in the documentation of Looking Glass
        (1920, 1080, False, 32),
        (1920, 1200, False, 32),
        (2560, 1440, False, 64),
        (3840, 2160, False, 128),
        (1920, 1080, True, 64),
        (2560, 1440, True, 128),
        (3840, 2160, True, 256),
    ],
)
def test_the_size(width: int, height: int, hdr: bool, expected: int) -> None:
    assert shared_mib(LookingGlassRequest(width, height, hdr)) == expected


@given(st.integers(1, 32768), st.integers(1, 32768), st.booleans())
def test_the_size_is_the_least_power_of_two_that_suffices(width: int, height: int, hdr: bool) -> None:
    size = shared_mib(LookingGlassRequest(width, height, hdr))
    needed = width * height * (8 if hdr else 4) * 2 + (10 << 20)
    assert size & (size - 1) == 0
    assert size // 2 << 20 < needed <= size << 20


def test_the_file_is_created_for_the_user_and_removed_again() -> None:
    write, tool = looking_glass_steps("g", FULL_HD._replace(user="dev"), None)
    assert isinstance(write, WriteFile)
    assert isinstance(tool, RunTool)
    assert write.path == "/etc/tmpfiles.d/vfio-workstation-g.conf"
    assert write.content.splitlines()[-1] == "f /dev/shm/looking-glass-g 0660 dev kvm -"
    assert tool.argv == ("systemd-tmpfiles", "--create", "vfio-workstation-g.conf")
    assert looking_glass_steps("g", FULL_HD._replace(user="dev"), write.content) == ()
    (remove,) = looking_glass_steps("g", None, write.content)
    assert isinstance(remove, RemoveFile)
    assert looking_glass_steps("g", None, None) == ()


def test_without_a_user_the_group_has_it() -> None:
    write, _tool = looking_glass_steps("g", FULL_HD, "something else")
    assert isinstance(write, WriteFile)
    assert " 0660 root kvm -" in write.content


def test_its_client_uses_spice() -> None:
    assert display_of(GuestRequest("g", looking_glass=FULL_HD), Existing()) == "spice"
    assert display_of(GuestRequest("g", looking_glass=FULL_HD, display="none"), Existing()) == "none"
    assert display_of(GuestRequest("g"), Existing()) == "vnc"


def test_without_it_nothing_is_set() -> None:
    assert not [*looking_glass_settings(GuestRequest("g")), *looking_glass_notes(GuestRequest("g"))]
