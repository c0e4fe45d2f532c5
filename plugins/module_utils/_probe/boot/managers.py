# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that write another boot loader's entries: what they manage has to be changed through them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..tree import Tree

KERNELSTUB, PROXMOX, OSTREE, SDBOOTUTIL, NIXOS = "kernelstub", "proxmox-boot-tool", "ostree", "sdbootutil", "NixOS"

#: Each manager with a file that only it has.
_FILES = (
    (KERNELSTUB, "/etc/kernelstub/configuration"),
    (PROXMOX, "/etc/kernel/proxmox-boot-uuids"),
    (OSTREE, "/run/ostree-booted"),
    (OSTREE, "/ostree/repo"),
    (NIXOS, "/etc/NIXOS"),
    (NIXOS, "/etc/nixos/configuration.nix"),
)
#: openSUSE's, for systemd-boot and for GRUB with entries on the ESP: it writes entries for each snapshot of the system,
#: and predicts what the TPM will measure of them.
_SDBOOTUTIL = "/usr/bin/sdbootutil"
_ID = re.compile(r"^ID=[\"']?nixos[\"']?[ \t]*$", re.MULTILINE)  # os-release(5)
_NIX_STORE = re.compile(r"(?:^|\s)init=/nix/store/\S+")


class Manager(NamedTuple):
    """A program that writes the boot entries of this machine."""

    name: str
    evidence: str  # a clause: "/etc/NIXOS exists"


def find_manager(tree: Tree, esps: tuple[str, ...]) -> Manager | None:
    """Return the program that writes the boot entries, or None where the boot loader's own tools do.

    Args:
        tree: The machine's files.
        esps: Folders of the mounted EFI system partitions.
    """
    for name, file in _FILES:
        if tree.exists(file):
            return Manager(name, f"{file} exists")
    if _ID.search(tree.text("/etc/os-release") or ""):
        return Manager(NIXOS, "/etc/os-release has ID=nixos")
    init = _NIX_STORE.search(tree.text("/proc/cmdline") or "")
    if init is not None:
        return Manager(NIXOS, f"the running command line has {init.group().strip()}")
    folders = [f"{esp}/loader/entries" for esp in esps]
    entries = [f"{folder}/{name}" for folder in folders for name in tree.names(folder) if name.endswith(".conf")]
    if entries and tree.exists(_SDBOOTUTIL):
        return Manager(SDBOOTUTIL, f"{_SDBOOTUTIL} and {entries[0]} exist")
    return None
