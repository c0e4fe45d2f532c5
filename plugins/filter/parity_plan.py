# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter parity_plan: how many blocks a parity measurement needs."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.judgement import plan_blocks
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import Unreadable, read_result
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.text import plan_lines

DOCUMENTATION = r"""
name: parity_plan
short_description: Return how many blocks a comparison with the guest needs
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Computes, from the noise between two native sides, how many blocks give a guest that is exactly as fast the verdict
    V(equivalent) with a probability of 90 %, and how long they take.
positional: limit
options:
  _input:
    description: A document with the noise, of P(vfio.workstation.parity_document#filter).
    type: dict
    required: true
  limit:
    description: Seconds that the comparison may take. Beyond them, all kinds get the same share of their blocks.
    type: float
    required: true
seealso:
  - {plugin: vfio.workstation.benchmark, plugin_type: module}
  - {plugin: vfio.workstation.parity_document, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Report how long the comparison takes
  ansible.builtin.debug:
    msg: "{{ (document | vfio.workstation.parity_plan(3600)).lines }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    blocks:
      description: How many blocks to measure, by kind.
      type: dict
    kinds:
      description: By kind, how many blocks are C(needed) (V(null) if noise makes a verdict impossible) and C(planned),
        the C(power), and the C(seconds).
      type: dict
    lines:
      description: The same as lines of text.
      type: list
      elements: str
"""


def parity_plan(document: t.Any, limit: t.Any) -> dict[str, t.Any]:
    try:
        result = read_result(document, "document")
        plans = plan_blocks(result, float(limit))
    except (Unreadable, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"vfio.workstation.parity_plan: {error}") from error
    return {
        "blocks": {kind: plan.planned for kind, plan in plans.items()},
        "kinds": {kind: plan._asdict() for kind, plan in plans.items()},
        "lines": plan_lines(result.native.name, plans, float(limit)),
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parity_plan": parity_plan}
