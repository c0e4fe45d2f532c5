# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a guest is not equivalent: each rule, with what it must not mistake for a cause."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.benchmark import GuestProcess
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.causes import causes, differences
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.evidence import Evidence, evidence_of
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import Result, read_result
from ansible_collections.vfio.workstation.tests.unit.plugins.plugin_utils._parity.documents import document, side

GIB = 1 << 30
GOOD = GuestProcess(("2", "3"), {"1048576": 4 * GIB, "4": GIB // 64}, {"0": 4 * GIB}, True)
QUIET = Evidence({"exits": 900.0, "io_exits": 10.0}, 0.0, 0.005, 0, GOOD)


def result(
    native: dict[str, Any] | None = None, guest: dict[str, Any] | None = None, node: int | None = None
) -> Result:
    sides = {"native": native or side("ws1"), "guest": guest or side("guest1"), "node": node}
    return read_result(document({"syscalls": 1.0}, blocks=2, **sides), "a")


def codes(evidence: Evidence, **sides: Any) -> list[str]:
    return [cause.code for cause in causes(evidence, result(**sides))]


def with_process(**changes: Any) -> Evidence:
    return QUIET._replace(process=GOOD._replace(**changes))


def with_kvm(**parameters: str) -> dict[str, Any]:
    return {**side("ws1"), "kvm": {f"kvm_{name}": value for name, value in parameters.items()}}


INTERRUPTED = QUIET._replace(exits={"exits": 5000.0, "irq_exits": 4000.0})
TABLE: list[tuple[Evidence, dict[str, Any], list[str]]] = [
    (QUIET, {}, []),
    (QUIET._replace(process=None, exits={}, steal=None, host=None), {}, []),
    (with_process(uses_kvm=False), {}, ["emulated"]),
    (QUIET, {"native": side("ws1", hypervisor="yes")}, ["nested"]),
    (QUIET, {"guest": side("guest1", hypervisor="yes")}, []),
    (with_process(vcpus=("2", "0-7")), {}, ["unpinned"]),
    (with_process(vcpus=("2", "2")), {}, ["shared_cpu"]),
    (with_process(page_bytes={"4": 4 * GIB}), {}, ["small_pages"]),
    (with_process(node_bytes={"0": 3 * GIB, "1": GIB}), {}, ["other_node"]),
    (with_process(node_bytes={"1": 4 * GIB}), {"node": 0}, ["other_node"]),
    (with_process(node_bytes={"1": 4 * GIB}), {}, []),
    (QUIET._replace(steal=0.03), {}, ["steal"]),
    (QUIET._replace(host=0.2), {}, ["host_time"]),
    (QUIET._replace(exits={"exits": 3000.0, "mmio_exits": 2500.0}), {}, ["device_exits"]),
    (INTERRUPTED, {}, []),
    (INTERRUPTED, {"native": with_kvm(**{"amd.avic": "N"})}, ["interrupt_exits"]),
    (INTERRUPTED, {"native": with_kvm(**{"intel.enable_apicv": "Y"})}, []),
    (QUIET._replace(exits={"exits": 50_000.0, "halt_exits": 49_000.0}), {}, ["vm_exits"]),
    (QUIET, {"guest": side("guest1", clocksource="hpet")}, ["clock"]),
    (QUIET, {"guest": side("guest1", clocksource="kvm-clock")}, []),
    (QUIET, {"native": side("ws1", clocksource="acpi_pm")}, ["clock"]),
    (QUIET._replace(throttled=3), {}, ["throttled"]),
    (
        with_process(uses_kvm=False, vcpus=("0-7",), page_bytes={"4": 1}),
        {"native": side("ws1", hypervisor="yes")},
        ["emulated", "nested", "unpinned", "small_pages"],
    ),
]


@pytest.mark.parametrize(("evidence", "sides", "expected"), TABLE)
def test_causes(evidence: Evidence, sides: dict[str, Any], expected: list[str]) -> None:
    assert codes(evidence, **sides) == expected


def test_a_cause_says_what_was_found_and_what_changes_it() -> None:
    (cause,) = causes(with_process(vcpus=("2", "0-7")), result())
    assert cause.text == "vCPU 1 may run on 0-7, not on one CPU"
    assert "module guest" in cause.remedy
    (exits,) = causes(QUIET._replace(exits={"exits": 50_000.0, "halt_exits": 49_000.0, "io_exits": 9.0}), result())
    assert exits.text == "50000 VM exits per second (halt_exits 49000, io_exits 9)"


def test_what_differs_and_what_is_not_shown() -> None:
    measured = result(
        side("ws1", governor="powersave", microcode="0x1"),
        side("guest1", governor=None, microcode="0x2", hypervisor="yes", clocksource="kvm-clock"),
    )
    assert measured.guest is not None
    guest = measured.guest._replace(tools={"sysbench": "sysbench 1.0.18"}, cpus=(0,))
    assert differences(measured.native, guest) == [
        "microcode: 0x1 on ws1, 0x2 on guest1",
        "version of sysbench: sysbench 1.0.20 on ws1, sysbench 1.0.18 on guest1",
        "CPUs: 2 on ws1, 1 on guest1",
    ]


def test_the_host_counts_between_two_native_turns() -> None:
    measured = document({"syscalls": 1.0}, blocks=1)
    native, guest, last = measured["turns"][3:]
    assert [turn["side"] for turn in measured["turns"][3:]] == ["native", "guest", "native"]
    native["after"] = {
        "at": 100.0,
        "kvm": {"exits": 1000},
        "cpu": {"user": 10, "guest": 10, "system": 0},
        "throttled": 1,
    }
    last["before"] = {
        "at": 110.0,
        "kvm": {"exits": 6000},
        "cpu": {"user": 1000, "guest": 910, "system": 10},
        "throttled": 3,
    }
    guest["before"] = {"at": 5.0, "kvm": {}, "cpu": {"user": 0, "steal": 0}, "throttled": None}
    guest["after"] = {"at": 15.0, "kvm": {}, "cpu": {"user": 960, "steal": 40}, "throttled": None}
    evidence = evidence_of(read_result(measured, "a"), "syscalls")
    assert evidence.exits == {"exits": 500.0}
    assert evidence.steal == pytest.approx(0.04)
    assert evidence.host == pytest.approx(0.1)
    assert evidence.throttled == 2


def test_without_a_guest_of_kvm_the_time_of_the_host_says_nothing() -> None:
    measured = document({"syscalls": 1.0}, blocks=1)
    native, _guest, last = measured["turns"][3:]
    native["after"] = {"at": 100.0, "kvm": {}, "cpu": {"user": 10, "guest": 7}, "throttled": 0}
    last["before"] = {"at": 110.0, "kvm": {}, "cpu": {"user": 1000, "guest": 7}, "throttled": 0}
    assert evidence_of(read_result(measured, "a"), "syscalls").host is None


def test_without_counters_nothing_is_known() -> None:
    measured = document({"syscalls": 1.0}, blocks=1)
    for turn in measured["turns"]:
        turn["before"] = turn["after"] = {"at": 1.0, "kvm": {}, "cpu": {}, "throttled": None}
    assert evidence_of(read_result(measured, "a"), "syscalls") == Evidence({}, None, None, 0, None)
