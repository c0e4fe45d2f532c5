# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps in the running system, and when there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._engine.running_system import TRIED_FILE, RunningSystem
from ansible_collections.vfio.workstation.plugins.module_utils._machine import HugePages, Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import (
    HostPlan,
    HostRecord,
    HugePagesPlan,
    RuntimePages,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    ACTIVE,
    CONFIGURED,
    RemoveFile,
    RunTool,
    Step,
    WriteAttribute,
    WriteFile,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.access import ACCESS_RULE_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.hugepages_files import (
    TMPFILES_FILE,
    mount_unit_path,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.isolation import SCRIPT_FILE, STATE, UNIT_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.udev_rule import RULE_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.values import machine, memory

PAGES = (RuntimePages(0, 2048, 8),)
COUNT = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
MOUNT = mount_unit_path(1 << 20)
NO_PLAN = HostPlan({}, {}, {}, None, None, None, HostRecord(), ())


def live_tree(root: Path) -> Tree:
    """Return a tree that counts as the running machine."""
    tree = Tree(str(root))
    tree.live = True
    return tree


def system(root: Path, **files: str) -> Tree:
    """A running system with systemd and udev, and these files."""
    for name, text in {"/run/systemd/system/x": "", "/run/udev/control": "", **files}.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return live_tree(root)


def plan_for(*pages: RuntimePages) -> HostPlan:
    return NO_PLAN._replace(hugepages=HugePagesPlan((), (), pages))


def with_pages(total: int | None) -> Machine:
    host = machine(memory=memory(32))
    node = host.memory.nodes["0"]
    node = node._replace(hugepages={**node.hugepages, "2048": HugePages(total, total, 0)})
    return host._replace(memory=host.memory._replace(nodes={"0": node}))


def write(path: str) -> WriteFile:
    return WriteFile(path, "", CONFIGURED, "")


def remove(path: str) -> RemoveFile:
    return RemoveFile(path, CONFIGURED, "")


def lines(steps: list[Step]) -> list[str]:
    assert all(step.effect == ACTIVE for step in steps)
    return [" ".join(step.argv) for step in steps if isinstance(step, RunTool)]


def test_missing_pages_are_allocated_once_per_boot(tmp_path: Path) -> None:
    tree = system(tmp_path)
    note, ask = RunningSystem(tree, with_pages(3), plan_for(*PAGES), {}).steps_after_files()
    assert isinstance(note, WriteFile)
    assert isinstance(ask, WriteAttribute)
    assert (note.path, ask.path, ask.value) == (TRIED_FILE, COUNT, "8")
    system(tmp_path, **{TRIED_FILE: note.content})
    tree = live_tree(tmp_path)
    assert list(RunningSystem(tree, with_pages(3), plan_for(*PAGES), {}).steps_after_files()) == []
    more = (PAGES[0]._replace(pages=9),)
    assert len(list(RunningSystem(tree, with_pages(3), plan_for(*more), {}).steps_after_files())) == 2


@pytest.mark.parametrize("present", [8, 9, None])
def test_present_or_unknown_pages_are_not_allocated(tmp_path: Path, present: int | None) -> None:
    assert list(RunningSystem(system(tmp_path), with_pages(present), plan_for(*PAGES), {}).steps_after_files()) == []


def test_a_captured_tree_has_no_steps(tmp_path: Path) -> None:
    system(tmp_path, **{STATE + "/x": ""})
    live = RunningSystem(Tree(str(tmp_path)), with_pages(0), plan_for(*PAGES), {"cpu_isolation": [remove(UNIT_FILE)]})
    assert [*live.steps_before_files(), *live.steps_after_files()] == []


@pytest.mark.parametrize(("now", "freed"), [("8", ["0"]), ("12", [])])
def test_own_pages_are_freed_and_foreign_pages_are_not(tmp_path: Path, now: str, freed: list[str]) -> None:
    tree = system(tmp_path, **{TMPFILES_FILE: f"# ours\nw! {COUNT} - - - - 8\n", COUNT: f"{now}\n", TRIED_FILE: "x"})
    steps = list(
        RunningSystem(tree, with_pages(int(now)), NO_PLAN, {"hugepages": [remove(TMPFILES_FILE)]}).steps_after_files()
    )
    assert [step.value for step in steps if isinstance(step, WriteAttribute)] == freed
    assert [step.path for step in steps if isinstance(step, RemoveFile)] == [TRIED_FILE]


def test_units_are_reloaded_and_mounts_started(tmp_path: Path) -> None:
    live = RunningSystem(system(tmp_path), machine(), NO_PLAN, {"hugepages": [write(MOUNT), write(TMPFILES_FILE)]})
    assert lines(list(live.steps_before_files())) == []
    assert lines(list(live.steps_after_files())) == ["systemctl daemon-reload", "systemctl start dev-hugepages1G.mount"]


def test_a_unit_is_stopped_before_its_file_is_removed(tmp_path: Path) -> None:
    own = {"hugepages": [remove(MOUNT)], "cpu_isolation": [remove(UNIT_FILE)]}
    live = RunningSystem(system(tmp_path, **{STATE + "/x": ""}), machine(), NO_PLAN, own)
    assert lines(list(live.steps_before_files())) == [
        "systemctl stop vfio-workstation-cpu-isolation.service",
        "systemctl stop dev-hugepages1G.mount",
    ]
    assert lines(list(live.steps_after_files())) == ["systemctl daemon-reload"]


def test_a_unit_that_isolates_cpus_is_stopped_with_its_old_files_and_started_with_the_new(tmp_path: Path) -> None:
    live = RunningSystem(
        system(tmp_path, **{STATE + "/x": ""}), machine(), NO_PLAN, {"cpu_isolation": [write(SCRIPT_FILE)]}
    )
    assert lines(list(live.steps_before_files())) == ["systemctl stop vfio-workstation-cpu-isolation.service"]
    assert lines(list(live.steps_after_files())) == [
        "systemctl daemon-reload",
        "systemctl start vfio-workstation-cpu-isolation.service",
    ]


def test_an_inactive_unit_is_not_stopped(tmp_path: Path) -> None:
    live = RunningSystem(system(tmp_path), machine(), NO_PLAN, {"cpu_isolation": [write(UNIT_FILE)]})
    assert lines(list(live.steps_before_files())) == []


def test_the_access_rule_is_applied_to_present_devices(tmp_path: Path) -> None:
    own = {"access": [write(ACCESS_RULE_FILE)]}
    assert [
        line.split()[1]
        for line in lines(list(RunningSystem(system(tmp_path), machine(), NO_PLAN, own).steps_after_files()))
    ] == [
        "control",
        "trigger",
        "trigger",
    ]


@pytest.mark.parametrize("change", [write, remove])
def test_the_rule_for_devices_that_appear_is_read_and_no_device_is_triggered(
    tmp_path: Path, change: Callable[[str], Step]
) -> None:
    live = RunningSystem(system(tmp_path), machine(), NO_PLAN, {"devices": [change(RULE_FILE)]})
    assert lines(list(live.steps_before_files())) == []
    assert lines(list(live.steps_after_files())) == ["udevadm control --reload"]


def test_both_rules_are_read_once(tmp_path: Path) -> None:
    own = {"access": [write(ACCESS_RULE_FILE)], "devices": [write(RULE_FILE)]}
    steps = lines(list(RunningSystem(system(tmp_path), machine(), NO_PLAN, own).steps_after_files()))
    assert [line for line in steps if "control" in line] == ["udevadm control --reload"]
    assert all("--action=change" in line for line in steps[1:])


def test_without_systemd_and_udev_files_are_enough(tmp_path: Path) -> None:
    own = {"access": [write(ACCESS_RULE_FILE)], "devices": [write(RULE_FILE)], "hugepages": [write(MOUNT)]}
    live = RunningSystem(live_tree(tmp_path), machine(), NO_PLAN, own)
    assert [*live.steps_before_files(), *live.steps_after_files()] == []
