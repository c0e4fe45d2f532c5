# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for an unattended installation: what is due before and after the domain is defined."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..._machine.guest import GuestRequest
from ..._machine.guest_install import AnswerMedium, GuestReport, InstallRequest, WindowsInstall
from ..._machine.plan import MakeMedium, Refusal, RemoveMedium
from .devices import find_devices, storage_devices
from .domain import Host
from .install import (
    FINISHED,
    NONE,
    PREPARED,
    answer_medium,
    during_install,
    holds,
    install_state,
    make_medium,
    media,
    medium_path,
    remove_medium,
)
from .install_refusals import disk_refusals, medium_refusals


class InstallFacts(NamedTuple):
    """What is known of an installation on the host and in the guest."""

    has_medium: bool = False  # whether there is a medium with answers
    content: bytes | None = None  # of the medium; None where it can't be read, as without root
    is_blank: bool | None = None  # whether the disk image has no content; None where that is not known
    report: GuestReport | None = None  # None where the guest agent does not answer


class InstallPlan(NamedTuple):
    """What is due for an installation."""

    request: GuestRequest  # for the domain, with the media as long as they are needed
    make: MakeMedium | None = None  # before the domain is defined
    remove: RemoveMedium | None = None  # after the domain is defined
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_due(self) -> bool:
        """Whether there is something to do besides the domain."""
        return not self.refusals and (self.make is not None or self.remove is not None)


def plan_install(host: Host, request: GuestRequest, *, is_running: bool | None, facts: InstallFacts) -> InstallPlan:
    """Return what is due for an installation.

    Args:
        host: The host.
        request: The request for the guest.
        is_running: Whether the domain runs; None where there is none.
        facts: What is known of the installation.
    """
    install = request.install
    state = install_state(
        install,
        has_domain=is_running is not None,
        has_medium=facts.has_medium,
        report=facts.report,
    )
    if state == FINISHED:
        return InstallPlan(request, remove=remove_medium(request.name), notes=tuple(_failures(facts.report)))
    if install is None or state == NONE:
        return InstallPlan(request)
    return _with_media(host, request, install, is_running=bool(is_running), facts=facts, state=state)


def plan_no_install(request: GuestRequest, *, has_medium: bool) -> InstallPlan:
    """Return what is due where the guest is removed."""
    return InstallPlan(request, remove=remove_medium(request.name) if has_medium else None)


def _with_media(
    host: Host,
    request: GuestRequest,
    install: InstallRequest,
    *,
    is_running: bool,
    facts: InstallFacts,
    state: str,
) -> InstallPlan:
    storage = storage_devices(host.machine, find_devices(host.machine, host.record, request).functions)
    seen = during_install(request, install, storage)
    seen = seen._replace(isos=(*media(request.name, install), *request.isos))
    refusals = list(medium_refusals(request, install, host.files.paths))
    if state == PREPARED:
        refusals += disk_refusals(request, install, storage=storage, is_blank=facts.is_blank)
    content = answer_medium(request, install)
    return InstallPlan(
        seen,
        make=_due_medium(request, content, host, is_running=is_running, facts=facts),
        refusals=tuple(refusal for refusal in refusals if refusal.code not in request.accepted),
        notes=(*_notes(request, install, state=state, is_running=is_running), *_failures(facts.report)),
    )


def _due_medium(
    request: GuestRequest, content: AnswerMedium, host: Host, *, is_running: bool, facts: InstallFacts
) -> MakeMedium | None:
    """Return the step that makes the medium; None where it is as planned, or where a running guest reads it."""
    is_planned = facts.has_medium and (facts.content is None or holds(facts.content, content))
    if is_running or is_planned:
        return None
    return make_medium(request.name, content, host.files.paths)


def _notes(request: GuestRequest, install: InstallRequest, *, state: str, is_running: bool) -> Iterator[str]:
    if is_running:
        yield f"the system is being installed: run this again when it is done, to remove {medium_path(request.name)}"
    elif isinstance(install, WindowsInstall) and state != PREPARED and install.disk in request.devices:
        # The medium is before a device in the boot order: with a key, it would install Windows once more.
        yield "start the guest, and press no key until Windows runs: the installation has begun"
    elif isinstance(install, WindowsInstall):
        yield (
            "start the guest, and press a key at once: the medium of Windows waits five seconds for it. "
            f"`virsh start {request.name}; for i in $(seq 20); do virsh send-key {request.name} KEY_ENTER; "
            "sleep 1; done` does both"
        )
    else:
        yield f"start the guest with `virsh start {request.name}`: cloud-init configures it"


def _failures(report: GuestReport | None) -> Iterator[str]:
    for failure in report.failures if report is not None else ():
        yield f"a part of the installation failed: {failure}"
