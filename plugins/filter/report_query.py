# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A question to what was read of many machines."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils import _report

try:
    import jmespath
    import jmespath.exceptions

    JMESPATH_ERROR = None
except ImportError as error:
    JMESPATH_ERROR = error

DOCUMENTATION = r"""
name: report_query
short_description: Ask a JMESPath question of many machines
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Evaluates an expression over what P(vfio.workstation.host_info#module) returned for several machines.
  - The expression sees a list with one element for each machine, with the keys of
    RV(vfio.workstation.host_info#module:host).
  - The element has two keys besides. C(name) is the machine's name in the inventory. C(functions) is a list of the PCI
    functions, each with its C(address) and with C(group_mates), the addresses in its IOMMU group that belong to other
    devices and are no bridges.
requirements:
  - jmespath on the controller
positional: expression
options:
  _input:
    description: What the module returned, by name of the machine.
    type: dict
    required: true
  expression:
    description: A JMESPath expression, see U(https://jmespath.org/specification.html).
    type: str
    required: true
seealso:
  - plugin: vfio.workstation.host_info
    plugin_type: module
"""

EXAMPLES = r"""
- name: Name the machines with a free display function alone in its group
  ansible.builtin.debug:
    msg: "{{ readings | vfio.workstation.report_query(question) }}"
  vars:
    question: >-
      [?functions[?starts_with(class, '03') && boot_display == `false` && !in_use_by
      && iommu_group && !group_mates]].name
    readings:
      ws1: "{{ hostvars.ws1.reading }}"
      ws2: "{{ hostvars.ws2.reading }}"
"""

RETURN = r"""
_value:
  description: What the expression yields.
  type: raw
"""


def report_query(readings: t.Any, expression: str) -> t.Any:
    if JMESPATH_ERROR is not None:
        raise AnsibleFilterError(
            "vfio.workstation.report_query: the Python library jmespath is missing on the controller; "
            f"install it, for example with `pip install jmespath` ({JMESPATH_ERROR})"
        )
    broken = [name for name, reading in readings.items() if "host" not in reading]
    if broken:
        raise AnsibleFilterError(
            f"vfio.workstation.report_query: the readings of {', '.join(broken)} lack the key host; "
            "expected what the module vfio.workstation.host_info returned, by name of the machine"
        )
    try:
        return jmespath.search(expression, _report.query_document(readings))
    except jmespath.exceptions.JMESPathError as error:
        raise AnsibleFilterError(
            f"report_query: {expression!r} is not a JMESPath expression that fits: {error}. "
            "See https://jmespath.org/specification.html, and the README for examples"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report_query": report_query}
