# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look into a running guest: what its agent reports, and what its process shows on the host."""

from __future__ import annotations

from .._apply import ToolFailed
from .._apply.virsh import Virsh
from .._machine import Machine
from .._machine.guest import DomainPlan, GuestRequest
from .._machine.guest_inside import GuestInside
from .._machine.xml_element import XmlError, parse_xml
from .._plan.guest.inside import Look, judge
from .._plan.guest.inside_command import inside_command
from .._probe.guest.inside import read_inside
from .._probe.guest.process import read_process
from .._probe.tree import Tree

_ENDED = Look({}, (), ("the guest ended while it was inspected",))


def look_inside(virsh: Virsh, tree: Tree, host: Machine, request: GuestRequest, plan: DomainPlan) -> Look:
    """Return whether a running guest has what it was started with."""
    try:
        running = parse_xml(virsh.running_definition(request.name))
    except (ToolFailed, XmlError):
        return _ENDED
    # The process IDs in /run are those of the system's daemon.
    process = read_process(tree, request.name) if virsh.is_system else None
    return judge(host, request, plan, running, inside=_inside(virsh, request), process=process)


def _inside(virsh: Virsh, request: GuestRequest) -> GuestInside | None:
    if not virsh.agent_answers(request.name):
        return None
    try:
        return read_inside(virsh.guest_run(request.name, *inside_command(request.os)))
    except ToolFailed:  # the agent may be configured not to run programs
        return None
