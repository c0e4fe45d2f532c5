# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-boot: entries of type 1, written by kernel-install and changed in place."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ...._machine.boot_config import NORMAL, Change, EntryLine, Source
from ...._machine.plan import Refusal, Step
from ...._probe.boot import uki
from ...._probe.boot.image_headers import Sections
from ...._probe.boot.systemd_boot import boot_partitions
from ...refusals import refuse
from .kernel_install import PLUGIN, cmdline_problems, cmdline_source, cmdline_steps, plugin_steps, white_space_problems
from .type1_entries import SYSTEMD_BOOT, Type1Entries

if TYPE_CHECKING:
    from ...._probe.boot.entry import Entry
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

_ENTRIES = "/loader/entries"
_SYSTEM = re.compile(r"^ID=[\"']?([^\"'\n]*)", re.MULTILINE)  # os-release(5)


class SystemdBoot:
    """systemd-boot as this machine has it.

    Args:
        tree: The machine.
        context: What else is known of it.
    """

    name = "systemd-boot"
    has_fallback = True

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self._context = context
        self._partitions = boot_partitions(context.esps)
        folders = [folder + _ENTRIES for folder in self._partitions]
        self._type1 = Type1Entries(tree, folders, context.kernels, SYSTEMD_BOOT)

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The entries of type 1."""
        return self._type1.lines()

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """The file that kernel-install reads."""
        return (cmdline_source(self._tree, self.entries),)

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
        without = (
            refuse(
                "bootloader_broken",
                f"The kernel {version} is installed and has no entry.",
                remedy=f"Give it one with kernel-install add {version} /boot/vmlinuz-{version}, or remove the kernel.",
            )
            for version in lacking
        )
        return (*cmdline_problems(self._tree), *self._images_beside(), *without)

    def _images_beside(self) -> Iterator[Refusal]:
        """Yield the images of this system: kernel-install's layout was changed, or something else makes them."""
        for image in uki.read_entries(self._tree, self._partitions):
            if image.version in self._context.kernels or (image.version is None and self._is_of_this_system(image)):
                yield refuse(
                    "bootloader_unsupported",
                    f"systemd-boot offers {image.file}, a unified kernel image of this system, beside its entries.",
                    danger="The entries would be changed and the image would not, and either may be what boots.",
                    remedy="Keep one kind, and remove the other with its files.",
                )

    def _is_of_this_system(self, image: Entry) -> bool:
        names = [
            _SYSTEM.search(text or "")
            for text in (Sections(self._tree, image.file).text(".osrel"), self._tree.text("/etc/os-release"))
        ]
        return len({name.group(1) if name else "" for name in names}) == 1

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
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
