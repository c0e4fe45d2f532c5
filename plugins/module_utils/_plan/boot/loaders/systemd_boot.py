# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-boot: entries of type 1, which kernel-install or a person wrote and which are changed directly."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ...._machine.boot_config import NORMAL, OTHER, Change, EntryLine, Source
from ...._machine.plan import Refusal, Step
from ...._probe.boot import uki
from ...._probe.boot.image_headers import Sections
from ...._probe.boot.systemd_boot import boot_partitions
from ...refusals import refuse
from .kernel_install import PLUGIN, cmdline_refusals, cmdline_source, cmdline_steps, plugin_steps, white_space_refusals
from .systemd_boot_trial import SystemdBootTrial
from .type1_entries import SYSTEMD_BOOT, Type1Entries

if TYPE_CHECKING:
    from ...._probe.boot.entry import Entry
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

_ENTRIES = "/loader/entries"
_OS_ID = re.compile(r"^ID=[\"']?([^\"'\n]*)", re.MULTILINE)  # os-release(5)


class SystemdBoot:
    """systemd-boot as it is configured on a host.

    Args:
        tree: The host.
        context: What else is known of the host.
    """

    name = "systemd-boot"
    has_fallback = True

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self._context = context
        self._partitions = boot_partitions(context.esps)
        directories = [partition + _ENTRIES for partition in self._partitions]
        self._type1 = Type1Entries(tree, directories, context.kernels, SYSTEMD_BOOT)
        self.trial = SystemdBootTrial(tree, context, self._type1)

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The entries of type 1."""
        return self._type1.lines()

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """The file that kernel-install reads."""
        return (cmdline_source(self._tree, self.entries),)

    def refusals(self) -> Sequence[Refusal]:
        """Return why entries can't be changed on this host."""
        versions = {entry.version for entry in self.entries if entry.role == NORMAL}
        if not versions:
            return (
                refuse(
                    "bootloader_broken",
                    "systemd-boot boots this host, but none of its entries boots an installed kernel.",
                    remedy="Write an entry for each kernel with kernel-install.",
                ),
            )
        without_entry = (
            refuse(
                "bootloader_broken",
                f"The kernel {version} is installed and has no entry.",
                remedy=f"Run kernel-install add {version} /boot/vmlinuz-{version}, or remove the kernel.",
            )
            for version in self._context.kernels
            if version not in versions and self._tree.exists(f"/boot/vmlinuz-{version}")
        )
        return (*cmdline_refusals(self._tree), *self._images_beside_entries(), *without_entry)

    def _images_beside_entries(self) -> Iterator[Refusal]:
        """Yield the unified kernel images of this system: of another layout of kernel-install, or of another tool."""
        for image in uki.read_entries(self._tree, self._partitions):
            if image.version in self._context.kernels or (image.version is None and self._is_of_this_system(image)):
                yield refuse(
                    "bootloader_unsupported",
                    f"systemd-boot offers {image.file}, a unified kernel image of this system, beside its entries.",
                    danger="The entries would be changed and the image would not; either of them may be what boots.",
                    remedy="Keep either the entries or the image, and remove the other with its files.",
                )

    def _is_of_this_system(self, image: Entry) -> bool:
        texts = (Sections(self._tree, image.file).text(".osrel"), self._tree.text("/etc/os-release"))
        matches = [_OS_ID.search(text or "") for text in texts]
        return len({match.group(1) if match else "" for match in matches}) == 1

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units kernel-install would change."""
        return white_space_refusals(units)

    def can_remove(self, _argument: str, path: str, line: int | None, /) -> bool:
        """Return whether a line is a source, or an entry that is changed with the sources."""
        lines: list[Source | EntryLine] = [*self.sources, *(entry for entry in self.entries if entry.role != OTHER)]
        return any((path, line) == (place.path, place.line) for place in lines)

    def warnings(self) -> Sequence[str]:
        """Return nothing: there is nothing to warn about."""
        return ()

    def steps(self, change: Change) -> Sequence[Step]:
        """Return the steps that make a change: for future kernels first, then in the entries of installed ones."""
        return [
            *cmdline_steps(change),
            *plugin_steps(self._tree, change, PLUGIN, self._type1.fallback_prefix),
            *self._type1.steps(change),
        ]
