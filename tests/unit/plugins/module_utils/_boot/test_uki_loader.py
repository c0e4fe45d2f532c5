# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unified kernel images, built anew by ukify."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._boot.checks import check_unified_image
from ansible_collections.vfio.workstation.plugins.module_utils._boot.choose import choose
from ansible_collections.vfio.workstation.plugins.module_utils._boot.loader import Context
from ansible_collections.vfio.workstation.plugins.module_utils._boot.uki_loader import Uki
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import NORMAL, OTHER
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import GenerateFile, Refusal, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan import record as records
from ansible_collections.vfio.workstation.plugins.module_utils._plan.kernel_cmdline import Wish, decide
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

VERSION = "6.12.1"
IMAGE = f"/efi/EFI/Linux/token-{VERSION}.efi"
WISH = Wish("iommu", ("iommu=pt",))


def image(**sections: str) -> bytes:
    """A PE file with these sections, named without their dots."""
    content = {"linux": "MZ", "initrd": "cpio", "uname": VERSION, "osrel": "ID=a", **sections}
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, len(content), 0, 0, 0, 0, 0)
    at = len(head) + 40 * len(content)
    table, body = b"", b""
    for name, text in content.items():
        data = text.encode()
        place = struct.pack("<IIII", len(data), 0, len(data), at + len(body))
        table += f".{name}".encode().ljust(8, b"\0") + place + bytes(16)
        body += data
    return head + table + body


def plant(root: Path, files: dict[str, bytes | str]) -> Tree:
    everything: dict[str, bytes | str] = {
        "/efi/EFI/systemd/systemd-bootx64.efi": "",
        IMAGE: image(cmdline="root=UUID=a ro"),
        IMAGE + ".extra.d/a.addon.efi": image(cmdline="from.addon=1"),
        "/efi/EFI/Linux/other.efi": image(cmdline="root=b", uname="9.9.9"),
        "/etc/kernel/cmdline": "root=UUID=a ro\n",
        "/etc/kernel/install.conf": "layout=uki\nuki_generator=ukify\n",
        "/usr/bin/ukify": "",
        f"/boot/vmlinuz-{VERSION}": "",
        f"/boot/initrd.img-{VERSION}": "",
        **files,
    }
    for name, content in everything.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tree(str(root))


def uki(tree: Tree, secure_boot: bool | None = None) -> Uki:
    return Uki(tree, Context(("/efi",), (VERSION,), secure_boot))


def test_an_image_is_built_as_kernel_install_builds_it(tmp_path: Path) -> None:
    loader = uki(plant(tmp_path, {"/etc/kernel/uki.conf": "[UKI]\n"}))
    assert [(one.path, one.role, one.text) for one in loader.entries] == [
        ("/efi/EFI/Linux/other.efi", OTHER, "root=b"),
        (IMAGE, NORMAL, "root=UUID=a ro"),
    ]
    assert loader.refusals() == ()
    steps = loader.steps(decide(WISH, records.EMPTY, loader.sources, loader.entries).change)
    first, second = steps
    assert isinstance(first, WriteFile)
    assert (first.path, first.content) == ("/etc/kernel/cmdline", "root=UUID=a ro iommu=pt\n")
    assert isinstance(second, GenerateFile)
    assert second.path == IMAGE
    assert second.argv == (
        "/usr/bin/ukify",
        "build",
        "--config=/etc/kernel/uki.conf",
        f"--linux=/boot/vmlinuz-{VERSION}",
        f"--initrd=/boot/initrd.img-{VERSION}",
        f"--uname={VERSION}",
        "--os-release=@/etc/os-release",
        "--cmdline=root=UUID=a ro iommu=pt",
        "--output={draft}",
    )


def test_nothing_is_built_where_the_image_is_right(tmp_path: Path) -> None:
    files = {IMAGE: image(cmdline="root=UUID=a ro iommu=pt"), "/etc/kernel/cmdline": "root=UUID=a ro iommu=pt\n"}
    loader = uki(plant(tmp_path, dict(files)))
    record = records.EMPTY._replace(owners={"iommu": ("iommu=pt",)}, provided=("iommu=pt",))
    assert list(loader.steps(decide(WISH, record, loader.sources, loader.entries).change)) == []


REFUSED: dict[str, tuple[dict[str, bytes | str], str]] = {
    "no layout": ({"/etc/kernel/install.conf": ""}, "does not have them made by ukify"),
    "another maker": ({"/etc/kernel/install.conf": "layout=uki\nuki_generator=dracut\n"}, "uki_generator=dracut"),
    "another kernel": ({IMAGE: image(cmdline="ro", uname="9.9.8")}, "No unified kernel image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_work_is_refused(tmp_path: Path, name: str) -> None:
    files, words = REFUSED[name]
    assert any(words in one.seen for one in uki(plant(tmp_path, files)).refusals())


def test_a_missing_tool_and_a_missing_initramfs_are_refused(tmp_path: Path) -> None:
    tree = plant(tmp_path, {})
    (tmp_path / "usr/bin/ukify").unlink()
    (tmp_path / f"boot/initrd.img-{VERSION}").unlink()
    assert [one.code for one in uki(tree).refusals()] == ["bootloader_unsupported", "bootloader_broken"]


def test_secure_boot_needs_a_key(tmp_path: Path) -> None:
    assert any("Secure Boot" in one.seen for one in uki(plant(tmp_path, {}), True).refusals())
    signed = plant(tmp_path, {"/etc/kernel/uki.conf": "[UKI]\nSecureBootPrivateKey=/etc/kernel/key.pem\n"})
    assert uki(signed, True).refusals() == ()


def test_a_disk_bound_to_the_measurements_is_warned_of(tmp_path: Path) -> None:
    assert uki(plant(tmp_path, {})).warnings() == ()
    (warning,) = uki(plant(tmp_path, {"/etc/crypttab": "root UUID=a - tpm2-device=auto\n"})).warnings()
    assert "recovery key" in warning


def test_systemd_boot_with_images_only_is_changed_through_them(tmp_path: Path) -> None:
    context = Context(("/efi",), (VERSION,), None)
    assert isinstance(choose(plant(tmp_path, {}), "systemd-boot", context), Uki)
    assert isinstance(choose(Tree(str(tmp_path)), "uki", context), Uki)


@pytest.mark.parametrize("name", ["limine", "refind", "extlinux", "syslinux", "efistub", None])
def test_other_boot_loaders_are_refused_by_name(tmp_path: Path, name: str | None) -> None:
    refusal = choose(Tree(str(tmp_path)), name, Context((), (), None))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "bootloader_unsupported"
    assert (name or "can't be told") in refusal.seen


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("kernelstub", "/etc/kernelstub/configuration"),
        ("proxmox-boot-tool", "/etc/kernel/proxmox-boot-uuids"),
        ("ostree", "/run/ostree-booted"),
    ],
)
def test_those_who_write_anothers_entries_are_refused_by_name(tmp_path: Path, name: str, file: str) -> None:
    refusal = choose(plant(tmp_path, {file: ""}), "grub", Context((), (), None))
    assert isinstance(refusal, Refusal)
    assert name in refusal.seen


def test_a_draft_is_looked_at(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"/efi/whole": image(cmdline="ro"), "/efi/less": image(), "/efi/none": "text"})
    assert check_unified_image(tree, "/efi/whole") == []
    assert check_unified_image(tree, "/efi/less") == ["it lacks the sections .cmdline"]
    assert len(check_unified_image(tree, "/efi/none")) == 1
