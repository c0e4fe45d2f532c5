#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a machine one whose devices, memory and CPUs can be given to guests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: Make a machine one whose devices, memory and CPUs can be given to guests
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Inspects the host, plans every requested section and applies the plan in one pass, or refuses
    with every reason at once and changes nothing.
  - Each section may be given alone, or several together. One that is not given, or is V(null), is not spoken of and
    stays as an earlier run left it. One that is empty takes away what an earlier run brought.
  - Whatever could stop a machine from booting, or take a device from the host, hangs on the kernel command line. The
    boot menu keeps an entry "without VFIO" for every kernel, which boots the machine as it was.
  - A function is bound by address and identity, never by address alone. One that moved since the last run is found
    again; another device in its old place is never taken for it.
  - Every file is replaced by rename, and boot menus and initramfs images only after they were checked. Where anything
    fails, all files are put back byte for byte. A run that finds everything right runs no tool and writes nothing.
extends_documentation_fragment:
  - vfio.workstation.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  iommu:
    description:
      - The IOMMU shall be on. A mapping, which may be empty.
      - C(pass_through) (a boolean, false by default) gives the host's own drivers identity mapping. Devices of guests
        stay translated.
    type: raw
  devices:
    description:
      - The devices that guests shall have, as a list of mappings.
      - C(name) is a name of your choice for it. C(select) is a mapping of what it must be like, of C(address), C(slot),
        C(class), C(vendor), C(device), C(subsystem_vendor), C(subsystem_device), C(model), C(boot_display), C(driver);
        it must come to one device.
      - C(functions) is V(all) (the default), so that a GPU's audio and USB functions come along, or V(selected).
      - C(bind_by) is V(function) (the default), which tells twins apart, or V(id) for C(vfio-pci.ids=).
      - C(with_group) is a list of selections like C(select), for members of its IOMMU group that go along with it.
    type: raw
  hugepages:
    description:
      - The huge pages that are set aside for guests, as a list of mappings.
      - C(size) is a page size such as V(1G) or V(2M). C(memory), such as V(16G), or C(count) says how much.
      - C(nodes) is V(auto) (the default, where the devices and the CPUs of guests are), a list of NUMA nodes, or
        V(null) for wherever the kernel likes. C(at) is V(auto), V(boot) or V(run).
    type: raw
  cpu_isolation:
    description:
      - The CPUs that are kept for guests, as a mapping, which may be empty.
      - C(cpus) is V(auto) (the default), a list such as V(2-7,10), or V(none). With V(auto), C(keep_for_host) is the
        number of whole cores that stay with the host, and C(count) the number of whole cores for guests.
      - C(mode) is V(dynamic) (the default), where a systemd unit keeps the host off those CPUs while it runs, or
        V(boot), where kernel arguments do so from boot on.
    type: raw
  access:
    description:
      - Who may use the devices of guests without being root, as a mapping.
      - C(group) is the name of a group that may open them. C(memlock) is a mapping of C(users) and C(groups) who may
        lock memory, as VFIO does with all of a guest's, and C(limit), V(unlimited) by default.
    type: raw
  kvm:
    description:
      - Options of the kernel's KVM modules, as a mapping of booleans. What is not named stays with the distribution.
      - There are C(nested), C(ignore_msrs), C(report_ignored_msrs), and C(interrupt_virtualization) for APICv or AVIC.
    type: raw
  arguments:
    description:
      - Further kernel arguments of your own, as a list of strings. Their owner is C(bootloader).
    type: raw
  memory_for_host:
    description:
      - What huge pages must leave to the host, such as V(4G). An eighth of all memory, and no less than 2 GiB, by
        default.
    type: raw
  accept:
    description:
      - Codes of refusals whose danger you take upon you, each by its name, as a list.
    type: raw
  conflicts:
    description:
      - What to do about kernel arguments of others that contradict these, such as C(amd_iommu=off).
      - V(refuse) changes nothing and names them with file and line. V(replace) takes them out while ours are there, and
        puts them back when those go.
    type: str
    choices: [refuse, replace]
    default: refuse
  state:
    description:
      - V(present) applies the request. V(absent) takes O(sections) away, or all of them, until every file is as it
        was before the first run.
    type: str
    choices: [present, absent]
    default: present
  sections:
    description:
      - With O(state=absent), what is to go. Everything, when it is left out.
    type: list
    elements: str
    choices: [iommu, devices, hugepages, cpu_isolation, access, kvm, arguments]
  root:
    description:
      - Folder on the managed machine with a captured tree to plan for instead of the machine. Only in check mode.
    type: path
    default: /
notes:
  - Boots nothing. When RV(reboot_required) is true, the running kernel does not show yet what the next one will.
  - Keeps its records in C(/etc/vfio-workstation), and removes them with the last section.
seealso:
  - module: vfio.workstation.host_info
  - module: vfio.workstation.kernel_cmdline
  - module: vfio.workstation.initramfs
  - name: Linux kernel, VFIO
    description: How devices are given to guests, and what IOMMU groups are.
    link: https://docs.kernel.org/driver-api/vfio.html
"""

EXAMPLES = r"""
- name: Give the GPU that is not the boot display to guests, with memory and cores near it
  vfio.workstation.host:
    iommu: {}
    devices:
      - name: gpu
        select: {class: display, boot_display: false}
    hugepages:
      - {size: 1G, memory: 16G}
    cpu_isolation: {keep_for_host: 2}
  register: host
  become: true

- name: Reboot where a next boot would show more than this one
  ansible.builtin.reboot:
  when: host.reboot_required
  become: true

- name: Give one of two identical cards, with the USB controller that shares its group
  vfio.workstation.host:
    devices:
      - name: second card
        select: {address: "0000:41:00.0"}
        with_group:
          - {class: usb}
  become: true

- name: Let the users of a group start guests of their own, and keep the log quiet
  vfio.workstation.host:
    access:
      group: kvm
      memlock: {groups: [kvm], limit: 40G}
    kvm: {ignore_msrs: true, report_ignored_msrs: false}
  become: true

- name: What would be done to a machine that somebody captured
  vfio.workstation.host:
    devices:
      - {name: gpu, select: {vendor: nvidia}}
    root: /srv/captures/desk-14
  check_mode: true

- name: Everything as it was before
  vfio.workstation.host:
    state: absent
  become: true
"""

RETURN = r"""
requests:
  description: How far each request has come at the end of the run; in check mode, as things are.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    section:
      description: The section that it belongs to.
      type: str
      sample: devices
    name:
      description: The device's name, the size of huge pages, or what else tells it from others.
      type: str
      sample: gpu
    requested:
      description: What it resolves to on this machine.
      type: str
      sample: 0000:41:00.0, 0000:41:00.1 on vfio-pci
    now:
      description: What the running system shows.
      type: str
      sample: 0000:41:00.0 nouveau, 0000:41:00.1 snd_hda_intel
    configured:
      description: The files that future kernels inherit from hold it.
      type: bool
      sample: true
    staged:
      description: Every installed kernel would boot with it.
      type: bool
      sample: true
    active:
      description: The running system shows it. V(null) where that can't be told.
      type: bool
      sample: false
states:
  description: The same of all requests together, and of what is not wanted any more.
  returned: success, and when refused
  type: dict
  contains:
    configured:
      description: The files that future kernels inherit from are as they shall be.
      type: bool
      sample: true
    staged:
      description: So is every installed kernel's entry and initramfs.
      type: bool
      sample: true
    active:
      description: The running system shows all of it. V(null) where that can't be told.
      type: bool
      sample: false
reboot_required:
  description:
    - Whether a reboot would bring what the running system does not show.
    - Where the machine was booted with all of it, and does not show it nevertheless, another reboot would end the same,
      and this is V(false) while RV(states.active) is V(false), too.
  returned: success
  type: bool
  sample: true
notes:
  description: What a person should know of the plan.
  returned: success, and when refused
  type: list
  elements: str
  sample: ["gpu: moved from 0000:41:00.0 to 0000:42:00.0"]
devices:
  description: The functions that shall be on vfio-pci, in bus order. V(null) when the section is not spoken of.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    name:
      description: Name of the request.
      type: str
      sample: gpu
    address:
      description: Full PCI address.
      type: str
      sample: "0000:41:00.0"
    identity:
      description: What the function is, by which it is found again.
      type: dict
      sample: {vendor: "10de", device: "2204", parent: "0000:40:01.1"}
    role:
      description: Why it is bound, V(selected), V(same slot) or V(named).
      type: str
      sample: selected
    bind_by:
      description: V(function) or V(id).
      type: str
      sample: function
    twins:
      description: Addresses of other functions with the same ids.
      type: list
      elements: str
      sample: ["0000:21:00.0"]
cpus:
  description: The CPUs that are kept for guests. V(null) when the section is not spoken of.
  returned: success, and when refused
  type: dict
  contains:
    guests:
      description: Theirs.
      type: list
      elements: int
      sample: [8, 9, 10, 11]
    host:
      description: Those that stay with the host.
      type: list
      elements: int
      sample: [0, 1, 2, 3]
    arguments:
      description: Kernel arguments; none in dynamic mode.
      type: list
      elements: str
      sample: ["isolcpus=domain,managed_irq,8-11"]
    mode:
      description: V(dynamic) or V(boot).
      type: str
      sample: dynamic
    reason:
      description: Why these, in one sentence.
      type: str
      sample: >-
        CPUs 8-11 are for guests: 2 whole cores, in one L3 cache of 32 MiB, on the devices' node 1, and the host keeps
        2 cores, CPUs 0,1 among them.
findings:
  description:
    - Functions that the host should have (the boot display, and every function that is not requested) but that are on a
      driver for guests in the running system, with who claims each.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    code:
      description: V(host_device_taken).
      type: str
      sample: host_device_taken
    seen:
      description: The function, and the lines that claim it.
      type: str
      sample: "0000:01:00.0 [10de:2684], class 0300, driver vfio-pci, group 12, boot display"
    danger:
      description: What comes of it.
      type: str
      sample: The host is without this function until it is given back.
    remedy:
      description: What to do.
      type: str
      sample: Remove what claims it and reboot.
refusals:
  description: Why nothing was done. Empty when nothing was in the way.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    code:
      description: Stable name of the reason.
      type: str
      sample: group_shared_with_host
    seen:
      description: What was found.
      type: str
      sample: "gpu: IOMMU group 1 also has these devices of the host: 0000:00:1f.2 [8086:2922], class 0106, driver ahci"
    danger:
      description: What would come of it.
      type: str
      sample: >-
        An IOMMU group is passed through as a whole: with a member on a driver of the host, no guest could start.
    remedy:
      description: What you can do.
      type: str
      sample: Name those members in with_group, to pass them through too; or move the card to another slot.
loader:
  description: The boot loader, and how it is configured. V(null) when no kernel argument is spoken of.
  returned: success
  type: str
  sample: grub
entries:
  description: The boot entries, as M(vfio.workstation.kernel_cmdline) returns them.
  returned: success
  type: list
  elements: dict
  sample: []
generator:
  description: What makes initramfs images. V(null) when no device is spoken of.
  returned: success
  type: str
  sample: initramfs-tools
images:
  description: The initramfs images, as M(vfio.workstation.initramfs) returns them.
  returned: success
  type: list
  elements: dict
  sample: []
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

from ansible_collections.vfio.workstation.plugins.module_utils._run.host import run_host


def main() -> None:
    run_host()


if __name__ == "__main__":
    main()
