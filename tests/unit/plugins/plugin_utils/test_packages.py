# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module guest runs again after the packages that it lacked were installed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.plugin_utils import _packages

REFUSED: dict[str, Any] = {
    "failed": True,
    "msg": "Refused",
    "refusals": [{"code": "firmware_absent"}],
    "packages": ["ovmf"],
    "exception": "(traceback unavailable)",
    "notes": [],
}
DEFINED: dict[str, Any] = {"changed": True, "uuid": "u", "refusals": [], "notes": ["slow"]}


class Task:
    check_mode = False


class Action:
    _task = Task()


class Checking:
    _task = type("CheckedTask", (), {"check_mode": True})()


def calls(*results: dict[str, Any]) -> Any:
    """A module that returns one result after the other, and fails the test at one call more."""
    return iter(results).__next__


def test_nothing_is_installed_for_a_guest_that_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packages, "_install", None)
    other = {**REFUSED, "packages": []}
    for result in (DEFINED, other, {"failed": True, "msg": "x"}):
        assert _packages.with_packages(Action(), {}, calls(result)) is result


def test_the_module_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def install(_action: Any, _variables: Any, packages: list[str]) -> dict[str, Any]:
        asked.append(packages)
        return {"changed": True}

    monkeypatch.setattr(_packages, "_install", install)
    done = _packages.with_packages(Action(), {}, calls(REFUSED, {**DEFINED, "changed": False}))
    assert asked == [["ovmf"]]
    assert (done["changed"], done["uuid"], done["refusals"]) == (True, "u", [])
    assert done["notes"] == ["these packages were installed: ovmf", "slow"]
    # what they do not mend is refused, and nothing is installed a second time
    still = _packages.with_packages(Action(), {}, calls(REFUSED, REFUSED))
    assert still["failed"]


def test_packages_that_can_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packages, "_install", lambda *_: {"failed": True, "msg": "no network"})
    done = _packages.with_packages(Action(), {}, calls(REFUSED))
    assert done["failed"]
    assert done["msg"] == "Refused\nInstalling ovmf failed: no network"


def test_check_mode_installs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packages, "_install", None)
    done = _packages.with_packages(Checking(), {}, calls(REFUSED))
    assert (done["changed"], done["refusals"], done.get("failed"), done.get("exception")) == (True, [], None, None)
    assert done["notes"] == ["these packages would be installed first: ovmf"]
