# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory that Looking Glass shares between a guest and the host.

It is a file in /dev/shm, which QEMU enlarges when the guest starts. systemd-tmpfiles creates it before that, at each
boot, so that the user who runs the client can open it: QEMU would create it for itself alone. Sources: Looking Glass,
documentation of B7, "IVSHMEM with standard shared memory" and "Determining memory"; libvirt, formatdomain, shmem.
"""

from __future__ import annotations

from typing import Iterator

from ..._machine.guest import GuestRequest, LookingGlassRequest, Setting
from ..._machine.plan import CONFIGURED, RemoveFile, RunTool, Step, WriteFile
from ..._machine.xml_element import element

_MIB = 1 << 20
_BUFFERS = 2  # one is shown while the other one is written
_PIXEL, _HDR_PIXEL = 4, 8  # bytes
_OVERHEAD = 10 * _MIB  # for the cursor, and for what the two programs report to each other
_TOOL = "systemd-tmpfiles"


def shared_mib(request: LookingGlassRequest) -> int:
    """Return the size of the memory in MiB: a power of two, as of every region of a PCI device."""
    pixel = _HDR_PIXEL if request.hdr else _PIXEL
    needed = request.width * request.height * pixel * _BUFFERS + _OVERHEAD
    return 1 << (-(-needed // _MIB) - 1).bit_length()


def memory_name(guest: str) -> str:
    """Return the name of a guest's file in /dev/shm: each has its own, so that several can run."""
    return f"looking-glass-{guest}"


def tmpfiles_path(guest: str) -> str:
    """Return the file that has systemd-tmpfiles create a guest's file."""
    return f"/etc/tmpfiles.d/vfio-workstation-{guest}.conf"


def looking_glass_settings(request: GuestRequest) -> Iterator[Setting]:
    """Yield the device, and a keyboard and a mouse that the client uses through SPICE."""
    if request.looking_glass is None:
        return
    name = memory_name(request.name)
    size = element("size", str(shared_mib(request.looking_glass)), unit="M")
    memory = element("shmem", element("model", type="ivshmem-plain"), size, name=name)
    yield Setting(("devices",), element("shmem", name=name), memory)
    for kind in ("keyboard", "mouse"):
        device = element("input", type=kind, bus="virtio")
        yield Setting(("devices",), device, device)


def looking_glass_steps(guest: str, request: LookingGlassRequest | None, present: str | None) -> tuple[Step, ...]:
    """Return the steps that create the file for the user, or have it no longer created.

    A file that exists in /dev/shm is not touched: a guest that runs has it mapped.

    Args:
        guest: The name of the guest.
        request: The request; None where Looking Glass is not used.
        present: The content of the file for systemd-tmpfiles; None where there is none.
    """
    path = tmpfiles_path(guest)
    if request is None:
        reason = f"remove what creates the memory of Looking Glass for {guest}"
        return (RemoveFile(path, CONFIGURED, reason),) if present is not None else ()
    content = (
        "# Managed by the Ansible collection vfio.workstation.\n"
        f"f /dev/shm/{memory_name(guest)} 0660 {request.user or 'root'} kvm -\n"
    )
    if present == content:
        return ()
    return (
        WriteFile(path, content, CONFIGURED, f"create the memory of Looking Glass for {guest} at each boot"),
        RunTool(
            (_TOOL, "--create", path.rpartition("/")[2]), CONFIGURED, f"create the memory of Looking Glass for {guest}"
        ),
    )


def looking_glass_notes(request: GuestRequest) -> Iterator[str]:
    """Yield how to start the client."""
    if request.looking_glass is not None:
        yield f"start the client with `looking-glass-client -f /dev/shm/{memory_name(request.name)}`"
