# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host does with a block device, on described machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.disk_uses import read_disk_uses
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

TREE = {
    "sda": ["sda1", "sda2", "sda3"],
    "sdb": [],
    "sdc": ["sdc1"],
    "dm-0": [],
    "dm-1": [],
    "md0": [],
}
HOLDERS = {"sda2": ["dm-0", "dm-1"], "sdc1": ["md0"]}
MOUNTS = """22 1 253:0 / / rw - ext4 /dev/mapper/vg-root rw
23 1 8:1 / /boot rw - ext4 /dev/sda1 rw
"""
SWAPS = "Filename Type Size Used Priority\n/dev/sda3 partition 1 0 -2\n"
NUMBERS = {"sda1": "8:1", "dm-0": "253:0"}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A host with / and /boot on sda, by LVM and directly; an array on sdc; and sdb without any use."""
    blocks = tmp_path / "sys/class/block"
    blocks.mkdir(parents=True)
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    places = {name: f"sys/devices/{disk}/{name}" for disk, parts in TREE.items() for name in parts}
    places.update({disk: f"sys/devices/{disk}" for disk in TREE})
    for name, place in places.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (blocks / name).symlink_to(f"../../../{place}")
        if name not in TREE:
            (tmp_path / place / "partition").write_text("1\n")
        if name in NUMBERS:
            (tmp_path / "sys/dev/block" / NUMBERS[name]).symlink_to(f"../../../{place}")
    for name, holders in HOLDERS.items():
        for holder in holders:
            for end, other in (
                ((tmp_path / places[name] / "holders"), holder),
                (tmp_path / places[holder] / "slaves", name),
            ):
                end.mkdir(exist_ok=True)
                (end / other).symlink_to(f"/{places[other]}")
    dev = tmp_path / "dev/disk/by-id"
    dev.mkdir(parents=True)
    for name in places:
        (tmp_path / "dev" / name).write_text("")
    (dev / "ata-a").symlink_to("../../sda")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTS)
    (tmp_path / "proc/swaps").write_text(SWAPS)
    return Tree(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/dev/disk/by-id/ata-a", ("mount /", "mount /boot", "swap /dev/sda3", "member of dm-0", "member of dm-1")),
        ("/dev/sda", ("mount /", "mount /boot", "swap /dev/sda3", "member of dm-0", "member of dm-1")),
        ("/dev/sda1", ("mount /boot",)),
        ("/dev/sda2", ("mount /", "member of dm-0", "member of dm-1")),
        ("/dev/sda3", ("swap /dev/sda3",)),
        ("/dev/sdb", ()),
        ("/dev/sdc", ("member of md0",)),
        ("/dev/sdc1", ("member of md0",)),
        ("/dev/md0", ()),  # nothing uses the array itself
        ("/dev/dm-0", ("mount /",)),
        ("/dev/dm-1", ()),  # another volume of the same group
        ("/dev/none", ()),
        ("/srv/image.qcow2", ()),
    ],
)
def test_uses(tree: Tree, path: str, expected: tuple[str, ...]) -> None:
    assert read_disk_uses(tree, path) == expected
