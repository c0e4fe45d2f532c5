# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of every initramfs generator that can be configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Sequence

if TYPE_CHECKING:
    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step


class InitramfsGenerator(Protocol):
    """A program that builds initramfs images, with its configuration. Its methods never write or run anything."""

    @property
    def name(self) -> str:
        """The name that `host_info` reports."""

    def refusals(self) -> Sequence[Refusal]:
        """Return why this host's images can't be extended safely; nothing if they can."""

    def config_steps(self, request: InitramfsRequest) -> Sequence[Step]:
        """Return the steps after which every newly built image holds the request, and nothing of an earlier one."""

    def rebuild_steps(self, image: Image) -> Sequence[Step]:
        """Return the steps that rebuild an image; each draft must pass the check `check_name` of its kernel."""

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the command line that lists an image."""

    def names(self, output: str) -> frozenset[str]:
        """Return the file names in the output of that command."""
