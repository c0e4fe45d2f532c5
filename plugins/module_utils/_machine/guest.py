# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests: the request for one, what libvirt and the host offer, and the plan for its domain."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from .guest_install import InstallRequest
from .xml_element import Element

#: GuestRequest.os
LINUX, WINDOWS10, WINDOWS11 = "linux", "windows10", "windows11"
#: GuestRequest.domain_type: with KVM, or emulated by QEMU alone.
KVM, QEMU = "kvm", "qemu"
#: GuestRequest.firmware
UEFI, BIOS = "uefi", "bios"
#: GuestRequest.display
VNC, SPICE, NO_DISPLAY = "vnc", "spice", "none"
#: GuestRequest.network: no interface is planned.
NO_NETWORK = "none"
#: GuestRequest.network: a program translates between the guest and the sockets of the host.
PASST = "passt"


class DiskRequest(NamedTuple):
    """A request for the disk of a guest."""

    path: str  # of an image, or of a block device in /dev
    format: str | None = None  # "qcow2", "raw"; None: raw for a block device, qcow2 for an image
    size_bytes: int | None = None  # of the image that is created where there is none; None: it must exist


class LookingGlassRequest(NamedTuple):
    """A request for memory that Looking Glass shares between guest and host."""

    width: int  # of the largest picture, in pixels
    height: int
    hdr: bool = False
    user: str | None = None  # of the host, who runs the client; None: members of the group kvm


class GuestRequest(NamedTuple):
    """A request for one domain of libvirt. None leaves the choice to the plan; see `plan_domain`."""

    name: str
    os: str = LINUX
    devices: tuple[str, ...] = ()  # names of the host's device requests
    memory_bytes: int | None = None
    cpus: tuple[int, ...] | None = None  # CPUs of the host; None: all that are kept for guests
    firmware: str | None = None  # UEFI, BIOS
    secure_boot: bool | None = None
    tpm: bool | None = None
    disk: DiskRequest | None = None
    isos: tuple[str, ...] = ()
    network: str | None = None  # of libvirt, or NO_NETWORK
    bridge: str | None = None  # of the host, instead of a network of libvirt
    display: str | None = None
    evdev: tuple[str, ...] = ()  # input devices of the host, by path
    usb: tuple[str, ...] = ()  # devices of the host: "046d:c52b", or the port "1-4.2"
    looking_glass: LookingGlassRequest | None = None
    virtualization_based_security: bool = False
    xml: Element | None = None  # a <domain> with elements to merge
    install: InstallRequest | None = None
    adopt: bool = False
    domain_type: str = KVM
    accepted: frozenset[str] = frozenset()  # codes of refusals to override

    @property
    def is_windows(self) -> bool:
        """Whether the guest runs Windows."""
        return self.os in (WINDOWS10, WINDOWS11)


class Capabilities(NamedTuple):
    """What libvirt offers for a domain of one type on the machine type q35. A set is None where it is not reported."""

    machine: str  # the name with its version: "pc-q35-10.0"
    firmware: frozenset[str]  # "efi" where a firmware descriptor fits
    secure_boot: bool | None  # whether a firmware for Secure Boot is installed
    cpu_modes: frozenset[str]
    hyperv: frozenset[str] | None
    tlbflush: frozenset[str]  # ways of the enlightenment tlbflush: "direct", "extended"
    tpm_backends: frozenset[str]
    graphics: frozenset[str]
    video: frozenset[str]


class UsbDevice(NamedTuple):
    """A USB device that is connected to the host."""

    port: str  # bus and ports, as the kernel names the device: "1-4.2"
    vendor: str  # four hexadecimal digits
    product: str
    is_hub: bool
    uses: tuple[str, ...]  # what the host does with it: "mount /home"


class HostFiles(NamedTuple):
    """What a plan needs of the host's files beyond the machine."""

    clock_source: str | None  # of the host's kernel: "tsc", "hpet"
    cpu_flags: frozenset[str] | None  # of /proc/cpuinfo
    paths: Mapping[str, str]  # path of an image or device -> "file", "block", "character"; only those that exist
    bridges: frozenset[str]  # network interfaces of the host that are bridges
    room_bytes: int | None = None  # free in the file system that the disk would be created in; None where unknown
    usb: tuple[UsbDevice, ...] = ()  # read where USB devices are requested
    disk_uses: tuple[str, ...] = ()  # what the host does with the block device that is the disk: "mount of /home"


class Networks(NamedTuple):
    """The networks of libvirt."""

    defined: frozenset[str]
    active: frozenset[str]
    libvirt: tuple[int, ...] | None = None  # version of libvirt; read where it matters


class Domain(NamedTuple):
    """A domain as libvirt has it."""

    xml: Element  # of the next start
    is_running: bool


class Setting(NamedTuple):
    """An element of a domain that this collection sets: its attributes, text and children, and no others."""

    parent: tuple[str, ...]  # names of the elements that contain it, below <domain>
    key: Element  # what identifies it among the children of its parent: its name with some attributes or children
    element: Element
    #: Whether it is replaced as a whole. Otherwise, attributes and children that it does not set stay.
    exclusive: bool = False


class PriorSetting(NamedTuple):
    """A location that this collection owns, and what was there before."""

    parent: tuple[str, ...]
    key: Element
    element: Element | None  # as set last; None for a container, which has only settings of its own
    exclusive: bool
    prior: Element | None  # the whole element; None where there was none


class Mark(NamedTuple):
    """What this collection notes in a domain's <metadata>."""

    created: bool  # whether it created the domain; otherwise it adopted it
    owned: tuple[PriorSetting, ...]
    ports: tuple[tuple[str, int], ...]  # PCI controllers by their use: "gpu 0" -> 1


class DomainPlan(NamedTuple):
    """The domain that a request results in."""

    settings: tuple[Setting, ...]
    ports: tuple[tuple[str, int], ...]
    devices: Mapping[str, tuple[str, ...]]  # name -> addresses on the host
    pins: tuple[int, ...]  # the host's CPU of each vCPU
    memory_bytes: int
    notes: tuple[str, ...]  # for the user
