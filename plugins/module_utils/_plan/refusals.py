# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every code of a refusal, with the danger that it stands for and what a person can do. Codes are stable."""

from __future__ import annotations

from .._machine.plan import Refusal

#: code -> (what would come of it, what to do)
CODES = {
    "cmdline_conflict": (
        "The kernel would get two arguments that contradict each other, and which of them wins depends on their order.",
        "Take the other argument out where it stands, or set conflicts=replace: it stands back while ours is there.",
    ),
    "argument_unsupported": (
        "The kernel would get something else than what was asked for.",
        "Write the argument without that character, or set it with the boot loader's own tools.",
    ),
    "cmdline_too_long": (
        "The kernel cuts its command line off at that length, without a word: the last arguments would be lost.",
        "Take out arguments that are not needed any more.",
    ),
    "cmdline_unreadable": (
        "The line does not say what the kernel will get, so what is put into it might change what is there already.",
        "Write the line so that it can be read: balanced quotes, no command substitution.",
    ),
    "bootloader_unsupported": (
        "A change would be made where this machine does not look for it, or be lost with the next kernel.",
        "Set the arguments with the boot loader's own tools, or use a boot loader that README lists as supported.",
    ),
    "bootloader_broken": (
        "Its configuration does not boot every kernel as it is, and a change could not be told from the damage.",
        "Mend what is named, with the distribution's own tools, and run this again.",
    ),
    "initramfs_unsupported": (
        "The files would be missing from the initramfs that boots this machine.",
        "Use initramfs-tools, dracut or mkinitcpio.",
    ),
    "initramfs_conflict": (
        "Only one of the two could be in it, and what the other is there for would not happen.",
        "Have one of the owners want another path, or nothing.",
    ),
    "kernel_lacks_module": (
        "A boot of that kernel would go on without the module.",
        "Install the package with the kernel's modules, or remove that kernel.",
    ),
    "boot_space_exhausted": (
        "A file that is written half-way onto a full file system may be one that the machine boots from.",
        "Remove kernels that are not needed, or enlarge the file system.",
    ),
    "boot_read_only": (
        "Only part of the change could be written.",
        "Mount the file system writable, and find out why it was not: the kernel does that after errors.",
    ),
    "cpu_virtualization_unsupported": (
        "No virtual machine could be given a device: KVM can't run on this processor.",
        "Use a machine whose processor has VT-x or AMD-V; in a guest, enable nested virtualization on its host.",
    ),
    "cpu_virtualization_disabled_by_firmware": (
        "Devices would be taken from the host, and no virtual machine could use them.",
        "Enable virtualization (VT-x, SVM Mode) in the firmware setup, and run this again.",
    ),
    "iommu_absent": (
        "Without an IOMMU a guest with a device could read and write all of the host's memory, so VFIO refuses.",
        "Use a board with an IOMMU; in a guest, have its host give it a virtual one.",
    ),
    "iommu_disabled_by_firmware": (
        "Without an IOMMU a guest with a device could read and write all of the host's memory, so VFIO refuses.",
        "Enable the IOMMU (VT-d, AMD-Vi) in the firmware setup, and run this again.",
    ),
    "iommu_disabled_in_kernel": (
        "Devices would be taken from the host, and no virtual machine could use them.",
        "Find the cause in the kernel's log (dmesg | grep -e DMAR -e AMD-Vi), or boot a kernel with the driver.",
    ),
    "iommu_unknown": (
        "Which devices the IOMMU can keep apart, and whether there is one, can't be told.",
        "Run this on the machine itself and as root; a captured tree needs /sys/kernel/iommu_groups.",
    ),
    "device_not_found": (
        "Nothing, or another device than the one that is meant, would be taken from the host.",
        "Change the selection so that it fits one of those; vfio.workstation.report lists all devices.",
    ),
    "device_ambiguous": (
        "One of several devices would be taken from the host by chance.",
        "Add to the selection what tells it from the others: its address tells twins apart.",
    ),
    "device_is_boot_display": (
        "The screen would go black early in the boot, and stay so: nobody could see what the host says.",
        "Select another GPU, or make the firmware use another one as its first display.",
    ),
    "device_in_use": (
        "The host would lose that at the next boot, and may not come up at all.",
        "Move it to a device that the host keeps, or select another one.",
    ),
    "device_changed_identity": (
        "What stands in the old place now may be a device that the host needs.",
        "Select the device that is wanted now; accept: [device_changed_identity] has the old selection tried anew.",
    ),
    "device_has_no_group": (
        "The IOMMU does not keep that function apart from the others, so VFIO can't hand it to a guest.",
        "Select another device.",
    ),
    "group_shared_with_host": (
        "A group goes to a guest as a whole: with a member on a driver of the host's, no guest would start.",
        "Name those members in with_group, to give them away too; or move the card to another slot.",
    ),
    "reserved_region": (
        "The firmware has the device write to memory of its own accord, which no guest can be kept apart from.",
        "Select another device, or switch off in the firmware setup what needs the region.",
    ),
    "ids_match_a_host_device": (
        "Every device with those ids would be taken, the one that the host keeps too.",
        "Use bind_by: function, which tells twins apart.",
    ),
    "kernel_lacks_vfio": (
        "A boot of that kernel would leave the device without a driver, or on the host's.",
        "Install the package with that kernel's modules, or remove that kernel.",
    ),
    "hugepage_size_unsupported": (
        "The kernel ignores the size, and what stands after it on the command line for huge pages.",
        "Use one of the sizes that the machine has.",
    ),
    "hugepages_exceed_memory": (
        "The host would have too little memory left, and may not come up at all.",
        "Ask for fewer pages or other nodes, or set memory_for_host to what this host does with.",
    ),
    "hugepages_need_newer_kernel": (
        "The kernel would take the count for the whole machine's, or for none at all.",
        "Set nodes to null, so that the kernel spreads the pages; or remove the kernel that is too old.",
    ),
    "memory_node_unknown": (
        "The kernel skips such a node without a word: the pages would be missing.",
        "Name nodes that the machine has, or write nodes: auto.",
    ),
    "cpus_unknown": (
        "Cores might be split between host and guest, or the list might mean nothing to the kernel.",
        "Name CPUs that are online and whose siblings the kernel knows.",
    ),
    "cpus_split_core": (
        "Host and guest would share a core, and slow each other down just when it matters.",
        "Name all of a core's CPUs, or none.",
    ),
    "cpus_leave_none_for_host": (
        "The host could not run interrupts, storage and the guest's own emulation: host and guest would stall.",
        "Leave CPU 0's core to the host, and as many whole cores as keep_for_host says.",
    ),
    "cpus_too_few": (
        "A guest would be spread over nodes or caches, or get fewer cores than was counted on.",
        "Ask for fewer cores, or name the CPUs.",
    ),
    "device_not_assignable": (
        "Bridges and the IOMMU stay with the kernel: what lies behind them would be cut off.",
        "Name a function that is neither; vfio.workstation.report lists all devices.",
    ),
    "driver_unknown": (
        "The function would be left without any driver.",
        "Install the package with that driver for the running kernel, or name a driver that it has.",
    ),
    "driver_hangs": (
        "Whatever concerns that function now waits in the kernel, and can't be ended from outside.",
        "Stop what uses the device, if anything does. If it goes on hanging, a reboot is the way out.",
    ),
    "group_unknown": (
        "udev leaves out every rule with a group that it does not know: the device nodes would stay root's alone.",
        "Make the group with `groupadd --system NAME`, or name one that is in /etc/group.",
    ),
    "kvm_option_unsupported": (
        "The kernel would take no notice, and guests would run without what they were planned for.",
        "Leave the option out of kvm, or use a machine that has it.",
    ),
    "file_is_not_ours": (
        "Somebody's settings would be lost.",
        "Move the file away, or give it another name; then run this again.",
    ),
    "file_protected": (
        "The file would not be replaced, or not as a whole.",
        "Remove the protection, if nobody needs it, and run this again.",
    ),
    "record_damaged": (
        "What is ours and what is not can't be told apart any more.",
        "Restore the file from a backup; or move it away, take our arguments out by hand, and run this again.",
    ),
}


def refuse(code: str, seen: str, danger: str = "", remedy: str = "") -> Refusal:
    """Return a refusal; danger and remedy are those of the code unless more is known."""
    usual_danger, usual_remedy = CODES[code]
    return Refusal(code, seen, danger or usual_danger, remedy or usual_remedy)
