# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter request_table: the state of each request on several hosts."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.module_utils._local.terminal import terminal_width
from ansible_collections.vfio.workstation.plugins.module_utils._text import tables

DOCUMENTATION = r"""
name: request_table
short_description: Format the state of each request on several hosts
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Formats what P(vfio.workstation.host#module) returned for several hosts as a table.
  - Each request has a row. The columns configured, staged and active contain C(yes), C(no) or C(-) (unknown).
  - The last line counts the hosts by the verdict of P(vfio.workstation.host_verdict#filter).
positional: predicted, state, width
extends_documentation_fragment:
  - vfio.workstation.filters.results
  - vfio.workstation.filters.predicted
  - vfio.workstation.filters.width
options:
  state:
    description: The requested state.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - {plugin: vfio.workstation.host, plugin_type: module}
  - {plugin: vfio.workstation.display, plugin_type: module}
  - {plugin: vfio.workstation.host_verdict, plugin_type: filter}
  - {plugin: vfio.workstation.refusal_table, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Inspect the hosts
  vfio.workstation.host:
    devices:
      - name: gpu
        select: {class: display, boot_display: false}
  check_mode: true
  become: true
  register: inspected

- name: Report the state of each request
  ansible.builtin.debug:
    msg: "{{ dict(ansible_play_hosts | zip(results)) | vfio.workstation.request_table(predicted=true) }}"
  vars:
    results: "{{ ansible_play_hosts | map('extract', hostvars, 'inspected') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Lines of text of at most O(width) columns.
  type: list
  elements: str
"""


def request_table(results: t.Any, predicted: bool = False, state: str = "present", width: int = 0) -> list[str]:
    if not isinstance(results, t.Mapping) or not all(isinstance(result, t.Mapping) for result in results.values()):
        raise AnsibleFilterError(
            f"vfio.workstation.request_table: found {type(results).__name__}, expected a mapping from host "
            "names to the return values of the module vfio.workstation.host (pass the registered variable whole)"
        )
    return tables.request_table(results, bool(predicted), state, width or terminal_width())


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"request_table": request_table}
