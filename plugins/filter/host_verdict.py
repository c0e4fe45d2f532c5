# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of one machine, in a word."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils import _tables, _verdict

DOCUMENTATION = r"""
name: host_verdict
short_description: Say in a word what became of a machine
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Judges what P(vfio.workstation.host#module) returned, for conditions in playbooks.
positional: predicted
options:
  _input:
    description: What the module returned. What Ansible returned in its place will do.
    type: dict
    required: true
  predicted:
    description: Whether the module was in check mode, so that its steps were not done.
    type: bool
    default: false
seealso:
  - plugin: vfio.workstation.host
    plugin_type: module
  - plugin: vfio.workstation.request_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the machine
  vfio.workstation.host:
    iommu: {}
  check_mode: true
  become: true
  register: look

- name: Insist on it
  ansible.builtin.assert:
    that: (look | vfio.workstation.host_verdict(predicted=true)).word == 'active'
"""

RETURN = r"""
_value:
  description: The judgement.
  type: dict
  contains:
    word:
      description:
        - V(unreachable), V(refused) or V(failed), as Ansible or the module said.
        - V(due) is not what was asked for, and a run would change it.
        - V(staged) needs a reboot to become active.
        - V(incomplete) is in place, and yet not all of it is active; the machine was booted with it, so that a reboot
          alone would not help.
        - V(unknown) is in place, and whether it is active can't be told.
        - V(active) is all that was asked for, and V(nothing) that nothing was.
      type: str
    reason:
      description: Why it is unreachable, refused, failed or incomplete, in one line. Empty for all else.
      type: str
"""


def host_verdict(result: t.Any, predicted: bool = False) -> dict[str, str]:
    if not isinstance(result, t.Mapping):
        raise AnsibleFilterError(
            f"vfio.workstation.host_verdict: found {type(result).__name__}, expected what the module "
            "vfio.workstation.host returned (register it, and pass it whole)"
        )
    return {"word": _verdict.verdict(result, bool(predicted)), "reason": _tables.failure_text(result, bool(predicted))}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_verdict": host_verdict}
