# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter parity_page: the verdicts of parity measurements as a page."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.judgement import report
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import Unreadable, read_results
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity_page import page

DOCUMENTATION = r"""
name: parity_page
short_description: Format the verdicts of parity measurements as an HTML page
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Returns one static page with the intervals drawn. It loads nothing from any network.
options:
  _input:
    description: Documents of P(vfio.workstation.parity_document#filter), also those that the playbook saved.
    type: list
    elements: dict
    required: true
seealso:
  - {plugin: vfio.workstation.benchmark, plugin_type: module}
  - {plugin: vfio.workstation.parity_table, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Write the page of a saved result again
  ansible.builtin.copy:
    content: "{{ [lookup('ansible.builtin.file', 'ws1.parity.json') | from_json] | vfio.workstation.parity_page }}"
    dest: parity.html
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""


def parity_page(documents: t.Any) -> str:
    try:
        results = read_results(documents)
    except Unreadable as error:
        raise AnsibleFilterError(f"vfio.workstation.parity_page: {error}") from error
    return page([report(result) for result in results])


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parity_page": parity_page}
