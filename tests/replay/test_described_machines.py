# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reading of every described machine has the values that its description expects."""

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
    """Return a folder that every user may enter, unlike pytest's own."""
    folder = tempfile.mkdtemp(prefix="machine-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def _ordinary_user() -> Iterator[None]:
    """Drop root's permission to read everything, if we have it."""
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
    probe(root)  # as root, since modules that are imported late may be readable by root only
    with _ordinary_user():
        return to_json(probe(root))


@pytest.mark.parametrize("name", names())
def test_reads_as_described(name: str, root: str) -> None:
    machine = load(name)
    build(name, root)
    reading = _read(root, as_user=machine.get("as_user", False))
    document = {**reading["host"], "unreadable": reading["unreadable"]}
    assert machine["expect"], "a description without expectations tests nothing"
    wrong = []
    for expression, expected in machine["expect"].items():
        value = jmespath.search(expression, document)
        if not _agrees(value, expected):
            wrong.append(f"{expression}\n  expected {expected}\n  got      {value}")
    assert not wrong, "\n".join([name, *wrong])


def _agrees(value: Any, expected: Any) -> bool:
    if isinstance(expected, dict) and set(expected) == {"matches"}:
        text = value if isinstance(value, str) else repr(value)
        return re.search(expected["matches"], text) is not None
    return bool(value == expected)


def test_every_reason_has_a_remedy(root: str) -> None:
    """The reason why a machine cannot run guests names a remedy, or says which evidence is missing."""
    remedy = re.compile(
        r"enable|modprobe|remove|add|load|Xen|built without|/sys/module is missing|insufficient evidence|may"
    )
    for name in names():
        folder = os.path.join(root, name)
        host = to_json(probe(build(name, folder)))["host"]
        for subject in (host["cpu"]["virtualization"], host["iommu"]):
            assert subject["reason"], name
            if subject["state"] not in ("ready", "enabled", "absent"):
                assert remedy.search(subject["reason"]), (name, subject)
