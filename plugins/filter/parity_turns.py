# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter parity_turns: the order of the measurements."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.schedule import PHASES, turns

DOCUMENTATION = r"""
name: parity_turns
short_description: Return the measurements of a parity measurement in their order
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Returns the turns of blocks in the order A B B A, where A is the host and B the guest. A drift that is linear
    within a block cancels.
  - Each round has one block of each kind, with the kinds in another random order. The order depends on O(seed) only.
positional: phase, seed
options:
  _input:
    description: How many blocks to measure, by the kind of work.
    type: dict
    required: true
  phase:
    description: V(noise) has the host on both sides, V(guest) the host and the guest.
    type: str
    choices: [noise, guest]
    required: true
  seed:
    description: Any text.
    type: str
    default: ""
seealso:
  - {plugin: vfio.workstation.benchmark, plugin_type: module}
  - {plugin: vfio.workstation.parity_document, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Measure the noise
  vfio.workstation.benchmark:
    kind: "{{ item.kind }}"
    runs: "{{ item.runs }}"
  loop: "{{ {'integer_one': 6, 'wake_up': 6} | vfio.workstation.parity_turns('noise', '17') }}"
  become: true
  register: noise
"""

RETURN = r"""
_value:
  description: The turns.
  type: list
  elements: dict
  contains:
    phase:
      description: The phase.
      type: str
    kind:
      description: The kind of work.
      type: str
    block:
      description: The number of the block, from 0.
      type: int
    order:
      description: The number of the turn in the block, from 0 to 2.
      type: int
    side:
      description: V(native) or V(guest).
      type: str
    runs:
      description: How many runs the turn has.
      type: int
"""


def parity_turns(blocks: t.Any, phase: t.Any, seed: t.Any = "") -> list[dict[str, t.Any]]:
    if not isinstance(blocks, t.Mapping) or not all(isinstance(count, int) for count in blocks.values()):
        raise AnsibleFilterError(
            f"vfio.workstation.parity_turns: found {blocks!r:.80}, expected how many blocks to measure, by kind"
        )
    if phase not in PHASES:
        raise AnsibleFilterError(
            f"vfio.workstation.parity_turns: phase: found {phase!r:.80}, expected one of {', '.join(PHASES)}"
        )
    return turns(blocks, phase, str(seed))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parity_turns": parity_turns}
