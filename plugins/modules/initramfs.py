#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own some files and modules in the initramfs of every kernel, whatever makes it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: initramfs
short_description: Own some files and modules in the initramfs of every kernel, whatever makes it
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Brings files and kernel modules into the initramfs of every installed kernel, and of those that will be installed,
    and takes them out again. Finds out by itself what makes the images. Works with initramfs-tools, dracut and
    mkinitcpio.
  - Several owners live side by side. Each names itself with O(owner), and a call changes that owner's files and modules
    only.
  - Judges by what is in each image, not by what a run changed. Exactly those images are made anew that lack something
    or hold something that is not wanted any more. A run that finds everything right makes none; an image that has not
    changed since the last run is not unpacked to find that out.
  - Each image is made beside the old one, looked into, and put in its place by rename. Where anything fails, the old
    images are in their places, and all files are put back byte for byte.
  - A module that is built into a kernel counts as there, and is not asked for.
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
      - Who the files and modules belong to, a name of your choice such as V(devices). Up to 64 of a-z, 0-9, C(_) and
        C(-).
    type: str
    required: true
  files:
    description:
      - All files of this owner. What it had before and is not named any more is taken out.
      - Their content is kept in C(/etc/vfio-workstation/initramfs), with the mode that it has in the initramfs, and in
        C(/etc/vfio-workstation/initramfs.json), which only root can read.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the file lies inside of the initramfs. A file that is there otherwise is replaced by it.
        type: str
        required: true
      content:
        description: What is in it.
        type: str
        required: true
      mode:
        description: Its permissions, in octal digits.
        type: str
        default: "0644"
  modules:
    description:
      - All kernel modules of this owner; what they depend on comes with them. A module must exist for every installed
        kernel, built in or not.
      - They are put in, not loaded; a rule of udev or a file of C(modules-load.d) among the O(files) can do that.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) has the O(files) and O(modules), and no others of this owner, in every initramfs.
      - V(absent) takes all of this owner's out.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Kernels without a folder of modules, and those that boot without an initramfs, are passed over and named. Machines
    that boot unified kernel images are refused.
  - The image of mkinitcpio's preset C(fallback) and the rescue image of Fedora are left as they are.
seealso:
  - module: vfio.workstation.kernel_cmdline
  - module: vfio.workstation.host_info
"""

EXAMPLES = r"""
- name: Have vfio-pci at hand before the disks are looked for
  vfio.workstation.initramfs:
    owner: devices
    modules:
      - vfio-pci
    files:
      - path: /etc/udev/rules.d/10-vfio-workstation.rules
        content: |
          ACTION=="add", SUBSYSTEM=="pci", KERNEL=="0000:41:00.0", ATTR{driver_override}="vfio-pci"
  become: true

- name: Say which images would be made anew
  vfio.workstation.initramfs:
    owner: consoles
    modules: [efivarfs]
  check_mode: true
  register: images
  become: true

- name: Take everything of one owner out again
  vfio.workstation.initramfs:
    owner: devices
    state: absent
  become: true
"""

RETURN = r"""
generator:
  description: The program that makes the images. V(null) when it can't be told, or is none that can be used.
  returned: success, and when refused
  type: str
  sample: initramfs-tools
images:
  description: The image of each installed kernel.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    kernel:
      description: Version of the kernel, as C(uname -r) says.
      type: str
      sample: 6.12.48+deb13-amd64
    path:
      description: The image.
      type: str
      sample: /boot/initrd.img-6.12.48+deb13-amd64
    before:
      description: Files and modules of any owner that the run found in it. Modules that are built in are not named.
      type: list
      elements: str
      sample: []
    after:
      description: Files and modules of all owners that the run left in it, or in check mode would leave.
      type: list
      elements: str
      sample: [/etc/udev/rules.d/10-vfio-workstation.rules, vfio-pci]
    lacks:
      description: Why it was made anew, or in check mode would be. Empty where it was right.
      type: list
      elements: str
      sample: [it was not built from this request, it lacks vfio-pci]
passed_over:
  description: Kernels whose image can't be made.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    kernel:
      description: Version of the kernel.
      type: str
      sample: 6.1.0-18-amd64
    reason:
      description: Why.
      type: str
      sample: it has no modules.dep below /lib/modules
states:
  description: How far the request has come at the end of the run; in check mode, as things are.
  returned: success, and when refused
  type: dict
  contains:
    configured:
      description: The files that the images of future kernels are made by hold it.
      type: bool
      sample: true
    staged:
      description: The image of every installed kernel that is not passed over holds it.
      type: bool
      sample: true
    active:
      description: Always V(null). What was in the initramfs that a machine was booted with can't be seen any more.
      type: bool
      sample: null
reboot_required:
  description: Always V(false), since it can't be told. Reboot for what was changed to take effect.
  returned: success
  type: bool
  sample: false
refusals:
  description: Why nothing was done. Empty when nothing was in the way.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    code:
      description: Stable name of the reason.
      type: str
      sample: kernel_lacks_module
    seen:
      description: What was found.
      type: str
      sample: >-
        kernel 6.12.48+deb13-cloud-amd64 has no module vfio-pci: it is in neither modules.dep nor modules.builtin
    danger:
      description: What would come of it.
      type: str
      sample: That kernel would boot without the module.
    remedy:
      description: What you can do.
      type: str
      sample: Install the package with the kernel's modules, or remove that kernel.
steps:
  description: What was done, or in check mode would be done, in that order; each with its reason.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: GenerateFile
      path: /boot/initrd.img-6.12.48+deb13-amd64
      argv: [mkinitramfs, -o, "{draft}", 6.12.48+deb13-amd64]
      check: initramfs 6.12.48+deb13-amd64
      effect: staged
      reason: rebuild the initramfs of kernel 6.12.48+deb13-amd64, which differs from the request
tools:
  description: The tools that were run.
  returned: success
  type: list
  elements: str
  sample: [mkinitramfs -o /boot/.initrd.img-6.12.48+deb13-amd64.vfio-workstation~ 6.12.48+deb13-amd64]
"""

from ansible_collections.vfio.workstation.plugins.module_utils._run.initramfs import run_initramfs


def main() -> None:
    run_initramfs()


if __name__ == "__main__":
    main()
