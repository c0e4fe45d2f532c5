# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot entries that another program manages are refused by that program's name, with what to do there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Refusal
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.choose import choose_generator
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.choose import choose_loader
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.protocol import LoaderContext
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import write_files

ENTRY = "title openSUSE\nversion 1@6.14.4-1-default\nlinux /a\ninitrd /b\noptions root=UUID=5e0f quiet\n"
# The files of each machine, how it is booted, and what has to be named: the manager, the evidence, the remedy.
MANAGED = {
    "kernelstub": (
        {"/etc/kernelstub/configuration": "{}"},
        "systemd-boot",
        ("kernelstub", "/etc/kernelstub/configuration", "--add-options"),
    ),
    "proxmox": (
        {"/etc/kernel/proxmox-boot-uuids": ""},
        "grub",
        ("proxmox-boot-tool", "proxmox-boot-uuids", "proxmox-boot-tool refresh"),
    ),
    "ostree": ({"/run/ostree-booted": ""}, "grub", ("ostree", "/run/ostree-booted", "rpm-ostree kargs")),
    "opensuse, systemd-boot": (
        {"/usr/bin/sdbootutil": "", "/boot/efi/loader/entries/opensuse-6.14.4.conf": ENTRY},
        "systemd-boot",
        ("sdbootutil", "opensuse-6.14.4.conf", "update-all-entries"),
    ),
    "opensuse, grub2-bls": (
        {"/usr/bin/sdbootutil": "", "/boot/efi/loader/entries/opensuse-6.14.4.conf": ENTRY},
        "grub",
        ("sdbootutil", "opensuse-6.14.4.conf", "update-all-entries"),
    ),
    "opensuse, boot loader unknown": (
        {"/usr/bin/sdbootutil": "", "/boot/efi/loader/entries/opensuse-6.14.4.conf": ENTRY},
        None,
        ("sdbootutil", "opensuse-6.14.4.conf", "update-all-entries"),
    ),
    "nixos by os-release": ({"/etc/os-release": "ID=nixos\n"}, "grub", ("NixOS", "ID=nixos", "boot.kernelParams")),
    "nixos by its configuration": (
        {"/etc/nixos/configuration.nix": ""},
        "systemd-boot",
        ("NixOS", "configuration.nix", "nixos-rebuild boot"),
    ),
    "nixos by the command line": (
        {"/proc/cmdline": "initrd=a init=/nix/store/cccc-nixos/init quiet\n"},
        "systemd-boot",
        ("NixOS", "init=/nix/store/cccc-nixos/init", "boot.kernelParams"),
    ),
}


def plant(root: Path, files: dict[str, str]) -> Tree:
    write_files(root, files)
    return Tree(str(root))


@pytest.mark.parametrize("name", MANAGED)
def test_a_manager_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    files, loader, words = MANAGED[name]
    refusal = choose_loader(plant(tmp_path, files), loader, LoaderContext(("/boot/efi",), ("6.14.4-1-default",), None))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "bootloader_unsupported"
    manager, evidence, remedy = words
    assert refusal.seen.startswith(f"{manager} writes this host's boot entries: ")
    assert evidence in refusal.seen
    assert remedy in refusal.remedy


def test_sdbootutil_installed_beside_grub_manages_nothing(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"/usr/bin/sdbootutil": "", "/boot/grub2/grub.cfg": ""})
    assert "sdbootutil" not in str(choose_loader(tree, "grub", LoaderContext((), ("6.14.4-1-default",), None)))


def test_on_nixos_the_initramfs_is_the_configurations_too(tmp_path: Path) -> None:
    refusal = choose_generator(plant(tmp_path, {"/etc/NIXOS": "", "/usr/bin/dracut": ""}))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "initramfs_unsupported"
    assert "NixOS" in refusal.seen
    assert "boot.initrd.kernelModules" in refusal.remedy


@pytest.mark.parametrize("name", ["limine", "refind", "extlinux", "syslinux", "efistub", None])
def test_other_boot_loaders_are_refused_by_name(tmp_path: Path, name: str | None) -> None:
    refusal = choose_loader(Tree(str(tmp_path)), name, LoaderContext((), (), None))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "bootloader_unsupported"
    assert (name or "is unknown") in refusal.seen


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("kernelstub", "/etc/kernelstub/configuration"),
        ("proxmox-boot-tool", "/etc/kernel/proxmox-boot-uuids"),
        ("ostree", "/run/ostree-booted"),
    ],
)
def test_a_manager_of_grubs_entries_is_refused_by_its_name(tmp_path: Path, name: str, file: str) -> None:
    refusal = choose_loader(plant(tmp_path, {file: ""}), "grub", LoaderContext((), (), None))
    assert isinstance(refusal, Refusal)
    assert name in refusal.seen
