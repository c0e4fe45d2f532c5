# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers that a function could get, from the lists of the running kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.driver_change import (
    AUTO,
    NONE,
    DriverModule,
    DriverRequest,
    FunctionDrivers,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.kernel_module import BUILT_IN, LOADABLE, MISSING
from ansible_collections.vfio.workstation.plugins.module_utils._probe.drivers import (
    read_function_drivers,
    read_override,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

ADDRESS = "0000:00:1f.6"
MODALIAS = "pci:v00008086d000015B8sv00001043sd00008672bc02sc00i00"
ALIASES = """\
# Aliases extracted from modules themselves.
alias usb:v8086p15B8d*dc*dsc*dp*ic*isc*ip*in* usbnet
alias pci:v00008086d000015B8sv*sd*bc*sc*i* e1000e
alias pci:v00008086d000015B9sv*sd*bc*sc*i* e1000
alias pci:v000010ECd000015B8sv*sd*bc*sc*i* r8169
alias pci:v*d*sv*sd*bc02sc00i* any-nic
alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
"""
BUILT_INS = b"other.license=GPL\0pcie.alias=pci:v00008086d*sv*sd*bc02sc*i*\0x.alias=pci:v0000FFFFd*sv*sd*bc*sc*i*\0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    modules = tmp_path / "lib/modules/6.12.0"
    device = tmp_path / "sys/bus/pci/devices" / ADDRESS
    for folder in (modules, device, tmp_path / "sys/module/e1000e", tmp_path / "proc/sys/kernel"):
        folder.mkdir(parents=True)
    for driver, module in (("e1000e", "e1000e"), ("pcie-nic", "pcie"), ("ahci", "ahci")):
        (tmp_path / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True)
        (tmp_path / f"sys/bus/pci/drivers/{driver}/module").symlink_to(f"../../../../module/{module}")
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.12.0\n")
    (modules / "modules.alias").write_text(ALIASES)
    (modules / "modules.builtin.modinfo").write_bytes(BUILT_INS)
    (modules / "modules.dep").write_text("kernel/drivers/vfio/pci/vfio-pci.ko.xz:\n")
    (modules / "modules.builtin").write_text("kernel/drivers/pci/pci-stub.ko\n")
    (device / "modalias").write_text(MODALIAS + "\n")
    (device / "driver_override").write_text("(null)\n")
    return tmp_path


def read(root: Path, driver: str) -> FunctionDrivers:
    return read_function_drivers(Tree(str(root)), DriverRequest(ADDRESS, driver))


def test_modules_and_drivers_that_match_a_function(root: Path) -> None:
    live = read(root, AUTO)
    assert live.modules == (DriverModule("any_nic", False), DriverModule("e1000e", True), DriverModule("pcie", True))
    assert live.candidates == ("e1000e", "pcie-nic")
    assert (live.modalias, live.override) == (MODALIAS, None)


def test_lists_and_modaliases_may_be_missing(root: Path) -> None:
    (root / "lib/modules/6.12.0/modules.builtin.modinfo").unlink()
    assert read(root, AUTO).modules == (DriverModule("any_nic", False), DriverModule("e1000e", True))
    (root / "lib/modules/6.12.0/modules.alias").unlink()
    assert (read(root, AUTO).modules, read(root, AUTO).candidates) == (None, ())
    (root / "sys/bus/pci/devices" / ADDRESS / "modalias").unlink()
    assert (read(root, AUTO).modules, read(root, AUTO).modalias) == (None, None)


@pytest.mark.parametrize(
    ("driver", "registered", "module"),
    [
        ("e1000e", True, None),
        ("vfio-pci", False, LOADABLE),
        ("pci-stub", False, BUILT_IN),
        ("vfio-pcy", False, MISSING),
        (NONE, True, None),
    ],
)
def test_the_requested_driver(root: Path, driver: str, registered: bool, module: str | None) -> None:
    live = read(root, driver)
    assert (live.registered, live.module) == (registered, module)


@pytest.mark.parametrize(("text", "override"), [("(null)\n", None), ("\n", None), ("vfio-pci\n", "vfio-pci")])
def test_override(root: Path, text: str, override: str | None) -> None:
    (root / "sys/bus/pci/devices" / ADDRESS / "driver_override").write_text(text)
    assert read_override(Tree(str(root)), ADDRESS) == override
    assert read_override(Tree(str(root)), "0000:00:00.7") is None
