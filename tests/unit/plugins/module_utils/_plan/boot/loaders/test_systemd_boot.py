# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-boot without kernel-install: handwritten entries, as on Arch, and images beside them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import FALLBACK, NORMAL, OTHER
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot import cmdline_record as records
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.cmdline_change import CmdlineRequest, decide
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.kernel_install import PLUGIN
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.protocol import LoaderContext
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.systemd_boot import SystemdBoot
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import write_files
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._plan.boot.loaders.steps import (
    apply,
    snapshot,
)

ARCH = "6.12.1-arch1-1"
MACHINE = "0123456789abcdef0123456789abcdef"
REQUEST = CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt"))
# As archinstall writes them: without the kernel's version.
ENTRY = "title Arch Linux\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\noptions root=PARTUUID=a rw\n"
WITH_VERSION = f"title Arch Linux\nversion {ARCH}\nlinux /arch/{ARCH}/linux\noptions root=PARTUUID=a rw\n"


def kernel(version: str) -> bytes:
    """A kernel's header (Documentation/arch/x86/boot.rst) that gives this version."""
    header = b"HdrS".rjust(0x206, b"\0").ljust(0x20E, b"\0") + (0x100).to_bytes(2, "little")
    return header.ljust(0x300, b"\0") + version.encode() + b" (arch@host)\0"


def unified(**sections: str) -> bytes:
    """A PE file with these sections, named without their dots."""
    content = {"linux": "MZ", **sections}
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, len(content), 0, 0, 0, 0, 0)
    at = len(head) + 40 * len(content)
    table, body = b"", b""
    for name, text in content.items():
        header = struct.pack("<IIII", len(text), 0, len(text), at + len(body))
        table += f".{name}".encode().ljust(8, b"\0") + header + bytes(16)
        body += text.encode()
    return head + table + body


def arch(root: Path, files: dict[str, bytes] | None = None) -> SystemdBoot:
    everything = {
        "/etc/machine-id": MACHINE.encode() + b"\n",
        "/etc/os-release": b'NAME="Arch Linux"\nID=arch\n',
        f"/usr/lib/modules/{ARCH}/vmlinuz": b"",
        "/boot/EFI/systemd/systemd-bootx64.efi": b"",
        "/boot/vmlinuz-linux": kernel(ARCH),
        "/boot/loader/entries/arch.conf": ENTRY.encode(),
        "/boot/loader/entries/arch-fallback.conf": ENTRY.replace("linux.img", "linux-fallback.img").encode(),
        "/boot/loader/entries/other.conf": b"title Other\nlinux /other/vmlinuz-linux\noptions root=/dev/sdb1\n",
        "/boot/other/vmlinuz-linux": kernel("6.11.9-arch1-1"),
        **(files or {}),
    }
    write_files(root, everything)
    return read(root)


def read(root: Path) -> SystemdBoot:
    return SystemdBoot(Tree(str(root)), LoaderContext(("/boot",), (ARCH,), None))


def test_handwritten_entries_are_changed_and_restored(tmp_path: Path) -> None:
    assert arch(tmp_path).refusals() == ()
    before = snapshot(tmp_path)
    record = records.EMPTY
    for request in (REQUEST, REQUEST._replace(units=("a=b",)), REQUEST._replace(units=())):
        loader = read(tmp_path)
        decision = decide(request, record, loader.sources, loader.entries)
        apply(tmp_path, list(loader.steps(decision.change)))
        record = decision.record
        loader = read(tmp_path)
        assert list(loader.steps(decide(request, record, loader.sources, loader.entries).change)) == []
        assert {
            entry.id: (entry.role, entry.version, entry.text) for entry in loader.entries if entry.role != OTHER
        } == {
            "arch": (NORMAL, ARCH, " ".join(["root=PARTUUID=a rw", *request.units])),
            **({"arch-0-vfio-workstation-fallback-": (FALLBACK, ARCH, "root=PARTUUID=a rw")} if request.units else {}),
        }
        assert not (tmp_path / PLUGIN.lstrip("/")).exists()
    assert snapshot(tmp_path) == before


def test_handwritten_entries_beside_others_are_left_alone(tmp_path: Path) -> None:
    loader = arch(tmp_path, {f"/boot/loader/entries/arch-{ARCH}.conf": WITH_VERSION.encode()})
    assert [entry.id for entry in loader.entries if entry.role == NORMAL] == [f"arch-{ARCH}"]


def test_a_system_without_an_entry_for_its_kernels_is_refused(tmp_path: Path) -> None:
    (refusal,) = arch(tmp_path, {"/boot/vmlinuz-linux": kernel("6.10.0-arch1-1")}).refusals()
    assert refusal.code == "bootloader_broken"


@pytest.mark.parametrize(
    ("image", "is_refused"),
    [
        (unified(uname=ARCH, osrel="ID=arch"), True),
        (unified(osrel='NAME=a\nID="arch"\n'), True),
        (unified(osrel="ID=fedora"), False),
        (unified(uname="6.11.9-arch1-1", osrel="ID=arch"), False),
        (b"MZ", False),
    ],
)
def test_an_image_of_this_system_beside_its_entries_is_refused(tmp_path: Path, image: bytes, is_refused: bool) -> None:
    """mkinitcpio names it arch-linux.efi, and systemd-boot starts the one that it sorts first."""
    refusals = arch(tmp_path, {"/boot/EFI/Linux/arch-linux.efi": image}).refusals()
    assert [refusal.code for refusal in refusals] == ["bootloader_unsupported"] * is_refused
