# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values are the same after a way through JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine, Reading, to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._values import from_json
from tests.machines import build, names


@pytest.mark.parametrize("name", names())
def test_a_reading_is_the_same_after_json(name: str, tmp_path: Path) -> None:
    reading = probe(build(name, tmp_path))
    assert from_json(Reading, json.loads(json.dumps(to_json(reading)))) == reading


def test_a_missing_key_is_an_error_and_a_foreign_one_is_ignored(tmp_path: Path) -> None:
    host = to_json(probe(build("amd-desktop", tmp_path)).host)
    assert from_json(Machine, {**host, "foreign": 1}) == from_json(Machine, host)
    del host["iommu"]
    with pytest.raises(KeyError, match="iommu"):
        from_json(Machine, host)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cpu", "model"), 5),
        (("cpu", "virtualization", "nested"), "yes"),
        (("cpus", "cores"), "0-3"),
        (("cpus", "cores"), None),
        (("memory", "total_bytes"), True),
        (("iommu", "groups"), []),
        (("os",), "debian"),
    ],
)
def test_a_value_of_another_type_is_an_error(path: tuple[str, ...], value: object, tmp_path: Path) -> None:
    host = to_json(probe(build("amd-desktop", tmp_path)).host)
    *parents, name = path
    inner = host
    for parent in parents:
        inner = inner[parent]
    inner[name] = value
    with pytest.raises((AttributeError, TypeError, ValueError)):
        from_json(Machine, host)
