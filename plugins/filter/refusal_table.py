# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter refusal_table: all refusals and failures of several hosts."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.module_utils._local.terminal import terminal_width
from ansible_collections.vfio.workstation.plugins.module_utils._text import tables

DOCUMENTATION = r"""
name: refusal_table
short_description: Format the refusals and failures of several hosts
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Formats the refusals that P(vfio.workstation.host#module) returned for several hosts, each with what was found, why
    it matters, and what to do.
  - Includes hosts that failed or were unreachable, with the message of Ansible. Hosts without refusals or failures are
    left out.
  - Hosts with identical refusals share one entry.
positional: width
extends_documentation_fragment: [vfio.workstation.filters.results, vfio.workstation.filters.width]
seealso:
  - {plugin: vfio.workstation.host, plugin_type: module}
  - {plugin: vfio.workstation.request_table, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Report refusals
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: inspected} | vfio.workstation.refusal_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text of at most O(width) columns. Empty if there is no refusal and no failure.
  type: list
  elements: str
"""


def refusal_table(results: t.Any, width: int = 0) -> list[str]:
    if not isinstance(results, t.Mapping) or not all(isinstance(result, t.Mapping) for result in results.values()):
        raise AnsibleFilterError(
            f"vfio.workstation.refusal_table: found {type(results).__name__}, expected a mapping from host "
            "names to the return values of the module vfio.workstation.host (pass the registered variable whole)"
        )
    return tables.refusal_table(results, width or terminal_width())


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"refusal_table": refusal_table}
