#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the properties of a host that matter for PCI passthrough."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read virtualization, IOMMU, PCI functions, CPUs, memory and boot chain of a host
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Reads the properties of a host that matter for passing PCI devices through to virtual machines, from C(/sys),
    C(/proc), C(/etc) and C(/boot). Changes nothing.
  - For the virtualization extension and the IOMMU, returns a state and its reason. Where one of them is disabled, the
    reason says what disables it and how to enable it.
  - Works without root as far as the kernel allows. Files that could not be read for lack of permission are listed in
    RV(unreadable), with the values that depend on them.
  - Every key of RV(host) is always returned. Unknown values are V(null).
  - Does not wake suspended devices.
extends_documentation_fragment:
  - vfio.workstation.attributes
  - vfio.workstation.attributes.info
attributes:
  action_group:
    membership: [vfio.workstation.all, vfio.workstation.capture]
options:
  root:
    description:
      - Directory on the managed host with the tree to read, which has C(sys), C(proc), C(etc) and C(boot) in it.
      - The default reads the running host. Any other directory is read as a captured tree, and its symbolic links
        are resolved within the directory.
    type: path
    default: /
seealso:
  - name: Linux kernel, VFIO
    description: IOMMU groups, and the requirements for passing a device through.
    link: https://docs.kernel.org/driver-api/vfio.html
"""

EXAMPLES = r"""
- name: Read this host
  vfio.workstation.host_info:
  register: reading
  become: true

- name: Print why virtual machines cannot run
  ansible.builtin.debug:
    var: reading.host.cpu.virtualization.reason
  when: reading.host.cpu.virtualization.state != "ready"

- name: List the display functions that the host does not use
  ansible.builtin.debug:
    msg: >-
      {{ reading.host.pci | dict2items
      | selectattr('value.class', 'match', '03')
      | selectattr('value.boot_display', 'false')
      | rejectattr('value.in_use_by')
      | map(attribute='key') }}

- name: Read a captured tree
  vfio.workstation.host_info:
    root: /var/tmp/captured-machine
"""

RETURN = r"""
host:
  description: The host. Every key is always returned; unknown values are V(null).
  returned: success
  type: dict
  contains:
    cpu:
      description: The processor.
      type: dict
      contains:
        vendor:
          description: Vendor, one of V(intel), V(amd), V(arm), V(other).
          type: str
          sample: amd
        model:
          description: Model name.
          type: str
          sample: AMD Ryzen 9 7950X3D 16-Core Processor
        hypervisor:
          description: Hypervisor that runs this host, if it is a guest itself; V(unknown) if it is not recognized.
          type: str
          sample: kvm
        virtualization:
          description: Virtualization extension.
          type: dict
          contains:
            extension:
              description: V(vmx) or V(svm).
              type: str
              sample: svm
            state:
              description: One of V(ready), V(module_not_loaded), V(disabled_by_firmware), V(unsupported), V(unknown).
              type: str
              sample: ready
            reason:
              description: The evidence for the state, and the remedy.
              type: str
              sample: AMD-V is on and KVM uses it
            slat:
              description: Second level address translation, V(EPT) or V(NPT); V(null) if missing or disabled.
              type: str
              sample: NPT
            interrupt_virtualization:
              description: Delivery of interrupts to a guest by the processor, without an exit to KVM.
              type: dict
              contains:
                name:
                  description: V(apicv) or V(avic).
                  type: str
                  sample: avic
                supported:
                  description: Whether the processor supports it.
                  type: bool
                  sample: true
                enabled:
                  description: Whether KVM uses it.
                  type: bool
                  sample: false
            posted_interrupts:
              description: Delivery of a passed-through device's interrupts to a running guest by the IOMMU.
              type: dict
              contains:
                supported:
                  description: Whether the processor and every IOMMU support it.
                  type: bool
                  sample: true
                enabled:
                  description: Whether it is enabled.
                  type: bool
                  sample: false
            nested:
              description: Whether nested virtualization is enabled.
              type: bool
              sample: true
    iommu:
      description: The IOMMU.
      type: dict
      contains:
        kind:
          description: One of V(intel), V(amd), V(smmu), V(virtio).
          type: str
          sample: amd
        state:
          description: One of V(enabled), V(disabled_in_kernel), V(disabled_by_firmware), V(absent), V(unknown).
          type: str
          sample: enabled
        reason:
          description: The evidence for the state, and the remedy.
          type: str
          sample: 24 groups
        interrupt_remapping:
          description: Whether interrupts are remapped.
          type: bool
          sample: true
        groups:
          description: IOMMU groups, by number.
          type: dict
          contains:
            GROUP:
              description: An IOMMU group.
              type: dict
              contains:
                type:
                  description: Domain type, such as V(DMA), V(DMA-FQ) or V(identity).
                  type: str
                  sample: DMA-FQ
                members:
                  description: Full PCI addresses, in bus order, then names of other devices.
                  type: list
                  elements: str
                  sample: ["0000:01:00.0", "0000:01:00.1"]
                reserved_regions:
                  description:
                    - Reserved ranges of I/O virtual addresses. The types V(direct) and V(direct-relaxable) are reserved
                      memory regions of the firmware (RMRR on Intel, IVMD on AMD).
                  type: list
                  elements: dict
                  contains:
                    start:
                      description: First address, hexadecimal.
                      type: str
                      sample: "0x00000000fee00000"
                    end:
                      description: Last address, hexadecimal.
                      type: str
                      sample: "0x00000000feefffff"
                    type:
                      description: V(direct), V(direct-relaxable), V(reserved) or V(msi).
                      type: str
                      sample: msi
    pci:
      description: PCI functions, by full address.
      type: dict
      contains:
        ADDRESS:
          description: A PCI function.
          type: dict
          contains:
            vendor:
              description: Vendor, four lower-case hexadecimal digits.
              type: str
              sample: 10de
            device:
              description: Device, four digits.
              type: str
              sample: "2684"
            subsystem_vendor:
              description: Subsystem vendor, four digits.
              type: str
              sample: "1043"
            subsystem_device:
              description: Subsystem device, four digits.
              type: str
              sample: 889c
            class:
              description: Class, subclass and programming interface, six digits.
              type: str
              sample: "030000"
            revision:
              description: Revision, two digits.
              type: str
              sample: a1
            vendor_name:
              description: Vendor's name in C(pci.ids) of the host, if it has that file.
              type: str
              sample: NVIDIA Corporation
            device_name:
              description: Device's name in C(pci.ids).
              type: str
              sample: AD102 [GeForce RTX 4090]
            driver:
              description: Driver to which the function is bound.
              type: str
              sample: nouveau
            iommu_group:
              description: Number of the IOMMU group, a key of RV(host.iommu.groups).
              type: str
              sample: "12"
            numa_node:
              description: Nearest NUMA node; V(null) if the firmware does not name one.
              type: int
              sample: 0
            local_cpus:
              description: Nearest CPUs.
              type: list
              elements: int
              sample: [0, 1, 2, 3]
            boot_display:
              description: Whether this is the boot display, which the firmware and the boot console use.
              type: bool
              sample: false
            parent:
              description: Address of the upstream bridge; V(null) on a root bus.
              type: str
              sample: "0000:00:01.1"
            bridge:
              description: Whether it is a PCI-to-PCI or CardBus bridge, which cannot be passed through.
              type: bool
              sample: false
            physical_function:
              description: Address of the physical function of an SR-IOV virtual function; else V(null).
              type: str
              sample: "0000:00:02.0"
            virtual_functions:
              description: Addresses of the SR-IOV virtual functions of a physical function.
              type: list
              elements: str
              sample: ["0000:00:02.1", "0000:00:02.2"]
            removable:
              description:
                - Whether the user can unplug the device, V(fixed) or V(removable). Thunderbolt and USB4 devices are
                  removable.
                - V(null) if the kernel does not know, as for most internal devices, and before Linux 5.14.
              type: str
              sample: removable
            reset_methods:
              description: Reset methods of the kernel, in order of preference; V(null) before Linux 5.15.
              type: list
              elements: str
              sample: [flr, bus]
            bars:
              description: Base address registers that are in use.
              type: list
              elements: dict
              contains:
                index:
                  description: Index, 0 to 5.
                  type: int
                  sample: 1
                kind:
                  description: V(memory) or V(io).
                  type: str
                  sample: memory
                size_bytes:
                  description: Current size.
                  type: int
                  sample: 268435456
                prefetchable:
                  description: Whether reads have no side effects.
                  type: bool
                  sample: true
                is_64bit:
                  description: Whether it can be mapped above 4 GiB.
                  type: bool
                  sample: true
                resizable:
                  description: Whether its size can be changed; V(null) before Linux 6.1.
                  type: bool
                  sample: true
                resizable_to_bytes:
                  description: Supported sizes. Empty while the function is suspended.
                  type: list
                  elements: int
                  sample: [268435456, 34359738368]
            link:
              description:
                - PCI Express link; V(null) for conventional PCI. Its values are V(null) while the function is
                  suspended.
              type: dict
              contains:
                current_speed_gts:
                  description: Current gigatransfers per second and lane.
                  type: float
                  sample: 2.5
                current_width:
                  description: Current number of lanes.
                  type: int
                  sample: 16
                max_speed_gts:
                  description: Maximum gigatransfers per second and lane.
                  type: float
                  sample: 16.0
                max_width:
                  description: Maximum number of lanes.
                  type: int
                  sample: 16
            serial_number:
              description:
                - PCI Express device serial number, as printed by lspci. It distinguishes identical devices in any slot.
                  All functions of a card have the same number.
                - V(null) if the function has none, for bridges, while the function is suspended, and without root. All
                  zeros and all ones count as none.
              type: str
              sample: 40-a6-b7-ff-ff-21-5c-d0
            in_use_by:
              description: What the host would lose with this function, or with the functions below this bridge.
              type: list
              elements: dict
              contains:
                kind:
                  description:
                    - One of V(mount), V(swap), V(zfs_pool), V(mapping), V(default_route), V(ssh_session), V(process),
                      V(virtual_machine), V(keyboard).
                  type: str
                  sample: mount
                name:
                  description:
                    - Mount point, swap, pool, device-mapper or md device, interface, process, guest or keyboard.
                  type: str
                  sample: /home
                via:
                  description: Block device, interface or device node that connects it to the function.
                  type: str
                  sample: nvme0n1p2
            claims:
              description:
                - Everything that takes this function from the host's driver, or keeps that driver from it, managed
                  by this collection or foreign.
              type: list
              elements: dict
              contains: &claim
                kind:
                  description:
                    - One of V(cmdline), V(modprobe_options), V(modprobe_softdep), V(modprobe_install),
                      V(modprobe_alias), V(modprobe_blacklist), V(modules_load), V(driverctl), V(udev_rule),
                      V(initramfs_modules), V(initramfs_script), V(libvirt), V(libvirt_hook), V(systemd_unit),
                      V(boot_script).
                  type: str
                  sample: modprobe_options
                path:
                  description: The file.
                  type: str
                  sample: /etc/modprobe.d/vfio.conf
                line:
                  description: Line of the file, counted from 1; V(null) in a binary file.
                  type: int
                  sample: 1
                text:
                  description: The line, or the word, as it is written there.
                  type: str
                  sample: options vfio-pci ids=10de:2684
                origin:
                  description: The variable that holds it and the program that wrote that, or the file that runs it.
                  type: str
                  sample: GRUB_CMDLINE_LINUX_DEFAULT
                driver:
                  description: The driver that it names, such as V(vfio-pci), V(pci-stub) or V(pciback).
                  type: str
                  sample: vfio-pci
                effect:
                  description:
                    - V(takes) binds the functions to the driver. V(withholds) keeps the host's driver from them.
                    - V(orders) loads the driver early, which takes nothing by itself.
                    - V(recognised) is a script or rule that mentions such a driver and computes what it does.
                    - V(noted) claims no function, and matters to passthrough, such as C(pcie_acs_override).
                  type: str
                  sample: takes
                addresses:
                  description: Functions of this machine that it concerns.
                  type: list
                  elements: str
                  sample: ["0000:01:00.0", "0000:41:00.0"]
                applies_to:
                  description:
                    - Where it applies. V(running) is the running kernel, V(each boot) the booted system,
                      V(new entries) and V(new images) are those generated from now on, V(guest start) is the start of
                      a guest. Others are identifiers of boot entries and paths of initramfs images.
                    - Empty if nothing reads it, such as the first of two values for one option.
                  type: list
                  elements: str
                  sample: [each boot, new images]
                managed:
                  description: Whether this collection wrote it.
                  type: bool
                  sample: false
    cpus:
      description: Logical CPUs. A list is V(null) if the kernel does not provide it.
      type: dict
      contains:
        online:
          description: CPUs that are online.
          type: list
          elements: int
          sample: [0, 1, 2, 3]
        offline:
          description: CPUs that are present and offline.
          type: list
          elements: int
          sample: []
        isolated:
          description: CPUs that are excluded from the scheduler's load balancing.
          type: list
          elements: int
          sample: []
        nohz_full:
          description: CPUs without a periodic tick.
          type: list
          elements: int
          sample: []
        cores:
          description: Physical cores. A CPU whose siblings are unknown is not in any core.
          type: list
          elements: dict
          contains:
            cpus:
              description: SMT siblings that are online.
              type: list
              elements: int
              sample: [0, 16]
            package:
              description: Socket.
              type: int
              sample: 0
            die:
              description: Die within the socket.
              type: int
              sample: 0
            node:
              description: NUMA node.
              type: int
              sample: 0
            l3:
              description: Key of RV(host.cpus.l3_groups).
              type: str
              sample: "0"
            kind:
              description: V(performance) or V(efficiency) on hybrid processors, else V(null).
              type: str
              sample: performance
        l3_groups:
          description: Groups of CPUs that share a third-level cache, by the lowest CPU number.
          type: dict
          contains:
            L3:
              description: A group of CPUs.
              type: dict
              contains:
                cpus:
                  description: CPUs of the group that are online.
                  type: list
                  elements: int
                  sample: [0, 1, 2, 3]
                size_bytes:
                  description: Size of the cache.
                  type: int
                  sample: 100663296
    memory:
      description: Memory.
      type: dict
      contains:
        total_bytes:
          description: Memory that the kernel manages.
          type: int
          sample: 67312123904
        nodes:
          description: NUMA nodes, by number. A kernel without NUMA has one node, V(0).
          type: dict
          contains:
            NODE:
              description: A NUMA node.
              type: dict
              contains:
                total_bytes:
                  description: Memory of the node.
                  type: int
                  sample: 67312123904
                cpus:
                  description: CPUs of the node that are online; empty for a node with memory only.
                  type: list
                  elements: int
                  sample: [0, 1, 2, 3]
                hugepages:
                  description: Pools of huge pages, by page size in kB.
                  type: dict
                  contains:
                    SIZE:
                      description: A pool, in pages.
                      type: dict
                      contains:
                        total:
                          description: Pages in the pool.
                          type: int
                          sample: 16
                        free:
                          description: Pages that are not in use.
                          type: int
                          sample: 16
                        surplus:
                          description: Pages beyond the pool's configured size.
                          type: int
                          sample: 0
    boot:
      description: Boot chain.
      type: dict
      contains:
        firmware:
          description: V(uefi) or V(bios).
          type: str
          sample: uefi
        secure_boot:
          description: Whether Secure Boot is enforced.
          type: bool
          sample: false
        lockdown:
          description: Kernel lockdown, V(none), V(integrity) or V(confidentiality).
          type: str
          sample: none
        loader:
          description: Boot loader, by its own name if it is not recognized.
          type: str
          sample: grub
        reason:
          description: The evidence for the boot loader, or why it is unknown.
          type: str
          sample: the EFI variable LoaderInfo says GRUB 2.12
        kernels:
          description: Installed kernels.
          type: list
          elements: dict
          contains:
            version:
              description: Release, as C(uname -r) prints it.
              type: str
              sample: 6.12.48+deb13-amd64
            entry:
              description: The boot loader's identifier of the entry for this kernel.
              type: str
              sample: gnulinux-6.12.48+deb13-amd64-advanced-0b1c
            cmdline:
              description: Kernel command line of that entry.
              type: str
              sample: root=UUID=0b1c ro quiet
            initramfs:
              description: Path of its initramfs.
              type: str
              sample: /boot/initrd.img-6.12.48+deb13-amd64
            has_vfio_pci:
              description: Whether it has the driver vfio-pci, as a module or built in.
              type: bool
              sample: true
        running:
          description: The running kernel.
          type: dict
          contains:
            version:
              description: Release.
              type: str
              sample: 6.12.48+deb13-amd64
            cmdline:
              description: Command line.
              type: str
              sample: BOOT_IMAGE=/boot/vmlinuz-6.12.48+deb13-amd64 root=UUID=0b1c ro quiet
        initramfs_generator:
          description: V(initramfs-tools), V(dracut), V(mkinitcpio) or V(booster).
          type: str
          sample: initramfs-tools
    os:
      description: Distribution, by os-release(5).
      type: dict
      contains:
        id:
          description: Identifier.
          type: str
          sample: debian
        version_id:
          description: Version.
          type: str
          sample: "13"
        like:
          description: Distributions that it derives from.
          type: list
          elements: str
          sample: []
    claims:
      description: Claims that concern no function of this machine; see RV(host.pci.ADDRESS.claims).
      type: list
      elements: dict
      contains: *claim
    keyboards:
      description: Keyboards, that is input devices with all the letter keys. Virtual devices are left out.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the input device.
          type: str
          sample: Logitech USB Keyboard
        node:
          description: Device node in C(/dev/input).
          type: str
          sample: event5
        function:
          description: Address of the PCI function that connects it, such as a USB controller; V(null) for PS/2.
          type: str
          sample: "0000:0d:00.3"
unreadable:
  description: Files that exist and could not be read for lack of permission.
  returned: success
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
      description: Values that may be missing or less certain because of it.
      type: list
      elements: str
      sample: [boot.kernels]
last_check:
  description:
    - What the host found when it checked itself, which it does at each boot; V(null) where it has not done so.
    - P(vfio.workstation.host#module) installs the unit C(vfio-workstation-verify.service), which checks.
  returned: success
  type: dict
  contains:
    time:
      description: Time of the check.
      type: str
      sample: "2026-11-29T07:30:12Z"
    boot_id:
      description: The kernel's identifier of the boot.
      type: str
      sample: 0e5bd1de-3c53-4e35-8fbb-6f8fb22e2b0c
    verdict:
      description: The verdict, a word of P(vfio.workstation.host_verdict#filter).
      type: str
      sample: refused
    active:
      description: Whether everything requested was active.
      type: bool
      sample: false
    reason:
      description: The reason, if not everything was active.
      type: str
      sample: "refused; nothing was changed. [iommu_disabled_by_firmware] The IOMMU is disabled in the firmware setup."
    changes:
      description: What changed since the last boot at which everything requested was active.
      type: list
      elements: dict
      contains:
        kind:
          description:
            - One of V(device_moved), V(device_gone), V(device_new), V(driver), V(group_merged), V(group_split),
              V(firmware), V(virtualization), V(iommu), V(kernel) and V(cmdline).
          type: str
          sample: iommu
        text:
          description: The change.
          type: str
          sample: "IOMMU: enabled before, disabled by firmware now"
    good_boot:
      description: Time of the check at that boot; V(null) if there was none.
      type: str
      sample: "2026-11-28T06:58:40Z"
"""

from ansible_collections.vfio.workstation.plugins.module_utils._run.info import run_info


def main() -> None:
    run_info()


if __name__ == "__main__":
    main()
