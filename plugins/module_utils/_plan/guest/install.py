# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The media of an unattended installation, and when it is over.

The state of an installation is the medium with the answers itself:

    domain   medium    state      what a run does
    absent   any       PREPARED   makes the medium, and defines the domain with it
    present  present   RUNNING    nothing, until the installed system reports that it is finished
    present  present   FINISHED   takes the media out of the domain, then removes the medium
    present  absent    none       nothing: an installed system is never installed again

A run that is interrupted leaves one of these states, and the next one continues from there.
"""

from __future__ import annotations

import json
from typing import Mapping

from ..._machine.guest import GuestRequest
from ..._machine.guest_install import AnswerMedium, GuestReport, InstallRequest, WindowsInstall
from ..._machine.plan import CONFIGURED, CONTENT, DRAFT, MakeMedium, RemoveMedium
from . import cloud_init, windows_scripts
from .answer_file import FILE_NAME, answer_file

NONE, PREPARED, RUNNING, FINISHED = "none", "prepared", "running", "finished"

#: Where libvirt's confinement expects media (SELinux: virt_image_t; AppArmor: any path that a domain names), and where
#: QEMU's user may enter. libvirt makes that user the owner of the file when the guest starts (qemu.conf,
#: dynamic_ownership), so that it can stay at mode 0600.
_DIRECTORY = "/var/lib/libvirt/images"

#: Programs that make the medium, by their paths, and the arguments that they need. All understand those of mkisofs.
_TOOLS: Mapping[str, tuple[str, ...]] = {
    "/usr/bin/xorriso": ("-as", "mkisofs"),
    "/usr/bin/genisoimage": (),
    "/usr/bin/mkisofs": (),
}
TOOLS = tuple(_TOOLS)
#: With a fixed time, xorriso makes the same medium of the same content (reproducible-builds.org, SOURCE_DATE_EPOCH).
_EPOCH = "SOURCE_DATE_EPOCH=1577836800"
_WINDOWS_LABEL = "ANSWERS"


def medium_path(guest: str) -> str:
    """Return the path of a guest's medium with the answers."""
    return f"{_DIRECTORY}/vfio-workstation-{guest}.iso"


def install_state(
    request: InstallRequest | None, *, has_domain: bool, has_medium: bool, report: GuestReport | None
) -> str:
    """Return the state of an installation.

    Args:
        request: The request; None where no installation is requested (any more).
        has_domain: Whether the domain exists.
        has_medium: Whether the medium with the answers exists.
        report: What the installed system reported; None where its agent does not answer.
    """
    if request is None:
        return FINISHED if has_medium else NONE
    if not has_domain:
        return PREPARED
    if not has_medium:
        return NONE
    return FINISHED if report is not None and report.finished else RUNNING


def answer_medium(request: GuestRequest, install: InstallRequest) -> AnswerMedium:
    """Return the content of the medium with the answers."""
    if isinstance(install, WindowsInstall):
        files = ((FILE_NAME, answer_file(request.os, install)), *windows_scripts.script_files(install))
        return AnswerMedium(_WINDOWS_LABEL, files)
    return AnswerMedium(cloud_init.LABEL, cloud_init.cloud_init_files(install))


def media(guest: str, install: InstallRequest) -> tuple[str, ...]:
    """Return the media of the guest until its system is installed; the first one is booted."""
    own = medium_path(guest)
    return (install.iso, install.drivers, own) if isinstance(install, WindowsInstall) else (own,)


def make_medium(guest: str, content: AnswerMedium, paths: Mapping[str, str]) -> MakeMedium | None:
    """Return the step that makes the medium; None where this host has no program for it.

    Args:
        guest: The name of the guest.
        content: The content of the medium.
        paths: Paths that exist on the host, the programs of `TOOLS` among them.
    """
    program = next((path for path in TOOLS if path in paths), None)
    if program is None:
        return None
    # Joliet has the names as they are for Windows, Rock Ridge for Linux.
    options = ("-quiet", "-joliet", "-joliet-long", "-rational-rock", "-volid", content.label)
    argv = ("/usr/bin/env", _EPOCH, program, *_TOOLS[program], *options, "-output", DRAFT, CONTENT)
    return MakeMedium(medium_path(guest), content.files, argv, CONFIGURED, f"make the medium that installs {guest}")


def remove_medium(guest: str) -> RemoveMedium:
    """Return the step that removes the medium."""
    reason = f"remove the medium that has installed {guest}: it contains the password"
    return RemoveMedium(medium_path(guest), CONFIGURED, reason)


def holds(medium: bytes, content: AnswerMedium) -> bool:
    """Return whether a medium has these files: an ISO 9660 file system stores each of them in one piece."""
    return all(text.encode("utf-8") in medium for _path, text in content.files)


def marker_of(install: InstallRequest) -> str:
    """Return the file of the installed system that says that it is finished."""
    return windows_scripts.MARKER if isinstance(install, WindowsInstall) else cloud_init.MARKER


def read_marker(install: InstallRequest, text: str | None) -> GuestReport:
    """Return what a system reported.

    Args:
        install: The request.
        text: The content of the marker; None where it does not exist.
    """
    if text is None:
        return GuestReport(finished=False)
    if not isinstance(install, WindowsInstall):
        return cloud_init.read_result(text)
    try:
        parts = json.loads(text)
    except ValueError:
        parts = None
    if not isinstance(parts, dict):
        return GuestReport(True, ("the report of the installation can't be read",))
    return GuestReport(True, tuple(f"{name}: {error}" for name, error in parts.items() if error))


def during_install(request: GuestRequest, install: InstallRequest, storage: frozenset[str]) -> GuestRequest:
    """Return the request without the disks that the installation must not touch.

    Args:
        request: The request.
        install: The installation.
        storage: The names of those of its devices that are or have disks.
    """
    if not isinstance(install, WindowsInstall) or install.disk is None:
        return request
    devices = tuple(name for name in request.devices if name not in storage or name == install.disk)
    is_image = request.disk is not None and install.disk == request.disk.path
    return request._replace(devices=devices, disk=request.disk if is_image else None)
