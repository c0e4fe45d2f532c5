# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in the options of the module benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._run.benchmark import ARGUMENTS, check_parameters

DEFAULTS = {name: option.get("default") for name, option in ARGUMENTS.items()}


def mistakes(systemd: bool = True, **options: Any) -> list[str]:
    return check_parameters({**DEFAULTS, **options}, (0,), systemd)


def test_the_defaults_are_fine() -> None:
    assert mistakes() == []
    assert mistakes(systemd=False) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpus": "first"}, "cpus: found 'first', expected numbers of CPUs."),
        ({"cpus": "0,65000"}, "cpus: this host has no CPU 65000."),
        ({"runs": 0}, "runs: 0 is not within 1 to 100."),
        ({"seconds": 4000}, "seconds: 4000 is not within 1 to 3600."),
        ({"warm_up": -1}, "warm_up: -1 is not within 0 to 3600."),
        ({"node": -1}, "node: -1 is not within 0 to 1023."),
        ({"root": "/nowhere"}, "root: /nowhere is not a directory."),
        ({"disk": "srv"}, "disk: srv is not a directory."),
        ({"kind": "disk_latency"}, "disk: found nothing. The kind disk_latency needs it."),
        ({"kind": "network"}, "server: found nothing."),
        ({"kind": "network", "server": "--version"}, "server: found '--version', expected the name or address"),
    ],
)
def test_a_mistake_is_reported(options: dict[str, Any], message: str) -> None:
    (text,) = mistakes(**options)
    assert text.startswith(message)


def test_all_mistakes_at_once() -> None:
    assert len(mistakes(cpus="x", runs=0, disk="srv", kind="network")) == 4


def test_a_directory_is_looked_for_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    assert mistakes(root=str(tmp_path), disk="/srv") == []
    (text,) = mistakes(root=str(tmp_path), disk="/other")
    assert text.startswith("disk: /other is not a directory below the root.")


def test_what_needs_systemd(tmp_path: Path) -> None:
    found = mistakes(systemd=False, node=0, root=str(tmp_path))
    assert [text.partition(":")[0] for text in found] == ["node", "root"]
