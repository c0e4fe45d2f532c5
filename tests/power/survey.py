# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebuild the disk as every power cut would have left it, and judge what would start from it.

A power cut loses requests since the last flush: any of them, since a medium may write them in any order. Each boundary
is checked with all requests before it on the medium. At each flush, a sample of states is checked in which requests
since the flush before it are lost, in pieces of 4 KiB.
"""

from __future__ import annotations

import collections
import dataclasses
import random
import typing

from .expectations import Expectation, Timeline
from .linux import Damaged
from .record import Recording
from .starts import COMMAND_LINE, Facts, Unbootable
from .state import State

_PIECE = 4096
Kind = tuple[str, ...]


class Fault(typing.NamedTuple):
    """A power cut after which the machine does not start, or finds neither what was before nor what was to be after."""

    position: int  # of the last request
    step: str
    lost: int  # pieces of requests that did not reach the medium
    reason: str

    def __str__(self) -> str:
        lost = f", {self.lost} pieces lost" if self.lost else ""
        return f"cut after request {self.position}, {self.step}{lost}: {self.reason}"


@dataclasses.dataclass
class Coverage:
    """What was checked."""

    boundaries: int = 0
    flushes: int = 0
    samples: int = 0
    replays: int = 0
    kinds: dict[Kind, list[int]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))
    steps: dict[int, str] = dataclasses.field(default_factory=dict)  # by position
    command_lines: dict[int, str] = dataclasses.field(default_factory=dict)  # of the default entry, by position
    faults: list[Fault] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.boundaries} boundaries seen and checked, {self.flushes} of them flushes; "
            f"{self.samples} states with lost writes checked; journal replayed in {self.replays}; "
            f"{len(self.kinds)} kinds of states; {len(self.faults)} faults"
        )


class Survey:
    """The states of the disk of one recording.

    Args:
        recording: The run.
        samples: How many states with lost requests are checked at each flush.
        seed: Chooses what they lose.
        thorough: Whether the journal is replayed at every boundary, and not only at flushes.
    """

    def __init__(self, recording: Recording, samples: int = 6, seed: int = 1, thorough: bool = False) -> None:
        self.coverage = Coverage()
        self._recording = recording
        self._requests = recording.requests()
        self._samples = samples
        self._thorough = thorough
        self._dice = random.Random(seed)
        self._paths: list[str] = []

    def run(self) -> Coverage:
        """Check all states."""
        starts, files = self._timelines()
        with State(self._recording) as state:
            for position, request in enumerate(self._requests):
                if position >= starts.begin and request.kind == "flush":
                    self._lose(state, position, starts.at(position), files.at(position))
                state.apply(request)
                if position >= starts.begin:
                    self.coverage.boundaries += 1
                    self.coverage.flushes += request.kind == "flush"
                    is_replayed = self._thorough or request.kind == "flush"
                    self._judge(state, position, 0, starts.at(position), files.at(position), is_replayed)
        return self.coverage

    def _timelines(self) -> tuple[Timeline, Timeline]:
        """Carry out all requests, and return what is found at the marks: what would start, and Linux's files."""
        marks = self._recording.marks(self._requests)
        starts, listings = [], []
        with State(self._recording) as state:
            position = -1
            for mark in marks:
                for request in self._requests[position + 1 : mark.position + 1]:
                    state.apply(request)
                position = mark.position
                starts.append(state.start())
                listings.append(state.listing())
        self._paths = [path for path in sorted({*listings[0], *listings[-1]}) if _differs(path, listings)]
        return Timeline(marks, starts), Timeline(marks, listings)

    def _lose(self, state: State, position: int, start: Expectation, files: Expectation) -> None:
        """Check a sample of what a power cut just before a flush leaves."""
        pieces = [piece for request in state.disk.unflushed for piece in request.pieces(_PIECE)]
        for number in range(self._samples if pieces else 0):
            chance = 1.0 if number == 0 else self._dice.random()
            is_lost = [not piece.durable and self._dice.random() < chance for piece in pieces]
            lost = [piece for piece, gone in zip(pieces, is_lost, strict=True) if gone]
            kept = [piece for piece, gone in zip(pieces, is_lost, strict=True) if not gone]
            with state.losing(lost, kept):
                self.coverage.samples += 1
                self._judge(state, position, len(lost), start, files, True)

    def _judge(
        self, state: State, position: int, lost: int, start: Expectation, files: Expectation, is_replayed: bool
    ) -> None:
        found: Facts = {}
        try:
            found = state.start()
            problem = start.problem(found, start.names)
        except Unbootable as error:
            problem = f"it does not start: {error}"
        if problem is None and is_replayed:
            problem = self._linux_problem(state, files)
        if problem is not None:
            self.coverage.faults.append(Fault(position, start.step, lost, problem))
        if not lost and found:
            self.coverage.kinds[tuple(f"{name}={value}" for name, value in found.items())].append(position)
            self.coverage.steps[position] = start.step
            self.coverage.command_lines[position] = found[COMMAND_LINE]

    def _linux_problem(self, state: State, files: Expectation) -> str | None:
        try:
            found = state.files(self._paths)
        except Damaged as error:
            return f"Linux finds a damaged file system: {error}"
        self.coverage.replays += 1
        return files.problem(found, self._paths)


def _differs(path: str, listings: typing.Sequence[Facts]) -> bool:
    return len({listing.get(path) for listing in listings}) > 1
