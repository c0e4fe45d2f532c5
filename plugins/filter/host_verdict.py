# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter host_verdict: the verdict on one host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.module_utils._text import tables, verdict

DOCUMENTATION = r"""
name: host_verdict
short_description: Return the verdict on a host
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Condenses what P(vfio.workstation.host#module) returned to one word, for conditions in playbooks.
positional: predicted
extends_documentation_fragment: [vfio.workstation.filters.predicted]
options:
  _input:
    description: The return values of the module. What Ansible returned in its place is accepted too.
    type: dict
    required: true
seealso:
  - {plugin: vfio.workstation.host, plugin_type: module}
  - {plugin: vfio.workstation.request_table, plugin_type: filter}
  - {plugin: vfio.workstation.refusal_table, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Inspect the host without changing it
  vfio.workstation.host:
    iommu: {}
  check_mode: true
  become: true
  register: inspected

- name: Assert that the IOMMU is on
  ansible.builtin.assert:
    that: (inspected | vfio.workstation.host_verdict(predicted=true)).word == 'active'
"""

RETURN = r"""
_value:
  description: The verdict.
  type: dict
  contains:
    word:
      description:
        - "V(unreachable): Ansible could not reach the host."
        - "V(refused): the module refused the request; nothing was changed."
        - "V(failed): any other error."
        - "V(pending): the host differs from the request; a run would change it."
        - "V(staged): configured and staged; a reboot activates it."
        - "V(degraded): the host is without a device that it should have, such as its boot display: something else
          claims it."
        - "V(incomplete): configured and staged, but not everything is active. The host was booted with the
          configuration, so a reboot alone will not help."
        - "V(guest_failed): a guest was refused, or failed."
        - "V(guest_degraded): everything is as requested, but a running guest lacks something that it should have, such
          as a device that works."
        - "V(guest_outdated): everything is as requested, but a guest runs with an earlier definition, until it is shut
          down and started again."
        - "V(unknown): configured and staged; whether everything is active is unknown."
        - "V(partial): the module ran without root, so that it is unknown whether a run would change something."
        - "V(active): everything requested is active."
        - "V(unmanaged): no configuration was requested."
      type: str
    reason:
      description:
        - The reason for V(unreachable), V(refused), V(failed), V(guest_failed), V(degraded), V(incomplete) or
          V(guest_degraded), in one line. Empty otherwise.
      type: str
    guest_differences:
      description:
        - The guests that a run would change, each in words. Only of M(vfio.workstation.guests) in check mode.
      type: list
      elements: str
"""


def host_verdict(result: t.Any, predicted: bool = False) -> dict[str, t.Any]:
    if not isinstance(result, t.Mapping):
        raise AnsibleFilterError(
            f"vfio.workstation.host_verdict: found {type(result).__name__}, expected the return values of the module "
            "vfio.workstation.host (pass the registered variable whole)"
        )
    return {
        "word": verdict.verdict(result, bool(predicted)),
        "reason": tables.failure_text(result, bool(predicted)),
        "guest_differences": tables.guest_differences(result),
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_verdict": host_verdict}
