# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed between two boots."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import (
    CMDLINE,
    DEVICE_GONE,
    DEVICE_MOVED,
    DEVICE_NEW,
    DRIVER,
    FIRMWARE,
    GROUP_MERGED,
    GROUP_SPLIT,
    IOMMU,
    KERNEL,
    KINDS,
    VIRTUALIZATION,
    BootFacts,
    Change,
    FunctionFacts,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot_records import parse_facts, render_facts
from ansible_collections.vfio.workstation.plugins.module_utils._plan.drift import boot_facts, drift
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from tests.machines import build, names

GPU, TWIN, DISK, NIC = "0000:01:00.0", "0000:41:00.0", "0000:02:00.0", "0000:03:00.0"
MOVED = "0000:05:00.0"
CARD = FunctionFacts("10de:2684 (1043:88e2, class 030000)", "12", "vfio-pci")
OTHER = FunctionFacts("144d:a80a (144d:a801, class 010802)", "13", "nvme")
THIRD = FunctionFacts("8086:15f3 (1043:87d2, class 020000)", "14", "igc")
FACTS = BootFacts(
    boot_id="a",
    time="2026-11-28T07:00:00Z",
    firmware="AMI 1.20 2026-01-02",
    kernel="6.12.48",
    cmdline=("root=UUID=0b1c", "ro", "iommu=pt"),
    virtualization="ready",
    iommu="enabled",
    interrupt_remapping=True,
    functions={GPU: CARD, DISK: OTHER, NIC: THIRD},
)


def functions(**changes: FunctionFacts | None) -> BootFacts:
    """Return the facts with other functions, by names without their domain: _01_00_0."""
    named = {f"0000:{name[1:3]}:{name[4:6]}.{name[7]}": facts for name, facts in changes.items()}
    merged = {**FACTS.functions, **named}
    return FACTS._replace(functions={address: facts for address, facts in merged.items() if facts is not None})


CASES: list[tuple[str, BootFacts, list[Change]]] = [
    ("nothing", FACTS._replace(boot_id="b", time="2026-11-29T07:00:00Z"), []),
    (
        "firmware",
        FACTS._replace(firmware="AMI 1.21 2026-10-02"),
        [Change(FIRMWARE, "firmware: AMI 1.20 2026-01-02 before, AMI 1.21 2026-10-02 now")],
    ),
    (
        "IOMMU off",
        FACTS._replace(iommu="disabled_by_firmware", interrupt_remapping=False),
        [
            Change(IOMMU, "IOMMU: enabled before, disabled by firmware now"),
            Change(IOMMU, "interrupt remapping: on before, off now"),
        ],
    ),
    (
        "virtualization off",
        FACTS._replace(virtualization="disabled_by_firmware"),
        [Change(VIRTUALIZATION, "virtualization: ready before, disabled by firmware now")],
    ),
    ("kernel", FACTS._replace(kernel="6.13.1"), [Change(KERNEL, "kernel: 6.12.48 before, 6.13.1 now")]),
    (
        "arguments",
        FACTS._replace(cmdline=("root=UUID=0b1c", "ro", "quiet", "iommu=nopt")),
        [Change(CMDLINE, "kernel command line: quiet iommu=nopt added; iommu=pt missing")],
    ),
    (
        "order of arguments",
        FACTS._replace(cmdline=("ro", "root=UUID=0b1c", "iommu=pt")),
        [Change(CMDLINE, "kernel command line: another order or number of the same arguments")],
    ),
    ("unknown", FACTS._replace(firmware=None, kernel=None, cmdline=None, iommu=None, interrupt_remapping=None), []),
    (
        "moved",
        functions(_01_00_0=None, _05_00_0=CARD),
        [Change(DEVICE_MOVED, f"{GPU}: {CARD.identity} is at {MOVED} now")],
    ),
    (
        "moved to the place of another",
        functions(_01_00_0=OTHER, _02_00_0=CARD),
        [
            Change(DEVICE_MOVED, f"{GPU}: {CARD.identity} is at {DISK} now"),
            Change(DEVICE_MOVED, f"{DISK}: {OTHER.identity} is at {GPU} now"),
        ],
    ),
    ("gone", functions(_01_00_0=None), [Change(DEVICE_GONE, f"{GPU}: {CARD.identity} is no longer present")]),
    (
        "new",
        functions(_05_00_0=CARD._replace(group="15", driver="nvidia")),
        [Change(DEVICE_NEW, f"{MOVED}: {CARD.identity} was not present before")],
    ),
    (
        "driver",
        functions(_01_00_0=CARD._replace(driver="nouveau")),
        [Change(DRIVER, f"{GPU}: driver vfio-pci before, nouveau now")],
    ),
    (
        "no driver",
        functions(_01_00_0=CARD._replace(driver=None)),
        [Change(DRIVER, f"{GPU}: driver vfio-pci before, no driver now")],
    ),
    ("a driver of the host", functions(_03_00_0=THIRD._replace(driver="e1000e")), []),
    (
        "merged",
        functions(_02_00_0=OTHER._replace(group="12")),
        [Change(GROUP_MERGED, f"{GPU}: its IOMMU group has {DISK} too now")],
    ),
    ("other numbers", functions(_01_00_0=CARD._replace(group="1"), _02_00_0=OTHER._replace(group="2")), []),
    ("groups of the host", functions(_02_00_0=OTHER._replace(group="14")), []),
    ("no groups", functions(_01_00_0=CARD._replace(group=None)), []),
]


@pytest.mark.parametrize(("after", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_change_is_named(after: BootFacts, expected: list[Change]) -> None:
    assert list(drift(FACTS, after)) == expected


def test_a_split_group_is_named() -> None:
    before = functions(_02_00_0=OTHER._replace(group="12"))
    assert list(drift(before, FACTS)) == [Change(GROUP_SPLIT, f"{GPU}: its IOMMU group is without {DISK} now")]


def test_the_group_of_a_moved_function_is_compared_by_its_members() -> None:
    before = functions(_02_00_0=OTHER._replace(group="12"))
    after = before._replace(
        functions={MOVED: CARD._replace(group="7"), DISK: OTHER._replace(group="7"), NIC: THIRD._replace(group="7")}
    )
    assert [change.kind for change in drift(before, after)] == [DEVICE_MOVED, GROUP_MERGED]


def test_identical_devices_are_matched_in_order() -> None:
    before = FACTS._replace(functions={GPU: CARD, TWIN: CARD._replace(driver="nvidia")})
    after = FACTS._replace(functions={DISK: CARD, "0000:42:00.0": CARD._replace(driver="nvidia")})
    assert [change.text.split(" is at ")[1] for change in drift(before, after)] == [f"{DISK} now", "0000:42:00.0 now"]


TEXT = st.none() | st.sampled_from(["a", "b", "ready"])
FUNCTION = st.builds(FunctionFacts, st.sampled_from("xyz"), TEXT, st.sampled_from([None, "vfio-pci", "nouveau"]))
ALL_FACTS = st.builds(
    BootFacts,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.none() | st.lists(st.sampled_from(["ro", "quiet", "x=1"]), max_size=4).map(tuple),
    TEXT,
    TEXT,
    st.none() | st.booleans(),
    st.dictionaries(st.sampled_from([GPU, TWIN, DISK, NIC, MOVED]), FUNCTION),
)


@given(ALL_FACTS)
def test_nothing_differs_from_itself(facts: BootFacts) -> None:
    assert drift(facts, facts) == ()


@given(ALL_FACTS, ALL_FACTS)
def test_any_two_boots_can_be_compared(before: BootFacts, after: BootFacts) -> None:
    changes = drift(before, after)
    assert {change.kind for change in changes} <= set(KINDS)
    assert all("\n" not in change.text for change in changes)
    if before.functions.keys() == after.functions.keys() == set():
        assert {change.kind for change in changes} <= {FIRMWARE, VIRTUALIZATION, IOMMU, KERNEL, CMDLINE}
    gone = [change for change in changes if change.kind == DEVICE_GONE]
    new = [change for change in changes if change.kind == DEVICE_NEW]
    assert len(before.functions) - len(gone) == len(after.functions) - len(new)


@given(ALL_FACTS)
def test_facts_read_back(facts: BootFacts) -> None:
    assert parse_facts(render_facts(facts)) == facts


@pytest.mark.parametrize("name", names())
def test_every_described_machine_has_facts(name: str, tmp_path: Path) -> None:
    facts = boot_facts(probe(str(build(name, tmp_path))).host)
    assert drift(facts, facts) == ()
    assert parse_facts(render_facts(facts)) == facts


def test_what_comes_and_goes_is_left_out(tmp_path: Path) -> None:
    machine = probe(str(build("virtual-functions", tmp_path))).host
    facts = boot_facts(machine)
    assert any(function.physical_function for function in machine.pci.values())
    kept = {address for address, function in machine.pci.items() if function.physical_function is None}
    assert kept == set(facts.functions)


def test_the_files_of_a_kernel_are_no_arguments(tmp_path: Path) -> None:
    machine = probe(str(build("twin-gpus", tmp_path))).host
    running = machine.boot.running._replace(cmdline="BOOT_IMAGE=/vmlinuz-6 initrd=/initrd.img-6 ro quiet")
    facts = boot_facts(machine._replace(boot=machine.boot._replace(running=running)))
    assert facts.cmdline == ("ro", "quiet")
