# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a system in a guest reports on itself: the reader, and the script of Linux run on this computer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import LINUX
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_inside import (
    GuestCpus,
    GuestFunction,
    GuestInside,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.inside_command import inside_command
from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.inside import read_inside

REPORT = """
pci 8086 29c0 - 0
pci 10de 2684 nvlddmkm 43
cpus 8 4 1
secure_boot on
tpm off
vbs on
end
"""


def test_a_report() -> None:
    functions = (GuestFunction("8086", "29c0", None), GuestFunction("10de", "2684", "nvlddmkm", 43))
    assert read_inside(REPORT) == GuestInside(functions, GuestCpus(8, 4, 1), True, False, True)
    assert read_inside(REPORT.replace("\n", "\r\n")) == read_inside(REPORT)


def test_what_is_not_said_is_unknown() -> None:
    assert read_inside("cpus 8 0 1\npci 10de 26 x 0\npci\nsecure_boot perhaps\nend") == GuestInside(())


def test_a_report_that_was_cut_off_is_none() -> None:
    assert read_inside(REPORT.replace("end", "")) is None
    assert read_inside("") is None


@given(st.text(alphabet="pcisvbtmouerd 0149-\n", max_size=80), st.text(max_size=40))
def test_any_text_is_read(text: str, more: str) -> None:
    read_inside(f"{text}\n{more}\nend")
    read_inside(more)


def test_the_script_of_linux_reports_on_this_computer() -> None:
    program, arguments = inside_command(LINUX)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    inside = read_inside(done.stdout)
    assert inside is not None
    addresses = [path for path in Path("/sys/bus/pci/devices").glob("*") if path.is_dir()]
    ids = [tuple((path / name).read_text("ascii").strip()[2:] for name in ("vendor", "device")) for path in addresses]
    assert sorted((function.vendor, function.device) for function in inside.functions) == sorted(ids)
    drivers = sorted((path / "driver").resolve().name for path in addresses if (path / "driver").exists())
    assert sorted(function.driver for function in inside.functions if function.driver) == drivers
    listed = subprocess.run(["lscpu", "--parse=CPU,CORE,SOCKET"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(",") for line in listed.splitlines() if not line.startswith("#")]
    counts = (len({tuple(row[:-index] if index else row)[-1] for row in rows}) for index in (2, 1, 0))
    assert inside.cpus == GuestCpus(*counts)
    assert inside.tpm is Path("/sys/class/tpm/tpm0").exists()


def test_the_script_of_windows_survives_its_command_line() -> None:
    """CreateProcess takes 32,767 characters, and the script has nothing that PowerShell 5.1 reads in a code page."""
    program, arguments = inside_command("windows11")
    assert program == "powershell.exe"
    assert sum(map(len, arguments)) < 30000
    assert arguments[-1].isascii()
