# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of the initramfs generator."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.initramfs_generators import (
    detect_generator,
    main_initramfs,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

DEBIAN_INITRAMFS_TOOLS = {"usr/sbin/mkinitramfs", "usr/sbin/update-initramfs", "etc/kernel/postinst.d/initramfs-tools"}
DEBIAN_DRACUT = {"usr/bin/dracut", "usr/sbin/update-initramfs", "etc/kernel/postinst.d/dracut"}
FEDORA = {"usr/bin/dracut", "usr/lib/kernel/install.d/50-dracut.install"}
ARCH = {"usr/bin/mkinitcpio", "usr/share/libalpm/hooks/90-mkinitcpio-install.hook"}
BOOSTER = {"usr/bin/booster", "usr/share/libalpm/hooks/90-booster-install.hook"}
MASK = "etc/pacman.d/hooks/90-mkinitcpio-install.hook"


@pytest.mark.parametrize(
    ("files", "masks", "install_conf", "name"),
    [
        (DEBIAN_INITRAMFS_TOOLS, (), "", "initramfs-tools"),
        (DEBIAN_DRACUT, (), "", "dracut"),
        (DEBIAN_INITRAMFS_TOOLS | {"usr/bin/dracut"}, (), "", "initramfs-tools"),
        (FEDORA, (), "", "dracut"),
        (ARCH, (), "", "mkinitcpio"),
        (ARCH | BOOSTER, (), "", None),
        (ARCH | BOOSTER, (MASK,), "", "booster"),
        (ARCH | FEDORA, (), "# a comment\ninitrd_generator=dracut\n", "dracut"),
        (ARCH, (), "initrd_generator=unknown\n", "mkinitcpio"),
        ({"usr/bin/dracut"}, (), "", "dracut"),
        ({"usr/bin/dracut", "usr/bin/booster"}, (), "", None),
        ({"etc/kernel/postinst.d/dracut"}, (), "", None),
        (set(), (), "initrd_generator=dracut\n", None),
    ],
)
def test_generator(
    tmp_path: Path, files: set[str], masks: tuple[str, ...], install_conf: str, name: str | None
) -> None:
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for mask in masks:
        path = tmp_path / mask
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to("/dev/null")
    (tmp_path / "etc/kernel").mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/kernel/install.conf").write_text(install_conf, encoding="utf-8")
    assert detect_generator(Tree(str(tmp_path))) == name


@pytest.mark.parametrize(
    ("initrds", "image"),
    [
        (("/intel-ucode.img", "/initramfs-linux.img"), "/initramfs-linux.img"),
        (("/boot/initrd.img-6.1", "/amd-ucode.img"), "/boot/initrd.img-6.1"),
        (("/early_ucode.cpio",), None),
        ((), None),
    ],
)
def test_microcode_is_not_an_initramfs(initrds: tuple[str, ...], image: str | None) -> None:
    assert main_initramfs(initrds) == image
