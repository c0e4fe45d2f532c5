#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage kernel arguments with any supported boot loader."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_cmdline
short_description: Manage kernel arguments with any supported boot loader
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Adds arguments to the command line of all installed and future kernels, and removes them. Detects the boot loader.
  - Several callers can manage arguments independently. Each sets its own O(owner), and a call changes only the
    arguments of that owner.
  - Foreign arguments stay byte for byte. An argument that is present already stays foreign.
  - Plans by the state of the files, not by the changes of earlier runs. A run after one that was killed completes the
    request. A run that finds everything as requested runs no tool and writes nothing.
  - Files are replaced atomically, generated files only after a check of their content. If a step fails, all files are
    restored byte for byte.
  - As long as an owner has arguments, the boot menu has an entry "without VFIO" for every kernel, which boots it
    without any of them. Unified kernel images have no such entry.
extends_documentation_fragment:
  - vfio.workstation.boot
  - vfio.workstation.attributes
  - vfio.workstation.attributes.changes
options:
  owner:
    description:
      - Identifier of the caller, such as V(iommu), as C(marker) in M(ansible.builtin.blockinfile). Up to 64 characters
        of a-z, 0-9, C(_) and C(-).
    type: str
    required: true
  args:
    description:
      - All arguments of this owner, in their order. Its other arguments from earlier runs are removed.
      - A string may contain several arguments. C(hugepagesz=) and the C(hugepages=) after it are kept together, in one
        string or in two.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) adds O(args) to the command lines. V(absent) removes all arguments of this owner.
    type: str
    choices: [present, absent]
    default: present
  kernels:
    description:
      - The installed kernels to add the arguments to.
    type: str
    choices: [all]
    default: all
  accept:
    description:
      - Refusal codes to override, such as V(cmdline_conflict).
    type: list
    elements: str
    default: []
notes:
  - Keeps its record in C(/etc/vfio-workstation/kernel-cmdline.json), and removes it with the last owner's arguments.
seealso:
  - module: vfio.workstation.host_info
  - name: Linux kernel, the kernel's command-line parameters
    description: The meaning of every argument.
    link: https://docs.kernel.org/admin-guide/kernel-parameters.html
"""

EXAMPLES = r"""
- name: Enable the IOMMU of an Intel host, with identity mapping for devices of the host
  vfio.workstation.kernel_cmdline:
    owner: iommu
    args:
      - intel_iommu=on
      - iommu=pt
  register: iommu
  become: true

- name: Reserve huge pages of two sizes at boot, in ordered pairs
  vfio.workstation.kernel_cmdline:
    owner: hugepages
    args:
      - hugepagesz=1G hugepages=16
      - hugepagesz=2M hugepages=512
  become: true

- name: Reboot if the arguments require it
  ansible.builtin.reboot:
  when: iommu.reboot_required
  become: true

- name: Set a foreign argument aside while debugging
  vfio.workstation.kernel_cmdline:
    owner: debugging
    args: [mitigations=off]
    conflicts: replace
  become: true

- name: Remove all arguments of an owner
  vfio.workstation.kernel_cmdline:
    owner: debugging
    state: absent
  become: true
"""

RETURN = r"""
loader:
  description: The boot loader and its way of configuration.
  returned: success, and when refused
  type: str
  sample: grub
entries:
  description: The boot entries of installed kernels, with the arguments, and the fallback entries without them.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    id:
      description: The identifier of the entry for the boot loader. V(null) for an entry that this run adds.
      type: str
      sample: gnulinux-6.12.48+deb13-amd64-advanced-0d9c4a5e-6f6b-4c63-9e3b-1f2d3c4b5a69
    title:
      description: The title in the menu.
      type: str
      sample: Debian GNU/Linux, with Linux 6.12.48+deb13-amd64
    kernel:
      description: Version of the kernel, as C(uname -r) prints it.
      type: str
      sample: 6.12.48+deb13-amd64
    path:
      description: The file with the entry.
      type: str
      sample: /boot/grub/grub.cfg
    role:
      description: V(normal) has the arguments, V(fallback) has none of them.
      type: str
      sample: normal
    before:
      description: The command line before the run. V(null) if there was no such entry.
      type: str
      sample: root=UUID=0d9c4a5e-6f6b-4c63-9e3b-1f2d3c4b5a69 ro quiet
    after:
      description: The command line after the run, in check mode as predicted. V(null) if the entry is removed.
      type: str
      sample: root=UUID=0d9c4a5e-6f6b-4c63-9e3b-1f2d3c4b5a69 ro quiet intel_iommu=on iommu=pt
states:
  description: The state of the arguments at the end of the run; in check mode, as the host is.
  returned: success, and when refused
  type: dict
  contains:
    configured:
      description: Whether the files that future kernels inherit from have the arguments.
      type: bool
      sample: true
    staged:
      description: Whether every installed kernel would boot with them.
      type: bool
      sample: true
    active:
      description: Whether the running kernel was booted with them. V(null) if its command line is unreadable.
      type: bool
      sample: false
reboot_required:
  description: Whether a reboot would make active what the running kernel does not show.
  returned: success
  type: bool
  sample: true
refusals:
  description: Why the run was refused, with file and line, as M(vfio.workstation.host) returns it. Empty if it was not.
  returned: success, and when refused
  type: list
  elements: dict
  sample:
    - code: cmdline_conflict
      seen: >-
        /etc/default/grub, line 6, GRUB_CMDLINE_LINUX has intel_iommu=off, which conflicts with the requested
        intel_iommu=on: they contradict each other (kernel-parameters.txt, intel_iommu=).
      danger: >-
        The kernel would get two contradictory arguments, and their order decides which of them takes effect.
      remedy: >-
        Remove the other argument, or set conflicts=replace, which sets it aside while the requested one is present.
      because: null
unreadable:
  description: Files that exist and could not be read without root, as M(vfio.workstation.host) returns them.
  returned: success, and when refused
  type: list
  elements: dict
  sample: []
steps:
  description: The steps that change entries and boot menus, as M(vfio.workstation.host) returns them.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: GenerateFile
      path: /boot/grub/grub.cfg
      argv: [/usr/sbin/grub-mkconfig, -o, "{draft}"]
      check: grub.cfg
      effect: staged
      reason: add the arguments to the menu
tools:
  description: The tools of the boot loader that were run.
  returned: success
  type: list
  elements: str
  sample: ["/usr/sbin/grub-mkconfig -o /boot/grub/.grub.cfg.vfio-workstation~"]
"""

from ansible_collections.vfio.workstation.plugins.module_utils._run.kernel_cmdline import run_kernel_cmdline


def main() -> None:
    run_kernel_cmdline()


if __name__ == "__main__":
    main()
