# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter report_lines: a summary of one host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.module_utils._local.terminal import terminal_width

DOCUMENTATION = r"""
name: report_lines
short_description: Summarize what host_info read from a host
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Formats what P(vfio.workstation.host_info#module) returned as a summary.
  - The section C(passthrough) has for each GPU whether it can be passed through, with which companion functions, and if
    not, why not and what is needed first.
  - The rules are those by which P(vfio.workstation.host#module) refuses a request.
positional: name, width
extends_documentation_fragment: [vfio.workstation.filters.reading, vfio.workstation.filters.width]
seealso:
  - {plugin: vfio.workstation.host_info, plugin_type: module}
  - {plugin: vfio.workstation.report_query, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Read the host
  vfio.workstation.host_info:
  register: reading

- name: Print the summary
  ansible.builtin.debug:
    msg: "{{ reading | vfio.workstation.report_lines(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: Lines of text of at most O(width) columns.
  type: list
  elements: str
"""


def report_lines(reading: t.Any, name: str, width: int = 0) -> list[str]:
    # Late: Ansible loads all filters of a collection for each task that uses one, and this import is the slow one.
    from ansible_collections.vfio.workstation.plugins.plugin_utils import _report

    if not isinstance(reading, t.Mapping) or not isinstance(reading.get("host"), t.Mapping):
        raise AnsibleFilterError(
            f"vfio.workstation.report_lines: found {type(reading).__name__} without the key host; "
            "expected the return values of the module vfio.workstation.host_info (pass the registered variable whole)"
        )
    return _report.report_lines(dict(reading), name, width or terminal_width())


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report_lines": report_lines}
