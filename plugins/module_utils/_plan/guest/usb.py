# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""USB devices of the host that a guest gets. A whole controller is one of the host's devices for guests instead.

A device is identified by vendor and product, which stay when it is plugged in again; its number on the bus does not.
For a port, these are those of the device that is connected there when the domain is planned.
"""

from __future__ import annotations

from typing import Iterator

from ..._machine.guest import GuestRequest, Setting, UsbDevice
from ..._machine.plan import Refusal
from ..._machine.xml_element import element
from ..refusals import refuse


def usb_refusals(request: GuestRequest, connected: tuple[UsbDevice, ...]) -> Iterator[Refusal]:
    """Yield why a guest can't have a device."""
    for name in request.usb:
        devices = _named(name, connected)
        if not devices and _is_port(name):
            yield refuse("usb_absent", f"{request.name}: no device is connected to the USB port {name}")
            continue
        for device in devices:
            label = f"{request.name}: {device.vendor}:{device.product} at the USB port {device.port}"
            if device.is_hub:
                yield refuse("usb_unsupported", f"{label} is a hub")
            if device.uses:
                yield refuse("usb_in_use", f"{label} is in use: {', '.join(device.uses)}")
        identical = _identical(name, connected)
        if len(identical) > 1:
            ports = ", ".join(device.port for device in identical)
            ids = f"{identical[0].vendor}:{identical[0].product}"
            yield refuse("usb_ambiguous", f"{request.name}: {ids} is connected to several USB ports: {ports}")


def usb_settings(request: GuestRequest, connected: tuple[UsbDevice, ...]) -> Iterator[Setting]:
    """Yield the devices. The guest also starts while one is not connected."""
    identifiers = (_ids(name, connected) for name in request.usb)
    for vendor, product in dict.fromkeys(ids for ids in identifiers if ids is not None):
        ids = (element("vendor", id=f"0x{vendor}"), element("product", id=f"0x{product}"))
        kind = {"mode": "subsystem", "type": "usb"}
        yield Setting(
            ("devices",),
            element("hostdev", element("source", *ids), **kind),
            element("hostdev", element("source", *ids, startupPolicy="optional"), **kind, managed="no"),
        )


def usb_notes(request: GuestRequest, connected: tuple[UsbDevice, ...]) -> Iterator[str]:
    """Yield which devices are missing, and which device a port stands for."""
    for name in request.usb:
        devices = _named(name, connected)
        if not devices:
            yield f"the USB device {name} is not connected: the guest starts without it"
        elif _is_port(name):
            yield f"the USB port {name} has {devices[0].vendor}:{devices[0].product}, which the guest gets at any port"


def _is_port(name: str) -> bool:
    return ":" not in name


def _named(name: str, connected: tuple[UsbDevice, ...]) -> list[UsbDevice]:
    """Return the devices that have a name: a port, or vendor and product."""
    return [device for device in connected if name in (device.port, f"{device.vendor}:{device.product}")]


def _ids(name: str, connected: tuple[UsbDevice, ...]) -> tuple[str, str] | None:
    """Return vendor and product; None for a port where nothing is connected."""
    devices = _named(name, connected)
    if devices:
        return devices[0].vendor, devices[0].product
    vendor, _colon, product = name.partition(":")
    return None if _is_port(name) else (vendor, product)


def _identical(name: str, connected: tuple[UsbDevice, ...]) -> list[UsbDevice]:
    ids = _ids(name, connected)
    return [device for device in connected if (device.vendor, device.product) == ids]
