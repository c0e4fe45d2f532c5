# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of planning a request for a machine, and how it is shown."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from .._machine import to_json
from .._machine.plan import MoveFile, OverwriteFile, Refusal, RemoveFile, States, Step, WriteFile
from .._probe.tree import FILE_LIMIT, Tree


class Outcome(NamedTuple):
    """The result of planning a request for the machine as it is."""

    tree: Tree
    refusals: tuple[Refusal, ...]
    steps: tuple[Step, ...]
    states: States
    values: dict[str, Any]  # further values to return, as of the beginning of the run
    diffs: tuple[dict[str, str], ...]  # besides those of files
    warnings: tuple[str, ...]
    live: Mapping[str, Any] = MappingProxyType({})  # further values to return, as of the end of the run
    reboot_helps: bool = True  # whether a reboot would make active what is not


def result_values(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the values that modules return, and that tables and verdicts are made from."""
    values = {
        **outcome.values,
        **outcome.live,
        "states": to_json(outcome.states),
        "refusals": to_json(outcome.refusals),
    }
    if not outcome.refusals:
        values["reboot_required"] = outcome.states.active is False and outcome.reboot_helps
        values["steps"] = [step_values(step) for step in outcome.steps]
    return values


def run_values(outcome: Outcome, tools: Sequence[str] = ()) -> dict[str, Any]:
    """Return an outcome as the values of a run.

    Args:
        outcome: The outcome.
        tools: The tools that were run.
    """
    values = result_values(outcome)
    if not outcome.refusals:
        values.update(changed=bool(outcome.steps), tools=list(tools), diff=list(outcome.diffs))
    return values


def step_values(step: Step) -> dict[str, Any]:
    """Return a step as values, without the content of a file: the diff has that."""
    values: dict[str, Any] = to_json(step)
    values.pop("content", None)
    return {"kind": type(step).__name__, **values}


def with_file_diffs(outcome: Outcome) -> Outcome:
    """Return the outcome with the diffs of the files that its steps change."""
    return outcome._replace(diffs=(*outcome.diffs, *_file_diffs(outcome)))


def _file_diffs(outcome: Outcome) -> list[dict[str, str]]:
    diffs: dict[str, dict[str, str]] = {}
    for step in outcome.steps:
        for path, after in _contents_after(outcome.tree, step):
            # A file may be written twice: its diff is from before the first write to after the last.
            header = {"before_header": path, "after_header": path, "before": _shown_content(outcome.tree, path)}
            diff = diffs.setdefault(path, header)
            diff["after"] = after
    return [diff for diff in diffs.values() if diff["before"] != diff["after"]]


def _contents_after(tree: Tree, step: Step) -> Iterator[tuple[str, str]]:
    """Yield each file that a step changes, with its content afterwards; "" for one that is gone."""
    if isinstance(step, (WriteFile, OverwriteFile)):
        yield step.path, _shown(step.content.encode("utf-8", "surrogateescape"))
    elif isinstance(step, (RemoveFile, MoveFile)):
        yield step.path, ""
    if isinstance(step, MoveFile):
        yield step.to, _shown_content(tree, step.path)


def _shown_content(tree: Tree, path: str) -> str:
    return _shown(tree.data(path, FILE_LIMIT) or b"")


def _shown(content: bytes) -> str:
    """Return the text of a file; of a file that is not text, the lines that it begins with, and its size."""
    text, nul, _rest = content.partition(b"\0")
    if not nul:
        return content.decode("utf-8", "replace")
    lines = text[: text.rfind(b"\n") + 1].decode("utf-8", "replace")
    return f"{lines}(binary, {len(content)} bytes)\n"
