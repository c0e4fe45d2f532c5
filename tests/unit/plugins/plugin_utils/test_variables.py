# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in variables that no option of a module shows."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.plugin_utils._variables import (
    ROLES,
    option_names,
    own_roles,
    variable_mistakes,
)

WORKSTATION = {"ansible_role_name": "vfio.workstation.workstation"}
HUGEPAGES = {"ansible_role_name": "vfio.workstation.hugepages"}


def mistakes(task: dict[str, Any], **variables: Any) -> list[str]:
    return variable_mistakes({**task, **variables}, lambda value: value)


@pytest.mark.parametrize(
    ("task", "variables", "message"),
    [
        (
            WORKSTATION,
            {"workstation_device": []},
            "workstation_device: unknown variable. Did you mean workstation_devices?",
        ),
        (WORKSTATION, {"workstation_host": "a"}, "workstation_host: unknown variable. Did you mean workstation_hosts?"),
        (
            WORKSTATION,
            {"workstaton_devices": []},
            "workstaton_devices: unknown variable. Did you mean workstation_devices?",
        ),
        (
            WORKSTATION,
            {"workstation_cpus": 1},
            "workstation_cpus: unknown variable. Variables that begin with workstation_",
        ),
        (WORKSTATION, {"vfio_pci_device": []}, "vfio_pci_device: unknown variable. Did you mean vfio_pci_devices?"),
        (WORKSTATION, {"vfio_pci_ids": []}, "vfio_pci_ids: unknown variable. Variables that begin with vfio_pci_ are"),
        (
            WORKSTATION,
            {"verify_alow_nothing": 1},
            "verify_alow_nothing: unknown variable. Did you mean verify_allow_nothing?",
        ),
        (HUGEPAGES, {"hugepages_size": []}, "hugepages_size: unknown variable. Did you mean hugepages_sizes?"),
        (WORKSTATION, {"workstation_reboot": "allways"}, "workstation_reboot: found 'allways', expected one of never,"),
        (
            WORKSTATION,
            {"workstation_reboot_timeout": "1h"},
            "workstation_reboot_timeout: found '1h', expected a whole number",
        ),
        (
            WORKSTATION,
            {"verify_allow_nothing": "perhaps"},
            "verify_allow_nothing: found 'perhaps', expected true or false",
        ),
    ],
)
def test_a_mistake(task: dict[str, Any], variables: dict[str, Any], message: str) -> None:
    (mistake,) = mistakes(task, **variables)
    assert mistake.startswith(message)


def test_what_is_known_or_of_somebody_else_is_no_mistake() -> None:
    known = dict.fromkeys((name for role in ROLES.values() for name in role.own), "1")
    known.update(
        workstation_guests=[],
        workstation_reboot="ask",
        workstation_reboot_window=[],
        workstation_hosts="all",
        workstation_serial="25%",
        workstation_result={},
    )
    known.update(dict.fromkeys(name for role in ROLES.values() for name in role.options))
    assert mistakes(WORKSTATION, **known) == []
    # Names that another role may well have, and that are misspelt only for a role that does not run.
    foreign = (
        "hugepages_size",
        "hugepages_enabled",
        "iommu_groups",
        "report_file",
        "bootloader_password",
        "__workstation_x",
    )
    assert mistakes(WORKSTATION, **dict.fromkeys(foreign)) == []
    assert mistakes({"ansible_role_name": "my.own.role"}, workstation_device=[], workstation_reboot="allways") == []
    assert mistakes({}, workstation_device=[]) == []


def test_all_come_at_once_and_those_of_roles_to_come_too() -> None:
    play = {**HUGEPAGES, "ansible_play_role_names": ["vfio.workstation.hugepages", "vfio.workstation.iommu", "my.role"]}
    found = mistakes(play, hugepages_size=[], iommu_passthrough=True, workstation_x=1)
    assert [mistake.partition(":")[0] for mistake in found] == ["hugepages_size", "iommu_passthrough", "workstation_x"]


def test_the_roles_of_a_task() -> None:
    task = {
        **WORKSTATION,
        "ansible_parent_role_names": ["vfio.workstation.preflight", "my.role"],
        "ansible_play_role_names": ["vfio.workstation.workstation", "vfio.workstation.unheard_of"],
    }
    assert own_roles(task) == ("workstation", "preflight")


def test_a_value_is_resolved_before_it_is_judged() -> None:
    variables = {**WORKSTATION, "workstation_reboot": "{{ x }}"}
    assert variable_mistakes(variables, {"{{ x }}": "ask"}.__getitem__) == []


def test_guests_are_checked_with_the_state_and_the_devices_of_their_host() -> None:
    guests = [{"name": "a", "os": "linux", "devices": ["gpi"]}]
    devices = [{"name": "gpu", "select": {}}]
    (mistake,) = mistakes(WORKSTATION, workstation_guests=guests, workstation_devices=devices)
    assert mistake.startswith("workstation_guests[0].devices[0]: found 'gpi', expected a name from workstation_devices")
    removed = {"workstation_guests": guests, "workstation_devices": devices, "workstation_state": "absent"}
    assert mistakes(WORKSTATION, **removed) == mistakes(HUGEPAGES, workstation_guests=3) == []


def test_options_have_the_names_of_the_role_that_fills_them() -> None:
    assert option_names(WORKSTATION)["devices"] == "workstation_devices"
    assert option_names(HUGEPAGES)["hugepages"] == "hugepages_sizes"
    assert (
        option_names({"ansible_role_name": "vfio.workstation.cpu_isolation"})["cpu_isolation.cpus"]
        == "cpu_isolation_cpus"
    )
    assert option_names({"ansible_role_name": "my.own.workstation"}) == option_names({}) == {}
