# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module device_driver, on a tree with a kernel's reactions."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._run import device_driver
from ansible_collections.vfio.workstation.plugins.module_utils._run.device_driver import (
    DriverRun,
    check_parameters,
    run_device_driver,
)
from ansible_collections.vfio.workstation.plugins.modules import device_driver as documentation
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.test_driver_change import (
    AUDIO,
    HOST,
    LENT,
    LIMIT,
    Kernel,
    started,
)


def test_parameters() -> None:
    right = {"address": "0000:41:00.0", "driver": "vfio-pci", "timeout": 30}
    assert check_parameters(right) == []
    for name in ("snd_hda_intel", "8250_pci", "mlx5-vfio-pci", "auto"):
        assert check_parameters({**right, "driver": name}) == []
    for key, value in [
        *(("address", text) for text in ("", "gpu", "0000:41:00", "../x")),
        *(("driver", text) for text in ("", "../x", "a/b", "-r", ".", "..", "a b", "x" * 65)),
        *(("timeout", number) for number in (0, -1, 3601)),
    ]:
        (error,) = check_parameters({**right, key: value})
        assert error.startswith(f"{key}: ")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return started(tmp_path, monkeypatch)


class Ended(Exception):
    """The end of the module, with its result."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values.get("msg", ""))
        self.values = values


class StandIn:
    """The parameters as Ansible passes them to a module."""

    def __init__(self, params: dict[str, Any], check: bool) -> None:
        self.params = {"address": AUDIO, "driver": "vfio-pci", "accept": [], "timeout": LIMIT, **params}
        self.check_mode = check

    def exit_json(self, **values: Any) -> None:
        raise Ended({"failed": False, **values})

    def fail_json(self, **values: Any) -> None:
        raise Ended({"failed": True, "changed": False, **values})


@pytest.fixture
def call(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run the module as Ansible would, as root, on the tree."""

    def run(*, check: bool = False, **params: Any) -> dict[str, Any]:
        monkeypatch.setattr(device_driver, "AnsibleModule", lambda **_spec: StandIn(params, check))
        with pytest.raises(Ended) as ended:
            run_device_driver()
        return ended.value.values

    monkeypatch.setattr(device_driver, "DriverRun", functools.partial(DriverRun, root=str(kernel.root)))
    monkeypatch.setattr(device_driver, "locked", lambda **_wait: contextlib.nullcontext())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return run


def test_the_module(kernel: Kernel, call: Callable[..., dict[str, Any]]) -> None:
    foretold = call(check=True)
    assert kernel.now() == HOST
    done = call()
    assert kernel.now() == LENT
    assert done == foretold
    assert (done["failed"], done["changed"]) == (False, True)
    assert done["driver"] == {"before": "snd_hda_intel", "after": "vfio-pci"}
    assert done["driver_override"] == {"before": None, "after": "vfio-pci"}
    assert done["diff"] == [
        {
            "before_header": f"/sys/bus/pci/devices/{AUDIO}",
            "after_header": f"/sys/bus/pci/devices/{AUDIO}",
            "before": "driver: snd_hda_intel\ndriver_override: not set\n",
            "after": "driver: vfio-pci\ndriver_override: vfio-pci\n",
        }
    ]
    assert [step["kind"] for step in done["steps"]] == ["SetAttribute"] * 3
    assert done["group"]["usable"] is False
    again = call()
    assert (again["changed"], again["diff"], again["steps"]) == (False, [], [])


def test_the_module_refuses(call: Callable[..., dict[str, Any]]) -> None:
    for check in (True, False):
        refused = call(address="0000:02:00.0", check=check)
        assert (refused["failed"], refused["changed"]) == (True, False)
        assert [refusal["code"] for refusal in refused["refusals"]] == ["device_in_use"]
        assert "[device_in_use]" in refused["msg"]
        assert refused["driver"] == {"before": "nvme", "after": "nvme"}
    nowhere = call(address="0000:99:00.0")
    assert [refusal["code"] for refusal in nowhere["refusals"]] == ["device_not_found"]
    assert (nowhere["driver"], nowhere["group"]) == ({"before": None, "after": None}, None)
    assert call(address="gpu")["msg"].startswith("address: ")


def test_a_failed_module_reports_what_it_changed(kernel: Kernel, call: Callable[..., dict[str, Any]]) -> None:
    kernel.takes["vfio-pci"] = "Invalid argument"
    restored = call()
    assert (restored["failed"], restored["changed"], restored["driver"]["after"]) == (True, False, "snd_hda_intel")
    kernel.takes["snd_hda_intel"] = "Device or resource busy"
    lost = call()
    assert (lost["failed"], lost["changed"], lost["driver"]["after"]) == (True, True, None)


def test_only_root_changes_something(
    kernel: Kernel, call: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "become: true" in call()["msg"]
    assert kernel.now() == HOST
    assert call(check=True)["changed"]


def test_what_is_documented_is_returned(call: Callable[..., dict[str, Any]]) -> None:
    documented = yaml.safe_load(documentation.RETURN)
    done = call()
    assert set(documented) == set(done) - {"changed", "failed", "diff"}
    for key in ("driver", "driver_override", "group"):
        assert set(documented[key]["contains"]) == set(done[key])
    assert set(documented["group"]["contains"]["members"]["contains"]) == set(done["group"]["members"][0])
    assert set(documented["steps"]["sample"][0]) == set(done["steps"][0])
    (refusal,) = call(address="0000:02:00.0")["refusals"]
    assert set(documented["refusals"]["sample"][0]) == set(refusal)


def test_what_is_documented_is_accepted() -> None:
    documented = yaml.safe_load(documentation.DOCUMENTATION)["options"]
    options = {
        name: {key: option[key] for key in option if key != "description"} for name, option in documented.items()
    }
    assert options == device_driver.ARGUMENTS
