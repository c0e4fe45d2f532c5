# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of every boot loader that can be configured, and the context that its class is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, Sequence

if TYPE_CHECKING:
    from ...._machine.boot_config import Change, EntryLine, Source
    from ...._machine.plan import Refusal, Step


class TrialBoots(Protocol):
    """The trial boots of a boot loader: what it boots by itself, which can be changed in one step at any time."""

    @property
    def kernel(self) -> str | None:
        """The version of the kernel whose fallback entry is the default until a trial is confirmed; None if off."""

    @property
    def choice(self) -> str | None:
        """What the boot loader boots by itself: ARMED, STOCK or FINAL of `_machine.trial`; None if not set up."""

    def refusals(self) -> Sequence[Refusal]:
        """Return why this host can't have trial boots; nothing if it can."""

    def steps(self, choice: str | None, present: str | None, kernel: str) -> Sequence[Step]:
        """Return the steps that have the boot loader boot a choice by itself.

        The last step takes effect at once or not at all. Before it, the boot loader boots what it did, or STOCK.

        Args:
            choice: The choice; None for no trial boots.
            present: The choice before these steps: `choice`, unless earlier steps change it.
            kernel: The version of the kernel whose fallback entry is STOCK.
        """


class BootLoader(Protocol):
    """A host's boot loader with its configuration, read once from a Tree. Its methods never write or run anything.

    Managed arguments are those that this collection adds. A fallback entry boots a kernel without them; its title ends
    in "without VFIO".
    """

    @property
    def name(self) -> str:
        """The name that `host_info` reports, with the kind of configuration if there are several."""

    @property
    def has_fallback(self) -> bool:
        """Whether the boot loader can have fallback entries."""

    @property
    def trial(self) -> TrialBoots:
        """The trial boots."""

    @property
    def sources(self) -> Sequence[Source]:
        """The lines from which the entries of future kernels get their arguments."""

    @property
    def entries(self) -> Sequence[EntryLine]:
        """All entries, in the order of the menu."""

    def refusals(self) -> Sequence[Refusal]:
        """Return why this host's configuration can't be changed safely; nothing if it can."""

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units this boot loader can't pass on to the kernel unchanged."""

    def can_remove(self, argument: str, path: str, line: int | None, /) -> bool:
        """Return whether a change can remove an argument from a line of a file, and from what is made from that line.

        Args:
            argument: The argument, as written there.
            path: Of a source, or of the file of an entry.
            line: In that file, counted from 1.
        """

    def warnings(self) -> Sequence[str]:
        """Return what the user should know before a reboot, and what is no reason for a refusal."""

    def steps(self, change: Change) -> Sequence[Step]:
        """Return the steps that make a change, in an order in which the host boots after a power cut between any two.

        Nothing if files, entries and fallback entries are as requested already, no matter which program wrote them.
        """


class LoaderContext(NamedTuple):
    """What the class of a boot loader needs to know besides the host's files."""

    esps: tuple[str, ...]  # mount points of the EFI system partitions
    kernels: tuple[str, ...]  # versions of the installed kernels, the newest first
    secure_boot: bool | None  # None if unknown
