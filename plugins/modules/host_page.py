#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the data and the page of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_page
short_description: Write the data and the page of a host
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Writes what is known about a host to a directory on the controller, as JSON and as a static HTML page. The page has
    the host's requests, refusals and changes, and drawings of its processors and PCI devices.
  - What this run does not know stays as an earlier run wrote it. What changed since then is recorded.
  - The names of files are derived from the name of the host in the inventory. Other characters than letters, digits,
    C(.), C(_) and C(-) are encoded, so that no name leads out of the directory.
  - In check mode, nothing is written.
extends_documentation_fragment:
  - vfio.workstation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  directory:
    description:
      - The directory, relative to the current directory of the user. It is created if it is missing.
    type: str
    required: true
  reading:
    description:
      - What M(vfio.workstation.host_info) returned. By default, the host is read.
    type: dict
  result:
    description:
      - What M(vfio.workstation.host) returned. What Ansible returned in its place is accepted too.
      - By default, the requests are those of the last run with a result.
    type: dict
  predicted:
    description:
      - Whether O(result) is of check mode, so that its steps were not executed.
    type: bool
    default: false
  state:
    description:
      - The requested state of O(result).
    type: str
    choices: [present, absent]
    default: present
  root:
    description:
      - Directory on the host to read instead of the running system.
    type: path
    default: /
seealso:
  - {plugin: vfio.workstation.fleet_page, plugin_type: module}
"""

EXAMPLES = r"""
- name: Write the data and the page of each host
  vfio.workstation.host_page:
    directory: reports
  become: true

- name: Write the page of the fleet
  vfio.workstation.fleet_page:
    directory: reports
  run_once: true
"""

RETURN = r"""
data:
  description: Path of the data.
  type: str
  returned: success
  sample: /home/admin/reports/ws1.json
page:
  description: Path of the page.
  type: str
  returned: success
  sample: /home/admin/reports/machines/ws1.html
changed:
  description: Whether anything but the time of the inspection differs from what an earlier run wrote.
  type: bool
  returned: success
  sample: true
"""
