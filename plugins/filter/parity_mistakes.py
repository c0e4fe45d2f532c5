# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter parity_mistakes: what prevents a parity measurement."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.sides import mistakes

DOCUMENTATION = r"""
name: parity_mistakes
short_description: Return what prevents a parity measurement
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Returns the tools that a side lacks, with the packages that have them, and different numbers of CPUs.
positional: kinds
options:
  _input:
    description: C(native) and C(guest), each what P(vfio.workstation.benchmark#module) returned without a kind, and
      C(name). C(guest) may be empty.
    type: dict
    required: true
  kinds:
    description: The kinds of work to measure.
    type: list
    elements: str
    required: true
seealso:
  - {plugin: vfio.workstation.benchmark, plugin_type: module}
  - {plugin: vfio.workstation.parity_turns, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Check that the host has the tools
  ansible.builtin.assert:
    that: not sides | vfio.workstation.parity_mistakes(['integer_one'])
  vars:
    sides: {native: "{{ conditions }}", guest: {}}
"""

RETURN = r"""
_value:
  description: One text for each.
  type: list
  elements: str
"""


def parity_mistakes(sides: t.Any, kinds: t.Any) -> list[str]:
    try:
        return mistakes(sides["native"], sides["guest"] or None, kinds)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(
            "vfio.workstation.parity_mistakes: expected native and guest as vfio.workstation.benchmark returned them, "
            f"and kinds of work ({type(error).__name__}: {error})"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parity_mistakes": parity_mistakes}
