# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot chains of machines that are built file by file."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Boot, Kernel, RunningKernel
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.boot_chain import read_boot
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

FIXTURES = Path(__file__).resolve().parents[5] / "fixtures" / "boot"
EFIVARS = "sys/firmware/efi/efivars/"
GLOBAL, LOADER = "-8be4df61-93ca-11d2-aa0d-00e098032b8c", "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
BIOS = {"sys/firmware/memmap/0/type": "System RAM", "proc/cpuinfo": "flags\t\t: fpu vmx\n"}
UEFI = {"sys/firmware/efi/fw_platform_size": "64"}


def build(root: Path, *parts: dict[str, str | bytes]) -> Tree:
    for name, content in {name: content for part in parts for name, content in part.items()}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tree(str(root))


def variable(value: bytes) -> bytes:
    return struct.pack("<I", 7) + value


def loader_info(text: str) -> dict[str, str | bytes]:
    return {**UEFI, EFIVARS + "LoaderInfo" + LOADER: variable((text + "\0").encode("utf-16-le"))}


def booted_option(path: str, data: str = "", description: str = "an entry") -> dict[str, str | bytes]:
    name = path.encode("utf-16-le") + b"\0\0"
    paths = struct.pack("<BBH", 4, 4, 4 + len(name)) + name + struct.pack("<BBH", 0x7F, 0xFF, 4)
    option = struct.pack("<IH", 1, len(paths)) + description.encode("utf-16-le") + b"\0\0" + paths
    return {
        **UEFI,
        EFIVARS + "BootCurrent" + GLOBAL: variable(b"\x0b\0"),
        EFIVARS + "Boot000B" + GLOBAL: variable(option + data.encode("utf-16-le")),
    }


def kernel(
    version: str, vfio: str = "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/a.ko.xz\n"
) -> dict[str, str | bytes]:
    directory = f"usr/lib/modules/{version}/"
    return {directory + "modules.dep": vfio, directory + "modules.builtin": "kernel/fs/ext4/ext4.ko\n"}


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """Give a directory that unprivileged users can enter."""
    directory = tempfile.mkdtemp()
    try:
        Path(directory).chmod(0o755)
        yield Path(directory)
    finally:
        shutil.rmtree(directory)


def debian(root: Path) -> Tree:
    files: dict[str, str | bytes] = {
        "boot/grub/grub.cfg": (FIXTURES / "debian-12-grub.cfg").read_bytes(),
        "proc/cmdline": "BOOT_IMAGE=/@rootfs/boot/vmlinuz-6.1.0-28-amd64 root=/dev/vda ro\n",
        "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
        "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
        "usr/sbin/mkinitramfs": "",
        "etc/kernel/postinst.d/initramfs-tools": "",
        "boot/intel-ucode.img": "",
    }
    for version in ("6.1.0-9-amd64", "6.1.0-28-amd64", "6.12.9+bpo-amd64"):
        files.update(kernel(version))
        files.update({f"boot/vmlinuz-{version}": "", f"boot/initrd.img-{version}": ""})
    tree = build(root, BIOS, files)
    (root / "lib").symlink_to("usr/lib")
    return tree


def test_debian_with_grub(tmp_path: Path) -> None:
    boot = read_boot(debian(tmp_path))
    cmdline = (
        'root=/dev/vda ro intel_iommu=on "dyndbg=file drivers/vfio/* +p" console=ttyS0,115200 '
        "hugepagesz=1G hugepages=0:1,1:1 quiet"
    )
    versions = ("6.12.9+bpo-amd64", "6.1.0-28-amd64", "6.1.0-9-amd64")  # the newest first
    assert boot == Boot(
        firmware="bios",
        secure_boot=False,
        lockdown="integrity",
        loader="grub",
        reason="BOOT_IMAGE= is on the running command line, and grub has a configuration file",
        kernels=tuple(
            Kernel(version, f"gnulinux-{version}-advanced-/dev/vda", cmdline, f"/boot/initrd.img-{version}", True)
            for version in versions
        ),
        running=RunningKernel("6.1.0-28-amd64", "BOOT_IMAGE=/@rootfs/boot/vmlinuz-6.1.0-28-amd64 root=/dev/vda ro"),
        initramfs_generator="initramfs-tools",
    )


def read_unprivileged(tree: Tree) -> Boot:
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        return read_boot(tree)
    finally:
        os.seteuid(user)


def test_a_grub_cfg_that_only_root_can_read(public_directory: Path) -> None:
    tree = debian(public_directory)
    (public_directory / "boot/grub/grub.cfg").chmod(0)
    boot = read_unprivileged(tree)
    assert [(installed.entry, installed.cmdline) for installed in boot.kernels] == [(None, None)] * 3
    assert boot.kernels[0].initramfs == "/boot/initrd.img-6.12.9+bpo-amd64"
    assert boot.loader == "grub"
    assert [(denied.path, denied.values) for denied in tree.unreadable] == [("/boot/grub/grub.cfg", ("boot.kernels",))]


def test_a_directory_that_only_root_can_enter(public_directory: Path) -> None:
    tree = build(public_directory, {"boot/grub2/grub.cfg": "menuentry a { linux /vmlinuz-6.1.0 }"})
    (public_directory / "boot/grub2").chmod(0)
    boot = read_unprivileged(tree)
    (public_directory / "boot/grub2").chmod(0o700)
    assert (boot.loader, "/boot/grub2/grub.cfg can't be read" in boot.reason) == (None, True)


def test_fedora_with_grub_and_a_rescue_entry(tmp_path: Path) -> None:
    version, token = "6.8.5-301.fc40.x86_64", "0123456789abcdef0123456789abcdef"
    entry = "title Fedora\nversion {0}\nlinux /vmlinuz-{0}\ninitrd /initramfs-{0}.img\noptions root=UUID=a ro quiet\n"
    rescue = "0-rescue-" + token
    tree = build(
        tmp_path,
        loader_info("GRUB 2.06"),
        kernel(version),
        {
            f"boot/loader/entries/{token}-{version}.conf": entry.format(version),
            f"boot/loader/entries/{token}-0-rescue.conf": entry.format(rescue),
            "boot/grub2/grub.cfg": "insmod blscfg\nblscfg\n",
            f"boot/vmlinuz-{version}": "",
            f"boot/vmlinuz-{rescue}": "",
            f"boot/initramfs-{version}.img": "",
            f"boot/initramfs-{rescue}.img": "",
        },
    )
    boot = read_boot(tree)
    assert (boot.firmware, boot.loader, boot.reason) == ("uefi", "grub", "the EFI variable LoaderInfo says GRUB 2.06")
    assert boot.kernels == (
        Kernel(version, f"{token}-{version}", "root=UUID=a ro quiet", f"/boot/initramfs-{version}.img", True),
    )


def test_arch_with_systemd_boot_names_its_kernels_by_package(tmp_path: Path) -> None:
    entry = "title Arch\nlinux /vmlinuz-linux\ninitrd /amd-ucode.img\ninitrd /{}\noptions root=/dev/a rw\n"
    tree = build(
        tmp_path,
        loader_info("systemd-boot 257.2-1-arch"),
        kernel("6.12.9-arch1-1"),
        {
            "usr/lib/modules/6.12.9-arch1-1/pkgbase": "linux\n",
            "boot/EFI/systemd/systemd-bootx64.efi": "",
            "boot/loader/entries/arch-fallback.conf": entry.format("initramfs-linux-fallback.img"),
            "boot/loader/entries/arch.conf": entry.format("initramfs-linux.img"),
            "boot/vmlinuz-linux": "",
            "boot/initramfs-linux.img": "",
            "boot/initramfs-linux-fallback.img": "",
        },
    )
    boot = read_boot(tree)
    assert boot.loader == "systemd-boot"
    assert boot.kernels == (Kernel("6.12.9-arch1-1", "arch", "root=/dev/a rw", "/boot/initramfs-linux.img", True),)


def test_kernel_install_on_the_efi_system_partition(tmp_path: Path) -> None:
    directory = "/0123/6.1.0-28-amd64/"
    entry = f"linux {directory}linux\ninitrd {directory}initrd.img\noptions a\n"
    tree = build(
        tmp_path,
        loader_info("systemd-boot 252.5-2"),
        {
            "efi/EFI/systemd/systemd-bootx64.efi": "",
            "efi/loader/entries/0123-6.1.0-28-amd64.conf": entry,
            f"efi{directory}linux": "",
            f"efi{directory}initrd.img": "",
        },
    )
    expected = Kernel("6.1.0-28-amd64", "0123-6.1.0-28-amd64", "a", f"/efi{directory}initrd.img", None)
    assert read_boot(tree).kernels == (expected,)


@pytest.mark.parametrize(
    ("files", "loader", "reason"),
    [
        (loader_info("rEFInd 0.14.2"), "refind", "its entries are not read"),
        (loader_info("Brand New Loader 3.1"), "Brand New Loader", "LoaderInfo says Brand New Loader 3.1"),
        ({**loader_info("systemd-boot 252"), "proc/cmdline": "BOOT_IMAGE=/v a"}, "grub", "systemd-boot started GRUB"),
        (booted_option("\\EFI\\debian\\shimx64.efi"), "grub", "started \\EFI\\debian\\shimx64.efi"),
        (booted_option("\\EFI\\debian\\grubx64.efi"), "grub", "grubx64.efi"),
        (booted_option("\\EFI\\opensuse\\shim.efi", "\\EFI\\systemd\\systemd-bootx64.efi"), "systemd-boot", "shim.efi"),
        (booted_option("\\EFI\\systemd\\systemd-bootx64.efi"), "systemd-boot", "started"),
        (booted_option("\\EFI\\limine\\BOOTX64.EFI"), "limine", "its entries are not read"),
        (booted_option("\\EFI\\Linux\\arch-linux.efi"), "uki", "started"),
        (booted_option("\\vmlinuz-linux"), "efistub", "started"),
        (booted_option("\\EFI\\CLOVER\\CLOVERX64.efi", description="Clover"), "Clover", "its entries are not read"),
        (
            {**booted_option("\\EFI\\a\\b.efi"), "proc/cmdline": "BOOT_IMAGE=(hd0,gpt2)/v"},
            "grub",
            "names a GRUB device",
        ),
        ({**booted_option("\\EFI\\BOOT\\BOOTX64.EFI"), "boot/grub/grub.cfg": ""}, "grub", "/boot/grub/grub.cfg"),
        ({**UEFI, EFIVARS + "StubInfo" + LOADER: variable("systemd-stub 255".encode("utf-16-le"))}, "uki", "StubInfo"),
        ({**BIOS, "boot/extlinux/extlinux.conf": "", "proc/cmdline": "BOOT_IMAGE=/v"}, "extlinux", "BOOT_IMAGE="),
        ({"boot/grub/grub.cfg": "", "boot/limine.conf": ""}, None, "several boot loaders"),
        (
            {**BIOS, "boot/grub/grub.cfg": "", "boot/loader/loader.conf": "", "boot/EFI/a": ""},
            "grub",
            "only grub has files here",
        ),
        ({**UEFI, "efi/EFI/refind/refind.conf": ""}, "refind", "/efi/EFI/refind/refind.conf"),
        ({**UEFI, "efi/EFI/Linux/a.efi": ""}, "uki", "/efi/EFI/Linux"),
        ({"boot/grub/grub.cfg": "", "etc/kernel/proxmox-boot-uuids": ""}, "grub", "written by proxmox-boot-tool"),
        ({}, None, "no known boot loader"),
        (loader_info(""), None, "no known boot loader"),
        ({**UEFI, EFIVARS + "BootCurrent" + GLOBAL: variable(b"\x0b\0")}, None, "no known boot loader"),
    ],
)
def test_loader_detection(tmp_path: Path, files: dict[str, str | bytes], loader: str | None, reason: str) -> None:
    boot = read_boot(build(tmp_path, files))
    assert boot.loader == loader
    assert reason in boot.reason


@pytest.mark.parametrize(
    ("files", "firmware", "secure_boot"),
    [
        (BIOS, "bios", False),
        ({**BIOS, "proc/cmdline": "quiet noefi"}, None, None),
        ({**BIOS, "proc/cpuinfo": "CPU implementer\t: 0x41\n"}, None, None),
        ({"proc/cpuinfo": "flags\t\t: fpu\n"}, None, None),
        (UEFI, "uefi", None),
        ({**UEFI, EFIVARS + "SecureBoot" + GLOBAL: variable(b"\1")}, "uefi", True),
        ({**UEFI, EFIVARS + "SecureBoot" + GLOBAL: variable(b"\0")}, "uefi", False),
        ({**UEFI, EFIVARS + "SecureBoot" + GLOBAL: b"\1"}, "uefi", None),
        ({**UEFI, EFIVARS + "SecureBoot" + GLOBAL: variable(b"\1\1")}, "uefi", None),
        ({**UEFI, EFIVARS + "BootOrder" + GLOBAL: variable(b"\1\0")}, "uefi", False),
        ({}, None, None),
    ],
)
def test_firmware(
    tmp_path: Path, files: dict[str, str | bytes], firmware: str | None, secure_boot: bool | None
) -> None:
    boot = read_boot(build(tmp_path, files))
    assert (boot.firmware, boot.secure_boot) == (firmware, secure_boot)


@pytest.mark.parametrize(
    ("files", "has_vfio_pci"),
    [
        ({"modules.dep": "kernel/drivers/vfio/pci/vfio-pci.ko.zst:\n", "modules.builtin": ""}, True),
        ({"modules.dep": "a.ko:\nvfio_pci.ko.gz: a\n", "modules.builtin": ""}, True),
        ({"modules.dep": "", "modules.builtin": "kernel/drivers/vfio/pci/vfio-pci.ko\n"}, True),
        (
            {"modules.dep": "a/vfio-pci-core.ko: b/not-vfio-pci.ko\nnvgrace-vfio-pci.ko:\n", "modules.builtin": ""},
            False,
        ),
        ({"modules.dep": "a/x.ko: kernel/drivers/vfio/pci/vfio-pci.koala\n", "modules.builtin": ""}, False),
        ({"modules.dep": ""}, None),
        ({"modules.dep": "", "config": "CONFIG_VFIO_PCI=m\n"}, True),
        ({"vmlinuz": "", "config": "CONFIG_VFIO_PCI_CORE=m\n# CONFIG_VFIO_PCI is not set\n"}, False),
        ({"vmlinuz": "", "config": "CONFIG_VFIO_PCI_CORE=m\n"}, None),
    ],
)
def test_has_vfio_pci(tmp_path: Path, files: dict[str, str | bytes], has_vfio_pci: bool | None) -> None:
    tree = build(tmp_path, {f"lib/modules/6.1.0/{name}": content for name, content in files.items()})
    assert [installed.has_vfio_pci for installed in read_boot(tree).kernels] == [has_vfio_pci]


@pytest.mark.parametrize(
    ("files", "versions"),
    [
        (("lib/modules/6.1.0/updates/dkms/a.ko",), []),  # as DKMS leaves it behind
        (("lib/modules/6.1.0/modules.dep", "lib/modules/extra/modules.dep"), ["6.1.0"]),
        (("boot/vmlinuz-6.1.0", "boot/vmlinuz-6.10.0", "boot/vmlinuz-6.9.0.old"), ["6.10.0", "6.1.0"]),
        (("boot/vmlinuz-0-rescue-0123", "boot/vmlinuz-linux", "boot/initrd.img-6.1.0"), []),
        (("boot/vmlinuz-6.1.0", "lib/modules/6.1.0/modules.dep"), ["6.1.0"]),
    ],
)
def test_installed_kernels(tmp_path: Path, files: tuple[str, ...], versions: list[str]) -> None:
    boot = read_boot(build(tmp_path, dict.fromkeys(files, "")))
    assert [installed.version for installed in boot.kernels] == versions


@pytest.mark.parametrize(
    ("text", "lockdown"),
    [
        ("[none] integrity confidentiality", "none"),
        ("none integrity [confidentiality]", "confidentiality"),
        ("x", None),
        ("none [nntegrity] confidentiality", None),
    ],
)
def test_lockdown(tmp_path: Path, text: str, lockdown: str | None) -> None:
    assert read_boot(build(tmp_path, {"sys/kernel/security/lockdown": text})).lockdown == lockdown


def test_entries_of_other_systems_are_ignored(tmp_path: Path) -> None:
    config = "menuentry 'Other' --id osprober-gnulinux-x { linux /boot/vmlinuz-6.1.0 root=/dev/other }"
    tree = build(tmp_path, {"boot/grub/grub.cfg": config, "boot/vmlinuz-6.1.0": ""})
    assert [(installed.version, installed.entry) for installed in read_boot(tree).kernels] == [("6.1.0", None)]


def test_an_initramfs_of_another_partition_is_not_used(tmp_path: Path) -> None:
    config = "menuentry A { linux /sub/vmlinuz-6.1.0\ninitrd /sub/initrd.img }"
    tree = build(tmp_path, {"boot/grub/grub.cfg": config, "boot/vmlinuz-6.1.0": "", "initrd.img": ""})
    assert [(installed.entry, installed.initramfs) for installed in read_boot(tree).kernels] == [("A", None)]


PATHS = [
    *("boot/grub/grub.cfg", "boot/grub/grubenv", "boot/grub2/grub.cfg", "boot/loader/entries/a.conf", "proc/cmdline"),
    *("efi/EFI/Linux/a.efi", "efi/loader/loader.conf", "boot/vmlinuz-6.1.0", "boot/vmlinuz-linux", "proc/cpuinfo"),
    *("lib/modules/6.1.0/modules.dep", "lib/modules/6.1.0/pkgbase", "etc/kernel/install.conf", "etc/default/grub"),
    *(EFIVARS + "LoaderInfo" + LOADER, EFIVARS + "BootCurrent" + GLOBAL, EFIVARS + "Boot000B" + GLOBAL),
    *("sys/kernel/security/lockdown", "proc/sys/kernel/osrelease"),
]
CONTENTS = st.binary(max_size=200) | st.sampled_from(
    [b"blscfg\n", b"menuentry a { linux /vmlinuz-6.1.0 b }", b"linux /vmlinuz-linux\noptions $a", b"linux", b"MZ" * 60]
)


@settings(deadline=None)
@given(files=st.dictionaries(st.sampled_from(PATHS), CONTENTS))
def test_any_damage_is_tolerated(files: dict[str, str | bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        boot = read_boot(build(Path(directory), files))
    assert boot.reason
    assert all(installed.version for installed in boot.kernels)
