# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule in the initramfs and on the host, interpreted as udev does, on a tree of files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import SELECTED, Binding, Identity
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import MARKERS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.udev_rule import ids_argument, rule_text

GPU = Binding(
    "gpu", "0000:41:00.0", Identity("10de", "2684", "1043", "88e2", "030000", "0000:00:03.1"), SELECTED, "function", ()
)
ON_ROOT = Binding(
    "igpu", "0000:00:02.0", Identity("8086", "9a49", None, None, "030000", None), SELECTED, "function", ()
)
BELOW_VMD = Binding(
    "disk", "10000:e0:06.0", Identity("144d", "a80a", None, None, "010802", "0000:00:0e.0"), SELECTED, "function", ()
)
TOKEN = re.compile(r'([A-Z]+)(?:\{([^}]*)\})?(==|!=|\+=|=)"([^"]*)"')


class Udev:
    """An interpreter of the few keys of udev's rules that the rule uses: udev(7)."""

    def __init__(self, root: Path, cmdline: str) -> None:
        self.root, self.cmdline = root, cmdline
        self.written: list[tuple[str, str]] = []
        self.ran: list[str] = []

    def function(self, path: str, driver: str | None = None, **attributes: str) -> None:
        """Create a function at a path below /sys/devices."""
        folder = self.root / "sys/devices" / path
        folder.mkdir(parents=True)
        attributes = {"subsystem_vendor": "0x0000", "subsystem_device": "0x0000", **attributes}
        for name, value in {**attributes, "driver_override": "(null)"}.items():
            (folder / name).write_text(value + "\n")
        if driver:
            (folder / "driver").mkdir()
            (folder / "driver" / "name").write_text(driver)
        link = self.root / "sys/bus/pci/devices" / folder.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)

    def event(
        self, address: str, text: str, action: str = "add", subsystem: str = "pci", *, replayed: bool = True
    ) -> None:
        """Run the rule for an event of a function, replayed as by `udevadm trigger`, or from the kernel."""
        self._properties: dict[str, str] = {"SYNTH_UUID": "0"} if replayed else {}
        label = None
        for line in text.splitlines():
            tokens = TOKEN.findall(line)
            if line.startswith("#") or (label and ("LABEL", "", "=", label) not in tokens):
                continue
            assert TOKEN.sub("", line).strip(", ") == "", line
            label = None
            event = {"ACTION": action, "SUBSYSTEM": subsystem, "KERNEL": address, "DRIVER": self._driver(address)}
            for key, name, operator, value in tokens:
                if operator in ("==", "!="):
                    if self._matches(key, name, value, event) != (operator == "=="):
                        break
                elif key == "GOTO":
                    label = value
                elif not self._acts(key, name, value, address):
                    break

    def _matches(self, key: str, name: str, value: str, event: dict[str, str]) -> bool:
        if key == "TEST":
            return (self.root / value.lstrip("/")).exists()
        if key == "ENV":
            current = self._properties.get(name, "")
        elif key == "ATTR":
            path = self._path(name, event["KERNEL"])
            current = path.read_text().rstrip() if path.exists() else ""
            if not path.exists():
                return False
        else:
            current = event[key]
        return current != "" if value == "?*" else current in value.split("|")

    def _acts(self, key: str, name: str, value: str, address: str) -> bool:
        if (key, name) == ("IMPORT", "cmdline"):
            words = dict(word.partition("=")[::2] for word in self.cmdline.split())
            if value not in words:
                return False
            self._properties[value] = words[value] or "1"
        elif key == "ENV":
            self._properties[name] = value
        elif key == "ATTR":
            self.written.append(
                (name if name.startswith("[") else f"[pci/{address}]{name}", value.replace("$kernel", address))
            )
            path = self._path(name, address)
            if path.exists():
                path.write_text(value + "\n")
            elif name == "driver/unbind":
                shutil.rmtree(path.parent)
        elif key == "RUN":
            self.ran.append(value)
        else:
            assert key == "LABEL"
        return True

    def _path(self, attribute: str, address: str) -> Path:
        match = re.fullmatch(r"\[([a-z]+)/([^\]]+)\](.+)", attribute)
        if match is None:
            return self.root / "sys/bus/pci/devices" / address / attribute
        kind, name, rest = match.groups()
        return self.root / ("sys/bus" if kind == "subsystem" else f"sys/bus/{kind}/devices") / name / rest

    def _driver(self, address: str) -> str:
        name = self.root / "sys/bus/pci/devices" / address / "driver" / "name"
        return name.read_text() if name.exists() else ""

    def overridden(self) -> list[str]:
        """The functions that only vfio-pci may take."""
        files = sorted((self.root / "sys/bus/pci/devices").glob("*/driver_override"))
        assert {file.read_text() for file in files} <= {"(null)\n", "vfio-pci\n"}
        return [file.parent.name for file in files if file.read_text() == "vfio-pci\n"]


@pytest.fixture
def udev(tmp_path: Path) -> Udev:
    """An initramfs, where events are replayed once udev runs."""
    udev = running_system(tmp_path)
    (tmp_path / MARKERS).mkdir(parents=True)
    return udev


@pytest.fixture
def running(tmp_path: Path) -> Udev:
    return running_system(tmp_path)


def running_system(tmp_path: Path) -> Udev:
    udev = Udev(tmp_path, "ro vfio_workstation=1")
    card = {"vendor": "0x10de", "device": "0x2684", "subsystem_vendor": "0x1043", "subsystem_device": "0x88e2"}
    udev.function("pci0000:00/0000:00:00.0", vendor="0x1022", device="0x14d8")
    udev.function("platform/bus/pci0000:00/0000:00:02.0", vendor="0x8086", device="0x9a49", driver="i915")
    udev.function("pci0000:00/0000:00:01.1/0000:01:00.0", **card)
    udev.function("pci0000:00/0000:00:03.1/0000:41:00.0", **card)
    udev.function("pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0", vendor="0x144d", device="0xa80a")
    for port in ("01.1", "03.1", "0e.0"):
        link = tmp_path / f"sys/bus/pci/devices/0000:00:{port}"
        link.symlink_to(tmp_path / f"sys/devices/pci0000:00/0000:00:{port}")
    return udev


def test_the_first_event_of_any_function_sets_the_override_of_all_without_a_driver(udev: Udev) -> None:
    udev.event("0000:00:00.0", rule_text([GPU, ON_ROOT, BELOW_VMD]))
    # Not of the identical device, nor of the function that a built-in driver has: that one gets an event of its own.
    assert udev.overridden() == ["0000:41:00.0", "10000:e0:06.0"]
    assert udev.ran == []


def test_a_functions_own_event_binds_it(udev: Udev) -> None:
    udev.event("0000:41:00.0", rule_text([GPU]))
    assert udev.ran == ["kmod load vfio-pci"]
    assert ("[subsystem/pci]drivers_probe", "0000:41:00.0") in udev.written
    assert not any("unbind" in name for name, _value in udev.written)


def test_a_function_is_unbound_from_a_built_in_driver(udev: Udev) -> None:
    udev.event("0000:00:02.0", rule_text([ON_ROOT]))
    names = [name for name, _value in udev.written]
    assert names == [
        "[pci/0000:00:02.0]driver_override",
        "[pci/0000:00:02.0]driver/unbind",
        "[subsystem/pci]drivers_probe",
    ]


@pytest.mark.parametrize("cmdline", ["ro quiet", "ro vfio_workstation=0", "ro xvfio_workstation=1"])
def test_without_the_gate_nothing_happens(udev: Udev, cmdline: str) -> None:
    udev.cmdline = cmdline
    udev.event("0000:41:00.0", rule_text([GPU]))
    assert (udev.written, udev.ran) == ([], [])


@pytest.mark.parametrize(("action", "subsystem"), [("remove", "pci"), ("change", "pci"), ("add", "usb")])
def test_other_events_are_ignored(udev: Udev, action: str, subsystem: str) -> None:
    udev.event("0000:41:00.0", rule_text([GPU]), action, subsystem)
    assert (udev.written, udev.ran) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        {"device": "2685"},
        {"vendor": "10dd"},
        {"subsystem_vendor": "1044"},
        {"subsystem_device": "88e3"},
        {"parent": "0000:00:01.1"},
    ],
)
def test_another_device_at_its_address_stays_with_the_host(udev: Udev, change: dict[str, str]) -> None:
    other = GPU._replace(identity=GPU.identity._replace(**change))
    udev.event("0000:41:00.0", rule_text([other]))
    assert (udev.written, udev.ran) == ([], [])


def test_a_missing_function_does_not_affect_the_others(udev: Udev) -> None:
    udev.event("0000:41:00.0", rule_text([GPU._replace(address="0000:99:00.0"), GPU]))
    assert udev.ran == ["kmod load vfio-pci"]


def test_for_binding_by_id_vfio_pci_is_loaded_at_the_first_event(udev: Udev) -> None:
    by_id = GPU._replace(bind_by="id")
    udev.event("0000:00:00.0", rule_text([by_id]))
    assert (udev.written, udev.ran) == ([], ["kmod load vfio-pci"])
    assert ids_argument([by_id, ON_ROOT._replace(bind_by="id")]) == "vfio-pci.ids=8086:9a49,10de:2684:1043:88e2"
    assert ids_argument([GPU]) is None


def test_in_the_running_system_a_function_that_appears_is_unbound_from_a_loaded_driver(running: Udev) -> None:
    running.event("0000:00:02.0", rule_text([ON_ROOT]), replayed=False)
    assert [name for name, _value in running.written] == [
        "[pci/0000:00:02.0]driver_override",
        "[pci/0000:00:02.0]driver/unbind",
        "[subsystem/pci]drivers_probe",
    ]
    assert running.ran == ["kmod load vfio-pci"]


def test_in_the_running_system_a_function_that_appears_without_a_driver_is_bound(running: Udev) -> None:
    running.event("0000:41:00.0", rule_text([GPU]), replayed=False)
    assert running.overridden() == ["0000:41:00.0"]
    assert running.written[1:] == [("[subsystem/pci]drivers_probe", "0000:41:00.0")]
    assert running.ran == ["kmod load vfio-pci"]


@pytest.mark.parametrize(("address", "replayed"), [("0000:00:02.0", True), ("0000:41:00.0", False)])
def test_in_the_running_system_a_function_in_use_stays_with_its_driver(
    running: Udev, address: str, replayed: bool
) -> None:
    """Requested, but no reboot yet: neither a trigger nor the arrival of another function takes it."""
    running.event(address, rule_text([ON_ROOT]), replayed=replayed)
    assert (running.written, running.ran) == ([], [])


def test_in_the_running_system_a_foreign_override_is_kept(running: Udev) -> None:
    """The module device_driver sets `none` for a function that no driver may take."""
    override = running.root / "sys/bus/pci/devices/0000:41:00.0/driver_override"
    override.write_text("none\n")
    running.event("0000:41:00.0", rule_text([GPU]))
    assert (running.written, running.ran) == ([], [])


def test_in_the_running_system_nothing_happens_without_the_gate(running: Udev) -> None:
    running.cmdline = "ro quiet"
    running.event("0000:41:00.0", rule_text([GPU]), replayed=False)
    assert (running.written, running.ran) == ([], [])
