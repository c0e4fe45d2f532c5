# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users get it: built, looked into, installed from tarball and checkout, imported by Galaxy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
TARBALL = f"vfio-workstation-{GALAXY['version']}.tar.gz"

# All that may lie at the top of what is built. Below these, everything that git tracks is in it.
MAY_HOLD = {
    "bindep.txt",
    *("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md", "REUSE.toml", "SECURITY.md"),
    *("requirements.txt", "LICENSES", "changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
    *("FILES.json", "MANIFEST.json"),
}
MUST_HOLD = {
    *(
        "LICENSE",
        "README.md",
        "MANIFEST.json",
        "meta/runtime.yml",
        "meta/execution-environment.yml",
        "requirements.txt",
        "bindep.txt",
    ),
    *("plugins/modules/host_info.py", "plugins/module_utils/_run/info.py", "playbooks/report.yml"),
    *("plugins/modules/host.py", "plugins/modules/device_driver.py", "plugins/modules/kernel_cmdline.py"),
    *("plugins/modules/guest.py", "plugins/modules/guests.py", "plugins/action/guests.py"),
    *("plugins/modules/benchmark.py", "playbooks/parity.yml", "playbooks/tasks/parity_page.yml"),
    *("plugins/action/host.py", "plugins/action/host_info.py"),
    *("plugins/modules/host_page.py", "plugins/modules/fleet_page.py", "plugins/action/host_page.py"),
    *("plugins/action/fleet_page.py", "plugins/plugin_utils/_fleet/templates/base.html.j2"),
    "plugins/plugin_utils/_fleet/templates/style.css",
    *("playbooks/provision.yml", "playbooks/verify.yml", "playbooks/rollback.yml"),
    *("roles/workstation/tasks/main.yml", "roles/workstation/meta/argument_specs.yml"),
}
LEFTOVERS = {"__pycache__", ".cache", ".git", "tests", "molecule", "benchmarks", ".ansible", "output"}


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What the command printed, on either stream; it must succeed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    clean["PATH"] = f"{BIN}{os.pathsep}{clean['PATH']}"
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**clean, **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def tracked() -> list[str]:
    """What git tracks, or would, in this checkout."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [path for path in listed if path and (ROOT / path).exists()]


def build(source: Path, target: Path, home: Path) -> Path:
    run("ansible-galaxy", "collection", "build", source, "--output-path", target, ANSIBLE_HOME=str(home))
    return target / TARBALL


def members(tarball: Path) -> set[str]:
    """The names of the files and of the links in the tarball; LICENSES has a link to LICENSE."""
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if not member.isdir()}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what Ansible keeps to itself."""
    return tmp_path_factory.mktemp("ansible-home")


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """The collection, built from the checkout as it stands, caches and all."""
    return build(ROOT, tmp_path_factory.mktemp("built"), home)


@pytest.fixture(scope="session", params=["tarball", "checkout"])
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tarball: Path, home: Path
) -> Path:
    """A collections path with nothing but the collection in it, installed either way."""
    path = tmp_path_factory.mktemp(f"from-{request.param}")
    source = tarball if request.param == "tarball" else ROOT
    run(
        "ansible-galaxy",
        "collection",
        "install",
        source,
        "--offline",
        "--collections-path",
        path,
        ANSIBLE_HOME=str(home),
    )
    return path


def ansible(program: str, *arguments: str | Path, installed: Path, home: Path, **more: str) -> str:
    """One of Ansible's programs, away from the checkout, with the installed collection alone."""
    paths = {
        "ANSIBLE_COLLECTIONS_PATH": str(installed),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    return run(program, *arguments, cwd=installed, **paths, **more)


def test_holds_the_collection_and_nothing_else(tarball: Path) -> None:
    held = members(tarball)
    assert {name.split("/", 1)[0] for name in held} <= MAY_HOLD
    assert MUST_HOLD - held == set()
    assert [name for name in held if LEFTOVERS & set(name.split("/")) or name.endswith((".pyc", ".tar.gz"))] == []


def test_loses_nothing(tarball: Path) -> None:
    wanted = {path for path in tracked() if path.split("/", 1)[0] in MAY_HOLD}
    assert wanted - members(tarball) == set()
    assert members(tarball) - wanted == {"FILES.json", "MANIFEST.json"}


def test_builds_the_same_under_another_name(tarball: Path, tmp_path: Path, home: Path) -> None:
    """A clone is called what its owner likes, and may hold what no clone has."""
    clone = tmp_path / "my checkout"
    for path in tracked():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, clone / path, follow_symlinks=False)
    for stray in (
        ".cache/venv/a.py",
        ".venv/a.py",
        "plugins/modules/__pycache__/a.pyc",
        "vfio-workstation-0.0.1.tar.gz",
    ):
        (clone / stray).parent.mkdir(parents=True, exist_ok=True)
        (clone / stray).write_text("stray")
    assert members(build(clone, tmp_path, home)) == members(tarball)


def test_says_what_it_is(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        manifest = archive.extractfile("MANIFEST.json")
        assert manifest is not None
        said = json.load(manifest)["collection_info"]
    assert (said["namespace"], said["name"], said["version"]) == ("vfio", "workstation", GALAXY["version"])
    assert said["license"] == ["GPL-3.0-or-later"]
    assert said["dependencies"] == {}


def test_installs(installed: Path, home: Path) -> None:
    listed = ansible("ansible-galaxy", "collection", "list", "--format", "json", installed=installed, home=home)
    found = json.loads(listed)[str(installed / "ansible_collections")]
    assert found == {"vfio.workstation": {"version": GALAXY["version"]}}


def plugins_in(kind: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / kind).glob("[!_]*.py"))


@pytest.mark.parametrize("kind", ["module", "filter"])
def test_every_plugin_is_documented(installed: Path, home: Path, kind: str) -> None:
    listed = ansible(
        "ansible-doc", "--type", kind, "--json", "--list", "vfio.workstation", installed=installed, home=home
    )
    names = sorted(json.loads(listed))
    assert [name.removeprefix("vfio.workstation.") for name in names] == plugins_in(
        {"module": "modules"}.get(kind, kind)
    )
    for name in names:
        printed = ansible("ansible-doc", "--type", kind, name, installed=installed, home=home)
        assert name.upper() in printed.upper()
        assert "EXAMPLES:" in printed


def test_module_runs(installed: Path, home: Path) -> None:
    command = ("localhost", "--module-name", "vfio.workstation.host_info")
    python = json.dumps({"ansible_python_interpreter": sys.executable})
    printed = ansible("ansible", *command, "--extra-vars", python, installed=installed, home=home)
    host = json.JSONDecoder().raw_decode(printed.split("localhost | SUCCESS => ", 1)[1])[0]["host"]
    assert set(host) >= {"cpu", "iommu", "pci", "cpus", "memory", "boot", "os"}


def test_report_runs(installed: Path, home: Path, tmp_path: Path) -> None:
    """What a newcomer does first: the report on the own machine, with no inventory."""
    variables = json.dumps({"ansible_python_interpreter": sys.executable, "report_dir": str(tmp_path)})
    inventory = ("--inventory", "localhost,", "--connection", "local")
    printed = ansible(
        "ansible-playbook",
        "vfio.workstation.report",
        *inventory,
        "--extra-vars",
        variables,
        installed=installed,
        home=home,
    )
    assert "failed=0" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "localhost.json", "machines"]
    assert "</html>" in (tmp_path / "machines" / "localhost.html").read_text("utf-8")


def test_galaxy_would_take_it(tarball: Path, tmp_path: Path) -> None:
    """galaxy-importer, as Galaxy runs it on an upload, has nothing to complain about."""
    (tmp_path / tarball.name).write_bytes(tarball.read_bytes())
    places = {
        "GALAXY_IMPORTER_TMP_ROOT_DIR": str(tmp_path),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }
    printed = run(sys.executable, "-m", "galaxy_importer.main", tmp_path / tarball.name, cwd=tmp_path, **places)
    assert [line for line in printed.splitlines() if line.startswith(("WARNING", "ERROR"))] == []
    assert "Importer processing completed successfully" in printed
