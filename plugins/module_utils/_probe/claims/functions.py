# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The functions of a host that a claim concerns: by ids, address, driver or alias."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Callable, Iterable, Mapping

from ..._machine import PciFunction
from ..._machine.guest_drivers import is_guest_driver
from ..parse import address_order

#: Room for `ids` in vfio-pci and pci-stub, its final NUL included; the kernel refuses a longer value as a whole.
_IDS_ROOM = 1024
_ANY = 0xFFFFFFFF  # PCI_ANY_ID
_FIELD = re.compile(r"[ \t\n\v\f\r]*(?:0[xX])?([0-9a-fA-F]+)")
_HEX = "([0-9a-fA-F]{1,8})"
#: What pcistub_init() of xen-pciback takes, with the domain and without; `*` stands for all functions, and all slots.
_HIDDEN = re.compile(
    rf"\s*\((?:{_HEX}:)?{_HEX}:(?:(?P<slot>[0-9a-fA-F]{{1,8}})\.(?:(?P<function>[0-9a-fA-F]{{1,8}})|\*)|\*\.\*)\)\s*"
)
#: An address as scripts have it: 0000:41:00.0, 41:00.0, 0000\:41\:00.0, and libvirt's pci_0000_41_00_0.
_MENTIONED = re.compile(
    r"(?<![0-9A-Za-z.:_])(?:([0-9a-fA-F]{4,8})\\?:)?([0-9a-fA-F]{2})\\?:([0-9a-fA-F]{2})\.([0-7])(?![0-9A-Za-z])"
)
_LIBVIRTS = re.compile(r"\bpci_([0-9a-fA-F]{4,8})_([0-9a-fA-F]{2})_([0-9a-fA-F]{2})_([0-7])\b")
#: Vendor and class of the functions that some host drivers are for, to name them while no host driver is bound.
_HOST_DRIVERS: Mapping[str, tuple[str | None, str]] = {
    "nouveau": ("10de", "03"),
    "nvidia": ("10de", "03"),
    "nvidia_drm": ("10de", "03"),
    "nvidia_modeset": ("10de", "03"),
    "nvidiafb": ("10de", "03"),
    "amdgpu": ("1002", "03"),
    "radeon": ("1002", "03"),
    "i915": ("8086", "03"),
    "xe": ("8086", "03"),
    "snd_hda_intel": (None, "0403"),
    "xhci_pci": (None, "0c0330"),
    "xhci_hcd": (None, "0c0330"),
    "nvme": (None, "0108"),
    "ahci": (None, "0106"),
}
#: Drivers whose module has another name.
_MODULES = {"xhci_hcd": "xhci_pci", "nvidia": "nvidia_drm"}


class Functions:
    """The PCI functions of a host, found as claims name them.

    Args:
        functions: By address, in bus order.
    """

    def __init__(self, functions: Mapping[str, PciFunction]) -> None:
        self.by_address = functions

    def present(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return those addresses that have a function, each once, in bus order."""
        return tuple(sorted(set(addresses) & self.by_address.keys(), key=address_order))

    def with_ids(self, text: str) -> tuple[str, ...]:
        """Return the functions that a driver's parameter `ids` has it take.

        Source: vfio_pci_fill_ids() of drivers/vfio/pci/vfio_pci.c, pci_stub_init() of drivers/pci/pci-stub.c:
        vendor:device[:subvendor[:subdevice[:class[:class_mask]]]], commas between, what does not parse left out.
        """
        if len(text.encode("utf-8", "replace")) >= _IDS_ROOM:
            return ()
        entries = [fields for fields in map(_fields, text.split(",")) if len(fields) > 1]
        # A bridge is none of theirs: vfio_pci_core_register_device() refuses it, and pcieport is built in.
        return self._where(
            lambda function: not function.bridge and any(_has_ids(function, fields) for fields in entries)
        )

    def hidden(self, text: str) -> tuple[str, ...]:
        """Return the functions that xen-pciback's parameter `hide` has it take; none where a part does not parse.

        Source: pcistub_init() of drivers/xen/xen-pciback/pci_stub.c.
        """
        starts = []
        position = 0
        while position < len(text):
            match = _HIDDEN.match(text, position)
            if match is None:
                return ()
            position = match.end()
            domain, bus = int(match.group(1) or "0", 16), int(match.group(2), 16)
            start = f"{domain:04x}:{bus:02x}:"
            if match.group("slot"):
                start += f"{int(match.group('slot'), 16):02x}."
                start += f"{int(match.group('function'), 16):x}" if match.group("function") else ""
            starts.append(start)
        return tuple(address for address in self.by_address if address.startswith(tuple(starts)))

    def of_host_drivers(self, modules: Iterable[str]) -> tuple[str, ...]:
        """Return the functions that these modules drive, or would drive if they were loaded.

        Args:
            modules: Names with underscores.
        """
        names = set(modules)
        kinds = [_HOST_DRIVERS[name] for name in names if name in _HOST_DRIVERS]

        def concerned(function: PciFunction) -> bool:
            driver = (function.driver or "").replace("-", "_")
            if driver and not is_guest_driver(driver):
                return driver in names or _MODULES.get(driver) in names
            return any(
                vendor in (None, function.vendor) and (function.class_ or "").startswith(class_)
                for vendor, class_ in kinds
            )

        return self._where(concerned)

    def like(self, pattern: str) -> tuple[str, ...]:
        """Return the functions whose alias, `pci:v000010DE...`, fits a pattern of modules.alias."""
        return self._where(lambda function: fnmatchcase(modalias(function), pattern))

    def boot_displays(self) -> tuple[str, ...]:
        """Return the displays that the firmware uses."""
        return self._where(lambda function: bool(function.boot_display))

    def mentioned(self, text: str) -> tuple[str, ...]:
        """Return the functions whose addresses are written in a text."""
        matches = [match.groups() for match in (*_MENTIONED.finditer(text), *_LIBVIRTS.finditer(text))]
        return self.present(
            f"{domain or '0000'}:{bus}:{slot}.{number}".lower() for domain, bus, slot, number in matches
        )

    def _where(self, condition: Callable[[PciFunction], bool]) -> tuple[str, ...]:
        return tuple(address for address, function in self.by_address.items() if condition(function))


def modalias(function: PciFunction) -> str:
    """Return the name by which the kernel asks for a function's module: modalias_show() of drivers/pci/pci-sysfs.c."""
    ids = [(name or "").upper().zfill(8) for name in (function.vendor, function.device)]
    subsystem = [(name or "0").upper().zfill(8) for name in (function.subsystem_vendor, function.subsystem_device)]
    code = (function.class_ or "000000").upper()
    return f"pci:v{ids[0]}d{ids[1]}sv{subsystem[0]}sd{subsystem[1]}bc{code[:2]}sc{code[2:4]}i{code[4:]}"


def _fields(text: str) -> list[int]:
    """Return the numbers of an id as sscanf("%x:%x:...") reads them."""
    fields: list[int] = []
    position = 0
    while len(fields) < 6:
        match = _FIELD.match(text, position)
        if match is None:
            break
        fields.append(int(match.group(1)[-8:], 16))
        position = match.end()
        if text[position : position + 1] != ":":
            break
        position += 1
    return fields


def _has_ids(function: PciFunction, fields: list[int]) -> bool:
    """Return whether a function matches, as pci_match_one_device() of drivers/pci/pci.h does."""
    if function.vendor is None or function.device is None:
        return False
    vendor, device, subvendor, subdevice, class_, mask = (*fields, *(_ANY, _ANY, _ANY, _ANY, 0, 0)[len(fields) :])
    return (
        vendor in (_ANY, int(function.vendor, 16))
        and device in (_ANY, int(function.device, 16))
        and subvendor in (_ANY, int(function.subsystem_vendor or "0", 16))
        and subdevice in (_ANY, int(function.subsystem_device or "0", 16))
        and not (class_ ^ int(function.class_ or "0", 16)) & mask
    )
