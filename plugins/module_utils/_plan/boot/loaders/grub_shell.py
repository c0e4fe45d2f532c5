# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of settings that the shell which runs grub-mkconfig can't source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Mapping

from ...._probe.boot.shell_check import shell_problems
from ...refusals import refuse

if TYPE_CHECKING:
    from ...._machine.plan import Refusal
    from ...._probe.tree import Tree

_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def shell_refusals(tree: Tree, tool: str | None, files: Mapping[str, str]) -> Iterator[Refusal]:
    """Yield the lines at which sourcing a file would fail, and grub-mkconfig with it.

    Args:
        tree: The host.
        tool: The path of grub-mkconfig.
        files: The text of each file by its path.
    """
    shell = _shell(tree, tool)

    def has_command(name: str) -> bool:
        return any(tree.exists(path) for path in _command_paths(name))

    for path, text in files.items():
        lines = text.split("\n")
        for problem in shell_problems(text, has_command, shell):
            line = lines[problem.line - 1]
            yield refuse(
                "cmdline_unreadable",
                f"{path}, line {problem.line}: {shell or 'sh'} {problem.reason}: {line!r}",
                danger="grub-mkconfig sources this file, and would fail: no boot menu could be generated.",
                remedy=f"Correct the line, so that `sh -ec '. {path}'` succeeds, and run this again."
                if "\r" not in line
                else f"Convert the line endings: sed -i 's/\\r$//' {path}",
            )


def _shell(tree: Tree, tool: str | None) -> str | None:
    """Return the name of the shell that runs grub-mkconfig, such as `dash`; None if unknown."""
    first = (tree.text(tool, head=True) or "").split("\n", 1)[0] if tool else ""
    words = first[2:].split() if first.startswith("#!") else []
    path = tree.resolve(words[0]) if words else None
    name = path.rpartition("/")[2] if path else ""
    return name if name not in ("", "sh") else None


def _command_paths(name: str) -> tuple[str, ...]:
    """Return where the shell looks for a command; a name with a slash is a path already."""
    return (name,) if "/" in name else tuple(f"{directory}/{name}" for directory in _PATH)
