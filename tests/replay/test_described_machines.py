# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every described machine reads as its description says it must."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import jmespath
import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.tests.machines import build, load, names

_NOBODY = 65534


@pytest.fixture
def root() -> Iterator[str]:
    """Return a folder that any user may enter, unlike pytest's own."""
    folder = tempfile.mkdtemp(prefix="machine-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def _ordinary_user() -> Iterator[None]:
    """Give up root's right to read everything, where we have it."""
    if os.geteuid():
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _read(root: str, *, as_user: bool) -> dict[str, Any]:
    if not as_user:
        return to_json(probe(root))
    probe(root)  # as root: modules that are imported late may lie where only root can read
    with _ordinary_user():
        return to_json(probe(root))


@pytest.mark.parametrize("name", names())
def test_reads_as_described(name: str, root: str) -> None:
    machine = load(name)
    build(name, root)
    reading = _read(root, as_user=machine.get("as_user", False))
    seen = {**reading["host"], "unreadable": reading["unreadable"]}
    assert machine["expect"], "a description without expectations tests nothing"
    wrong = []
    for expression, expected in machine["expect"].items():
        found = jmespath.search(expression, seen)
        if not _agrees(found, expected):
            wrong.append(f"{expression}\n  expected {expected}\n  found    {found}")
    assert not wrong, "\n".join([name, *wrong])


def _agrees(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict) and set(expected) == {"matches"}:
        text = found if isinstance(found, str) else repr(found)
        return re.search(expected["matches"], text) is not None
    return bool(found == expected)


def test_every_reason_tells_something_to_do(root: str) -> None:
    """What keeps a machine from hosting guests comes with a reason that names a remedy, not just the finding."""
    remedy = re.compile(
        r"enable|modprobe|remove|add|load|Xen|built without|cannot be told|nothing tells|no ACPI tables|may"
    )
    for name in names():
        folder = os.path.join(root, name)
        host = to_json(probe(build(name, folder)))["host"]
        for verdict in (host["cpu"]["virtualization"], host["iommu"]):
            assert verdict["reason"], name
            if verdict["state"] not in ("ready", "enabled", "absent"):
                assert remedy.search(verdict["reason"]), (name, verdict)
