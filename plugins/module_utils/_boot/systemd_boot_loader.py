# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-boot: entries of type 1, written by kernel-install and changed in place."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Sequence

from .._machine.boot_config import FALLBACK, NORMAL, Change, EntryLine, Source
from .._machine.plan import Refusal, Step
from .._plan import cmdline
from .._plan.refusals import refuse
from .kernel_install import (
    PLUGIN,
    cmdline_problems,
    cmdline_source,
    cmdline_steps,
    plugin_steps,
    running_arguments,
)
from .systemd_boot import XBOOTLDR
from .type1 import SYSTEMD_BOOT, Type1Entries

if TYPE_CHECKING:
    from .._probe.tree import Tree
    from .loader import Context

_ENTRIES = "/loader/entries"


class SystemdBoot:
    """systemd-boot as this machine has it.

    Args:
        tree: The machine.
        context: What else is known of it.
    """

    name = "systemd-boot"
    has_fallback = True

    def __init__(self, tree: Tree, context: Context) -> None:
        self._tree = tree
        self._context = context
        partitions = context.esps if XBOOTLDR in context.esps else (*context.esps, XBOOTLDR)
        folders = [folder + _ENTRIES for folder in partitions]
        self._type1 = Type1Entries(tree, folders, context.kernels, SYSTEMD_BOOT)

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The entries of type 1."""
        return self._type1.lines()

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """The file that kernel-install reads."""
        bare = [entry.text for entry in self.entries if entry.role == FALLBACK]
        normal = [entry.text for entry in self.entries if entry.role == NORMAL]
        return (cmdline_source(self._tree, (bare or normal or [running_arguments(self._tree)])[0]),)

    def refusals(self) -> Sequence[Refusal]:
        """Return why entries can't be changed here."""
        covered = {entry.version for entry in self.entries if entry.role == NORMAL}
        lacking = [
            version
            for version in self._context.kernels
            if version not in covered and self._tree.exists(f"/boot/vmlinuz-{version}")
        ]
        if not covered:
            return (
                refuse(
                    "bootloader_broken",
                    "systemd-boot boots this machine, and none of its entries a kernel that is installed.",
                    remedy="Have kernel-install write an entry for each kernel.",
                ),
            )
        return cmdline_problems(self._tree) + tuple(
            refuse(
                "bootloader_broken",
                f"The kernel {version} is installed and has no entry.",
                remedy=f"Give it one with kernel-install add {version} /boot/vmlinuz-{version}, or remove the kernel.",
            )
            for version in lacking
        )

    def argument_problems(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units kernel-install could not write."""
        return white_space_problems(units)

    def warnings(self) -> Sequence[str]:
        """Return what a person should know."""
        return ()

    def steps(self, change: Change) -> Sequence[Step]:
        """Return what brings the change about: for kernels to come, then the entries there are."""
        return [
            *cmdline_steps(change),
            *plugin_steps(self._tree, change, PLUGIN, self._type1.fallbacks),
            *self._type1.steps(change),
        ]


def white_space_problems(units: Sequence[str]) -> tuple[Refusal, ...]:
    """Return which units would not come through kernel-install, which parts /etc/kernel/cmdline at white space."""
    return tuple(
        refuse("argument_unsupported", f"{unit} has white space that kernel-install would fold into one blank.")
        for unit in units
        if any("  " in one.text or "\t" in one.text for one in cmdline.parse(unit).arguments)
    )
