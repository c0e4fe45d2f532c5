# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines that are folders, and the collection with a stand-in for the module host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[3]
STAND_INS = ROOT / "tests" / "stand_ins" / "host"
RECAP = re.compile(r"^(\S+) +: (ok=.*)$", re.MULTILINE)
IOMMU = {"workstation_iommu": {}}


class Run(NamedTuple):
    """What ansible-playbook came to."""

    status: int
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The counts of each host."""
        counts = {}
        for name, text in RECAP.findall(self.output):
            counts[name] = {key: int(value) for key, value in (pair.split("=") for pair in text.split())}
        return counts

    def printed(self, task: str) -> str:
        """What a task printed, from its headline to the next."""
        (part,) = re.findall(rf"^TASK \[{re.escape(task)}\] \*+\n(.*?)(?=^(?:TASK|PLAY) |\Z)", self.output, re.S | re.M)
        return str(part)


class Fleet:
    """Machines, each with a folder of its own.

    Args:
        folder: Where they are.
        collections: Where the collection is, with its stand-in.
    """

    def __init__(self, folder: Path, collections: Path) -> None:
        self._folder = folder
        self._collections = collections
        self._hosts: dict[str, dict[str, Any]] = {}

    def add(self, name: str, variables: dict[str, Any] | None = None, **state: Any) -> None:
        """Add a machine, bare unless its state says otherwise."""
        folder = self._folder / name
        folder.mkdir()
        (folder / "boot_id").write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        self.change(name, **{"files": False, "running": False, **state})
        self._hosts[name] = {"stand_in_machine": str(folder), **(IOMMU if variables is None else variables)}

    def change(self, name: str, **state: Any) -> None:
        path = self._folder / name / "machine.json"
        before = self.state(name) if path.exists() else {}
        path.write_text(json.dumps({**before, **state}), encoding="utf-8")

    def state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self._folder / name / "machine.json").read_text(encoding="utf-8"))
        return state

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The calls of the module since this was asked last."""
        path = self._folder / name / "calls.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def run(self, playbook: str, *words: str, answer: str | None = None, **variables: Any) -> Run:
        """Run a playbook on all machines."""
        everywhere = {
            "ansible_connection": "machine",
            "ansible_become": False,  # there is one user only
            "ansible_python_interpreter": sys.executable,
        }
        inventory = self._folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"vars": everywhere, "hosts": self._hosts}}), encoding="utf-8")
        extra = ("--extra-vars", json.dumps(variables)) if variables else ()
        command = ("--inventory", str(inventory), playbook, *extra, *words)
        return ansible_playbook(self._collections, self._folder, command, answer)


def ansible_playbook(
    collections: Path, folder: Path, words: tuple[str, ...], answer: str | None = None, **environment: str
) -> Run:
    """Run ansible-playbook in a folder; with an answer, at a terminal at which somebody types it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONNECTION_PLUGINS": str(STAND_INS / "connection"),
        "ANSIBLE_FORKS": "20",
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "1",
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), *words]
    if answer is not None:
        command = ["script", "--quiet", "--return", "--command", " ".join(map(repr, command)), os.devnull]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, **settings, **environment},
        check=False,
        input=answer if answer is not None else "",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return Run(done.returncode, done.stdout.replace("\r\n", "\n"))


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it is, but for the module host."""
    top = tmp_path_factory.mktemp("collections")
    collection = top / "ansible_collections" / "vfio" / "workstation"
    modules = collection / "plugins" / "modules"
    modules.mkdir(parents=True)
    for name in ("galaxy.yml", "meta", "playbooks", "roles"):
        (collection / name).symlink_to(ROOT / name)
    for name in ("doc_fragments", "filter", "module_utils", "plugin_utils"):
        (collection / "plugins" / name).symlink_to(ROOT / "plugins" / name)
    (modules / "host.py").symlink_to(STAND_INS / "host.py")
    (modules / "host_info.py").symlink_to(ROOT / "plugins" / "modules" / "host_info.py")
    return top


@pytest.fixture
def fleet(tmp_path: Path, collections: Path) -> Fleet:
    return Fleet(tmp_path, collections)
