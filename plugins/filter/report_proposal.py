# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Propose variables that request what somebody configured by hand."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: report_proposal
short_description: Propose variables for what is configured by hand
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Returns the lines of a file of variables for P(vfio.workstation.workstation#role) that request what is configured on
    a host by hand, by the claims and the command line that P(vfio.workstation.host_info#module) returned.
  - Comments name the lines to remove, and the functions that are left to the host. Check the result before you use it.
positional: name
extends_documentation_fragment: [vfio.workstation.filters.reading]
seealso:
  - {plugin: vfio.workstation.host_info, plugin_type: module}
"""

EXAMPLES = r"""
- name: Read the host
  vfio.workstation.host_info:
  register: reading
  become: true

- name: Propose variables
  vfio.workstation.display:
    lines: "{{ reading | vfio.workstation.report_proposal(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: Lines of YAML.
  type: list
  elements: str
"""


def report_proposal(reading: t.Any, name: str) -> list[str]:
    # Late: Ansible loads all filters of a collection for each task that uses one, and this import is the slow one.
    from ansible_collections.vfio.workstation.plugins.plugin_utils import _proposal

    if not isinstance(reading, t.Mapping) or "host" not in reading:
        raise AnsibleFilterError(
            "vfio.workstation.report_proposal: found a value without the key host, expected the return values of the "
            "module vfio.workstation.host_info (register it, and pass it whole)"
        )
    return _proposal.proposal(dict(reading), str(name))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report_proposal": report_proposal}
