# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts use the words of tests/glossary.yml: documentation, messages, and docstrings and comments of plugins.

The second half shows that the scanner finds each word, and finds it in every kind of text.
"""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TEXT, CODE = "text", "code"
#: Files whose whole content is text for users or contributors, as patterns below the root.
PATTERNS = (
    *("*.md", "docs/**/*.md", "docs/**/*.rst", "docs/**/*.yml", "benchmarks/*.md", "tests/**/*.md", "roles/**/*.md"),
    *("galaxy.yml", "meta/*.yml", "playbooks/*.yml", "roles/**/*.yml", "changelogs/*.yaml", "changelogs/fragments/*"),
    *("Makefile", "mk/*.mk", "scripts/*", "scripts/docs/*"),
)


class Entry(NamedTuple):
    """A word to avoid."""

    avoid: re.Pattern[str]
    write: str
    scopes: tuple[str, ...]
    example: str
    fine: list[str]


class Passage(NamedTuple):
    """A part of a file that is scanned as a whole."""

    scope: str
    line: int  # of its first character
    text: str


def compile_entry(raw: dict[str, Any]) -> Entry:
    assert set(raw) <= {"avoid", "write", "example", "fine", "only"}, raw
    # Comments go on behind a `#`.
    words = raw["avoid"].replace(" ", r"[\s#]+")
    pattern = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
    scopes = (raw["only"],) if "only" in raw else (TEXT, CODE)
    return Entry(pattern, raw["write"], scopes, raw["example"], raw.get("fine", []))


RAW = yaml.safe_load((ROOT / "tests/glossary.yml").read_text(encoding="utf-8"))
GLOSSARY = [compile_entry(raw) for raw in RAW["words"]]
NAMES = frozenset(RAW["names"])


def passages(path: str, text: str) -> Iterator[Passage]:
    """Yield what is scanned in a file: all of it, or strings and comments of Python."""
    if not path.endswith(".py"):
        yield Passage(TEXT, 1, text)
        return
    tree = ast.parse(text)
    docstrings = {id(node) for node in docstring_nodes(tree)}
    # The parts of an f-string are scanned with it.
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield Passage(TEXT, node.lineno, "".join(map(str, values)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            if not re.search(r"\s", node.value):
                continue  # a key or a name
            yield Passage(CODE if id(node) in docstrings else TEXT, node.lineno, node.value)
    yield from comments(text)


def docstring_nodes(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def comments(text: str) -> Iterator[Passage]:
    """Yield comments, with those in consecutive lines together."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    for _key, group in itertools.groupby(enumerate(lines), key=lambda item: item[1][0] - item[0]):
        block = [line for _index, line in group]
        yield Passage(CODE, block[0][0], "\n".join(comment for _number, comment in block))


def offences(path: str, text: str) -> list[str]:
    """Return each word to avoid in a file, with its line and the replacement."""
    return [
        f"{path}:{passage.line + passage.text.count(chr(10), 0, match.start())}: "
        f"{' '.join(match.group().split())!r}, write: {entry.write}"
        for passage in passages(path, text)
        for entry in GLOSSARY
        if passage.scope in entry.scopes
        for match in entry.avoid.finditer(passage.text)
    ]


def bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the names of variables, parameters and functions with their lines, except for those of comprehensions."""
    generators = [node.target for node in ast.walk(tree) if isinstance(node, ast.comprehension)]
    short = {id(name) for target in generators for name in ast.walk(target)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in short:
            yield node.lineno, node.id
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.lineno, node.name


def bad_names(path: str, text: str) -> list[str]:
    """Return each name to avoid in a Python file, with its line."""
    return [f"{path}:{line}: {name}" for line, name in bound_names(ast.parse(text)) if name.strip("_") in NAMES]


def scanned() -> list[Path]:
    """Return the files that are scanned."""
    paths = {path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(paths | set((ROOT / "plugins").rglob("*.py")))


def test_texts_use_the_words_of_the_glossary() -> None:
    found = [
        offence
        for path in scanned()
        for offence in offences(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert found == [], "\n" + "\n".join(found)


def test_names_in_plugins_say_what_they_hold() -> None:
    paths = sorted((ROOT / "plugins").rglob("*.py"))
    found = [
        name
        for path in paths
        for name in bad_names(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert found == [], "\n" + "\n".join(found)


# --- The scanner can fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", GLOSSARY, ids=lambda entry: entry.example)
def test_each_word_is_found_in_its_example(entry: Entry) -> None:
    assert entry.avoid.search(entry.example)
    assert not any(entry.avoid.search(sentence) for sentence in entry.fine)
    assert entry.write


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("README.md", "# A title\n\nIt is made anew.\n", 3),
        ("docs/docsite/rst/booting.rst", "All of it\nis made\nanew.\n", 3),
        ("docs/lab.md", "Nothing is in\nthe way.\n", 1),
        ("roles/iommu/tasks/main.yml", "---\n- name: Made anew\n", 2),
        ("playbooks/verify.yml", "---\n# A machine of which nothing\n# is spoken\n# of.\n", 3),
        ("Makefile", "all: ## Make it anew\n", 1),
        ("plugins/modules/a.py", 'DOCUMENTATION = r"""\nmodule: a\ndescription:\n  - Made anew.\n"""\n', 4),
        ("plugins/modules/a.py", 'def main():\n    fail("It is made "\n         "anew.")\n', 2),
        ("plugins/modules/a.py", 'def main():\n    fail(f"It is {made} anew.")\n', 2),
        ("plugins/modules/a.py", 'def main():\n    """Make it anew."""\n', 2),
        ("plugins/modules/a.py", "def main():\n    # Nothing is spoken\n    # of.\n    return 1\n", 2),
        ("plugins/modules/a.py", "x = 1  # made anew\n", 1),
        ("plugins/modules/a.py", "anew = {'anew': 1}\n", None),
        ("README.md", "The word renewed, and a-new, `made-anew`.\n", None),
    ],
)
def test_a_word_is_found_in_every_kind_of_text(path: str, text: str, line: int | None) -> None:
    lines = [int(offence.split(":")[1]) for offence in offences(path, text)]
    assert lines == ([] if line is None else [line])


def test_scopes() -> None:
    assert offences("plugins/a.py", '"""Two twins."""\n') == []
    assert offences("plugins/a.py", 'TEXT = "Two twins."\n') == ["plugins/a.py:1: 'twins', write: identical device"]


@pytest.mark.parametrize(
    "text", ["found = 1\n", "def f(_told): ...\n", "def wish(): ...\n", "for one in (): ...\n", "(x, wanted) = 1, 2\n"]
)
def test_a_name_is_found(text: str) -> None:
    assert len(bad_names("a.py", text)) == 1


def test_comprehensions_are_exempt() -> None:
    assert bad_names("a.py", "x = [one for one in (1, 2)]\n") == []


def test_what_is_scanned() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in scanned()}
    assert names >= {
        *("README.md", "CONTRIBUTING.md", "Makefile", "mk/lab.mk", "galaxy.yml", "scripts/venv", "docs/lab.md"),
        *("docs/docsite/rst/booting.rst", "roles/workstation/meta/argument_specs.yml", "playbooks/provision.yml"),
        *("roles/iommu/README.md", "tests/machines/README.md", "changelogs/fragments/0.1.0.yml"),
        *("plugins/modules/host.py", "plugins/doc_fragments/attributes.py", "plugins/module_utils/_plan/refusals.py"),
    }
