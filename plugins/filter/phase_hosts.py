# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter phase_hosts: the hosts that a phase of the playbook provision is for."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils import _phases

DOCUMENTATION = r"""
name: phase_hosts
short_description: List the hosts that a phase of the playbook provision is for
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Selects hosts by what P(vfio.workstation.host#module) returned for them, registered as C(workstation_result), and by
    C(workstation_reboot).
  - A play with these hosts has no task to skip on any other.
positional: phase, names, check_mode, state, reboot
options:
  _input:
    description: C(hostvars).
    type: dict
    required: true
  phase:
    description:
      - V(apply) selects the hosts with pending changes, unless in check mode, and those without a requested
        configuration.
      - V(ask) selects the hosts that need a reboot and consent to it.
      - V(reboot) selects the hosts that need a reboot and may be rebooted.
      - V(remove_guests) selects the hosts with guests to remove. V(define_guests) selects the hosts with guests whose
        own configuration is active. V(guests) selects both.
      - V(pages) selects the hosts with C(report_dir).
    type: str
    choices: [apply, ask, reboot, remove_guests, define_guests, guests, pages]
    required: true
  names:
    description: The names of all hosts.
    type: list
    elements: str
    required: true
  check_mode:
    description: Whether Ansible runs in check mode.
    type: bool
    default: false
  state:
    description: The requested state of all hosts. By default, C(workstation_state) of each.
    type: str
    default: ""
  reboot:
    description: Whether hosts may be rebooted. By default, C(workstation_reboot) of each.
    type: str
    default: ""
seealso:
  - plugin: vfio.workstation.host_verdict
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Reboot
  hosts: "{{ hostvars | vfio.workstation.phase_hosts('reboot', groups['all']) }}"
  tasks:
    - name: Reboot
      ansible.builtin.reboot:
"""

RETURN = r"""
_value:
  description: Host names. A pattern that matches no host if there is none, since a play needs a pattern.
  type: list
  elements: str
"""


def phase_hosts(
    hostvars: t.Any, phase: str, names: t.Sequence[str], check_mode: bool = False, state: str = "", reboot: str = ""
) -> list[str]:
    if phase not in _phases.PHASES:
        raise AnsibleFilterError(
            f"vfio.workstation.phase_hosts: found {phase!r}, expected one of {', '.join(_phases.PHASES)}"
        )
    return _phases.phase_hosts(hostvars, phase, names, _phases.Run(bool(check_mode), state, reboot))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"phase_hosts": phase_hosts}
