# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an unattended installation lacks, and what must not be lost by it."""

from __future__ import annotations

from typing import Iterator, Mapping

from ..._machine.guest import GuestRequest
from ..._machine.guest_install import InstallRequest, WindowsInstall
from ..._machine.plan import Refusal
from ..refusals import refuse
from .install import TOOLS


def medium_refusals(request: GuestRequest, install: InstallRequest, paths: Mapping[str, str]) -> Iterator[Refusal]:
    """Yield which media or programs are missing.

    Args:
        request: The request for the guest.
        install: The installation.
        paths: Paths that exist on the host, the programs of `TOOLS` among them.
    """
    if not any(path in paths for path in TOOLS):
        yield refuse("iso_tool_absent", f"{request.name}: this host has none of {', '.join(TOOLS)}")
    if not isinstance(install, WindowsInstall):
        return
    for option, path in (("iso", install.iso), ("drivers", install.drivers)):
        if path not in paths:
            yield refuse("iso_missing", f"{request.name}: install.{option}: {path} does not exist on this host")


def disk_refusals(
    request: GuestRequest, install: InstallRequest, *, storage: frozenset[str], is_blank: bool | None
) -> Iterator[Refusal]:
    """Yield why the system can't be installed on a disk, or what would be lost.

    Args:
        request: The request for the guest.
        install: The installation.
        storage: The names of those of its devices that are or have disks.
        is_blank: Whether the disk image has no content; None where that is not known.
    """
    if isinstance(install, WindowsInstall):
        yield from _windows_refusals(request, install, storage, is_blank)
    elif request.disk is None:
        yield refuse("install_disk_absent", f"{request.name}: no disk is requested that has an image of Linux")


def _windows_refusals(
    request: GuestRequest, install: WindowsInstall, storage: frozenset[str], is_blank: bool | None
) -> Iterator[Refusal]:
    image = (request.disk.path,) if request.disk is not None else ()
    disks = (*image, *(name for name in request.devices if name in storage))
    named = ", ".join(disks)
    if not disks:
        yield refuse("install_disk_absent", f"{request.name}: the guest has no disk")
    elif install.disk is not None and install.disk not in disks:
        yield refuse(
            "install_disk_absent", f"{request.name}: install.disk is {install.disk}, and the guest has {named}"
        )
    elif install.disk is None and len(disks) > 1:
        yield refuse("several_disks", f"{request.name}: the guest has {named}")
    elif install.disk is None and not image:
        yield refuse("disk_not_empty", f"{request.name}: the content of {named} is not known")
    elif install.disk is None and not is_blank:
        state = "has content" if is_blank is False else "has content that is not known"
        yield refuse("disk_not_empty", f"{request.name}: {named} {state}")
