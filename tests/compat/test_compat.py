# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules under every Python from 3.8 to 3.14 that this machine has, with nothing beside its standard library."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.vfio.workstation.tests.machines import build, names

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
PYTHONS: Mapping[str, str] = runpy.run_path(str(ROOT / "scripts" / "pythons.py"))["find_all"]()
PACKAGE = "ansible_collections.vfio.workstation.plugins.module_utils"
# -I and -S leave nothing but the standard library to import; -W error fails on what a newer Python frowns at.
BARE = ("-I", "-S", "-W", "error")
PROBE = f"""
import json, sys
sys.path.insert(0, sys.argv[1])
from {PACKAGE}._machine import to_json
from {PACKAGE}._probe import probe
json.dump([to_json(probe(root)) for root in sys.argv[2:]], sys.stdout, sort_keys=True)
"""
PLAN = f"""
import json, sys
sys.path.insert(0, sys.argv[1])
from {PACKAGE}._machine import to_json
from {PACKAGE}._machine.host_plan import HostPlan, HostRecord
from {PACKAGE}._plan.host_plan import OWN_FILES, plan_host
from {PACKAGE}._plan.host_record import parse_host_record, render_host_record
from {PACKAGE}._plan.parse_desired import parse_desired
from {PACKAGE}._probe import probe
from {PACKAGE}._probe.host_context import read_host_context
from {PACKAGE}._probe.tree import Tree
desired = parse_desired(json.loads(sys.argv[2]))
found = []
for root in sys.argv[3:]:
    context = read_host_context(Tree(root), [path for paths in OWN_FILES.values() for path in paths])
    plan = plan_host(probe(root).host, desired, HostRecord(), context)
    if isinstance(plan, HostPlan):
        assert parse_host_record(render_host_record(plan.record)) == plan.record
    found.append(to_json(plan))
json.dump(found, sys.stdout, sort_keys=True)
"""
REQUESTS = {
    "iommu": {},
    "devices": [{"name": "gpu", "select": {"class": "display", "boot_display": False}}],
    "hugepages": [{"size": "2M", "memory": "64M"}],
    "cpu_isolation": {},
    "kvm": {"ignore_msrs": True},
    "arguments": ["quiet"],
    "memory_for_host": "1G",
}
IMPORT_ALL = f"""
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import {PACKAGE} as package
found = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in found:
    if "._run" not in name:
        importlib.import_module(name)
print(len(found))
"""

COMMAND = f"""
import sys
sys.path.insert(0, sys.argv[1])
from {PACKAGE}._local.archive import Archive
sys.stdout.buffer.write(Archive().content().encode("utf-8", "surrogateescape"))
"""


@pytest.fixture(scope="session")
def collections() -> Path:
    """The folder that holds ansible_collections."""
    return (
        ROOT.parents[2]
        if ROOT.parts[-3:] == ("ansible_collections", "vfio", "workstation")
        else ROOT / ".cache" / "collections"
    )


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every described machine, built."""
    folder = tmp_path_factory.mktemp("trees")
    return [build(name, folder / name) for name in names()]


def run(*command: str | Path, **environment: str) -> str:
    """What the command printed; it must succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def read_by(python: str, collections: Path, roots: list[str]) -> Any:
    return json.loads(run(python, *BARE, "-c", PROBE, collections, *roots))


@pytest.fixture(scope="session")
def readings(collections: Path, trees: list[str]) -> Any:
    """What the Python that runs the tests reads: the others have to read the same."""
    return read_by(sys.executable, collections, trees)


def test_the_oldest_or_the_newest_is_not_the_only_one() -> None:
    """Something was found, and it can tell its version: or else what follows would test nothing."""
    assert PYTHONS
    for version, python in PYTHONS.items():
        assert run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip() == version


@pytest.mark.parametrize("version", PYTHONS)
def test_imports(version: str, collections: Path) -> None:
    """All of module_utils but `_run`, which is Ansible's side, imports without Ansible."""
    assert int(run(PYTHONS[version], *BARE, "-c", IMPORT_ALL, collections)) > 10


@pytest.mark.parametrize("version", PYTHONS)
def test_reads_the_same(version: str, collections: Path, trees: list[str], readings: Any) -> None:
    """Every described machine is read as the newest Python reads it."""
    assert read_by(PYTHONS[version], collections, trees) == readings


@pytest.mark.parametrize("version", PYTHONS)
def test_reads_the_live_machine(version: str, collections: Path) -> None:
    """What stays the same from one second to the next is the same."""
    (mine,), (other,) = read_by(sys.executable, collections, ["/"]), read_by(PYTHONS[version], collections, ["/"])
    for subject in ("cpu", "iommu", "cpus", "os"):
        assert other["host"][subject] == mine["host"][subject]
    assert other["host"]["pci"].keys() == mine["host"]["pci"].keys()


@pytest.mark.parametrize("version", PYTHONS)
def test_module_runs(version: str, collections: Path, trees: list[str], readings: Any) -> None:
    """Ansible sends host_info to a host with this Python, and gets the same answer."""
    ansible = Path(sys.executable).parent / "ansible"
    printed = run(
        *(
            ansible,
            "localhost",
            "--module-name",
            "vfio.workstation.host_info",
            "--args",
            json.dumps({"root": trees[0]}),
        ),
        *("--extra-vars", json.dumps({"ansible_python_interpreter": PYTHONS[version]})),
        ANSIBLE_COLLECTIONS_PATH=str(collections),
        ANSIBLE_LOCALHOST_WARNING="false",
    )
    result = json.loads(printed.split("localhost | SUCCESS => ", 1)[1])
    assert result["host"] == readings[0]["host"]
    assert result["changed"] is False


@pytest.fixture(scope="session")
def plans(collections: Path, trees: list[str]) -> Any:
    """What the Python that runs the tests plans: plans and refusals both."""
    found = plan_by(sys.executable, collections, trees)
    assert {"list", "dict"} == {type(one).__name__ for one in found}
    return found


def plan_by(python: str, collections: Path, roots: list[str]) -> Any:
    return json.loads(run(python, *BARE, "-c", PLAN, collections, json.dumps(REQUESTS), *roots))


@pytest.mark.parametrize("version", PYTHONS)
def test_plans_the_same(version: str, collections: Path, trees: list[str], plans: Any) -> None:
    """The same requests come to the same on every described machine."""
    assert plan_by(PYTHONS[version], collections, trees) == plans


def command_by(python: str, collections: Path, path: Path) -> Path:
    """Write the local command as this Python makes it."""
    done = subprocess.run([python, *BARE, "-c", COMMAND, collections], stdout=subprocess.PIPE, check=True, timeout=300)
    path.write_bytes(done.stdout)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", PYTHONS)
def test_local_command_reads_the_same(
    version: str, collections: Path, trees: list[str], readings: Any, tmp_path: Path
) -> None:
    command = command_by(PYTHONS[version], collections, tmp_path / "command")
    assert json.loads(run(command, "report", "--json", "--root", trees[0])) == readings[0]


@pytest.mark.parametrize("version", PYTHONS)
def test_local_command_outlives_its_python(
    version: str, collections: Path, trees: list[str], readings: Any, tmp_path: Path
) -> None:
    """Another Python, as after an upgrade of the distribution, compiles the sources."""
    command = command_by(sys.executable, collections, tmp_path / "command")
    printed = run(PYTHONS[version], *BARE, command, "report", "--json", "--root", trees[0])
    assert json.loads(printed) == readings[0]
