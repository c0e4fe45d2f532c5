# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter parity_table: the verdicts of parity measurements."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.module_utils._local.terminal import terminal_width
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.judgement import report
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import Unreadable, read_results
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.text import table

DOCUMENTATION = r"""
name: parity_table
short_description: Format the verdicts of parity measurements
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Computes a verdict on each kind of work from the samples, and formats them as a table for each host, with causes
    for what is not equivalent. For several hosts, a last table has a row for each.
positional: width
extends_documentation_fragment:
  - vfio.workstation.filters.width
options:
  _input:
    description: Documents of P(vfio.workstation.parity_document#filter), also those that the playbook saved.
    type: list
    elements: dict
    required: true
seealso:
  - {plugin: vfio.workstation.benchmark, plugin_type: module}
  - {plugin: vfio.workstation.parity_page, plugin_type: filter}
  - {plugin: vfio.workstation.parity_verdict, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Print a saved result again
  ansible.builtin.debug:
    msg: "{{ [lookup('ansible.builtin.file', 'ws1.parity.json') | from_json] | vfio.workstation.parity_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text. Rows of tables may be longer than O(width).
  type: list
  elements: str
"""


def parity_table(documents: t.Any, width: int = 0) -> list[str]:
    try:
        results = read_results(documents)
    except Unreadable as error:
        raise AnsibleFilterError(f"vfio.workstation.parity_table: {error}") from error
    return table([report(result) for result in results], width or terminal_width())


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parity_table": parity_table}
