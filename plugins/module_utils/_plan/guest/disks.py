# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disk and the installation media of a guest."""

from __future__ import annotations

from typing import Iterator

from ..._machine.guest import GuestRequest, HostFiles, Setting
from ..._machine.guest_install import LinuxInstall
from ..._machine.plan import Refusal
from ..._machine.xml_element import element
from ..refusals import refuse
from .disk_image import creates_disk, image_refusals
from .existing import Existing
from .install import media, medium_path

BLOCK, FILE = "block", "file"
_SEED = "vdb"


def disk_refusals(request: GuestRequest, files: HostFiles) -> Iterator[Refusal]:
    """Yield which images do not exist."""
    yield from image_refusals(request, files)
    if request.disk is not None and files.disk_uses:
        seen = f"{request.name}: this host uses {request.disk.path}: {', '.join(files.disk_uses)}"
        yield refuse("disk_in_use", seen)
    if request.disk is not None and not creates_disk(request, files) and files.paths.get(request.disk.path) is None:
        seen = f"{request.name}: the disk {request.disk.path} does not exist, or is neither a file nor a block device"
        remedy = "Set size, which creates an image, or correct the path."
        yield refuse("image_absent", seen, remedy=remedy)
    own = media(request.name, request.install) if request.install is not None else ()  # see install_refusals
    for path in request.isos:
        if path not in own and files.paths.get(path) is None:
            yield refuse("image_absent", f"{request.name}: the medium {path} does not exist on this host")


def disk_settings(request: GuestRequest, files: HostFiles) -> Iterator[Setting]:
    """Yield the disk and the media."""
    if request.disk is not None:
        kind = files.paths.get(request.disk.path) or FILE
        driver = element(
            "driver",
            name="qemu",
            type=request.disk.format or ("raw" if kind == BLOCK else "qcow2"),
            # Without the host's page cache, and with its asynchronous I/O: the guest has caches of its own.
            cache="none",
            io="native",
            # What the guest trims is returned to the host.
            discard="unmap",
            # The emulator's main thread is not in the way of I/O.
            iothread=1,
        )
        source = element("source", **{"dev" if kind == BLOCK else "file": request.disk.path})
        target = element("target", dev="vda", bus="virtio")
        disk = element("disk", driver, source, target, type=kind, device="disk")
        yield Setting(("devices",), element("disk", target._replace(attributes=(("dev", "vda"),))), disk)
    seed = medium_path(request.name) if isinstance(request.install, LinuxInstall) else None
    for number, path in enumerate(path for path in request.isos if path != seed):
        yield _drive(number, path)
    if seed in request.isos:
        yield _seed(seed)


def boot_settings(existing: Existing) -> Iterator[Setting]:
    """Yield the boot order: the disk, and the first medium while the disk has no boot loader.

    An order that is set at devices, as virt-manager does it, has precedence: libvirt refuses both ways at once.
    """
    domain = existing.domain
    devices = domain.first("devices") if domain is not None else None
    if existing.is_adopted or (devices is not None and any(device.first("boot") for device in devices.elements)):
        return
    for kind in ("hd", "cdrom"):
        yield Setting(("os",), element("boot", dev=kind), element("boot", dev=kind))


def _drive(number: int, path: str) -> Setting:
    return _medium(path, f"sd{chr(ord('a') + number)}", "sata", "cdrom")


def _seed(path: str) -> Setting:
    """Return the medium with answers for Linux: a disk, as Debian's kernels for clouds have no driver for SATA."""
    return _medium(path, _SEED, "virtio", "disk")


def _medium(path: str, name: str, bus: str, device: str) -> Setting:
    medium = element(
        "disk",
        element("driver", name="qemu", type="raw"),
        element("source", file=path),
        element("target", dev=name, bus=bus),
        element("readonly"),
        type=FILE,
        device=device,
    )
    return Setting(("devices",), element("disk", element("target", dev=name)), medium)
