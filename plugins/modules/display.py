#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print lines of text as they are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: display
short_description: Print lines of text as they are
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Prints lines of text, such as the tables of this collection, without the quotes and brackets of
    P(ansible.builtin.debug#module), colored where Ansible colors its output.
  - With a stdout callback for programs, such as C(json) or that of AWX, prints nothing and returns the lines as
    RV(msg).
  - Runs on the controller only.
extends_documentation_fragment:
  - vfio.workstation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  lines:
    description:
      - The lines to print. Nothing is printed for an empty list.
    type: list
    elements: str
    default: []
  failure:
    description:
      - Message with which the task fails after the lines were printed. It does not fail if this is empty.
    type: str
    default: ""
  stats:
    description:
      - Values to add to the statistics of the run, as P(ansible.builtin.set_stats#module) does.
    type: dict
    default: {}
seealso:
  - {plugin: vfio.workstation.request_table, plugin_type: filter}
  - {plugin: vfio.workstation.report_lines, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Print the state of each request, and fail if the host lacks a device
  vfio.workstation.display:
    lines: "{{ {inventory_hostname: inspected} | vfio.workstation.request_table }}"
    failure: "{{ verdict.reason if verdict.word == 'degraded' else '' }}"
  vars:
    verdict: "{{ inspected | vfio.workstation.host_verdict }}"
"""

RETURN = r"""
msg:
  description: The lines, where they were not printed; O(failure) where the task failed.
  type: raw
  returned: with a stdout callback for programs, or on failure
  sample: ["ws1: everything requested is active"]
"""
