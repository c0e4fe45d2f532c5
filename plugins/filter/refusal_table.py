# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of everything that stands in the way on any machine."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils import _tables

DOCUMENTATION = r"""
name: refusal_table
short_description: Show everything that stands in the way on any machine
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Turns what P(vfio.workstation.host#module) returned for several machines into a list of all refusals for people,
    each with what was seen, why it matters, and what to do.
  - Machines that failed or were not reached are in it with Ansible's own words. Those with nothing in the way are not.
  - What is the same on several machines stands there once, under all their names.
options:
  _input:
    description: What the module returned, by name of the machine. What Ansible returned in its place will do.
    type: dict
    required: true
seealso:
  - plugin: vfio.workstation.host
    plugin_type: module
  - plugin: vfio.workstation.request_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Print what stands in the way
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: look} | vfio.workstation.refusal_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text, none with more than 88 columns. Empty where nothing stands in the way.
  type: list
  elements: str
"""


def refusal_table(results: t.Any) -> list[str]:
    if not isinstance(results, t.Mapping) or not all(isinstance(result, t.Mapping) for result in results.values()):
        raise AnsibleFilterError(
            f"vfio.workstation.refusal_table: found {type(results).__name__}, expected a mapping from names of "
            "machines to what the module vfio.workstation.host returned for each (register it, and pass it whole)"
        )
    return _tables.refusal_table(results)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"refusal_table": refusal_table}
