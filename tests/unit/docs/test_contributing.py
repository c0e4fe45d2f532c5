# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The maps in CONTRIBUTING.md are complete, and every path and target that it names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
#: `tests/integration` has one row for each of its folders.
SPLIT = {"tests/integration"}
#: Where the text leaves out the beginning of a path.
BASES = (ROOT, ROOT / "plugins/module_utils", ROOT / "molecule", ROOT / "roles/workstation", ROOT / "tests/unit")
RELEASED_LATER = {"CHANGELOG.md"}


def folders(*parts: str) -> set[str]:
    """Return the paths of the folders in a folder, those of caches left out."""
    top = ROOT.joinpath(*parts)
    return {path.relative_to(ROOT).as_posix() for path in top.iterdir() if path.is_dir() and path.name[0] not in "._"}


def packages() -> set[str]:
    """Return the paths of the packages in plugins/module_utils."""
    top = ROOT / "plugins/module_utils"
    return {path.parent.relative_to(ROOT).as_posix() for path in top.rglob("__init__.py") if path.parent != top}


def first_cells(text: str) -> set[str]:
    """Return what the first cells of tables name in code style."""
    return {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }


def test_every_package_is_on_the_map() -> None:
    assert len(packages()) >= 8
    assert {*packages(), *folders("plugins")} - {"plugins/module_utils"} <= first_cells(TEXT)


def test_every_folder_of_tests_is_on_the_map() -> None:
    expected = {*folders("tests"), *folders("tests", "integration")} - SPLIT
    assert len(expected) >= 15
    assert expected <= first_cells(TEXT)


def test_every_scenario_is_named() -> None:
    (row,) = re.findall(r"^\| `molecule` \|.*$", TEXT, re.MULTILINE)
    assert {f"molecule/{name}" for name in re.findall(r"`(\w+)`", row)} - {"molecule/molecule"} == {
        path for path in folders("molecule") if (ROOT / path / "molecule.yml").exists()
    }


def named_paths() -> Iterator[str]:
    """Yield what looks like a path of this repository: in code style with a slash or a known suffix, and links."""
    for text in re.findall(r"`([^`\s]+)`", TEXT):
        if re.fullmatch(r"\.?[\w./-]+", text) and ("/" in text or re.search(r"\.(?:py|md|yml|txt|in|lock)$", text)):
            yield text
    yield from re.findall(r"\]\((?!https:)([^)]+)\)", TEXT)


def missing(names: Iterator[str]) -> list[str]:
    """Return the names of which nothing exists: paths from one of BASES, and names of files in plugins."""
    files = {path.name for path in (ROOT / "plugins").rglob("*.py")}
    absent = [name for name in names if name not in files and not any((base / name).exists() for base in BASES)]
    return [name for name in absent if name not in RELEASED_LATER and not name.startswith(".cache/")]


def test_every_path_exists() -> None:
    assert len(list(named_paths())) > 60
    assert missing(named_paths()) == []


def test_a_path_that_does_not_exist_is_found() -> None:
    assert missing(iter(["plugins/modules", "plugins/nowhere.py"])) == ["plugins/nowhere.py"]


def test_every_target_exists() -> None:
    makefiles = [ROOT / "Makefile", *(ROOT / "mk").glob("*.mk")]
    targets = {
        name
        for path in makefiles
        for name in re.findall(r"^([a-z][a-z-]*):", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`make ([a-z-]+[a-z])`", TEXT))
    assert len(named) > 8
    assert named <= targets
