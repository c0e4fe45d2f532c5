# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel, firmware, modules and distribution."""

from __future__ import annotations

from typing import Any

from .files import Files
from .pci import Bus

#: The size of struct acpi_table_header; only the table's existence and signature matter here.
_TABLE_HEADER = 36


def write_system(files: Files, bus: Bus, machine: dict[str, Any]) -> None:
    """Write everything that is not a CPU, memory or a device."""
    _write_os(files, machine.get("os", {}))
    _write_kernel(files, machine["kernel"])
    _write_firmware(files, machine.get("firmware", {}))
    _write_modules(files, machine.get("modules", {}))
    _write_iommus(files, bus, machine.get("iommus", {}))
    _write_msrs(files, machine.get("msrs", {}))
    files.write("/proc/interrupts", _interrupts(machine.get("interrupt_chips", [])))
    files.write(
        "/proc/iomem", "".join(f"{line}\n" for line in machine.get("iomem", ["00001000-0009ffff : System RAM"]))
    )
    if machine.get("kvm_device", False):
        files.attributes(
            "/sys/devices/virtual/misc/kvm", {"dev": "10:232", "uevent": "MAJOR=10\nMINOR=232\nDEVNAME=kvm\n"}
        )
        files.link("/sys/class/misc/kvm", "/sys/devices/virtual/misc/kvm")
        files.write("/dev/kvm", "")


def _write_os(files: Files, os: dict[str, Any]) -> None:
    lines = [f'PRETTY_NAME="{os.get("name", "Debian GNU/Linux 13 (trixie)")}"', f"ID={os.get('id', 'debian')}"]
    if os.get("version_id", "13"):
        lines.append(f'VERSION_ID="{os.get("version_id", "13")}"')
    if os.get("like"):
        lines.append(f'ID_LIKE="{os["like"]}"')
    files.write("/usr/lib/os-release", "\n".join(lines))
    files.link("/etc/os-release", "/usr/lib/os-release")


def _write_kernel(files: Files, kernel: dict[str, Any]) -> None:
    version = kernel["version"]
    files.write("/proc/sys/kernel/osrelease", version)
    files.write("/proc/cmdline", kernel["cmdline"])
    if kernel.get("log"):
        files.write(
            "/var/log/dmesg", "".join(f"[    {index}.000000] {line}\n" for index, line in enumerate(kernel["log"]))
        )
    if "config" in kernel:
        lines = [
            f"# CONFIG_{name} is not set" if value is False else f"CONFIG_{name}={'y' if value is True else value}"
            for name, value in kernel["config"].items()
        ]
        files.write(
            f"/boot/config-{version}", "\n".join(["#", f"# Linux/x86 {version} Kernel Configuration", "#", *lines])
        )
    if kernel.get("installed", True):
        files.write(f"/boot/vmlinuz-{version}", b"MZ\0\0")
        files.write(f"/boot/initrd.img-{version}", b"\x1f\x8b\x08\0")
        modules = f"/lib/modules/{version}"
        files.write(
            f"{modules}/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n"
        )
        files.write(f"{modules}/modules.builtin", "kernel/drivers/firmware/efi/efivars.ko\n")


def _write_firmware(files: Files, firmware: dict[str, Any]) -> None:
    files.attributes(
        "/sys/class/dmi/id", {name: firmware.get(name) for name in ("sys_vendor", "product_name", "board_name")}
    )
    if "tables" in firmware:
        files.folder("/sys/firmware/acpi/tables")
    for table in firmware.get("tables", []):
        files.write(f"/sys/firmware/acpi/tables/{table}", table.encode().ljust(_TABLE_HEADER, b"\0"))
    if firmware.get("type", "uefi") == "uefi":
        files.write("/sys/firmware/efi/fw_platform_size", 64)
        if "secure_boot" in firmware:  # four bytes of attributes, then the value (efivarfs)
            name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
            files.write(f"/sys/firmware/efi/efivars/{name}", bytes([6, 0, 0, 0, int(firmware["secure_boot"])]))
    if "lockdown" in firmware:
        modes = ("none", "integrity", "confidentiality")
        text = " ".join(f"[{mode}]" if mode == firmware["lockdown"] else mode for mode in modes)
        files.write("/sys/kernel/security/lockdown", text)


def _write_modules(files: Files, modules: dict[str, dict[str, Any]]) -> None:
    for name, parameters in modules.items():
        files.attributes(f"/sys/module/{name}", {"initstate": "live", "refcnt": 0})
        for parameter, value in (parameters or {}).items():
            files.write(f"/sys/module/{name}/parameters/{parameter}", value)


def _write_iommus(files: Files, bus: Bus, iommus: dict[str, dict[str, Any]]) -> None:
    """Write /sys/class/iommu: Intel's are virtual devices, AMD's hang below a function, Arm's are platform devices."""
    for name, iommu in iommus.items():
        if name.startswith("ivhd"):
            folder, kind = f"{bus.path(iommu['on'])}/iommu/{name}", "amd-iommu"
        elif name.startswith("dmar"):
            folder, kind = f"/sys/devices/virtual/iommu/{name}", "intel-iommu"
        elif name.startswith("smmu"):
            folder, kind = f"/sys/devices/platform/{iommu['on']}/iommu/{name}", ""
        else:
            folder, kind = f"{bus.path(iommu['on'])}/{name}/iommu/{name}", ""
        files.folder(f"{folder}/devices")
        for attribute, value in iommu.items():
            if attribute != "on":
                files.write(f"{folder}/{kind}/{attribute}", value)
        for address, function in bus.functions.items():
            if function.get("group") is not None:
                files.link(f"{folder}/devices/{address}", bus.path(address))
                files.link(f"{bus.path(address)}/iommu", folder)
        files.link(f"/sys/class/iommu/{name}", folder)


def _write_msrs(files: Files, msrs: dict[Any, int]) -> None:
    """Write /dev/cpu/0/msr: a register is the eight bytes at its number (arch/x86/kernel/msr.c)."""
    if msrs:
        files.sparse(
            "/dev/cpu/0/msr", {int(str(number), 0): value.to_bytes(8, "little") for number, value in msrs.items()}
        )


def _interrupts(chips: list[str]) -> str:
    lines = ["            CPU0       CPU1"]
    for index, chip in enumerate(chips):
        lines.append(f"{index:>4}:         10          0  {chip}")
    lines.append(" NMI:          0          0   Non-maskable interrupts")
    return "\n".join(lines)
