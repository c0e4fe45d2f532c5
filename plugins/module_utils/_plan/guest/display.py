# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user sees and types with: display, tablet, input devices of the host; and channels into the guest."""

from __future__ import annotations

from typing import Iterator

from ..._machine.guest import NO_DISPLAY, SPICE, VNC, Capabilities, GuestRequest, HostFiles, Setting
from ..._machine.plan import Refusal
from ..._machine.xml_element import element
from ..refusals import refuse
from .existing import Existing

_LOCAL = "127.0.0.1"
_DEVICES = ("devices",)


def display_of(request: GuestRequest, existing: Existing) -> str | None:
    """Return the display; None where it is unmanaged: in a domain that was adopted, unless it is requested."""
    if request.display is None and request.looking_glass is not None:
        return SPICE  # the client of Looking Glass sends keyboard and mouse through it
    return request.display or (None if existing.is_adopted else VNC)


def display_refusals(
    request: GuestRequest, capabilities: Capabilities, files: HostFiles, existing: Existing
) -> Iterator[Refusal]:
    """Yield which display or input device this host lacks."""
    display = display_of(request, existing)
    if display in (VNC, SPICE) and display not in capabilities.graphics:
        offered = ", ".join(sorted(capabilities.graphics)) or "none"
        yield refuse("display_unsupported", f"{request.name}: QEMU on this host has no {display}; it has {offered}")
    for path in request.evdev:
        if path not in files.paths:
            yield refuse("image_absent", f"{request.name}: the input device {path} does not exist on this host")


def display_settings(request: GuestRequest, capabilities: Capabilities, existing: Existing) -> Iterator[Setting]:
    """Yield the display with what is useful beside it, and the input devices."""
    display = display_of(request, existing)
    if display in (VNC, SPICE):
        listen = element("listen", type="address", address=_LOCAL)
        graphics = element("graphics", listen, type=display, autoport="yes", listen=_LOCAL)
        yield Setting(_DEVICES, element("graphics", type=display), graphics)
        yield Setting(
            _DEVICES, element("video"), element("video", element("model", type=_video(request, capabilities)))
        )
        if request.looking_glass is None:
            # Unlike a mouse, a tablet reports where the pointer of the viewer is.
            tablet = element("input", type="tablet", bus="usb")
            yield Setting(_DEVICES, tablet, tablet)
    elif display == NO_DISPLAY:
        # Without this, libvirt adds a display adapter, which the guest may prefer to the GPU.
        yield Setting(_DEVICES, element("video"), element("video", element("model", type="none")), exclusive=True)
    for path in request.evdev:
        source = element("source", dev=path, grab="all", grabToggle="ctrl-ctrl", repeat="on")
        key = element("input", element("source", dev=path), type="evdev")
        yield Setting(_DEVICES, key, element("input", source, type="evdev"))


def _video(request: GuestRequest, capabilities: Capabilities) -> str:
    """Return the display adapter: one that the system has a driver for before anything is installed."""
    preferred = ("bochs", "vga") if request.is_windows else ("virtio", "bochs", "vga")
    return next((model for model in preferred if model in capabilities.video), "vga")


def channel_settings() -> Iterator[Setting]:
    """Yield the devices for the guest agent, random numbers and USB."""
    agent = element("target", type="virtio", name="org.qemu.guest_agent.0")
    key = element("channel", element("target", name="org.qemu.guest_agent.0"))
    yield Setting(_DEVICES, key, element("channel", agent, type="unix"))
    random = element("rng", element("backend", "/dev/urandom", model="random"), model="virtio")
    yield Setting(_DEVICES, element("rng"), random)
    usb = element("controller", type="usb", index=0, model="qemu-xhci", ports=15)
    yield Setting(_DEVICES, element("controller", type="usb", index=0), usb)
