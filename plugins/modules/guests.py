#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Define several guests of libvirt."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guests
short_description: Define several guests of libvirt
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Calls M(vfio.workstation.guest) once for each guest, and returns their results beside those of
    M(vfio.workstation.host), for the tables of P(vfio.workstation.request_table#filter).
  - A guest that is refused or fails stops none of the others.
  - Mistakes in all entries are reported at once, before anything is sent to the host.
extends_documentation_fragment:
  - vfio.workstation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  guests:
    description:
      - The guests. Each is a mapping with the options of M(vfio.workstation.guest).
    type: list
    elements: dict
    default: []
  host:
    description:
      - What M(vfio.workstation.host) returned for this host. Its values are returned as they are.
    type: dict
    default: {}
  state:
    description:
      - V(absent) removes all of the guests that the collection created, and returns those that it adopted as they were.
    type: str
    choices: [present, absent]
    default: present
  look_inside:
    description:
      - The value of O(vfio.workstation.guest#module:look_inside) for guests that do not set it.
    type: bool
    default: false
  install_packages:
    description:
      - The value of O(vfio.workstation.guest#module:install_packages) for guests that do not set it.
    type: bool
    default: false
seealso:
  - {plugin: vfio.workstation.guest, plugin_type: module}
  - {plugin: vfio.workstation.host, plugin_type: module}
"""

EXAMPLES = r"""
- name: Define two guests that share a GPU
  vfio.workstation.guests:
    guests:
      - name: windows
        os: windows11
        devices: [gpu]
        disk:
          path: /var/lib/libvirt/images/windows.qcow2
      - name: linux
        os: linux
        devices: [gpu]
        disk:
          path: /var/lib/libvirt/images/linux.qcow2
  become: true
"""

RETURN = r"""
guests:
  description: A row for each guest.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of the guest.
      type: str
      sample: windows
    section:
      description: V(guest).
      type: str
      sample: guest
    requested:
      description: What is requested, in words.
      type: str
      sample: windows11 with gpu
    configured:
      description: Whether the domain is defined as requested. V(null) if nobody looked.
      type: bool
      sample: true
    staged:
      description: As RV(guests[].configured).
      type: bool
      sample: true
    active:
      description: Whether the guest is as requested; it does not run with an earlier definition, and lacks nothing.
      type: bool
      sample: true
    due:
      description: Whether a run would change the guest. Only in check mode.
      type: bool
      sample: false
    failed:
      description: Whether the guest was refused, or another error occurred.
      type: bool
      sample: false
    now:
      description: The present state, in words.
      type: str
      sample: defined; off
    uuid:
      description: As that of M(vfio.workstation.guest), like RV(guests[].devices) and the others.
      type: str
      sample: 8b1a9953-c461-4f1e-9d7a-1c2b3a4d5e6f
    devices:
      description: The functions on the host that the guest gets.
      type: dict
      sample:
        gpu: ["0000:41:00.0", "0000:41:00.1"]
    vcpus:
      description: The CPU of the host that each vCPU is pinned to.
      type: list
      elements: int
      sample: [2, 10, 3, 11]
    memory_bytes:
      description: The memory of the guest.
      type: int
      sample: 17179869184
    running:
      description: Whether the guest was running.
      type: bool
      sample: false
    restart_required:
      description: Whether the guest runs with an earlier definition.
      type: bool
      sample: false
    works:
      description: Whether the guest has each of its devices with a driver that works.
      type: dict
      sample: {gpu: true}
    findings:
      description: What the running guest lacks.
      type: list
      elements: dict
      sample: []
    notes:
      description: Further information.
      type: list
      elements: str
      sample: []
    refusals:
      description: Why the guest was refused.
      type: list
      elements: dict
      sample: []
    msg:
      description: The message of the module, if it failed.
      type: str
      sample: "Refused; nothing was changed:"
"""
