# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the pages of report_dir: time and size for 1,000 machines. `make bench` runs this."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.document import (
    Inspection,
    parse_document,
    rendered,
    updated,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.files import ReportFiles
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.fleet_page import fleet_page, read_records
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.machine_page import machine_page
from tests.machines import build

MACHINES = 1000
KINDS = ("twin-gpus", "intel-desktop", "x3d", "hybrid-laptop", "gpu-shares-group-with-disk", "storage-stacks")
YES = {"configured": True, "staged": True, "active": True}
REQUESTS = [
    {"section": section, "name": name, "requested": "as requested", "now": "as requested", **YES}
    for section, name in (("iommu", "IOMMU"), ("devices", "gpu"), ("hugepages", "1G"), ("cpu_isolation", "CPUs"))
]
REFUSAL = {
    "code": "iommu_disabled_by_firmware",
    "seen": "/sys/firmware/acpi/tables has no DMAR",
    "danger": "Without an IOMMU, a guest could read and write all of the host's memory.",
    "remedy": "Enable the IOMMU (VT-d, AMD-Vi) in the firmware setup, and run this again.",
}


def main() -> int:
    """Print the results."""
    with tempfile.TemporaryDirectory() as scratch:
        readings = [to_json(probe(build(kind, Path(scratch) / kind))) for kind in KINDS]
        files = ReportFiles(f"{scratch}/reports")
        for title in ("first run", "second run"):
            begin = time.process_time()
            for number in range(MACHINES):
                write(files, number, readings[number % len(readings)], title)
            print(f"{title}: data and page of a host {(time.process_time() - begin) / MACHINES * 1000:.1f} ms")
        begin = time.process_time()
        page = fleet_page(*read_records(files.documents()))
        print(f"page of {MACHINES} hosts: {time.process_time() - begin:.2f} s, {len(page.encode()) / 1000:.0f} kB")
        sizes = [path.stat().st_size for path in Path(files.directory, "machines").iterdir()]
        print(f"pages of hosts: {min(sizes) / 1000:.0f} to {max(sizes) / 1000:.0f} kB")
    return 0


def write(files: ReportFiles, number: int, reading: dict[str, object], time_text: str) -> None:
    """Write the data and the page of a host, as the action host_page does."""
    name = f"workstation-{number:04}.example.org"
    result = {"states": YES, "requests": REQUESTS, "steps": [], "refusals": [REFUSAL] if number % 10 == 0 else []}
    before = parse_document(files.read(files.data(name)) or "", name)
    document = updated(before, Inspection(name, time_text, reading, result))
    files.write(files.data(name), rendered(document), check_mode=False)
    files.write(files.page(name), machine_page(document), check_mode=False)


if __name__ == "__main__":
    sys.exit(main())
