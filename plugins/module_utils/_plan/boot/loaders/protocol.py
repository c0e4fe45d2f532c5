# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every boot loader that we configure can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, Sequence

if TYPE_CHECKING:
    from ...._machine.boot_config import Change, EntryLine, Source
    from ...._machine.plan import Refusal, Step


class BootLoader(Protocol):
    """A machine's boot loader and its configuration, read once from a Tree. It never writes or runs."""

    @property
    def name(self) -> str:
        """As `host_info` names it, with its way of configuration where there are several."""

    @property
    def has_fallback(self) -> bool:
        """Whether there can be entries without our arguments."""

    @property
    def sources(self) -> Sequence[Source]:
        """The lines that the entries of future kernels inherit arguments from."""

    @property
    def entries(self) -> Sequence[EntryLine]:
        """The entries in the menu's order, whatever their role."""

    def refusals(self) -> Sequence[Refusal]:
        """Return why this machine's configuration can't be changed safely; none where it can."""

    def argument_problems(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units this boot loader could not pass on to the kernel as they are."""

    def warnings(self) -> Sequence[str]:
        """Return what a person should know before a reboot, and nothing refuses."""

    def steps(self, change: Change) -> Sequence[Step]:
        """Return what is to be done, in an order in which a power cut after any step leaves a machine that boots.

        None when files, entries and fallback entries are as the change wants them, whoever made them so.
        """


class LoaderContext(NamedTuple):
    """What a boot loader's class is given besides the tree."""

    esps: tuple[str, ...]  # folders of the mounted EFI system partitions
    kernels: tuple[str, ...]  # versions of the installed kernels, the newest first
    secure_boot: bool | None
