#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configure a host for PCI passthrough."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: "Configure a host for PCI passthrough: device binding, huge pages, CPU isolation"
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Inspects the host, plans every requested section and applies the plan in one pass, or refuses
    with every reason at once and changes nothing.
  - Sections can be requested one by one or together, with the same result. Sections that are omitted or V(null) are
    left unmanaged. A section that is empty removes what an earlier run configured for it.
  - Everything that can affect booting, or takes a device from the host, is gated by kernel arguments. The boot menu
    gets an entry "without VFIO" for every kernel, which boots the host without them.
  - A function is bound by its address and identity, never by its address alone. A function that has moved since the
    last run is found again, and another device at its old address is not bound.
  - Files are replaced atomically; boot menus and initramfs images only after a check of their content. If a step fails,
    all files are restored byte for byte. A run that finds the host as requested runs no tool and writes nothing.
  - With O(conflicts=replace) and managed O(devices), foreign lines that take functions for VFIO or from the request are
    set aside, too, whether they contradict the request or agree with it. These are lines in C(/etc/modprobe.d) and
    C(/etc/initramfs-tools/modules), C(MODULES) of mkinitcpio, C(force_drivers) and C(add_drivers) of dracut, and
    overrides of driverctl. A line becomes a comment that says so, and its other options stay. An override is renamed.
    Initramfs images are rebuilt. An argument such as C(vfio-pci.ids) is removed from the kernel command line, with GRUB
    and systemd-boot, if it is in no foreign entry. With O(state=absent), everything is put
    back.
  - Other claims are named only, such as those of scripts, udev rules, and files of packages.
    So is a line with a function that is on a driver for guests and is not requested, because the driver of the host
    would get it back.
extends_documentation_fragment:
  - vfio.workstation.boot
  - vfio.workstation.attributes
  - vfio.workstation.attributes.changes
options:
  iommu:
    description:
      - Enables the IOMMU. A mapping, which may be empty.
    type: dict
    suboptions:
      pass_through:
        description:
          - Whether devices of the host get identity mapping (C(iommu=pt)). Devices of guests are still translated.
        type: bool
        default: false
  devices:
    description:
      - The devices for guests, a list of mappings. They are bound to vfio-pci at boot.
      - An empty list returns all of them to the host.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - A name of your choice, such as V(gpu). It identifies the device in results and in later runs.
        type: str
        required: true
      select:
        description:
          - The properties that identify the device. Exactly one device of the host must have all of them; otherwise the
            run is refused, with a list of candidates. Functions of one slot count as one device.
          - An address such as V(0000:41:00.0) may be written instead of the mapping.
          - Put addresses and hexadecimal digits in quotes, because YAML reads some of them as numbers.
        type: raw
        required: true
        suboptions:
          class:
            description:
              - The kind of device, one of V(display), V(audio), V(video), V(nvme), V(sata), V(storage), V(network),
                V(wireless), V(usb), V(thunderbolt) and V(accelerator), or the leading digits of a PCI class, such as
                V(0c03).
            type: str
          vendor:
            description:
              - The vendor, one of V(nvidia), V(amd) and V(intel), or four hexadecimal digits.
            type: str
          device:
            description:
              - The device id, four hexadecimal digits.
            type: str
          id:
            description:
              - Vendor id and device id in one, such as V(10de:2684).
            type: str
          subsystem_vendor:
            description:
              - The id of the card's vendor, four hexadecimal digits.
            type: str
          subsystem_device:
            description:
              - The card vendor's id of the device, four hexadecimal digits.
            type: str
          subsystem:
            description:
              - Both subsystem ids in one, such as V(1043:88e2).
            type: str
          address:
            description:
              - The address of a function, such as V(0000:41:00.0).
            type: str
          slot:
            description:
              - The address of a slot, which is an address without function, such as V(0000:41:00).
            type: str
          model:
            description:
              - Words that the names of vendor and device contain, such as V(rtx 4090).
            type: str
          boot_display:
            description:
              - Whether the device is the GPU that the firmware uses for its output.
            type: bool
          driver:
            description:
              - The driver that the device is bound to.
            type: str
      functions:
        description:
          - V(all) binds all functions in the slot of the selected one, such as the audio and USB functions of a GPU.
          - V(selected) binds only the selected function.
        type: str
        choices: [all, selected]
        default: all
      bind_by:
        description:
          - V(function) binds a function by its address and identity, so that an identical device stays with the host.
          - V(id) binds by ids, as C(vfio-pci.ids=) does. Refused if a device of the host has the same ids.
        type: str
        choices: [function, id]
        default: function
      with_group:
        description:
          - Further members of the IOMMU group to bind, each written as C(select).
          - A guest gets an IOMMU group as a whole. The run is refused unless all members of the group are selected.
        type: list
        elements: raw
        default: []
  hugepages:
    description:
      - The huge pages to reserve for guests, a list of mappings. An empty list removes them.
    type: list
    elements: dict
    suboptions:
      size:
        description:
          - A page size that the host supports, such as V(1G) or V(2M).
        type: str
        required: true
      memory:
        description:
          - How much memory to reserve, such as V(16G), a multiple of the page size.
          - Exactly one of C(memory) and C(count) is required.
        type: str
      count:
        description:
          - How many pages to reserve.
        type: int
      nodes:
        description:
          - The NUMA nodes to spread the pages over, such as V([0, 1]).
          - V(auto) uses the nodes of the guests' devices and CPUs. V(null) leaves the choice to the kernel.
        type: raw
        default: auto
      at:
        description:
          - V(boot) reserves the pages at boot, by kernel arguments. V(run) allocates them in the running system.
          - V(auto) depends on the page size, and is V(boot) for 1 GiB and more.
        type: str
        choices: [auto, boot, run]
        default: auto
  cpu_isolation:
    description:
      - The CPUs to reserve for guests, a mapping. An empty mapping chooses everything automatically.
    type: dict
    suboptions:
      cpus:
        description:
          - A list of CPUs such as V(2-7,10), or V(none) to end the isolation.
          - V(auto) chooses whole cores near the guests' devices, in as few L3 caches as possible, performance cores
            first.
        type: raw
        default: auto
      keep_for_host:
        description:
          - With V(auto), the number of whole cores that stay with the host, among them the core of CPU 0.
          - By default two if the host has four cores or more, otherwise one.
        type: int
      count:
        description:
          - With V(auto), the number of whole cores for guests. By default those of one L3 cache.
        type: int
      mode:
        description:
          - V(dynamic) isolates the CPUs while the unit C(vfio-workstation-cpu-isolation.service) is active.
          - V(boot) isolates them from boot, by the kernel arguments C(isolcpus), C(nohz_full) and C(rcu_nocbs).
        type: str
        choices: [dynamic, boot]
        default: dynamic
  access:
    description:
      - Who may use the devices of guests without root, a mapping. Guests of libvirt's system daemon do not need it.
    type: dict
    suboptions:
      group:
        description:
          - The group whose members may open the devices of guests in C(/dev/vfio), such as V(kvm).
        type: str
      memlock:
        description:
          - Who may lock memory. VFIO locks all memory of a guest that has a device.
        type: dict
        suboptions:
          users:
            description:
              - Names of users.
            type: list
            elements: str
            default: []
          groups:
            description:
              - Names of groups.
            type: list
            elements: str
            default: []
          limit:
            description:
              - How much memory, such as V(17G). A guest needs its memory and about 1 GiB more for QEMU.
            type: str
            default: unlimited
  kvm:
    description:
      - Options of the KVM modules, a mapping. Options that are omitted keep the distribution's setting.
    type: dict
    suboptions:
      nested:
        description:
          - Whether guests can run guests.
        type: bool
      ignore_msrs:
        description:
          - Whether KVM ignores accesses to unknown model-specific registers, as some guests require.
        type: bool
      report_ignored_msrs:
        description:
          - Whether KVM writes each ignored access to the kernel log.
        type: bool
      interrupt_virtualization:
        description:
          - Whether the CPU delivers interrupts to guests without exits to the host. Intel calls it APICv, AMD AVIC.
        type: bool
  arguments:
    description:
      - Additional kernel arguments, a list in their order. An empty list removes them.
      - They belong to the owner C(bootloader) of M(vfio.workstation.kernel_cmdline).
    type: list
    elements: str
  trial:
    description:
      - Whether a changed configuration is booted on trial. The next boot is the trial. The boot after it is the one
        without VFIO, unless the trial was confirmed.
      - The host confirms the trial by itself when everything requested is active. After a reboot by the role
        C(vfio.workstation.workstation), the controller confirms it.
      - If the kernel panics, the machine hangs with a watchdog, or the trial is not confirmed in time, the host reboots
        into the entry without VFIO, and reports why with the code V(trial_returned).
      - Requires GRUB with its menu in C(grub.cfg), and a file system that GRUB can write to. Otherwise, the run is
        refused with the code V(trial_unsupported).
      - By default, it stays as an earlier run left it. V(false) removes it.
    type: bool
  trial_timeout:
    description:
      - Seconds after the boot until which a trial has to be confirmed.
    type: int
    default: 600
  memory_for_host:
    description:
      - The memory that huge pages must leave to the host, such as V(4G).
      - By default one eighth of all memory, at least 2 GiB.
    type: str
  accept:
    description:
      - A list of refusal codes to override, such as V(device_in_use).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) applies the request. V(absent) removes O(sections), or all sections, until every file is as it was
        before the first run.
    type: str
    choices: [present, absent]
    default: present
  sections:
    description:
      - With O(state=absent), the sections to remove. All by default.
    type: list
    elements: str
    choices: [iommu, devices, hugepages, cpu_isolation, access, kvm, arguments]
  local_command:
    description:
      - Whether the host has the command C(/usr/local/bin/vfio-workstation), which shows the state of the requests and
        verifies it, without a controller.
      - The host has it while a section is requested, in the version of this collection. V(false) removes it.
    type: bool
    default: true
notes:
  - Keeps its records in C(/etc/vfio-workstation), and removes them with the last section.
seealso:
  - module: vfio.workstation.host_info
  - module: vfio.workstation.kernel_cmdline
  - module: vfio.workstation.initramfs
  - name: Linux kernel, VFIO
    description: IOMMU groups, and the requirements for passing a device through.
    link: https://docs.kernel.org/driver-api/vfio.html
"""

EXAMPLES = r"""
- name: Reserve the GPU that is not the boot display for guests, with memory and cores near it
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

- name: Reboot if the configuration requires it
  ansible.builtin.reboot:
  when: host.reboot_required
  become: true

- name: Bind one of two identical cards, and the USB controller in its IOMMU group
  vfio.workstation.host:
    devices:
      - name: second_card
        select: {address: "0000:41:00.0"}
        with_group:
          - {class: usb}
  become: true

- name: Let a group use guest devices without root, and keep ignored MSR accesses out of the kernel log
  vfio.workstation.host:
    access:
      group: kvm
      memlock: {groups: [kvm], limit: 40G}
    kvm: {ignore_msrs: true, report_ignored_msrs: false}
  become: true

- name: Plan for a captured host
  vfio.workstation.host:
    devices:
      - {name: gpu, select: {vendor: nvidia}}
    root: /srv/captures/desk-14
  check_mode: true

- name: Remove all that the module has configured
  vfio.workstation.host:
    state: absent
  become: true
"""

RETURN = r"""
requests:
  description: The state of each request at the end of the run; in check mode, as the host is.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    section:
      description: The section of the request.
      type: str
      sample: devices
    name:
      description: The name of the device, the size of huge pages, or another name that is unique within the section.
      type: str
      sample: gpu
    requested:
      description: What the request resolves to on this host.
      type: str
      sample: 0000:41:00.0, 0000:41:00.1 on vfio-pci
    now:
      description: What the running system shows.
      type: str
      sample: 0000:41:00.0 nouveau, 0000:41:00.1 snd_hda_intel
    configured:
      description: Whether the files that future kernels inherit from have it.
      type: bool
      sample: true
    staged:
      description: Whether every installed kernel would boot with it.
      type: bool
      sample: true
    active:
      description: Whether the running system shows it. V(null) if unknown.
      type: bool
      sample: false
states:
  description: The state of all requests together, and of the removal of what is no longer requested.
  returned: success, and when refused
  type: dict
  contains:
    configured:
      description: Whether the files that future kernels inherit from are as requested.
      type: bool
      sample: true
    staged:
      description: Whether the boot entry and the initramfs of every installed kernel are as requested.
      type: bool
      sample: true
    active:
      description: Whether the running system shows all of it. V(null) if unknown.
      type: bool
      sample: false
reboot_required:
  description:
    - Whether a reboot would make active what the running system does not show.
    - If the host was booted with all of it and does not show it nevertheless, another reboot would not help. This is
      V(false) then, and so is RV(states.active).
  returned: success
  type: bool
  sample: true
notes:
  description: Notes on the plan.
  returned: success, and when refused
  type: list
  elements: str
  sample: ["gpu: moved from 0000:41:00.0 to 0000:42:00.0"]
devices:
  description: The functions to bind to vfio-pci, in bus order. V(null) if the section is unmanaged.
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
      description: The identity of the function, by which it is found again.
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
      description: Addresses of identical devices, which have the same ids.
      type: list
      elements: str
      sample: ["0000:21:00.0"]
cpus:
  description: The CPUs reserved for guests. V(null) if the section is unmanaged.
  returned: success, and when refused
  type: dict
  contains:
    guests:
      description: CPUs for guests.
      type: list
      elements: int
      sample: [8, 9, 10, 11]
    host:
      description: CPUs that stay with the host.
      type: list
      elements: int
      sample: [0, 1, 2, 3]
    arguments:
      description: Kernel arguments; none in the mode V(dynamic).
      type: list
      elements: str
      sample: ["isolcpus=domain,managed_irq,8-11"]
    mode:
      description: V(dynamic) or V(boot).
      type: str
      sample: dynamic
    reason:
      description: Why these CPUs were chosen, in one sentence.
      type: str
      sample: >-
        CPUs 8-11 are for guests: 2 whole cores, in one L3 cache of 32 MiB, on the devices' node 1, and the host keeps
        2 cores, CPUs 0,1 among them.
trial:
  description: The last trial boot. V(null) if trial boots are off.
  returned: success, and when refused
  type: dict
  contains:
    phase:
      description: V(staged), V(started), V(confirmed) or V(returned).
      type: str
      sample: confirmed
    kernel:
      description: The kernel whose entry without VFIO is the default until the trial is confirmed.
      type: str
      sample: 6.12.38+deb13-amd64
    timeout:
      description: Seconds after the boot until which the trial has to be confirmed.
      type: int
      sample: 600
    reason:
      description: Why the trial returned.
      type: str
      sample: no controller has confirmed it within 600 s of the boot
    journal:
      description: The last errors in the journal of the boot that failed.
      type: list
      elements: str
      sample: []
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
  description: Why the run was refused. Empty if it was not.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    code:
      description: The refusal code, a stable name of the reason.
      type: str
      sample: group_shared_with_host
    seen:
      description: What was found.
      type: str
      sample: "gpu: IOMMU group 1 also has these devices of the host: 0000:00:1f.2 [8086:2922], class 0106, driver ahci"
    danger:
      description: Why it is dangerous.
      type: str
      sample: >-
        An IOMMU group is passed through as a whole: with a member on a driver of the host, no guest could start.
    remedy:
      description: What to do about it.
      type: str
      sample: Name those members in with_group, to pass them through too; or move the card to another slot.
    because:
      description:
        - The code of the refusal that has the same cause, and names the cause and its remedy. V(null) if this one has a
          cause of its own.
      type: str
loader:
  description: The boot loader and its way of configuration. V(null) if no kernel argument is managed.
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
  description: The generator of initramfs images. V(null) if no device is managed.
  returned: success
  type: str
  sample: initramfs-tools
images:
  description: The initramfs images, as M(vfio.workstation.initramfs) returns them.
  returned: success
  type: list
  elements: dict
  sample: []
unreadable:
  description: Files that exist and could not be read without root, so that the result is incomplete. Empty with root.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file.
      type: str
      sample: /boot/grub/grub.cfg
    error:
      description: The system's error message.
      type: str
      sample: Permission denied
    values:
      description: Values of M(vfio.workstation.host_info) that may be missing or less certain because of it.
      type: list
      elements: str
      sample: [boot.kernels]
steps:
  description: The steps that were carried out, or in check mode would be, in their order and with their reasons.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: RunTool
      argv: [systemctl, daemon-reload]
      effect: active
      reason: reload systemd units
    - kind: WriteAttribute
      path: /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
      value: "512"
      effect: active
      reason: allocate huge pages in the running system
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
