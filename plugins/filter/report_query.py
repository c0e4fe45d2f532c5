# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter report_query: a JMESPath query across hosts."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

try:
    import jmespath
    import jmespath.exceptions

    JMESPATH_ERROR = None
except ImportError as error:
    JMESPATH_ERROR = error

DOCUMENTATION = r"""
name: report_query
short_description: Query several hosts with a JMESPath expression
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Evaluates a JMESPath expression over what P(vfio.workstation.host_info#module) returned for several hosts.
  - The expression is applied to a list with one element for each host. An element has the keys of
    RV(vfio.workstation.host_info#module:host), and two more.
  - C(name) is the inventory name of the host.
  - C(functions) is a list of the PCI functions. Each has its C(address), and C(group_mates), the addresses of the
    functions in its IOMMU group that belong to other devices, bridges excluded.
requirements:
  - jmespath on the controller
positional: expression
options:
  _input:
    description: The return values of the module, by host name.
    type: dict
    required: true
  expression:
    description: A JMESPath expression; see U(https://jmespath.org/specification.html).
    type: str
    required: true
seealso:
  - {plugin: vfio.workstation.host_info, plugin_type: module}
"""

EXAMPLES = r"""
- name: List the hosts with an unused GPU that is alone in its IOMMU group
  ansible.builtin.debug:
    msg: "{{ readings | vfio.workstation.report_query(query) }}"
  vars:
    query: >-
      [?functions[?starts_with(class, '03') && boot_display == `false` && !in_use_by
      && iommu_group && !group_mates]].name
    readings:
      ws1: "{{ hostvars.ws1.reading }}"
      ws2: "{{ hostvars.ws2.reading }}"
"""

RETURN = r"""
_value:
  description: The result of the expression.
  type: raw
"""


def report_query(readings: t.Any, expression: str) -> t.Any:
    # Late: Ansible loads all filters of a collection for each task that uses one, and this import is the slow one.
    from ansible_collections.vfio.workstation.plugins.plugin_utils import _report

    if JMESPATH_ERROR is not None:
        raise AnsibleFilterError(
            "vfio.workstation.report_query: the Python library jmespath is missing on the controller; "
            f"install it, for example with `pip install jmespath` ({JMESPATH_ERROR})"
        )
    _check(readings)
    try:
        return jmespath.search(expression, _report.query_document(readings))
    except jmespath.exceptions.JMESPathError as error:
        raise AnsibleFilterError(
            f"report_query: {expression!r} is not a valid JMESPath expression: {error}. "
            "See https://jmespath.org/specification.html, and the README of the collection for examples"
        ) from error


def _check(readings: t.Any) -> None:
    broken = [name for name, reading in readings.items() if "host" not in reading]
    if broken:
        raise AnsibleFilterError(
            f"vfio.workstation.report_query: the values of {', '.join(broken)} lack the key host; "
            "expected the return values of the module vfio.workstation.host_info, by host name"
        )


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report_query": report_query}
