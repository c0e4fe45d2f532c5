# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The codes of refusals, each with its danger and its remedy. Codes are stable: users override refusals by code."""

from __future__ import annotations

from .._machine.plan import Refusal

#: Those of plans for hosts: code -> (the harm that the plan would do, what the user can do)
HOST_CODES = {
    "cmdline_conflict": (
        "The kernel would get two contradictory arguments, and their order decides which of them takes effect.",
        "Remove the other argument, or set conflicts=replace, which sets it aside while the requested one is present.",
    ),
    "argument_unsupported": (
        "The kernel would get a different argument than the requested one.",
        "Write the argument without that character, or set it with the boot loader's own tools.",
    ),
    "cmdline_too_long": (
        "The kernel silently truncates its command line at that length: the last arguments would be lost.",
        "Remove arguments that are no longer needed.",
    ),
    "cmdline_unreadable": (
        "What the kernel gets from that line is unknown, so a change might affect arguments that it already has.",
        "Rewrite the line so that it can be parsed: balanced quotes, no command substitution.",
    ),
    "bootloader_unsupported": (
        "The change would be written where this machine does not read it, or be lost with the next kernel.",
        "Set the arguments with the boot loader's own tools, or use a boot loader that README lists as supported.",
    ),
    "bootloader_broken": (
        "With its configuration as it is, some kernels don't boot, so that the effect of a change can't be verified.",
        "Repair what is named, with the distribution's own tools, and run this again.",
    ),
    "initramfs_unsupported": (
        "The files would be missing from the initramfs that boots this machine.",
        "Use initramfs-tools, dracut or mkinitcpio.",
    ),
    "initramfs_conflict": (
        "The initramfs can contain only one of the two, so one of the requests would silently have no effect.",
        "Change the path in the request of one of the owners, or remove that request.",
    ),
    "kernel_lacks_module": (
        "That kernel would boot without the module.",
        "Install the package with the kernel's modules, or remove that kernel.",
    ),
    "boot_space_exhausted": (
        "A file that is only partly written to a full file system may be one that the machine boots from.",
        "Remove kernels that are no longer needed, or enlarge the file system.",
    ),
    "boot_read_only": (
        "Only part of the change could be written.",
        "Find out why the file system is read-only (the kernel remounts it so after errors), and mount it writable.",
    ),
    "cpu_virtualization_unsupported": (
        "KVM can't run on this processor, so that no virtual machine could use a device.",
        "Use a machine whose processor has VT-x or AMD-V; in a guest, enable nested virtualization on its host.",
    ),
    "cpu_virtualization_disabled_by_firmware": (
        "The host would lose the devices, and no virtual machine could use them.",
        "Enable virtualization (VT-x, SVM Mode) in the firmware setup, and run this again.",
    ),
    "iommu_absent": (
        "Without an IOMMU, PCI passthrough would let a guest read and write all of the host's memory: VFIO refuses it.",
        "Use a board and a processor with an IOMMU (VT-d, AMD-Vi); in a guest, have its host provide a virtual IOMMU.",
    ),
    "iommu_disabled_by_firmware": (
        "Without an IOMMU, PCI passthrough would let a guest read and write all of the host's memory: VFIO refuses it.",
        "Enable the IOMMU (VT-d, AMD-Vi) in the firmware setup, and run this again.",
    ),
    "iommu_disabled_in_kernel": (
        "The host would lose the devices, and no virtual machine could use them.",
        "Find the cause in the kernel log (dmesg | grep -e DMAR -e AMD-Vi), or boot a kernel with the IOMMU driver.",
    ),
    "iommu_unknown": (
        "Whether there is an IOMMU, and which devices it can isolate, is unknown.",
        "Run this on the machine itself and as root; a captured tree must contain /sys/kernel/iommu_groups.",
    ),
    "device_not_found": (
        "Nothing, or another device than the intended one, would be taken from the host.",
        "Check the selection; vfio.workstation.report lists all devices.",
    ),
    "device_ambiguous": (
        "An arbitrary one of several devices would be taken from the host.",
        "Add to the selection what only the intended device has: identical devices differ in their address.",
    ),
    "device_is_boot_display": (
        "The screen would go black early in the boot and stay black: nobody could see what the host reports.",
        "Select another GPU, or make another one the primary display in the firmware setup.",
    ),
    "device_in_use": (
        "The host would lose what uses the device at the next boot, and might not boot at all.",
        "Move it to a device that stays with the host, or select another device.",
    ),
    "device_changed_identity": (
        "The device that is at the recorded address now may be one that the host needs.",
        "Select the intended device; accept: [device_changed_identity] applies the present selection again.",
    ),
    "claimed_by_others": (
        "After the next boot the host would be without these functions: its screen, or a card that it keeps.",
        "Remove that configuration, and run this again.",
    ),
    "host_device_taken": (
        "The host is without this function until it is given back: a screen stays black, or a device is missing.",
        "Remove what claims it and reboot, or request the function in `devices` if guests are to have it.",
    ),
    "device_has_no_group": (
        "The IOMMU does not isolate that function, so that VFIO can't pass it through to a guest.",
        "Select another device.",
    ),
    "group_shared_with_host": (
        "An IOMMU group is passed through as a whole: with a member on a driver of the host, no guest could start.",
        "Name those members in with_group, to pass them through too; or move the card to another slot.",
    ),
    "reserved_region": (
        "The device may access a reserved memory region of the host (RMRR on Intel, IVMD on AMD), in a guest as well.",
        "Select another device, or disable in the firmware setup what needs the region.",
    ),
    "ids_match_a_host_device": (
        "Every device with those ids would be bound to vfio-pci, including those that stay with the host.",
        "Use bind_by: function, which distinguishes identical devices.",
    ),
    "kernel_lacks_vfio": (
        "With that kernel the device would be without a driver, or on the host's driver.",
        "Install the package with that kernel's modules, or remove that kernel.",
    ),
    "hugepage_size_unsupported": (
        "The kernel ignores an unsupported size, and the number of pages that follows it on the command line.",
        "Use one of the sizes that the machine supports.",
    ),
    "hugepages_exceed_memory": (
        "The host would have too little memory left, and might not boot at all.",
        "Request fewer pages or other nodes, or set memory_for_host to what this host needs.",
    ),
    "hugepages_need_newer_kernel": (
        "That kernel would read the number of one node as that of the whole machine, or as zero.",
        "Set nodes to null, so that the kernel spreads the pages; or remove the kernel that is too old.",
    ),
    "memory_node_unknown": (
        "The kernel silently skips such a node: the pages would be missing.",
        "Name nodes that the machine has, or write nodes: auto.",
    ),
    "cpus_unknown": (
        "Cores might be split between host and guest, or the kernel might ignore the list.",
        "Name CPUs that are online and whose siblings the kernel reports.",
    ),
    "cpus_split_core": (
        "Host and guest would share a core, and slow each other down under load.",
        "Name all CPUs of a core, or none of them.",
    ),
    "cpus_leave_none_for_host": (
        "The host would lack CPU time for interrupts, storage and device emulation: host and guests would stall.",
        "Leave the core of CPU 0 to the host, and as many whole cores as keep_for_host says.",
    ),
    "cpus_too_few": (
        "A guest would be spread over several nodes or caches, or get fewer cores than requested.",
        "Request fewer cores, or name the CPUs.",
    ),
    "device_not_assignable": (
        "Bridges and the IOMMU stay with the host: everything behind them would be cut off.",
        "Name a function that is neither; vfio.workstation.report lists all devices.",
    ),
    "driver_unknown": (
        "The function would be left without any driver.",
        "Install the package with that driver for the running kernel, or name a driver that it has.",
    ),
    "driver_hangs": (
        "Whatever accesses that function now blocks in the kernel, and can't be killed.",
        "Stop what uses the device, if anything does. If it still hangs, reboot.",
    ),
    "group_unknown": (
        "udev ignores every rule that names an unknown group: only root could open the device nodes.",
        "Create the group with `groupadd --system NAME`, or name one that is in /etc/group.",
    ),
    "kvm_option_unsupported": (
        "The kernel would ignore the option, and guests would run without what they rely on.",
        "Leave the option out of kvm, or use a machine that supports it.",
    ),
    "file_is_not_ours": (
        "The settings in that file, which this collection did not write, would be lost.",
        "Move or rename the file, and run this again.",
    ),
    "file_protected": (
        "The file would not be replaced, or not as a whole.",
        "Remove the protection, if nobody needs it, and run this again.",
    ),
    "trial_unsupported": (
        "A configuration that does not start would be started again at each boot, until somebody intervenes.",
        "Set trial to false: then the entry without VFIO is the way back, by hand. Or remove the named cause.",
    ),
    "trial_returned": (
        "The next reboot would try the same configuration again, and return again.",
        "Remove the cause, or change the request. accept: [trial_returned] tries the same configuration again.",
    ),
    "record_damaged": (
        "What is managed by this collection and what is foreign could no longer be distinguished.",
        "Restore the file from a backup; or move it away, remove the managed arguments by hand, and run this again.",
    ),
}

#: Those that only plans for guests have; they have some of the others too.
GUEST_CODES = {
    "libvirt_absent": (
        "Without libvirt and QEMU there is nothing that could run the guest.",
        "Install libvirt and QEMU with the distribution's packages, start the daemon, and run this again.",
    ),
    "domain_is_not_ours": (
        "The domain that somebody made, and everything set in it, would be changed.",
        "Choose another name, or set adopt: true, which tunes the domain and can return it as it was.",
    ),
    "guest_running": (
        "libvirt would keep the guest running without a definition, and lose it when it ends.",
        "Shut the guest down, and run this again.",
    ),
    "machine_type_unsupported": (
        "Devices would be on a conventional PCI bus, where drivers of GPUs do not work, or the guest could not start.",
        "Create a new domain: its machine type is q35. The disk of the other one can be used for it.",
    ),
    "firmware_absent": (
        "libvirt could not define the domain: the guest has nothing to boot with.",
        "Install the firmware: the package ovmf (Debian, Ubuntu) or edk2-ovmf (Fedora, Arch Linux).",
    ),
    "firmware_changed": (
        "The firmware's variables, and with them boot entries and keys, are made for the other kind of firmware.",
        "Set firmware and secure_boot to what the domain has; or remove the domain with its variables, and create it.",
    ),
    "tpm_absent": (
        "libvirt could not start the guest. Windows 11 requires a TPM.",
        "Install swtpm, on Debian and Ubuntu also swtpm-tools; or set tpm: false, if the system does not require one.",
    ),
    "guest_memory_exceeds_pages": (
        "QEMU could not allocate the memory, and the guest would not start.",
        "Request more huge pages from the host, or less memory for the guest.",
    ),
    "guest_cpus_exceed_plan": (
        "Guest and host would run on the same CPUs, and slow each other down.",
        "Request these CPUs in cpu_isolation of the host, or fewer for the guest.",
    ),
    "device_not_provisioned": (
        "The device is on a driver of the host; the guest could not start, or would take it from the host.",
        "Request the device in devices of the host, reboot it if necessary, and run this again.",
    ),
    "device_held_by_guest": (
        "A device has one guest at a time.",
        "Shut that guest down, and start this one again.",
    ),
    "enlightenment_unsupported": (
        "The guest would run without what is requested, or not start.",
        "Omit the request, or use a host that supports it.",
    ),
    "image_absent": (
        "The guest could not start.",
        "Correct the path, or put the file there.",
    ),
    "passt_unsupported": (
        "libvirt could not define or start the guest.",
        "Install passt and libvirt 9.1 or later, or request another network.",
    ),
    "usb_absent": (
        "It is unknown which device the guest is to get.",
        "Connect the device, or name it by vendor and product, as lsusb prints them.",
    ),
    "usb_ambiguous": (
        "libvirt can't decide which of the devices the guest is to get, and would not start it.",
        "Disconnect all but one of them, or request a whole USB controller in devices of the host.",
    ),
    "usb_in_use": (
        "The host would lose what uses the device when the guest starts.",
        "Unmount it, or move the host's network to another interface; or omit the device.",
    ),
    "usb_unsupported": (
        "QEMU can't pass a hub through, and the guest would not start.",
        "Name the devices that are connected to the hub, or request a whole USB controller in devices of the host.",
    ),
    "disk_in_use": (
        "Host and guest would write to the same disk: its file systems would be destroyed.",
        "Unmount it, and stop what uses it (LVM, RAID, swap); or name another disk.",
    ),
    "disk_exceeds_space": (
        "The image grows as the guest writes: once the file system is full, QEMU pauses the guest.",
        "Free the space, or request a smaller disk or another path; accept: [disk_exceeds_space] creates it anyway.",
    ),
    "disk_tool_absent": (
        "The disk could not be created.",
        "Install qemu-img: qemu-utils (Debian, Ubuntu), qemu-img (Fedora, Arch Linux); or create the image yourself.",
    ),
    "network_absent": (
        "The guest could not start.",
        "Define the network with `virsh net-define`, create the bridge, or name another one.",
    ),
    "display_unsupported": (
        "libvirt could not start the guest.",
        "Request another display, or install the module of QEMU for it: qemu-system-modules-spice (Debian).",
    ),
    "iso_missing": (
        "Setup could not start, or would find no disk: Windows has no drivers for the disk and network of the guest.",
        "Download the medium, put it there, or correct the path.",
    ),
    "iso_tool_absent": (
        "Without the medium with the answers, Setup would wait for somebody to answer its questions.",
        "Install the package xorriso (Debian, Ubuntu, Fedora, openSUSE) or libisoburn (Arch Linux).",
    ),
    "install_disk_absent": (
        "There is nothing to install the system on.",
        "Request a disk for the guest; install.disk names one of its disks.",
    ),
    "several_disks": (
        "Setup numbers disks in an order that is not known beforehand: it could erase the other one.",
        "Name one of them in install.disk: the others are added to the guest when the system is installed.",
    ),
    "guest_device_missing": (
        "The guest runs without the device.",
        "Shut the guest down and start it again. If that does not help, look for the device in the guest's kernel log.",
    ),
    "guest_device_fails": (
        "The guest has the device, and can't use it.",
        "Install the driver of the device in the guest.",
    ),
    "guest_not_as_planned": (
        "The guest is slower, or less protected, than it was planned to be.",
        "Shut the guest down and start it again. If that does not help, look for what changes it, as other tools do.",
    ),
    "disk_not_empty": (
        "Setup would erase all content of the disk.",
        "Name the disk in install.disk to erase it, or omit install to use the system that it has.",
    ),
}

CODES = {**HOST_CODES, **GUEST_CODES}


def refuse(code: str, seen: str, danger: str = "", remedy: str = "") -> Refusal:
    """Return a refusal with the danger and the remedy of its code, unless more specific ones are given."""
    default_danger, default_remedy = CODES[code]
    return Refusal(code, seen, danger or default_danger, remedy or default_remedy)
