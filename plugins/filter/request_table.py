# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of what was asked of machines, and how far it has come."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils import _tables

DOCUMENTATION = r"""
name: request_table
short_description: Show what was asked of machines, and how far it has come
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Turns what P(vfio.workstation.host#module) returned for several machines into a table for people.
  - Each request has its line, with the marks C(yes), C(no) and C(-) (not known) for configured, staged and active.
  - The last line counts the machines by what P(vfio.workstation.host_verdict#filter) says of them.
positional: predicted, state
options:
  _input:
    description: What the module returned, by name of the machine. What Ansible returned in its place will do.
    type: dict
    required: true
  predicted:
    description: Whether the module was in check mode, so that its steps were not done.
    type: bool
    default: false
  state:
    description: What was asked for.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - plugin: vfio.workstation.host
    plugin_type: module
  - plugin: vfio.workstation.refusal_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the machines
  vfio.workstation.host:
    devices:
      - name: gpu
        select: {class: display, boot_display: false}
  check_mode: true
  become: true
  register: look

- name: Print the table
  ansible.builtin.debug:
    msg: "{{ dict(ansible_play_hosts | zip(looks)) | vfio.workstation.request_table(predicted=true) }}"
  vars:
    looks: "{{ ansible_play_hosts | map('extract', hostvars, 'look') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Lines of text, none with more than 88 columns.
  type: list
  elements: str
"""


def request_table(results: t.Any, predicted: bool = False, state: str = "present") -> list[str]:
    if not isinstance(results, t.Mapping) or not all(isinstance(result, t.Mapping) for result in results.values()):
        raise AnsibleFilterError(
            f"vfio.workstation.request_table: found {type(results).__name__}, expected a mapping from host "
            "names to what the module vfio.workstation.host returned for each (register it, and pass it whole)"
        )
    return _tables.request_table(results, bool(predicted), state)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"request_table": request_table}
