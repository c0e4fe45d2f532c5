#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage files and kernel modules in the initramfs of every kernel."""

from __future__ import annotations

DOCUMENTATION = r"""
module: initramfs
short_description: Manage files and kernel modules in the initramfs of every kernel
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Adds files and kernel modules to the initramfs of all installed and future kernels, and removes them. Detects the
    generator of the images, one of initramfs-tools, dracut and mkinitcpio.
  - Several callers can manage files and modules independently. Each sets its own O(owner), and a call changes only the
    files and modules of that owner.
  - Plans by the content of each image, not by the changes of earlier runs. Only images that differ from the request are
    rebuilt. A run that finds everything as requested rebuilds none, and does not unpack images that have not changed
    since the last run.
  - Each image is built beside the present one, checked, and then replaced atomically. If a step fails, all files and
    images are restored.
  - A module that is built into a kernel counts as present.
extends_documentation_fragment:
  - vfio.workstation.attributes
  - vfio.workstation.attributes.changes
options:
  owner:
    description:
      - Identifier of the caller, such as V(devices), as C(marker) in M(ansible.builtin.blockinfile). Up to 64
        characters of a-z, 0-9, C(_) and C(-).
    type: str
    required: true
  files:
    description:
      - All files of this owner. Its other files from earlier runs are removed.
      - Their content is stored in C(/etc/vfio-workstation/initramfs), with the mode that it has in the initramfs, and
        in C(/etc/vfio-workstation/initramfs.json), which only root can read.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the file in the initramfs. It replaces a file of the generator.
        type: str
        required: true
      content:
        description: Its content.
        type: str
        required: true
      mode:
        description: Its permissions, in octal digits.
        type: str
        default: "0644"
  modules:
    description:
      - All kernel modules of this owner. The modules that they depend on are added with them. A module must exist for
        every installed kernel, built in or not.
      - They are added, not loaded. A udev rule or a file in C(modules-load.d) among the O(files) can load them.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) adds O(files) and O(modules) to every initramfs.
      - V(absent) removes all files and modules of this owner.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Kernels without a directory of modules, and kernels that boot without an initramfs, are skipped and listed in
    RV(passed_over). Hosts that boot unified kernel images are refused.
  - The image of mkinitcpio's preset C(fallback) and the rescue image of Fedora are not changed.
seealso:
  - module: vfio.workstation.kernel_cmdline
  - module: vfio.workstation.host_info
"""

EXAMPLES = r"""
- name: Bind a function to vfio-pci before its usual driver is loaded
  vfio.workstation.initramfs:
    owner: devices
    modules:
      - vfio-pci
    files:
      - path: /etc/udev/rules.d/10-vfio-workstation.rules
        content: |
          ACTION=="add", SUBSYSTEM=="pci", KERNEL=="0000:41:00.0", ATTR{driver_override}="vfio-pci"
  become: true

- name: List the images that would be rebuilt
  vfio.workstation.initramfs:
    owner: consoles
    modules: [efivarfs]
  check_mode: true
  register: images
  become: true

- name: Remove all files and modules of an owner
  vfio.workstation.initramfs:
    owner: devices
    state: absent
  become: true
"""

RETURN = r"""
generator:
  description: The generator of the images. V(null) if it is unknown or unsupported.
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
      description: Version of the kernel, as C(uname -r) prints it.
      type: str
      sample: 6.12.48+deb13-amd64
    path:
      description: Path of the image.
      type: str
      sample: /boot/initrd.img-6.12.48+deb13-amd64
    before:
      description: Files and modules of all owners in it before the run. Modules that are built in are not listed.
      type: list
      elements: str
      sample: []
    after:
      description: Files and modules of all owners in it after the run, in check mode as predicted.
      type: list
      elements: str
      sample: [/etc/udev/rules.d/10-vfio-workstation.rules, vfio-pci]
    lacks:
      description: Why it was rebuilt, or in check mode would be. Empty if it was not.
      type: list
      elements: str
      sample: [it was not built from this request, it lacks vfio-pci]
passed_over:
  description: Kernels that are skipped.
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
  description: The state of the files and modules at the end of the run; in check mode, as the host is.
  returned: success, and when refused
  type: dict
  contains:
    configured:
      description: Whether the configuration of the generator, which future kernels use, has them.
      type: bool
      sample: true
    staged:
      description: Whether the image of every installed kernel that is not skipped has them.
      type: bool
      sample: true
    active:
      description: Always V(null). The initramfs that the host was booted with is no longer readable.
      type: bool
      sample: null
reboot_required:
  description: Always V(false), because it is unknown. Changes take effect with the next reboot.
  returned: success
  type: bool
  sample: false
refusals:
  description: Why the run was refused, as M(vfio.workstation.host) returns it. Empty if it was not.
  returned: success, and when refused
  type: list
  elements: dict
  sample:
    - code: kernel_lacks_module
      seen: "kernel 6.12.48+deb13-cloud-amd64 has no module vfio-pci: it is in neither modules.dep nor modules.builtin"
      danger: That kernel would boot without the module.
      remedy: Install the package with the kernel's modules, or remove that kernel.
      because: null
unreadable:
  description: Files that exist and could not be read without root, as M(vfio.workstation.host) returns them.
  returned: success, and when refused
  type: list
  elements: dict
  sample: []
steps:
  description: The steps that store files and rebuild images, as M(vfio.workstation.host) returns them.
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
  description: The tools of the generator that were run.
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
