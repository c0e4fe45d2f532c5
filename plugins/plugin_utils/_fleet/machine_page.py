# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of one host. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._text import report
from ansible_collections.vfio.workstation.plugins.module_utils._text.passthrough import gpus
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.cpu_drawing import (
    cpu_boxes,
    guest_cpus,
    ranges,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.document import (
    UNUSABLE,
    machine_of,
    parse_record,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.drawing import place
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.file_names import file_stem
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.pci_tree import MOST_ROWS, pci_rows
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.render import render
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.states import FLEET_STATES, state_text
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.summary import Json


def machine_page(document: Json) -> str:
    """Return the page of a host.

    Args:
        document: The data of the host, as parse_document() returned it.
    """
    record = parse_record(document)
    machine = machine_of(document)
    hardware: Json = {}
    if machine is not None:
        try:
            hardware = _hardware(document, machine)
        except UNUSABLE:
            machine = None
    return render(
        "machine.html.j2",
        title=record.name,
        record=record,
        state=state_text(record.summary.word),
        is_known=record.summary.word in FLEET_STATES,
        machine=machine,
        data=f"../{file_stem(record.name)}.json",
        notes=_texts(_result(document).get("notes")),
        **hardware,
    )


def _hardware(document: Json, machine: Machine) -> Json:
    """Return the values of the template about the machine."""
    devices, cpus = _requested(_result(document))
    for_guests = guest_cpus(machine.cpus, cpus)
    boxes, width, height = place(cpu_boxes(machine.cpus, for_guests))
    reading = {"host": document["host"], "unreadable": document.get("unreadable")}
    return {
        "lines": report.report_lines(reading, gpus(machine), "report", 100)[1:],
        "boxes": boxes,
        "cpu_size": (width, height),
        "guest_cpus": ranges(for_guests),
        "online": machine.cpus.online,
        "rows": pci_rows(machine, devices),
        "hidden_rows": max(0, len(machine.pci) - MOST_ROWS),
    }


def _result(document: Json) -> Json:
    result = document.get("result")
    return result if isinstance(result, dict) else {}


def _requested(result: Json) -> tuple[dict[str, str], tuple[int, ...]]:
    """Return the names of device requests by address, and the CPUs reserved for guests."""
    try:
        devices = {str(item["address"]): str(item["name"]) for item in result.get("devices") or ()}
    except UNUSABLE:
        devices = {}
    try:
        cpus = tuple(int(cpu) for cpu in (result.get("cpus") or {}).get("guests") or ())
    except UNUSABLE:
        cpus = ()
    return devices, cpus


def _texts(values: t.Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, (list, tuple)) else []
