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
    "record_damaged": (
        "What is ours and what is not can't be told apart any more.",
        "Restore the file from a backup; or move it away, take our arguments out by hand, and run this again.",
    ),
}


def refuse(code: str, seen: str, danger: str = "", remedy: str = "") -> Refusal:
    """Return a refusal; danger and remedy are those of the code unless more is known."""
    usual_danger, usual_remedy = CODES[code]
    return Refusal(code, seen, danger or usual_danger, remedy or usual_remedy)
