# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image holds follows from its recipe, and its name in the cache from what it holds."""

from __future__ import annotations

import pathlib

import pytest

from tests.lab import LabError, Recipe
from tests.lab.image import identity, layout
from tests.lab.keys import Keys


@pytest.mark.parametrize(
    ("kernels", "spare"),
    [(("amd64",), "cloud-amd64"), (("cloud-amd64",), "amd64"), (("amd64", "cloud-amd64"), None)],
)
def test_an_image_with_one_kernel_has_another_at_hand(kernels: tuple[str, ...], spare: str | None) -> None:
    recipe = Recipe(kernels=kernels)
    assert recipe.spare == spare
    assert {f"linux-image-{kernel}" for kernel in kernels} <= set(recipe.packages())


def test_other_recipes_and_other_keys_are_other_images(tmp_path: pathlib.Path) -> None:
    keys, others = Keys(tmp_path / "keys"), Keys(tmp_path / "others")
    recipes = [
        Recipe(),
        Recipe("bookworm"),
        Recipe("bookworm", upgrade="trixie"),
        Recipe(boot="bios-grub"),
        Recipe(kernels=("amd64", "cloud-amd64")),
        Recipe(disk="ext4-boot"),
        Recipe(disk="btrfs"),
        Recipe(software=("libvirt",)),
    ]
    names = [identity(recipe, keys) for recipe in recipes]
    assert len(set(names)) == len({recipe.name for recipe in recipes}) == len(names)
    assert identity(Recipe(), keys) == names[0] != identity(Recipe(), others)


def test_what_there_is_no_image_of_is_refused() -> None:
    with pytest.raises(LabError, match="no image with buster"):
        Recipe("buster")
    with pytest.raises(LabError, match="no image with buster"):
        Recipe(upgrade="buster")
    with pytest.raises(LabError, match="no image with zfs"):
        Recipe(disk="zfs")
    with pytest.raises(LabError, match="no image with xen"):
        Recipe(software=("xen",))


@pytest.mark.parametrize(
    ("disk", "partitions", "mounted", "tool"),
    [
        ("ext4", ["bios", "esp", "root"], {"/": "ext4", "/boot/efi": "vfat"}, None),
        ("ext4-boot", ["bios", "esp", "root", "boot"], {"/": "ext4", "/boot": "ext4", "/boot/efi": "vfat"}, None),
        ("btrfs", ["bios", "esp", "root"], {"/": "btrfs", "/boot/efi": "vfat"}, "btrfs-progs"),
    ],
)
def test_each_disk_is_divided_and_mounted(
    disk: str, partitions: list[str], mounted: dict[str, str], tool: str | None
) -> None:
    recipe = Recipe(disk=disk)
    assert [line.rpartition("name=")[2] for line in layout(recipe).splitlines() if "name=" in line] == partitions
    _mode, fstab = recipe.files("", "", "")["etc/fstab"]
    lines = [line.split() for line in fstab.splitlines()]
    assert {line[1]: line[2] for line in lines} == mounted
    # What is mounted below another comes after it.
    assert [line[1] for line in lines] == sorted(mounted)
    assert tool is None or tool in recipe.packages()
