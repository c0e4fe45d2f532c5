# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware, files and an accelerator turned into QEMU's command line. Pure: nothing is started or written here."""

from __future__ import annotations

import dataclasses
import pathlib
import zlib

from .hardware import DISKS, Device, Hardware

FIRMWARE_CODE = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARS = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

# The image's network configuration knows this address, so that ssh works whatever slot the NIC moves to.
SSH_MAC = "52:54:00:4c:41:42"

# Interrupt remapping with extended interrupt mode lets the kernel use the x2APIC, whose registers are not in memory.
VT_D = "intel-iommu,intremap=on,eim=on"

# A thread for each processor is what an inner guest needs: with one for all, it hangs now and then in a spin lock (QEMU
# 10.0). But where APICs have their registers in memory, an access to one while another processor sizes the PCI devices'
# registers can go astray: QEMU ends in an assertion (iotlb_to_section), or a processor's timer never ticks again. So a
# machine without an IOMMU, which has no x2APIC and no inner guest either, gets one thread.
EMULATION_X2APIC = "tcg,thread=multi,tb-size=512"
EMULATION_XAPIC = "tcg,thread=single,tb-size=512"

# The functions a device is made of: QEMU's name and its properties. The bochs display stands in for a GPU, with the
# audio function that a GPU has beside it. A virtual NIC is one that each of Debian's kernels drives, cloud-amd64 too,
# which lacks the hardware of PCs: ssh goes through it, so that a machine answers whatever kernel it booted. A virtual
# disk has no writes that are flushed by themselves (FUA), so that its log has each flush: QEMU's NVMe disk accepts such
# writes, and completes them without a flush.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "vga": ("VGA",),
    "gpu": ("bochs-display", "intel-hda"),
    "audio": ("intel-hda",),
    "nvme": ("nvme",),
    "virtual_disk": ("virtio-blk-pci",),
    "nic": ("e1000e,romfile=",),
    "virtual_nic": ("virtio-net-pci,romfile=",),
    "usb": ("qemu-xhci",),
}


@dataclasses.dataclass(frozen=True)
class Disk:
    """A file behind a disk."""

    path: pathlib.Path
    format: str = "qcow2"
    #: Where QEMU logs each write and flush, in the format of the kernel's dm-log-writes; the file exists.
    log: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class DirectBoot:
    """A kernel that QEMU loads itself, past the boot loader: how an image gets its boot loader installed."""

    kernel: pathlib.Path
    initramfs: pathlib.Path
    cmdline: str


@dataclasses.dataclass(frozen=True)
class Wiring:
    """What the hardware is connected to. Relative paths are relative to the run's folder, QEMU's working directory."""

    disks: dict[str, Disk]
    ssh_port: int
    variables: pathlib.Path | None
    direct: DirectBoot | None = None


def mac(device: Device) -> str:
    """The device's MAC address: a property of its name, the same in every run."""
    if device.network == "ssh":
        return SSH_MAC
    tail = zlib.crc32(device.name.encode())
    return f"52:54:00:{tail >> 16 & 255:02x}:{tail >> 8 & 255:02x}:{tail & 255:02x}"


def arguments(hardware: Hardware, wiring: Wiring, accelerator: str) -> list[str]:
    """QEMU's arguments, without the program's name."""
    return [
        *_board(hardware, accelerator),
        *_processors_and_memory(hardware),
        *_firmware(wiring),
        *_consoles(),
        *_buses(hardware),
        *(argument for device in hardware.devices for argument in _device(device, wiring)),
    ]


def _board(hardware: Hardware, accelerator: str) -> list[str]:
    # Interrupt remapping needs the interrupt controller split between QEMU and KVM. TCG emulates SVM with nested
    # paging, which is what the inner guest's KVM stands on.
    tcg = accelerator == "tcg"
    emulation = EMULATION_X2APIC if hardware.iommu else EMULATION_XAPIC
    result = [
        "-name",
        f"lab-{hardware.name}",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-machine",
        "q35,kernel-irqchip=split",
        "-accel",
        emulation if tcg else accelerator,
        "-cpu",
        "max,+svm,+topoext" if tcg else "host",
        "-smbios",
        f"type=1,manufacturer=vfio.workstation,product=lab {hardware.name}",
        # A panic stops the machine where it is, with its log kept; a reboot is a reboot.
        "-device",
        "pvpanic",
        "-action",
        "panic=pause,reboot=reset,shutdown=poweroff",
    ]
    if hardware.firmware:
        result += ["-smbios", f"type=0,vendor=lab,version={hardware.firmware},date=11/29/2026,uefi=on"]
    if hardware.iommu == "intel":
        result += ["-device", VT_D]
    return result


def _processors_and_memory(hardware: Hardware) -> list[str]:
    cpus = hardware.sockets * hardware.cores * hardware.threads
    result = [
        "-smp",
        f"{cpus},sockets={hardware.sockets},cores={hardware.cores},threads={hardware.threads}",
        "-m",
        f"{hardware.memory}M",
    ]
    for index, node in enumerate(hardware.nodes):
        result += ["-object", f"memory-backend-ram,id=node{index},size={node.memory}M"]
        result += ["-numa", f"node,nodeid={index},memdev=node{index}"]
        for socket in node.sockets:
            result += ["-numa", f"cpu,node-id={index},socket-id={socket}"]
    return result


def _firmware(wiring: Wiring) -> list[str]:
    result: list[str] = []
    if wiring.variables is not None:
        result += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE_CODE}"]
        result += ["-drive", f"if=pflash,unit=1,format=raw,file={wiring.variables}"]
    if wiring.direct is not None:
        direct = wiring.direct
        result += ["-kernel", str(direct.kernel), "-initrd", str(direct.initramfs), "-append", direct.cmdline]
    return result


def _consoles() -> list[str]:
    return [
        "-chardev",
        "socket,id=console,path=console.sock,server=on,wait=off,logfile=serial.log,logappend=on",
        "-serial",
        "chardev:console",
        "-chardev",
        "socket,id=qmp,path=qmp.sock,server=on,wait=off",
        "-mon",
        "chardev=qmp,mode=control",
    ]


def _buses(hardware: Hardware) -> list[str]:
    result: list[str] = []
    for index, bus in enumerate(hardware.buses):
        if bus.kind == "expander":
            node = "" if bus.node is None else f",numa_node={bus.node}"
            result += [
                "-device",
                f"pxb-pcie,id={bus.name},bus_nr={bus.bus_number},bus=pcie.0,addr={0x10 + index:#x}{node}",
            ]
        elif bus.kind == "conventional":
            result += _root_port(bus.bus, bus.port)
            result += ["-device", f"pcie-pci-bridge,id={bus.name},bus={_port_name(bus.bus, bus.port)}"]
    for device in hardware.devices:
        if device.port is not None:
            result += _root_port(device.bus, device.port)
    return result


def _port_name(bus: str, port: int | None) -> str:
    return f"port_{bus}_{port}"


def _root_port(bus: str, port: int | None) -> list[str]:
    name = _port_name(bus, port)
    # Chassis and slot only have to be unlike those of every other port.
    chassis = zlib.crc32(name.encode()) % 255 + 1
    parent = "pcie.0" if bus == "root" else bus
    return ["-device", f"pcie-root-port,id={name},bus={parent},addr={port:#x},chassis={chassis},slot={port}"]


def _device(device: Device, wiring: Wiring) -> list[str]:
    if device.port is None:
        bus, slot = ("pcie.0" if device.bus == "root" else device.bus), device.slot or 0
    else:
        bus, slot = _port_name(device.bus, device.port), 0
    result: list[str] = []
    functions = FUNCTIONS[device.kind]
    for number, function in enumerate(functions):
        name = device.name if number == 0 else f"{device.name}_{number}"
        many = ",multifunction=on" if number == 0 and len(functions) > 1 else ""
        backing, properties = _backing(device, wiring)
        result += backing
        result += ["-device", f"{function},id={name},bus={bus},addr={slot:#x}.{number}{many}{properties}"]
    return result


def _backing(device: Device, wiring: Wiring) -> tuple[list[str], str]:
    """The other end of a device: a file, a network."""
    if device.kind in DISKS:
        disk = wiring.disks[device.name]
        # A BIOS finds its disk by this. UEFI has its own boot entries, as grub-install and bootctl wrote them.
        boot = ",bootindex=1" if device.holds == "root" and wiring.variables is None else ""
        return _drive(device, disk), f",drive=disk_{device.name},serial={device.name}{boot}"
    if device.kind in ("nic", "virtual_nic"):
        # Nothing gets out of the machine; ssh gets in, from this host alone.
        forward = f",hostfwd=tcp:127.0.0.1:{wiring.ssh_port}-:22" if device.network == "ssh" else ""
        network = f"user,id=net_{device.name},restrict=on{forward}"
        return ["-netdev", network], f",netdev=net_{device.name},mac={mac(device)}"
    return [], ""


def _drive(device: Device, disk: Disk) -> list[str]:
    if disk.log is None:
        return ["-drive", f"if=none,id=disk_{device.name},format={disk.format},file={disk.path},discard=unmap"]
    # QEMU asks for commas in a file's name to be doubled in -drive; these names are ours, and have none.
    below, log = f"store_{device.name}", f"log_{device.name}"
    store = f"driver={disk.format},node-name={below},discard=unmap,file.driver=file,file.filename={disk.path}"
    logger = f"driver=blklogwrites,node-name=disk_{device.name},file={below},log={log},log-sector-size=512"
    return [
        *("-blockdev", store),
        *("-blockdev", f"driver=file,node-name={log},filename={disk.log}"),
        *("-blockdev", logger),
    ]
