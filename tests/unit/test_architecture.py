# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules between the layers of plugins/ and for every file, checked against the sources.

Each rule is a function from a file to its violations; the second half of this file shows that each rule can fail.
"""

from __future__ import annotations

import ast
import functools
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
MODULE_UTILS = "plugins/module_utils/"
COLLECTION_UTILS = "ansible_collections.vfio.workstation.plugins.module_utils."

# The layers of module_utils, lowest first. A file imports from its own layer and from lower ones, never from a higher
# one: not even for a type annotation.
LAYERS = ("_machine", "_probe", "_plan", "_text", "_apply", "_engine", "_local", "_run")
# What the pure layers may use of the standard library: nothing here reads, writes, runs, waits or is random.
PURE_MODULES = {
    *("__future__", "abc", "bisect", "collections", "copy", "dataclasses", "enum", "fnmatch", "functools", "hashlib"),
    *("itertools", "json", "math", "operator", "posixpath", "re", "shlex", "string", "textwrap", "typing", "types"),
    *("base64", "xml"),
}
PURE_LAYERS = ("_machine", "_plan", "_text")
# On the controller: statistics and verdicts, which can be computed again from the saved result.
PURE_PACKAGE = "plugins/plugin_utils/_parity/"
# Boot loaders and initramfs generators ask the machine's files as they plan, through the Tree that they are given.
READS_THROUGH_THE_TREE = "plugins/module_utils/_plan/boot/"
# Builtins that reach outside of the program.
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}

# Modules that write, run or connect, and functions of other modules that do.
ACTING_MODULES = {
    "ctypes",
    "fileinput",
    "multiprocessing",
    "pty",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "urllib",
}
ACTING_CALLS = {
    *(
        "abort",
        "chmod",
        "chown",
        "execv",
        "execve",
        "execvp",
        "execvpe",
        "fchmod",
        "fchown",
        "fork",
        "forkpty",
        "ftruncate",
    ),
    *("kill", "killpg", "lchown", "makedirs", "mkdir", "mkfifo", "mknod", "popen", "posix_spawn", "putenv"),
    *("removedirs", "removexattr", "renames", "rename", "rmdir", "setxattr", "symlink", "sync", "system"),
    *("touch", "truncate", "unlink", "utime", "write_bytes", "write_text", "run_command", "atomic_move"),
}
# The kernel's log is a device, not a file that a tree could hold: the live machine's own, or none.
LIVE_ONLY = {"/dev/kmsg"}
READING_FLAGS = {"O_RDONLY", "O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_NOCTTY", "O_NOATIME", "O_PATH"}

MOST_LINES_IN_A_FILE = 500
MOST_LINES_IN_A_FUNCTION = 60
MOST_LINES_IN_A_MODULES_MAIN = 20

# In two parts where it is not the header of this file, or REUSE would take it for one.
HEADER = (
    "# Copyright: (c) 2026, the vfio.workstation contributors\n"
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n"
    "# SPDX-License-" + "Identifier: GPL-3.0-or-later\n"
)
# The first is Ansible's for modules.
SHEBANGS = ("#!/usr/bin/python\n", "#!/usr/bin/env python3\n")
# In two halves, or this file would offend itself.
SWITCHES = [
    "no" + "qa",
    "type: " + "ignore",
    "pylint: " + "disable",
    "shellcheck " + "disable",
    "yamllint " + "disable",
]
SWITCHES += ["no" + "sec", "pragma: no " + "cover", "mark." + "skip", "mark." + "xfail", "TO" + "DO", "FIX" + "ME"]


class Source(NamedTuple):
    """A file of the collection, by its path from the root."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return parse(self.text)

    @property
    def layer(self) -> str | None:
        """The folder or file of module_utils that it belongs to."""
        if not self.path.startswith(MODULE_UTILS):
            return None
        return self.path[len(MODULE_UTILS) :].split("/", 1)[0].removesuffix(".py")


@functools.cache
def parse(text: str) -> ast.Module:
    return ast.parse(text)


def walk(*tops: str) -> Iterator[Path]:
    """Every file below the root or the folders named, what the tools made left out."""
    for top in tops or (".",):
        for folder, folders, names in os.walk(ROOT / top):
            folders[:] = sorted(name for name in folders if name not in (".git", ".cache", "__pycache__"))
            yield from (Path(folder, name) for name in sorted(names))


@functools.cache
def sources(*tops: str) -> list[Source]:
    """The Python files below the folders named."""
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
        for path in walk(*tops)
        if path.suffix == ".py"
    ]


# --- The rules ------------------------------------------------------------------------------------------------------


def imported(source: Source) -> Iterator[str]:
    """The full name of each module imported, relative ones resolved."""
    package = ["ansible_collections", "vfio", "workstation", *source.path.split("/")[:-1]]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield ".".join([*package[: len(package) - node.level + 1], node.module or ""])
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def calls(source: Source) -> Iterator[tuple[str, str, ast.Call]]:
    """For each call: what is before the last dot ("" for a plain name), the last name, and the call."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield "", node.func.id, node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func.value), node.func.attr, node


def layer_of(module: str) -> str | None:
    """The layer of a module by its full name; None outside of module_utils."""
    return module.removeprefix(COLLECTION_UTILS).split(".", 1)[0] if module.startswith(COLLECTION_UTILS) else None


def upward_imports(source: Source) -> Iterator[str]:
    """Imports from a higher layer, and files that are in no layer."""
    if source.layer is None:
        return
    if source.layer not in LAYERS:
        yield f"{source.path} is in no layer"
        return
    for name in imported(source):
        layer = layer_of(name)
        if layer is not None and (layer not in LAYERS or LAYERS.index(layer) > LAYERS.index(source.layer)):
            yield f"{source.path} imports {name}"


def impurities(source: Source) -> Iterator[str]:
    """In a pure layer: imports from outside of the pure layers and modules, and builtins that reach outside."""
    is_in_pure_package = source.path.startswith(PURE_PACKAGE)
    if source.layer not in PURE_LAYERS and not is_in_pure_package:
        return
    allowed = {*PURE_LAYERS, *(["_probe"] if source.path.startswith(READS_THROUGH_THE_TREE) else [])}
    own = "ansible_collections.vfio.workstation." + PURE_PACKAGE.strip("/").replace("/", ".")
    for name in imported(source):
        is_own = is_in_pure_package and f"{name}.".startswith(f"{own}.")
        if not is_own and name.split(".", 1)[0] not in PURE_MODULES and layer_of(name) not in allowed:
            yield f"{source.path} imports {name}"
    for before, name, call in calls(source):
        if not before and name in IMPURE_BUILTINS:
            yield f"{source.path}:{call.lineno} calls {name}()"


def opens_to_write(before: str, call: ast.Call) -> bool:
    """True unless it is plain to see that the file is opened for reading only."""
    if before == "os":
        return not {node.attr for node in ast.walk(call.args[1]) if isinstance(node, ast.Attribute)} <= READING_FLAGS
    named = [word.value for word in call.keywords if word.arg == "mode"]
    # pathlib's open() has no path argument, so its mode comes first
    mode = (named or call.args[1:2] or [ast.Constant("r")])[0]
    return not (isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= set("rbt"))


def actions(source: Source) -> Iterator[str]:
    """Outside of `_apply`: writing, running and connecting."""
    if source.layer == "_apply":
        return
    for name in imported(source):
        if name.split(".", 1)[0] in ACTING_MODULES:
            yield f"{source.path} imports {name}"
    for before, name, call in calls(source):
        acts = name in ACTING_CALLS and before
        acts = acts or (before == "os" and name in ("link", "remove", "replace", "write"))
        acts = acts or (name == "open" and opens_to_write(before, call))
        if acts:
            yield f"{source.path}:{call.lineno} calls {before}.{name}()".replace(" .", " ")


def ansible_imports(source: Source) -> Iterator[str]:
    """In module_utils, but for `_run`: anything of Ansible."""
    if source.layer in (None, "_run"):
        return
    for name in imported(source):
        if name.split(".", 1)[0] == "ansible":
            yield f"{source.path} imports {name}"


def absolute_paths(source: Source) -> Iterator[str]:
    """In the probe, paths that a captured tree could not answer for: those go through its root."""
    if source.layer != "_probe":
        return
    for before, name, call in calls(source):
        first = call.args[0] if call.args else None
        outside = isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.startswith("/")
        if outside and first.value not in LIVE_ONLY and (name == "open" or before in ("os", "os.path")):
            yield f"{source.path}:{call.lineno} reads {first.value} past the root"


def is_documentation(node: ast.stmt) -> bool:
    """True for what ansible-doc prints: it has the length that its subject has."""
    names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
    return bool(names) and names[0] in ("DOCUMENTATION", "EXAMPLES", "RETURN")


def long_parts(source: Source) -> Iterator[str]:
    """Files and functions that don't fit."""
    lines = source.text.count("\n") - sum(
        node.end_lineno - node.lineno for node in source.tree.body if is_documentation(node)
    )
    if lines > MOST_LINES_IN_A_FILE:
        yield f"{source.path} has {lines} lines"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            is_modules_main = node.name == "main" and source.path.startswith("plugins/modules/")
            if lines > (MOST_LINES_IN_A_MODULES_MAIN if is_modules_main else MOST_LINES_IN_A_FUNCTION):
                yield f"{source.path}:{node.lineno} {node.name}() has {lines} lines"


def missing_headers(source: Source) -> Iterator[str]:
    """Files that don't begin with who and under which licence."""
    shebang = next((line for line in SHEBANGS if source.text.startswith(line)), "")
    if not source.text.removeprefix(shebang).lstrip("\n").startswith(HEADER):
        yield f"{source.path} does not begin with the licence header"


def swallowed_errors(source: Source) -> Iterator[str]:
    """Handlers that catch everything there is."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            if caught in ("everything", "Exception", "BaseException"):
                yield f"{source.path}:{node.lineno} catches {caught}"


def switched_off(source: Source) -> Iterator[str]:
    """Words that silence a linter, skip a test, or put work off."""
    for number, line in enumerate(source.text.splitlines(), 1):
        yield from (f"{source.path}:{number} has '{word}'" for word in SWITCHES if word in line)


def offences(rule: Callable[[Source], Iterator[str]], *tops: str) -> list[str]:
    found = sources(*tops)
    assert found, f"no Python below {tops}"
    return list(itertools.chain.from_iterable(map(rule, found)))


@pytest.mark.parametrize(
    "rule", [upward_imports, impurities, actions, ansible_imports, absolute_paths, swallowed_errors]
)
def test_layers(rule: Callable[[Source], Iterator[str]]) -> None:
    assert offences(rule, "plugins") == []


@pytest.mark.parametrize("rule", [long_parts, missing_headers, switched_off])
def test_every_python_file(rule: Callable[[Source], Iterator[str]]) -> None:
    assert offences(rule) == []


def test_other_files_name_their_licence() -> None:
    texts = [path for path in walk() if path.suffix in (".yml", ".yaml", ".sh", ".mk")]
    # changelogs/ is written and consumed by antsibull-changelog, all but its configuration
    generated = {
        path for path in texts if path.parts[-2:] == ("changelogs", "changelog.yaml") or "fragments" in path.parts
    }
    assert [
        str(path) for path in texts if path not in generated and "SPDX-License-Identifier" not in path.read_text()
    ] == []


def test_other_files_switch_nothing_off() -> None:
    texts = [
        path
        for path in walk()
        if path.suffix in (".yml", ".yaml", ".sh", ".mk") or path.parent.name in ("scripts", ".ci")
    ]
    found = (switched_off(Source(path.relative_to(ROOT).as_posix(), path.read_text())) for path in texts)
    assert list(itertools.chain.from_iterable(found)) == []


# --- The rules can be broken ------------------------------------------------------------------------------------------

BROKEN = [
    (upward_imports, "_machine/a.py", "from .._probe.tree import Tree"),
    (upward_imports, "_machine/a.py", "from .._plan import refusals"),
    (upward_imports, "_probe/a.py", "from .._plan.refusals import refuse"),
    (upward_imports, "_probe/boot/a.py", "from ..._plan.boot.initramfs.decide import relevant_names"),
    (upward_imports, "_probe/boot/a.py", "if TYPE_CHECKING:\n    from ..._plan.refusals import refuse"),
    (upward_imports, "_plan/boot/loaders/a.py", "from ...._apply.files import write"),
    (upward_imports, "_plan/a.py", f"from {COLLECTION_UTILS}_apply import run"),
    (upward_imports, "_apply/a.py", "from .._engine.converge import converge"),
    (upward_imports, "_plan/a.py", "from .._helpers import text"),
    (upward_imports, "_helpers/a.py", "import re"),
    (upward_imports, "helpers.py", "import re"),
    (upward_imports, "_engine/a.py", "from .._local.look import look"),
    (impurities, "_machine/a.py", "import os"),
    (impurities, "_text/a.py", "import os"),
    (impurities, "_plan/a.py", "from datetime import datetime"),
    (impurities, "_plan/a.py", "from .._probe import probe"),
    (impurities, "_plan/a.py", f"from {COLLECTION_UTILS}_probe.tree import Tree"),
    (impurities, "_machine/a.py", "print(open('a').read())"),
    (impurities, "../plugin_utils/_parity/a.py", "import random"),
    (impurities, "../plugin_utils/_parity/a.py", "from .. import _values"),
    (actions, "_probe/a.py", "import subprocess"),
    (actions, "_probe/a.py", "from shutil import copy"),
    (actions, "_probe/boot/a.py", "os.replace('a', 'b')"),
    (actions, "_run.py", "module.run_command(['true'])"),
    (actions, "_probe/a.py", "open('a', 'w')"),
    (actions, "_probe/a.py", "io.open('a', mode=mode)"),
    (actions, "_probe/a.py", "os.open('a', os.O_RDWR | os.O_CLOEXEC)"),
    (actions, "_probe/a.py", "path.write_text('a')"),
    (ansible_imports, "_probe/a.py", "from ansible.module_utils.basic import AnsibleModule"),
    (absolute_paths, "_probe/a.py", "open('/proc/cmdline')"),
    (absolute_paths, "_probe/a.py", "os.listdir('/sys/bus')"),
    (long_parts, "_probe/a.py", "\n" * 501),
    (long_parts, "_probe/a.py", "def f():\n" + "    x = 1\n" * 60),
    (long_parts, "../modules/a.py", "def main():\n" + "    x = 1\n" * 20),
    (missing_headers, "_probe/a.py", "# SPDX-License-" + "Identifier: GPL-3.0-or-later"),
    (swallowed_errors, "_probe/a.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (swallowed_errors, "_probe/a.py", "try:\n    f()\nexcept:\n    pass"),
    *((switched_off, "_probe/a.py", f"x = 1  # {word}") for word in SWITCHES),
]
KEPT = [
    (upward_imports, "_run/a.py", "from .._apply import run\nfrom .._machine import Machine\nfrom . import info"),
    (upward_imports, "_apply/a.py", "from .._plan.refusals import refuse\nfrom .._probe.tree import Tree"),
    (upward_imports, "_plan/boot/a.py", "import re\nfrom ..._probe.boot import grub\nfrom ..cmdline import parse"),
    (impurities, "_plan/boot/a.py", "from ..._probe.tree import Tree"),
    (
        impurities,
        "_plan/a.py",
        "import re\nfrom typing import NamedTuple\nfrom .._machine.pci import Bar\nfrom . import rules",
    ),
    (impurities, "_probe/a.py", "import os"),
    (impurities, "../plugin_utils/_parity/a.py", "import math\nfrom . import student\nfrom .student import cdf"),
    (actions, "_apply/a.py", "import subprocess\nos.replace('a', 'b')\nopen('a', 'w')"),
    (
        actions,
        "_probe/a.py",
        "open('a')\nopen('a', 'rb')\nos.open('a', os.O_RDONLY | os.O_NONBLOCK)\n'a'.replace('a', 'b')",
    ),
    (ansible_imports, "_run.py", "from ansible.module_utils.basic import AnsibleModule"),
    (absolute_paths, "_probe/a.py", "tree.read('/proc/cmdline')"),
    (long_parts, "_probe/a.py", "def f():\n" + "    x = 1\n" * 59),
    (missing_headers, "_probe/a.py", HEADER),
    (missing_headers, "../modules/a.py", "#!/usr/bin/python\n\n" + HEADER),
    (long_parts, "../modules/a.py", "RETURN = r'''\n" + "a: b\n" * 501 + "'''\n"),
    (swallowed_errors, "_probe/a.py", "try:\n    f()\nexcept OSError:\n    pass"),
]


def snippet(path: str, text: str) -> Source:
    return Source(os.path.normpath(MODULE_UTILS + path), text)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_rule_sees_what_breaks_it(rule: Callable[[Source], Iterator[str]], path: str, text: str) -> None:
    assert list(rule(snippet(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_rule_lets_through_what_keeps_it(rule: Callable[[Source], Iterator[str]], path: str, text: str) -> None:
    assert list(rule(snippet(path, text))) == []
