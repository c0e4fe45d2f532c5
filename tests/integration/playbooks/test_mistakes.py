# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in variables: one message that names them as the user wrote them, whichever way they come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Fleet, Run

GPU = [{"name": "gpu", "select": {"class": "gpu", "vendor": 0x1F86}}]
CLASS = "devices[0].select.class: found 'gpu', expected one of display, audio,"
VENDOR = "devices[0].select.vendor: found 8070, expected four hexadecimal digits"
PLAYBOOKS = ("provision", "verify", "rollback", "report")


def play(fleet: Fleet, **content: Any) -> str:
    path = Path(fleet.folder("play.yml"))
    path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, **content}]), encoding="utf-8")
    return str(path)


def failure(run: Run, host: str = "ws1") -> list[str]:
    """Return the lines of the first message with which a host fails."""
    prefix = f"fatal: [{host}]: FAILED! => "
    (line, *_more) = [line for line in run.output.splitlines() if line.startswith(prefix)]
    message: str = json.loads(line.removeprefix(prefix))["msg"]
    return message.splitlines()


def starts(lines: list[str], *expected: str) -> bool:
    return len(lines) == len(expected) and all(
        line.startswith(start) for line, start in zip(lines, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("role", "variables", "expected"),
    [
        ("workstation", {"workstation_devices": GPU}, (f"workstation_{CLASS}", f"workstation_{VENDOR}")),
        ("vfio_pci", {"vfio_pci_devices": GPU}, (f"vfio_pci_{CLASS}", f"vfio_pci_{VENDOR}")),
        (
            "hugepages",
            {"hugepages_sizes": {"size": "1G"}},
            ("hugepages_sizes: found {'size': '1G'}, expected a list.",),
        ),
        (
            "cpu_isolation",
            {"cpu_isolation_count": "all"},
            ("cpu_isolation_count: found 'all', expected a whole number",),
        ),
        ("iommu", {"iommu_state": "on"}, ("iommu_state: found 'on', expected one of present, absent.",)),
        ("bootloader", {"bootloader_accept": ["x"]}, ("bootloader_accept[0]: found 'x', expected a refusal code.",)),
        (
            "preflight",
            {"preflight_fail": "perhaps"},
            ("failed: preflight_fail: found 'perhaps', expected true or false.",),
        ),
    ],
)
def test_a_role_names_its_variables(
    fleet: Fleet, role: str, variables: dict[str, Any], expected: tuple[str, ...]
) -> None:
    fleet.add("ws1", {})
    run = fleet.run(play(fleet, roles=[{"role": f"vfio.workstation.{role}", "vars": variables}]))
    assert run.status != 0
    assert starts(failure(run), *expected), run.output
    assert fleet.calls("ws1") == []
    assert len(run.output) < 3000


def test_all_mistakes_of_a_role_come_at_once_unknown_variables_included(fleet: Fleet) -> None:
    fleet.add("ws1", {})
    variables = {
        "workstation_devices": {"name": "gpu"},
        "workstation_hugepage": [],
        "workstation_kvm": "nested",
        "workstation_memory_for_host": 4,
        "workstation_reboot": "allways",
        "workstation_state": "here",
    }
    run = fleet.run(play(fleet, roles=["vfio.workstation.workstation"]), **variables)
    assert starts(
        failure(run),
        "workstation_hugepage: unknown variable. Did you mean workstation_hugepages?",
        "workstation_reboot: found 'allways', expected one of never, when_required, ask.",
        "workstation_devices: found {'name': 'gpu'}, expected a list.",
        "workstation_kvm: found 'nested', expected a mapping of nested,",
        "workstation_memory_for_host: found 4, expected a size with its unit",
        "workstation_state: found 'here', expected one of present, absent.",
    ), run.output


def test_a_task_names_the_options_of_the_module(fleet: Fleet) -> None:
    fleet.add("ws1", {})
    task = {"vfio.workstation.host": {"devices": GPU, "kvm": {"nestd": True}, "iommus": {}}}
    run = fleet.run(play(fleet, tasks=[task]))
    assert starts(failure(run), "iommus: found {}, expected one of the keys", CLASS, VENDOR, "kvm.nestd: found True"), (
        run.output
    )
    assert "Did you mean iommu?" in run.output
    assert "Did you mean nested?" in run.output
    assert fleet.calls("ws1") == []


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_misspelt_variables_fail_every_playbook(fleet: Fleet, playbook: str) -> None:
    fleet.add("ws1", {"workstation_iommu": {}, "workstation_device": GPU})
    fleet.add("ws2", files=True, running=True)
    run = fleet.run(f"vfio.workstation.{playbook}", "--check", workstation_hugepage=[{"size": "1G", "memory": "8G"}])
    assert run.status != 0
    wrong = "workstation_hugepage: unknown variable. Did you mean workstation_hugepages?"
    assert "workstation_device: unknown variable. Did you mean workstation_devices?" in run.output
    assert wrong in run.output
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 1, "ws2": 1}
    assert fleet.calls("ws1") == []


def test_a_misspelt_variable_of_one_host_does_not_stop_the_others(fleet: Fleet) -> None:
    fleet.add("ws1", {"workstation_iommu": {}, "workstation_device": GPU})
    fleet.add("ws2")
    run = fleet.run("vfio.workstation.provision")
    assert run.status != 0
    assert (fleet.state("ws1")["files"], fleet.state("ws2")["files"]) == (False, True)
    assert "workstation_device: unknown variable." in run.printed("Report the state of each request")
    assert "ws1: failed" in run.printed("Report the state of each request")


def test_values_that_jinja_made_text_of_are_accepted(fleet: Fleet) -> None:
    fleet.add("ws1", {})
    variables = {
        "one": 1,
        "workstation_hugepages": [{"size": "1G", "count": "{{ one + 7 }}"}, {"size": "2M", "count": "{{ 16 / 2 }}"}],
        "workstation_iommu": {"pass_through": "{{ 'true' }}"},
        "workstation_accept": "device_in_use",
        "workstation_reboot_timeout": "900",
    }
    run = fleet.run(play(fleet, roles=["vfio.workstation.workstation"]), **variables)
    assert run.status == 0, run.output
    (call,) = fleet.calls("ws1")
    assert [pages["count"] for pages in call["hugepages"]] == [8, 8.0]


def test_variables_of_roles_are_their_own_elsewhere(fleet: Fleet) -> None:
    fleet.add("ws1", {"workstation_device": "desk", "hugepages_size": "1G"})
    run = fleet.run(play(fleet, tasks=[{"vfio.workstation.host": {"iommu": {}}}]))
    assert run.status == 0, run.output


@pytest.mark.parametrize(
    "module", ["vfio.workstation.host", "group/vfio.workstation.boot", "group/vfio.workstation.all"]
)
def test_module_defaults_apply(fleet: Fleet, module: str) -> None:
    fleet.add("ws1", {})
    task = {"vfio.workstation.host": {"iommu": {}}}
    run = fleet.run(play(fleet, tasks=[task], module_defaults={module: {"conflicts": "replace"}}))
    assert run.status == 0, run.output
    (call,) = fleet.calls("ws1")
    assert call["conflicts"] == "replace"
