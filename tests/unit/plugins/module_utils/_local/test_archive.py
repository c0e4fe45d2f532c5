# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command as one file: made from a folder and from an archive, current or not, run without its sources."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._local import archive
from ansible_collections.vfio.workstation.plugins.module_utils._local.archive import Archive
from ansible_collections.vfio.workstation.plugins.module_utils._local.version import VERSION
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_record import (
    REQUEST_FILE,
    render_requests,
)
from tests.machines import build

PYTHON = "/usr/bin/python3"
PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
LAYERS = {"_machine", "_probe", "_plan", "_text", "_apply", "_engine", "_local"}


def data(content: str) -> bytes:
    return content.encode("utf-8", "surrogateescape")


@pytest.fixture(name="command", scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("command") / "vfio-workstation"
    path.write_bytes(data(Archive(sys.executable).content()))
    path.chmod(0o755)
    return path


def run(*words: str | Path, status: int = 0) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_the_version_is_that_of_the_collection() -> None:
    galaxy = Path(__file__).resolve().parents[5] / "galaxy.yml"
    assert yaml.safe_load(galaxy.read_text("utf-8"))["version"] == VERSION


def test_it_runs_alone(command: Path) -> None:
    assert run(command, "--version") == f"vfio-workstation {VERSION}\n"
    assert "vfio-workstation --help lists all" in run(command, "--tree", status=3)


def test_it_has_the_layers_without_those_of_ansible(command: Path) -> None:
    with zipfile.ZipFile(command) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert {name.split("/")[1] for name in names if name.count("/") > 1} == LAYERS
        assert sorted(f"{name}c" for name in names if name.endswith(".py")) == sorted(
            name for name in names if name.endswith(".pyc")
        )
        assert not any(b"import ansible" in file.read(name) for name in names)


def test_the_start_says_what_it_is_and_fits_before_the_archive(command: Path) -> None:
    lines = command.read_bytes().split(b"PK\x03\x04", 1)[0].decode().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[1].startswith("# Made by the Ansible collection vfio.workstation")
    assert f"Version {VERSION}" in lines[2]
    run("sh", "-n", "-c", "\n".join(lines))


def test_without_python_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "command"
    text = data(Archive("/nowhere/python3").content())
    path.write_bytes(text.replace(b"/usr/bin/python3", b"/usr/bin/python0"))
    assert "found no Python, expected one of /nowhere/python3 /usr/bin/python0" in run("sh", path, status=3)


def test_another_python_compiles_the_sources(command: Path, tmp_path: Path) -> None:
    """As after an upgrade of the distribution: the compiled code has another magic number."""
    other = tmp_path / "other"
    with zipfile.ZipFile(command) as before, zipfile.ZipFile(other, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, b"\0\0\r\n" + content[4:] if name.endswith(".pyc") else content)
    assert run(sys.executable, "-IS", other, "--version") == f"vfio-workstation {VERSION}\n"


def test_the_compiled_code_is_what_runs(command: Path, tmp_path: Path) -> None:
    """Sources that are no Python: nothing is compiled at the start."""
    other = tmp_path / "other"
    with zipfile.ZipFile(command) as before, zipfile.ZipFile(other, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name) if name.endswith(".pyc") else b"no Python")
    assert run(sys.executable, "-IS", other, "--version") == f"vfio-workstation {VERSION}\n"


def test_a_current_file_is_recognized_and_damage_is_not(command: Path) -> None:
    maker = Archive(sys.executable)
    content = command.read_bytes()
    assert maker.is_current(content)
    assert not maker.is_current(content[:-1])
    assert not maker.is_current(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    assert not maker.is_current(content.replace(VERSION.encode(), b"0.0.9", 1))
    assert not maker.is_current(b"")
    assert not Archive("/usr/bin/another").is_current(content)


def test_any_change_of_the_code_makes_it_outdated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "module_utils"
    shutil.copytree(Path(archive.__file__).parents[1], folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(archive, "__file__", str(folder / "_local/archive.py"))
    content = data(Archive(PYTHON).content())
    (folder / "_run/host.py").write_text("")
    assert Archive(PYTHON).is_current(content)
    os.rename(folder / "_local/version.py", folder / "_local/other.py")
    assert not Archive(PYTHON).is_current(content)
    os.rename(folder / "_local/other.py", folder / "_local/version.py")
    assert Archive(PYTHON).is_current(content)
    text = (folder / "_probe/pci.py").read_text("utf-8")
    (folder / "_probe/pci.py").write_text(text.replace("a", "b", 1), "utf-8")
    assert not Archive(PYTHON).is_current(content)


def sent(path: Path, paths: set[Path]) -> set[Path]:
    """Add a file and what it imports, also in functions, to the paths, as Ansible does for a module."""
    if path in paths:
        return paths
    paths.add(path)
    for folder in path.parents:
        if (folder / "__init__.py").is_file():
            sent(folder / "__init__.py", paths)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        folder = path.parents[node.level - 1] if node.level else PLUGINS
        name = (node.module or "").removeprefix("ansible_collections.vfio.workstation.plugins.")
        target = folder.joinpath(*name.split(".")) if name else folder
        found = (target, *(target / alias.name for alias in node.names))
        files = [file for one in found for file in (one.with_suffix(".py"), one / "__init__.py") if file.is_file()]
        for file in files:
            sent(file, paths)
    return paths


def test_what_ansible_sends_with_the_module_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plugins"
    for path in sent(PLUGINS / "modules/host.py", set()):
        target = folder / path.relative_to(PLUGINS)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert not (folder / "module_utils/_engine/driver_change.py").exists()  # of another module
    monkeypatch.setattr(archive, "__file__", str(folder / "module_utils/_local/archive.py"))
    command = tmp_path / "command"
    command.write_bytes(data(Archive(sys.executable).content()))
    root = build("twin-gpus", tmp_path / "desk")
    assert run("sh", command, "--version") == f"vfio-workstation {VERSION}\n"
    assert "passthrough" in run("sh", command, "report", "--root", root)
    record = Path(f"{root}{REQUEST_FILE}")
    record.parent.mkdir(parents=True)
    record.write_text(
        render_requests({"access": {"request": {"group": "kvm"}, "accept": [], "conflicts": "refuse"}}), "utf-8"
    )
    assert "access: group kvm" in run("sh", command, "status", "--root", root)
    assert "changes pending" in run("sh", command, "verify", "--root", root, status=1)


def test_the_code_may_come_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ansible sends it."""
    payload = tmp_path / "payload.zip"
    top = Path(archive.__file__).parents[1]
    with zipfile.ZipFile(payload, "w") as file:
        for path in top.rglob("*.py"):
            file.write(path, f"collection/module_utils/{path.relative_to(top)}")
        file.writestr("other/module_utils/_machine/__init__.py", "")
    from_folder = Archive(PYTHON)
    monkeypatch.setattr(archive, "__file__", f"{payload}/collection/module_utils/_local/archive.py")
    assert Archive(PYTHON).is_current(data(from_folder.content()))
    assert from_folder.is_current(data(Archive(PYTHON).content()))
