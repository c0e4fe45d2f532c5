# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter parity_document: the result of a parity measurement."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity_document import document

DOCUMENTATION = r"""
name: parity_document
short_description: Assemble the result of a parity measurement
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Returns the document from which P(vfio.workstation.parity_table#filter) and the other filters compute everything.
    It has all samples and the conditions of both sides.
positional: guest, settings, turns
options:
  _input:
    description: What P(vfio.workstation.benchmark#module) returned for the host without a kind, and C(name).
    type: dict
    required: true
  guest:
    description: The same for the guest. An empty dictionary for none.
    type: dict
    required: true
  settings:
    description: C(percent) and C(latency_us), the margins; C(node), C(seed) and C(plan).
    type: dict
    required: true
  turns:
    description: The results of loops over what P(vfio.workstation.parity_turns#filter) returned.
    type: list
    elements: dict
    required: true
seealso:
  - {plugin: vfio.workstation.benchmark, plugin_type: module}
  - {plugin: vfio.workstation.parity_turns, plugin_type: filter}
  - {plugin: vfio.workstation.parity_table, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Report the noise of this host
  ansible.builtin.debug:
    msg: "{{ [document] | vfio.workstation.parity_table }}"
  vars:
    document: "{{ native | vfio.workstation.parity_document({}, settings, noise.results) }}"
    native: "{{ conditions | combine({'name': inventory_hostname}) }}"
    settings: {percent: 1, latency_us: 20}
"""

RETURN = r"""
_value:
  description: The document, ready to be written as JSON.
  type: dict
"""


def parity_document(native: t.Any, guest: t.Any, settings: t.Any, turns: t.Any) -> dict[str, t.Any]:
    try:
        return document(native, guest or None, settings, turns)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            "vfio.workstation.parity_document: expected what vfio.workstation.benchmark returned for the host and the "
            f"guest, the settings, and the results of loops over turns ({type(error).__name__}: {error})"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parity_document": parity_document}
