# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domains of every described machine, compared with expected/*.xml, and defined by the real libvirt.

`expected/machines.yml` lists the machines that have the same domain. The files are reviewed and changed by hand;
`python -m tests.guests NAME SYSTEM` prints the domain of a machine.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import LINUX, WINDOWS11, Domain
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import Element, parse_xml, render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.domain import plan_present
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.mark import with_mark
from ansible_collections.vfio.workstation.tests.guests.daemon import Libvirt
from ansible_collections.vfio.workstation.tests.guests.hosts import DOMAIN_TYPE, provisioned, usual_guest

ROOT = Path(__file__).resolve().parents[1]
EXPECTED = Path(__file__).parent / "expected"
INDEX: dict[str, Any] = yaml.safe_load((EXPECTED / "machines.yml").read_text("utf-8"))
MACHINES = sorted(path.stem for path in (ROOT / "machines").glob("*.yml"))
SYSTEMS = (LINUX, WINDOWS11)
FILES = [(system, name) for system in SYSTEMS for name in INDEX[system]]


def expected_text(machine: str, system: str) -> str:
    """Return the expected domain of a machine, or the codes of the refusals."""
    for code, machines in INDEX["refused"].items():
        if machine in machines:
            return str(code)
    (name,) = (name for name, others in INDEX[system].items() if machine == name or machine in others)
    return (EXPECTED / system / f"{name}.xml").read_text("utf-8")


def text_of(domain: Element | None) -> str:
    """Return a domain without its mark, which repeats what it consists of."""
    assert domain is not None
    return render(with_mark(domain, None))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_domain_of_a_machine(machine: str, system: str, tmp_path: Path) -> None:
    host = provisioned(machine, tmp_path)
    change = plan_present(host, usual_guest(host, system), None)
    codes = ", ".join(refusal.code for refusal in change.refusals)
    assert (codes or text_of(change.after)) == expected_text(machine, system)


def test_every_file_is_of_a_machine() -> None:
    files = {(path.parent.name, path.stem) for path in EXPECTED.glob("*/*.xml")}
    assert files == set(FILES)
    assert {name for _system, name in FILES} <= set(MACHINES)


@pytest.mark.parametrize(("system", "name"), FILES)
def test_the_domain_fits_the_schema(system: str, name: str) -> None:
    path = EXPECTED / system / f"{name}.xml"
    done = subprocess.run(["virt-xml-validate", str(path), "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("system", "name"), FILES)
def test_libvirt_defines_it_and_nothing_is_left_to_change(
    system: str, name: str, tmp_path: Path, libvirt: Libvirt
) -> None:
    host = provisioned(name, tmp_path / "machine")
    request = usual_guest(host, system)._replace(domain_type=DOMAIN_TYPE)
    change = plan_present(host, request, None)
    assert change.after is not None
    libvirt.define(tmp_path / "guest.xml", render(change.after))
    stored = Domain(parse_xml(libvirt.definition(request.name)), is_running=False)
    again = plan_present(host, request, stored)
    assert again.refusals == ()
    assert again.after is not None
    assert render(again.after) == render(stored.xml)
    assert not again.is_due
