#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the page of a fleet."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_page
short_description: Write the page of a fleet
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Writes a static HTML page, C(index.html), about all hosts whose data M(vfio.workstation.host_page) wrote to a
    directory.
  - The page has the states of all hosts, what has to be done, what changed since the last time, the requests, the GPUs
    that can be passed through, and the kernels. It needs no network and no server.
  - Runs on the controller only. Call it once for all hosts.
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
      - The directory, relative to the current directory of the user.
    type: str
    required: true
seealso:
  - {plugin: vfio.workstation.host_page, plugin_type: module}
"""

EXAMPLES = r"""
- name: Write the page of the fleet
  vfio.workstation.fleet_page:
    directory: reports
  run_once: true
"""

RETURN = r"""
page:
  description: Path of the page.
  type: str
  returned: success
  sample: /home/admin/reports/index.html
changed:
  description: Whether anything but times differs from the page of an earlier run.
  type: bool
  returned: success
  sample: true
"""
