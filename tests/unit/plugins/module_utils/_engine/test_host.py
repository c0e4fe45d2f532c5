# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All sections in one pass, on a described machine with a boot loader's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._engine import initramfs
from ansible_collections.vfio.workstation.plugins.module_utils._engine.host import HostRun
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HOST_RECORD_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    RECORD,
    GenerateFile,
    RemoveFile,
    WriteFile,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.access import ACCESS_RULE_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import SECTIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.kvm_options import KVM_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.udev_rule import RULE_FILE
from ansible_collections.vfio.workstation.tests.machines.builder import build
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.test_kernel_cmdline import (
    machine as with_grub,
)

PAGES = [{"size": "1G", "count": 2}]


@pytest.fixture(name="root")
def desktop(tmp_path: Path) -> str:
    build("intel-desktop", tmp_path)
    with_grub(tmp_path)
    return str(tmp_path)


def desired(**sections: Any) -> Desired:
    request = parse_desired(sections)
    assert isinstance(request, Desired), request
    return request


def plan(root: str, **sections: Any) -> Outcome:
    return HostRun(desired(**sections), root=root).observe()


def row(outcome: Outcome, section: str) -> dict[str, Any]:
    (request,) = [request for request in outcome.live["requests"] if request["section"] == section]
    return dict(request)


def test_no_request_has_no_steps(root: str) -> None:
    outcome = plan(root)
    assert (outcome.refusals, outcome.steps, outcome.live["requests"]) == ((), (), [])
    assert outcome.states == (True, True, True)


def test_sections_are_owners_of_their_arguments(root: str) -> None:
    outcome = plan(root, iommu={"pass_through": True}, hugepages=PAGES, cpu_isolation={"mode": "boot"})
    assert not outcome.refusals
    (drop_in,) = [step for step in outcome.steps if isinstance(step, WriteFile) and "default/grub.d" in step.path]
    assert "iommu=pt" in drop_in.content
    assert "hugepagesz=1G hugepages=2" in drop_in.content
    assert "isolcpus=" in drop_in.content
    assert outcome.steps[0].effect == RECORD
    assert (row(outcome, "hugepages")["configured"], row(outcome, "hugepages")["active"]) == (False, False)
    assert outcome.states == (False, False, False)


def test_the_cpus_for_guests_are_recorded_first(root: str) -> None:
    outcome = plan(root, cpu_isolation={"mode": "boot"})
    first = outcome.steps[0]
    assert isinstance(first, WriteFile)
    assert first.path == HOST_RECORD_FILE


def test_all_refusals_come_at_once_and_nothing_is_done(root: str) -> None:
    pages = [{"size": "1G", "count": 4096}]
    outcome = plan(root, devices=[{"name": "gpu", "select": {"vendor": "ffff"}}], hugepages=pages)
    assert {refusal.code for refusal in outcome.refusals} == {"device_not_found", "hugepages_exceed_memory"}
    assert outcome.steps == ()


def test_a_conflict_is_refused_with_its_file(root: str) -> None:
    (Path(root) / "etc/default/grub").write_text('GRUB_CMDLINE_LINUX_DEFAULT="quiet isolcpus=1"\n', "utf-8")
    (refusal,) = plan(root, cpu_isolation={"mode": "boot"}).refusals
    assert refusal.code == "cmdline_conflict"
    assert "/etc/default/grub" in refusal.seen


def test_a_damaged_record_is_refused(root: str) -> None:
    path = Path(root + HOST_RECORD_FILE)
    path.parent.mkdir(parents=True)
    path.write_text("{", "utf-8")
    assert [refusal.code for refusal in plan(root, iommu={}).refusals] == ["record_damaged"]


def test_applied_files_are_complete_and_removed_without_a_trace(root: str) -> None:
    """Captured trees have no grub-mkconfig, so the step for the menu remains."""
    before = {path: path.read_bytes() for path in Path(root, "etc").rglob("*") if path.is_file()}
    sections = {"hugepages": PAGES, "cpu_isolation": {"mode": "boot"}}

    def carry_out(run: HostRun) -> Outcome:
        steps = [step for step in run.observe().steps if type(step).__name__ in ("WriteFile", "RemoveFile")]
        with Transaction({}, root=root) as transaction:
            transaction.apply(steps)
        return run.observe()

    done = carry_out(HostRun(desired(**sections), root=root))
    assert [type(step).__name__ for step in done.steps] == ["GenerateFile"]
    assert done.states.configured is True
    assert row(done, "hugepages")["configured"] is True
    carry_out(HostRun(Desired(), SECTIONS, root=root))
    assert {path: path.read_bytes() for path in Path(root, "etc").rglob("*") if path.is_file()} == before


@pytest.fixture
def with_images(root: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The machine with initramfs-tools, and images without any of the requests."""
    for path in ("usr/sbin/mkinitramfs", "etc/kernel/postinst.d/initramfs-tools", "etc/group"):
        Path(root, path).parent.mkdir(parents=True, exist_ok=True)
        Path(root, path).write_text("kvm:x:102:\n", "utf-8")
    monkeypatch.setattr(initramfs, "run_tool", lambda _argv: "usr/lib/vfio-workstation/0123456789abcdef\n")
    return root


def test_the_rule_on_the_host_is_part_of_the_configuration(with_images: str) -> None:
    sections = {"devices": [{"name": "gpu", "select": "0000:01:00.0"}], "accept": ["device_in_use"]}
    run = HostRun(desired(**sections), root=with_images)
    with Transaction({}, root=with_images) as transaction:
        transaction.apply([step for step in run.observe().steps if isinstance(step, WriteFile)])
    assert row(run.observe(), "devices")["configured"] is True
    Path(with_images + RULE_FILE).unlink()
    without = run.observe()
    assert row(without, "devices")["configured"] is False
    assert [step.path for step in without.steps if isinstance(step, WriteFile)] == [RULE_FILE]
    Path(with_images + RULE_FILE).write_text("# by hand\n", "utf-8")
    assert [refusal.code for refusal in run.observe().refusals] == ["file_is_not_ours"]


def test_images_have_no_files_that_are_for_the_running_system(with_images: str) -> None:
    """mkinitramfs copies the udev rules and modprobe.d of the running system into each image."""
    root = with_images
    theirs = (ACCESS_RULE_FILE, KVM_FILE, RULE_FILE)
    sections = {
        "devices": [{"name": "gpu", "select": "0000:01:00.0"}],
        "kvm": {"ignore_msrs": True},
        "access": {"group": "kvm"},
        "accept": ["device_in_use"],
    }
    run = HostRun(desired(**sections), root=root)
    steps = run.observe().steps
    images = [isinstance(step, GenerateFile) and step.path.startswith("/boot/initrd") for step in steps]
    written = [isinstance(step, WriteFile) and step.path in theirs for step in steps]
    assert images.index(True) < written.index(True)
    assert written.count(True) == len(theirs)
    with Transaction({}, root=root) as transaction:
        transaction.apply([step for step in steps if isinstance(step, WriteFile)])
    back = HostRun(Desired(), SECTIONS, root=root).observe().steps
    images = [isinstance(step, GenerateFile) and step.path.startswith("/boot/initrd") for step in back]
    removed = [isinstance(step, RemoveFile) and step.path in theirs for step in back]
    assert removed.count(True) == len(theirs)
    assert max(index for index, is_one in enumerate(removed) if is_one) < images.index(True)
