#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own some kernel arguments on a machine, whatever boots it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_cmdline
short_description: Own some kernel arguments on a machine, whatever boots it
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Brings arguments onto the command line of every installed kernel, and of those that will be installed, and takes
    them off again. Finds out by itself what boots the machine.
  - Several owners live side by side. Each names itself with O(owner), and a call changes that owner's arguments only.
  - What others wrote stays byte for byte. An argument that stands there already is left to whoever wrote it.
  - Judges by what is there, not by what a run changed. A run that died half-way is taken up by the next; a run that
    finds everything right runs no tool and writes nothing.
  - Every file is replaced by rename, and a generated one only after it was checked. Where anything fails, all files are
    put back byte for byte.
  - Keeps an entry "without VFIO" in the boot menu for every kernel, which boots it without any of these arguments, for
    as long as an owner has arguments. Not for unified kernel images.
extends_documentation_fragment:
  - vfio.workstation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  owner:
    description:
      - Who the arguments belong to, a name of your choice such as V(iommu). Up to 64 of a-z, 0-9, C(_) and C(-).
    type: str
    required: true
  args:
    description:
      - All arguments of this owner, in their order. What it had before and is not named any more is taken out.
      - A string may hold several arguments. C(hugepagesz=) and the C(hugepages=) after it stay together, in one string
        or in two.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) brings O(args) onto the command lines, V(absent) takes all arguments of this owner off.
    type: str
    choices: [present, absent]
    default: present
  conflicts:
    description:
      - What to do about arguments of others that contradict O(args), such as C(amd_iommu=off).
      - V(refuse) changes nothing and names them with file and line. V(replace) takes them out while this owner's
        arguments are there, and puts them back when those go.
    type: str
    choices: [refuse, replace]
    default: refuse
  kernels:
    description:
      - Which installed kernels are to have the arguments.
    type: str
    choices: [all]
    default: all
  accept:
    description:
      - Codes of refusals whose danger you take upon you, by name, such as V(cmdline_conflict).
    type: list
    elements: str
    default: []
  root:
    description:
      - Folder on the managed machine with a captured tree to plan for instead of the machine. Only in check mode.
    type: path
    default: /
notes:
  - Boots nothing. When RV(reboot_required) is true, the running kernel does not show yet what the next one will.
  - Keeps its record in C(/etc/vfio-workstation/kernel-cmdline.json), and removes it with the last owner's arguments.
seealso:
  - module: vfio.workstation.host_info
  - name: Linux kernel, the kernel's command-line parameters
    description: What every argument means.
    link: https://docs.kernel.org/admin-guide/kernel-parameters.html
"""

EXAMPLES = r"""
- name: Switch the IOMMU of an Intel machine on, with identity mapping for the host's own drivers
  vfio.workstation.kernel_cmdline:
    owner: iommu
    args:
      - intel_iommu=on
      - iommu=pt
  register: iommu
  become: true

- name: Reserve huge pages of two sizes at boot, in pairs whose order counts
  vfio.workstation.kernel_cmdline:
    owner: hugepages
    args:
      - hugepagesz=1G hugepages=16
      - hugepagesz=2M hugepages=512
  become: true

- name: Reboot where a next boot would show more than this one
  ansible.builtin.reboot:
  when: iommu.reboot_required
  become: true

- name: Have what somebody else set stand back for a while
  vfio.workstation.kernel_cmdline:
    owner: debugging
    args: [mitigations=off]
    conflicts: replace
  become: true

- name: Take everything of one owner off again
  vfio.workstation.kernel_cmdline:
    owner: debugging
    state: absent
  become: true
"""

RETURN = r"""
loader:
  description: The boot loader, and how it is configured.
  returned: success, and when refused
  type: str
  sample: grub
entries:
  description: The boot entries of installed kernels that have the arguments, and those that are there to have none.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    id:
      description: By which the boot loader knows the entry. V(null) for one that is made by this run.
      type: str
      sample: gnulinux-6.12.48+deb13-amd64-advanced-0d9c4a5e-6f6b-4c63-9e3b-1f2d3c4b5a69
    title:
      description: What the menu shows.
      type: str
      sample: Debian GNU/Linux, with Linux 6.12.48+deb13-amd64
    kernel:
      description: Version of the kernel, as C(uname -r) says.
      type: str
      sample: 6.12.48+deb13-amd64
    path:
      description: File that holds the entry.
      type: str
      sample: /boot/grub/grub.cfg
    role:
      description: V(normal) has the arguments, V(fallback) has none of them.
      type: str
      sample: normal
    before:
      description: The command line that the run found. V(null) where there was no such entry.
      type: str
      sample: root=UUID=0d9c4a5e-6f6b-4c63-9e3b-1f2d3c4b5a69 ro quiet
    after:
      description: The command line that it left, or in check mode would leave. V(null) where the entry is gone then.
      type: str
      sample: root=UUID=0d9c4a5e-6f6b-4c63-9e3b-1f2d3c4b5a69 ro quiet intel_iommu=on iommu=pt
states:
  description: How far the request has come at the end of the run; in check mode, as things are.
  returned: success, and when refused
  type: dict
  contains:
    configured:
      description: The files that future kernels inherit from hold it.
      type: bool
      sample: true
    staged:
      description: Every installed kernel would boot with it.
      type: bool
      sample: true
    active:
      description: The running kernel was started with it. V(null) where its command line can't be read.
      type: bool
      sample: false
reboot_required:
  description: Whether a reboot would bring what the running kernel does not show.
  returned: success
  type: bool
  sample: true
refusals:
  description: Why nothing was done. Empty when nothing was in the way.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    code:
      description: Stable name of the reason.
      type: str
      sample: cmdline_conflict
    seen:
      description: What was found, with file and line.
      type: str
      sample: >-
        /etc/default/grub, line 6, GRUB_CMDLINE_LINUX has intel_iommu=off, which conflicts with the requested
        intel_iommu=on: they contradict each other (kernel-parameters.txt, intel_iommu=).
    danger:
      description: What would come of it.
      type: str
      sample: >-
        The kernel would get two contradictory arguments, and their order decides which of them takes effect.
    remedy:
      description: What you can do.
      type: str
      sample: >-
        Remove the other argument, or set conflicts=replace, which sets it aside while the requested one is present.
steps:
  description: What was done, or in check mode would be done, in that order; each with its reason.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: GenerateFile
      path: /boot/grub/grub.cfg
      argv: [/usr/sbin/grub-mkconfig, -o, "{draft}"]
      check: grub.cfg
      effect: staged
      reason: bring the arguments into the menu
tools:
  description: The tools that were run.
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
