# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unified kernel images, rebuilt by ukify."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.draft_checks import check_unified_image
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import NORMAL, OTHER
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import GenerateFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot import cmdline_record as records
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.cmdline_change import CmdlineRequest, decide
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.choose import choose_loader
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.protocol import LoaderContext
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.systemd_boot import SystemdBoot
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.uki import Uki
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import write_files

VERSION = "6.12.1"
IMAGE = f"/efi/EFI/Linux/token-{VERSION}.efi"
REQUEST = CmdlineRequest("iommu", ("iommu=pt",))


def image(**sections: str) -> bytes:
    """A PE file with these sections, named without their dots."""
    content = {"linux": "MZ", "initrd": "cpio", "uname": VERSION, "osrel": "ID=a", **sections}
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, len(content), 0, 0, 0, 0, 0)
    at = len(head) + 40 * len(content)
    table, body = b"", b""
    for name, text in content.items():
        data = text.encode()
        header = struct.pack("<IIII", len(data), 0, len(data), at + len(body))
        table += f".{name}".encode().ljust(8, b"\0") + header + bytes(16)
        body += data
    return head + table + body


def plant(root: Path, files: dict[str, bytes | str]) -> Tree:
    default: dict[str, bytes | str] = {
        "/efi/EFI/systemd/systemd-bootx64.efi": "",
        IMAGE: image(cmdline="root=UUID=a ro"),
        IMAGE + ".extra.d/a.addon.efi": image(cmdline="from.addon=1"),
        "/efi/EFI/Linux/other.efi": image(cmdline="root=b", uname="9.9.9"),
        "/etc/kernel/cmdline": "root=UUID=a ro\n",
        "/etc/kernel/install.conf": "layout=uki\nuki_generator=ukify\n",
        "/usr/bin/ukify": "",
        f"/boot/vmlinuz-{VERSION}": "",
        f"/boot/initrd.img-{VERSION}": "cpio",
        f"/lib/modules/{VERSION}/modules.dep": "",
    }
    write_files(root, {**default, **files})
    return Tree(str(root))


def uki(tree: Tree, secure_boot: bool | None = None) -> Uki:
    return Uki(tree, LoaderContext(("/efi",), (VERSION,), secure_boot))


def test_an_image_is_rebuilt_as_kernel_install_builds_it(tmp_path: Path) -> None:
    loader = uki(plant(tmp_path, {"/etc/kernel/uki.conf": "[UKI]\n"}))
    assert [(entry.path, entry.role, entry.text) for entry in loader.entries] == [
        ("/efi/EFI/Linux/other.efi", OTHER, "root=b"),
        (IMAGE, NORMAL, "root=UUID=a ro"),
    ]
    assert loader.refusals() == ()
    steps = loader.steps(decide(REQUEST, records.EMPTY, loader.sources, loader.entries).change)
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
        "--cmdline= root=UUID=a ro iommu=pt",
        "--output={draft}",
    )


def test_an_image_with_the_arguments_is_not_rebuilt(tmp_path: Path) -> None:
    files = {IMAGE: image(cmdline="root=UUID=a ro iommu=pt"), "/etc/kernel/cmdline": "root=UUID=a ro iommu=pt\n"}
    loader = uki(plant(tmp_path, dict(files)))
    record = records.EMPTY._replace(owners={"iommu": ("iommu=pt",)}, provided=("iommu=pt",))
    assert list(loader.steps(decide(REQUEST, record, loader.sources, loader.entries).change)) == []


PRESET = "PRESETS=('default')\ndefault_uki=\"/efi/EFI/Linux/arch-linux.efi\"\n"
REFUSED: dict[str, tuple[dict[str, bytes | str], str]] = {
    "mkinitcpio": ({"/etc/kernel/install.conf": "", "/etc/mkinitcpio.d/linux.preset": PRESET}, "mkinitcpio builds"),
    "dracut": ({"/etc/kernel/install.conf": "", "/etc/dracut.conf.d/uki.conf": 'uefi="yes"\n'}, "dracut builds images"),
    "a comment among arguments": ({"/etc/kernel/cmdline": "# mine\nroot=a\n"}, "line 1 begins with #"),
    "not UTF-8": ({IMAGE: image(cmdline="root=a").replace(b"root=a", b"root=\xff")}, "not UTF-8"),
    "no layout": ({"/etc/kernel/install.conf": ""}, "is not configured to build them with ukify"),
    "another builder": ({"/etc/kernel/install.conf": "layout=uki\nuki_generator=dracut\n"}, "uki_generator=dracut"),
    "another kernel": ({IMAGE: image(cmdline="ro", uname="9.9.8")}, "No unified kernel image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_configurations_are_refused(tmp_path: Path, name: str) -> None:
    files, words = REFUSED[name]
    assert any(words in refusal.seen for refusal in uki(plant(tmp_path, files)).refusals())


def test_a_missing_tool_and_a_missing_initramfs_are_refused(tmp_path: Path) -> None:
    tree = plant(tmp_path, {})
    (tmp_path / "usr/bin/ukify").unlink()
    (tmp_path / f"boot/initrd.img-{VERSION}").unlink()
    assert [refusal.code for refusal in uki(tree).refusals()] == ["bootloader_unsupported", "bootloader_broken"]


def test_secure_boot_requires_a_key(tmp_path: Path) -> None:
    assert any("Secure Boot" in refusal.seen for refusal in uki(plant(tmp_path, {}), True).refusals())
    signed = plant(tmp_path, {"/etc/kernel/uki.conf": "[UKI]\nSecureBootPrivateKey=/etc/kernel/key.pem\n"})
    assert uki(signed, True).refusals() == ()


def test_a_disk_bound_to_measurements_causes_a_warning(tmp_path: Path) -> None:
    for table, warned in (
        ("", False),
        ("# a UUID=a - tpm2-device=auto\n", False),
        ("a UUID=a - tpm2-device=auto", True),
    ):
        warnings = uki(plant(tmp_path, {"/etc/crypttab": table})).warnings()
        assert any("recovery key" in warning for warning in warnings) is warned


def test_warnings_about_measurements(tmp_path: Path) -> None:
    by_arguments = plant(tmp_path / "a", {IMAGE: image(cmdline="root=a rd.luks.options=tpm2-device=auto")})
    assert any("PCR 4 and 11" in warning for warning in uki(by_arguments).warnings())
    signed = plant(tmp_path / "b", {"/etc/kernel/uki.conf": "[PCRSignature:all]\nPCRPrivateKey=/k\n"})
    assert any(
        "signature for PCR 11 (/etc/kernel/uki.conf) keeps working" in warning for warning in uki(signed).warnings()
    )


def test_arguments_of_addons_cause_a_warning(tmp_path: Path) -> None:
    (warning,) = uki(plant(tmp_path, {})).warnings()
    assert warning.endswith(": from.addon=1")


def test_arguments_of_init_are_kept(tmp_path: Path) -> None:
    loader = uki(plant(tmp_path, {IMAGE: image(cmdline="root=UUID=a ro -- single systemd.machine_id=b")}))
    step = loader.steps(decide(REQUEST, records.EMPTY, loader.sources, loader.entries).change)[-1]
    assert isinstance(step, GenerateFile)
    assert "--cmdline= root=UUID=a ro iommu=pt -- single systemd.machine_id=b" in step.argv


def test_the_configuration_with_the_highest_precedence_is_used(tmp_path: Path) -> None:
    key = "[UKI]\nSecureBootPrivateKey=/k\n"
    loader = uki(plant(tmp_path, {"/usr/lib/kernel/uki.conf": "", "/run/kernel/uki.conf": key}), True)
    assert loader.refusals() == ()
    step = loader.steps(decide(REQUEST, records.EMPTY, loader.sources, loader.entries).change)[-1]
    assert isinstance(step, GenerateFile)
    assert "--config=/run/kernel/uki.conf" in step.argv


def test_only_images_of_kernel_install_for_this_system_are_normal(tmp_path: Path) -> None:
    names = [f"{'f' * 32}-{VERSION}.efi", "by-hand.efi", f"{'0' * 32}-{VERSION}+2-1.efi"]
    files: dict[str, bytes | str] = {f"/efi/EFI/Linux/{name}": image(cmdline="root=b") for name in names}
    loader = uki(plant(tmp_path, {"/etc/machine-id": "0" * 32 + "\n", **files}))
    normal = {entry.title for entry in loader.entries if entry.role == NORMAL}
    assert normal == {f"token-{VERSION}.efi", names[2]}


def test_a_kernel_without_an_image_is_refused(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"/boot/vmlinuz-6.13.1": ""})
    (refusal,) = Uki(tree, LoaderContext(("/efi",), ("6.13.1", VERSION), None)).refusals()
    assert (refusal.code, "6.13.1" in refusal.seen) == ("bootloader_broken", True)


def test_a_missing_kernel_is_refused(tmp_path: Path) -> None:
    tree = plant(tmp_path, {})
    (tmp_path / f"boot/vmlinuz-{VERSION}").unlink()
    assert [refusal.code for refusal in uki(tree).refusals()] == ["bootloader_broken"]


def test_an_older_initramfs_is_refused_and_a_newer_one_is_used(tmp_path: Path) -> None:
    tree = plant(tmp_path, {f"/boot/initrd.img-{VERSION}": "an older one"})
    os.utime(tmp_path / f"boot/initrd.img-{VERSION}", (1, 1))
    assert [refusal.code for refusal in uki(tree).refusals()] == ["bootloader_unsupported"]
    os.utime(tmp_path / IMAGE.lstrip("/"), (0, 0))
    assert uki(tree).refusals() == ()


def test_an_additional_initramfs_of_the_configuration(tmp_path: Path) -> None:
    more = {IMAGE: image(cmdline="root=a", initrd="microcodecpio"), "/etc/kernel/uki.conf": "[UKI]\nInitrd=/m\n"}
    tree = plant(tmp_path, dict(more))
    os.utime(tmp_path / f"boot/initrd.img-{VERSION}", (1, 1))
    assert uki(tree).refusals() == ()
    (tmp_path / "etc/kernel/uki.conf").unlink()
    assert [refusal.code for refusal in uki(Tree(str(tmp_path))).refusals()] == ["bootloader_unsupported"]


def test_entries_and_images_of_the_same_kernels_are_refused(tmp_path: Path) -> None:
    entry = f"title a\nversion {VERSION}\nlinux /vmlinuz\noptions root=UUID=a\n"
    path = f"/efi/loader/entries/token-{VERSION}.conf"
    tree = plant(tmp_path, {path: entry})
    loader = choose_loader(tree, "systemd-boot", LoaderContext(("/efi",), (VERSION,), None))
    assert isinstance(loader, SystemdBoot)
    assert any(IMAGE in refusal.seen for refusal in loader.refusals())


def test_images_of_another_builder_under_systemd_boot_are_refused_as_images(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"/etc/kernel/install.conf": "", "/etc/mkinitcpio.d/linux.preset": PRESET})
    (tmp_path / IMAGE.lstrip("/")).rename(tmp_path / "efi/EFI/Linux/arch-linux.efi")
    loader = choose_loader(tree, "systemd-boot", LoaderContext(("/efi",), (VERSION,), None))
    assert isinstance(loader, Uki)
    (refusal,) = loader.refusals()
    assert refusal.code == "bootloader_unsupported"
    assert refusal.seen.endswith("; mkinitcpio builds images, according to /etc/mkinitcpio.d/linux.preset.")


def test_systemd_boot_with_images_only_is_configured_through_them(tmp_path: Path) -> None:
    context = LoaderContext(("/efi",), (VERSION,), None)
    assert isinstance(choose_loader(plant(tmp_path, {}), "systemd-boot", context), Uki)
    assert isinstance(choose_loader(Tree(str(tmp_path)), "uki", context), Uki)


def test_a_draft_is_checked_for_its_sections(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"/efi/whole": image(cmdline="ro"), "/efi/less": image(), "/efi/none": "text"})
    assert check_unified_image(tree, "/efi/whole") == []
    assert check_unified_image(tree, "/efi/less") == ["it lacks the sections .cmdline"]
    assert len(check_unified_image(tree, "/efi/none")) == 1


def test_a_truncated_draft_is_rejected(tmp_path: Path) -> None:
    whole = image(cmdline="root=a", last="x" * 64)
    tree = plant(tmp_path, {"/efi/whole": whole, "/efi/cut": whole[:-1]})
    assert check_unified_image(tree, "/efi/whole") == []
    assert check_unified_image(tree, "/efi/cut") == [f"it is truncated: its sections take {len(whole)} bytes"]


@pytest.mark.parametrize(
    ("draft", "problem"),
    [
        ({"cmdline": "root=UUID=a", "ucode": "x"}, None),
        ({"cmdline": "root=UUID=b", "ucode": "x"}, "root=UUID=b"),
        ({"cmdline": "root=UUID=a", "ucode": "x", "uname": "6.1.9"}, "it is for kernel 6.1.9"),
        ({"cmdline": "root=UUID=a"}, "lacks the section .ucode"),
    ],
)
def test_a_draft_is_compared_with_the_image_in_use(tmp_path: Path, draft: dict[str, str], problem: str | None) -> None:
    path = f"/efi/EFI/Linux/.{IMAGE.rpartition('/')[2]}.vfio-workstation~"
    tree = plant(tmp_path, {IMAGE: image(cmdline="root=UUID=a", ucode="x"), path: image(**draft)})
    problems = check_unified_image(tree, path)
    assert problems == [] if problem is None else [problem in text for text in problems] == [True]
