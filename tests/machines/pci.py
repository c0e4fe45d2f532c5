# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI functions, the bus they sit on, and the groups of the IOMMU.

Layout: Documentation/ABI/testing/sysfs-bus-pci, Documentation/ABI/testing/sysfs-kernel-iommu_groups and
drivers/pci/pci-sysfs.c.
"""

from __future__ import annotations

import struct
from typing import Any

from .files import Files, as_list, as_mask, size
from .memory import node_cpus
from .processors import LogicalCpu

# include/linux/ioport.h, with the low bits that the register itself has
FLAG_IO, FLAG_MEMORY, FLAG_PREFETCH, FLAG_64BIT, FLAG_SIZEALIGN = 0x101, 0x200, 0x2008, 0x100004, 0x40000
GROUPS = "/sys/kernel/iommu_groups"


class Bus:
    """The functions of one machine, and their paths in the tree of devices."""

    def __init__(self, described: dict[str, dict[str, Any]]) -> None:
        self.functions = described
        self._behind = {
            (address.rpartition(":")[0].rpartition(":")[0], int(str(function["bus"]), 16)): address
            for address, function in described.items()
            if "bus" in function
        }

    def parent(self, address: str) -> str | None:
        """Return the bridge above a function, or None on a root bus."""
        domain, bus, _device = address.split(":")
        return self._behind.get((domain, int(bus, 16)))

    def path(self, address: str) -> str:
        """Return the device's folder in /sys/devices."""
        parent = self.parent(address)
        if parent is not None:
            return f"{self.path(parent)}/{address}"
        domain, bus, _device = address.split(":")
        above = self.functions[address].get("root_under")  # the domain of a VMD controller is below its function
        top = "/sys/devices" if above is None else self.path(above)
        return f"{top}/pci{domain}:{bus}/{address}"


def write_pci(files: Files, machine: dict[str, Any], cpus: list[LogicalCpu]) -> Bus:
    """Write all functions, drivers and groups; return the bus, for devices below functions."""
    bus = Bus({address: _supported(function, machine) for address, function in machine.get("pci", {}).items()})
    if machine.get("pci_bus", True):
        files.folder("/sys/bus/pci/devices")
        files.folder("/sys/bus/pci/drivers")
    cursor = [0x80000000, 0x6000000000]
    for address, function in bus.functions.items():
        _write_function(files, bus, address, function, cpus)
        _write_resources(files, bus.path(address), function, cursor)
    _write_virtual_functions(files, bus)
    write_groups(files, bus, machine)
    return bus


def _supported(function: dict[str, Any], machine: dict[str, Any]) -> dict[str, Any]:
    """Return a function without what this kernel does not have: groups without an IOMMU, newer attributes."""
    hidden = {"group"} if machine.get("ungrouped") else set()
    hidden |= {"reset", "resizable", "removable"} if machine.get("old_kernel") else set()
    return {key: value for key, value in function.items() if key not in hidden}


def _write_function(files: Files, bus: Bus, address: str, function: dict[str, Any], cpus: list[LogicalCpu]) -> None:
    folder = bus.path(address)
    vendor, device = function["id"].split(":")
    subsystem = function.get("subsystem", "0000:0000").split(":")
    node = function.get("node", -1)
    near = node_cpus(cpus, node)
    files.attributes(
        folder,
        {
            "vendor": f"0x{vendor}",
            "device": f"0x{device}",
            "subsystem_vendor": f"0x{subsystem[0]}",
            "subsystem_device": f"0x{subsystem[1]}",
            "class": f"0x{function['class']}",
            "revision": f"0x{function.get('revision', '00')}",
            "uevent": _uevent(address, function, subsystem),
            "modalias": f"pci:v0000{vendor}d0000{device}sv0000{subsystem[0]}sd0000{subsystem[1]}".upper().replace(
                "PCI:V", "pci:v"
            ),
            "numa_node": node,
            "local_cpulist": as_list(near),
            "local_cpus": as_mask(near, max((cpu.number for cpu in cpus), default=0) + 1),
            "enable": 1,
            "irq": 0,
            "driver_override": "(null)",
            "d3cold_allowed": 1,
            "removable": function.get("removable"),
            "reset_method": " ".join(function["reset"]) if "reset" in function else None,
            # boot_vga exists for class 0x0300 alone (pci_dev_attrs_are_visible)
            "boot_vga": int(function.get("boot_vga", 0)) if function["class"].startswith("0300") else None,
            "power/runtime_status": "suspended" if function.get("asleep") else "active",
            "power/control": "auto" if function.get("asleep") else "on",
            "config": _config(vendor, device, subsystem, function),
        },
    )
    if "link" in function:
        files.attributes(folder, _link(function["link"]))
    if "bus" in function:
        files.attributes(
            folder,
            {
                "secondary_bus_number": int(str(function["bus"]), 16),
                "subordinate_bus_number": int(str(function["bus"]), 16),
            },
        )
    files.link(f"{folder}/subsystem", "/sys/bus/pci")
    files.link(f"/sys/bus/pci/devices/{address}", folder)
    if function.get("driver"):
        driver = f"/sys/bus/pci/drivers/{function['driver']}"
        files.link(f"{folder}/driver", driver)
        files.link(f"{driver}/{address}", folder)
    if "module" in function:
        files.folder(f"/sys/module/{function['module']}")
        files.link(f"/sys/bus/pci/drivers/{function['driver']}/module", f"/sys/module/{function['module']}")


def _write_virtual_functions(files: Files, bus: Bus) -> None:
    """Write the links between physical and virtual functions, numbered by address (drivers/pci/iov.c)."""
    virtual: dict[str, list[str]] = {}
    for address, function in bus.functions.items():
        if "physical_function" in function:
            virtual.setdefault(function["physical_function"], []).append(address)
    for physical, addresses in virtual.items():
        folder = bus.path(physical)
        files.attributes(folder, {"sriov_numvfs": len(addresses), "sriov_totalvfs": len(addresses)})
        for number, address in enumerate(sorted(addresses)):
            files.link(f"{folder}/virtfn{number}", bus.path(address))
            files.link(f"{bus.path(address)}/physfn", folder)


def _link(described: str) -> dict[str, str]:
    """Return the attributes of a link described as "SPEEDxLANES of MAX_SPEEDxMAX_LANES"."""
    current, maximum = (part.split("x") for part in described.split(" of "))
    return {
        "current_link_speed": f"{current[0]} GT/s PCIe",
        "current_link_width": current[1],
        "max_link_speed": f"{maximum[0]} GT/s PCIe",
        "max_link_width": maximum[1],
    }


def _uevent(address: str, function: dict[str, Any], subsystem: list[str]) -> str:
    """Return the lines of pci_uevent (drivers/pci/pci-driver.c); DRIVER is written by the driver core."""
    driver = f"DRIVER={function['driver']}\n" if function.get("driver") else ""
    return (
        f"{driver}PCI_CLASS={int(function['class'], 16):X}\nPCI_ID={function['id'].upper()}\n"
        f"PCI_SUBSYS_ID={':'.join(subsystem).upper()}\nPCI_SLOT_NAME={address}\n"
    )


def _config(vendor: str, device: str, subsystem: list[str], function: dict[str, Any]) -> bytes:
    """Return a configuration space as read by root: 256 bytes of conventional PCI, or 4096 with a serial number."""
    bridge = "bus" in function
    header = struct.pack(
        "<HHHHBBBBBBBB",
        int(vendor, 16),
        int(device, 16),
        0x0007,
        0x0010,
        int(function.get("revision", "0"), 16),
        *int(function["class"], 16).to_bytes(3, "little"),
        16,
        0,
        (1 if bridge else 0) | 0x80,
        0,
    )
    config = bytearray(header.ljust(256, b"\0"))
    if bridge:
        config[0x18:0x1B] = bytes([0, int(str(function["bus"]), 16), int(str(function["bus"]), 16)])
    else:
        struct.pack_into("<HH", config, 0x2C, int(subsystem[0], 16), int(subsystem[1], 16))
    if "serial" in function:
        config += _extended(function["serial"])
        # The PCI Express capability of an endpoint, version 2: only then does lspci read extended capabilities.
        config[0x34], config[0x40], config[0x42] = 0x40, 0x10, 0x02
    return bytes(config)


def _extended(serial: str) -> bytes:
    """Return the extended capabilities: error reporting, with registers that are 0, then the serial number."""
    extended = bytearray(4096 - 256)
    struct.pack_into("<I", extended, 0x00, 0x148 << 20 | 1 << 16 | 0x0001)
    struct.pack_into("<I", extended, 0x48, 1 << 16 | 0x0003)
    extended[0x4C:0x54] = bytes.fromhex(serial.replace("-", ""))[::-1]
    return bytes(extended)


def _write_resources(files: Files, folder: str, function: dict[str, Any], cursor: list[int]) -> None:
    """Write `resource`, a file per BAR, and the sizes of resizable BARs (a mask: bit n is 2^n MiB)."""
    lines = [(0, 0, 0)] * (17 if "bus" in function else 13)
    for index, text in function.get("bars", {}).items():
        capacity, *words = str(text).split()
        length = size(capacity if not capacity.isdigit() else int(capacity))
        flags = FLAG_IO if "io" in words else FLAG_MEMORY | FLAG_SIZEALIGN
        flags |= (FLAG_PREFETCH if "pref" in words else 0) | (FLAG_64BIT if "64" in words else 0)
        window = int("64" in words)
        start = 0xE000 if "io" in words else -(-cursor[window] // length) * length
        if "io" not in words:
            cursor[window] = start + length
        lines[int(index)] = (start, start + length - 1, flags)
        files.sparse(f"{folder}/resource{index}", {}, length)
    files.write(
        f"{folder}/resource", "".join(f"0x{start:016x} 0x{end:016x} 0x{flags:016x}\n" for start, end, flags in lines)
    )
    for index, sizes in function.get("resizable", {}).items():
        mask = sum(1 << (size(text) >> 20).bit_length() - 1 for text in sizes)
        files.write(f"{folder}/resource{index}_resize", f"{mask:016x}")


def write_groups(files: Files, bus: Bus, machine: dict[str, Any]) -> None:
    """Write the groups, from `group` of the functions and from `groups`."""
    described: dict[Any, dict[str, Any]] = machine.get("groups", {})
    members: dict[str, list[str]] = {str(number): [] for number in described}
    for address, function in bus.functions.items():
        if function.get("group") is not None:
            members.setdefault(str(function["group"]), []).append(bus.path(address))
    for number, group in described.items():
        members[str(number)] += [f"/sys/devices/platform/{name}" for name in group.get("platform", [])]
    files.folder(GROUPS)
    for number, devices in members.items():
        group = described.get(int(number), {})
        folder = f"{GROUPS}/{number}"
        reserved = group.get("reserved", ["0x00000000fee00000 0x00000000feefffff msi"])
        files.attributes(
            folder,
            {
                "type": None if machine.get("old_kernel") else group.get("type", "DMA-FQ"),
                "reserved_regions": "".join(f"{line}\n" for line in reserved),
            },
        )
        for device in devices:
            files.folder(device)
            files.link(f"{device}/iommu_group", folder)
            files.link(f"{folder}/devices/{device.rpartition('/')[2]}", device)
