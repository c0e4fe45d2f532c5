# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each command in the documentation is run by a test, or is listed as not run, with the reason."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
TABLE = yaml.safe_load((Path(__file__).parent / "commands.yml").read_text(encoding="utf-8"))
BLOCK = re.compile(r"^( *)\.\. code-block:: (?:console|shell|bash)\n\n((?:\1 +\S.*\n|\n)+)", re.MULTILINE)
PROMPT = re.compile(r"^[$#] ")


def commands(text: str) -> Iterator[str]:
    """Yield the commands in blocks for a terminal, without comments. With prompts, other lines are output."""
    for _indent, block in BLOCK.findall(text):
        lines = textwrap.dedent(block).replace("\\\n", " ").splitlines()
        prompted = any(PROMPT.match(line) for line in lines)
        for line in lines:
            if line.strip() and (PROMPT.match(line) or not prompted):
                yield " ".join(re.sub(r"\s# .*", "", PROMPT.sub("", line)).split())


WRITTEN = {command for page in PAGES for command in commands(page.read_text(encoding="utf-8"))}


def test_every_command_is_in_the_table_and_no_other() -> None:
    listed = [entry["command"] for entry in (*TABLE["run"], *TABLE["not_run"])]
    assert len(WRITTEN) > 15
    assert sorted(listed) == sorted(WRITTEN)


@pytest.mark.parametrize("reference", sorted({entry["test"] for entry in TABLE["run"]}))
def test_the_test_of_a_command_exists(reference: str) -> None:
    path, _separator, name = reference.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_a_reason_is_a_sentence() -> None:
    reasons = [entry["reason"] for entry in TABLE["not_run"]]
    assert [reason for reason in reasons if not re.fullmatch(r"[A-Z].*\.", reason)] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".. code-block:: console\n\n    a -b   # why\n    c \\\n      -d\n\nText\n", ["a -b", "c -d"]),
        (".. code-block:: console\n\n    $ a\n    output\n    # b\n", ["a", "b"]),
        ("   .. code-block:: shell\n\n      a\n\n   Text\n", ["a"]),
        (".. code-block:: text\n\n    a\n", []),
    ],
)
def test_commands_are_found(text: str, expected: list[str]) -> None:
    assert list(commands(text)) == expected
