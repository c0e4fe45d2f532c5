# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter run_summary: the statistics of a run."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._summary import summary

DOCUMENTATION = r"""
name: run_summary
short_description: Count hosts by verdict
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Counts what P(vfio.workstation.host#module) returned for several hosts by the verdict of
    P(vfio.workstation.host_verdict#filter), and lists the hosts that are not done.
  - The playbooks C(vfio.workstation.provision) and C(vfio.workstation.verify) add it to the statistics of the run as
    C(workstation_summary).
positional: predicted
extends_documentation_fragment: [vfio.workstation.filters.results, vfio.workstation.filters.predicted]
seealso:
  - {plugin: vfio.workstation.host_verdict, plugin_type: filter}
  - {plugin: vfio.workstation.request_table, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Add the verdict on this host to the statistics of the run
  ansible.builtin.set_stats:
    data:
      summary: "{{ {inventory_hostname: inspected} | vfio.workstation.run_summary }}"
"""

RETURN = r"""
_value:
  description: The statistics.
  type: dict
  contains:
    hosts:
      description: The number of hosts.
      type: int
    verdicts:
      description: The number of hosts by verdict, worst first, without verdicts that no host has.
      type: dict
    unfinished:
      description: The names of the hosts by verdict, without the verdicts V(active) and V(unmanaged).
      type: dict
"""


def run_summary(results: t.Any, predicted: bool = False) -> dict[str, t.Any]:
    if not isinstance(results, t.Mapping) or not all(isinstance(result, t.Mapping) for result in results.values()):
        raise AnsibleFilterError(
            f"vfio.workstation.run_summary: found {type(results).__name__}, expected a mapping from host "
            "names to the return values of the module vfio.workstation.host (pass the registered variable whole)"
        )
    return summary(results, bool(predicted))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"run_summary": run_summary}
