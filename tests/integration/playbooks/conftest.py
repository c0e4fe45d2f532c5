# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines that are folders, and the collection with a stand-in for the module host."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[3]
STAND_INS = ROOT / "tests" / "stand_ins" / "host"
RECAP = re.compile(r"^(\S+) +: (ok=.*)$", re.MULTILINE)
QUESTION = b'Type "yes" to continue'
LIMIT = 300  # seconds
IOMMU: dict[str, Any] = {"workstation_iommu": {}}
# There is one user only, and one Python.
EVERYWHERE: dict[str, Any] = {"ansible_become": False, "ansible_python_interpreter": sys.executable}


class Run(NamedTuple):
    """The result of ansible-playbook."""

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
        headline = rf"^TASK \[{re.escape(task)}\] \*+\n"
        (part,) = re.findall(rf"{headline}(.*?)(?=^(?:TASK|PLAY) |\Z)", self.output, re.DOTALL | re.MULTILINE)
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
        self.hosts: dict[str, dict[str, Any]] = {}

    def add(self, name: str, variables: dict[str, Any] | None = None, **state: Any) -> None:
        """Add a machine, bare unless its state says otherwise."""
        folder = self._folder / name
        folder.mkdir()
        (folder / "boot_id").write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        self.change(name, **{"files": False, "running": False, **state})
        self.hosts[name] = {"stand_in_machine": str(folder), **(IOMMU if variables is None else variables)}

    def change(self, name: str, **state: Any) -> None:
        path = self._folder / name / "machine.json"
        before = self.state(name) if path.exists() else {}
        path.write_text(json.dumps({**before, **state}), encoding="utf-8")

    def state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self._folder / name / "machine.json").read_text(encoding="utf-8"))
        return state

    def calls(self, name: str, file: str = "calls.jsonl") -> list[dict[str, Any]]:
        """The calls of the module host, or of the one with this file, since this was asked last."""
        path = self._folder / name / file
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def set(self, name: str, **variables: Any) -> None:
        """Set variables of a machine in the inventory."""
        self.hosts[name].update(variables)

    def folder(self, name: str) -> str:
        return str(self._folder / name)

    def boots_as_this_computer(self, name: str) -> None:
        """Have a machine be the one that ansible-playbook runs on."""
        (self._folder / name / "boot_id").write_text(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))

    def run(
        self,
        playbook: str,
        *words: str,
        answer: str | None = None,
        environment: dict[str, str] | None = None,
        **variables: Any,
    ) -> Run:
        """Run a playbook on all machines; with an answer, at a terminal at which somebody types it."""
        inventory = self._folder / "inventory.json"
        everywhere = {**EVERYWHERE, "ansible_connection": "machine"}
        inventory.write_text(json.dumps({"all": {"vars": everywhere, "hosts": self.hosts}}), encoding="utf-8")
        words = ("--inventory", str(inventory), playbook, *extra_vars(variables), *words)
        return self._ansible_playbook(words, answer, environment or {})

    def run_as_is(self, playbook: str, *words: str, environment: dict[str, str], **variables: Any) -> Run:
        """Run a playbook with the words given and no inventory of machines."""
        words = (playbook, *words, *extra_vars({**EVERYWHERE, **IOMMU, **variables}))
        return self._ansible_playbook(words, None, environment)

    def _ansible_playbook(self, words: tuple[str, ...], answer: str | None, environment: dict[str, str]) -> Run:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "ANSIBLE_CONNECTION_PLUGINS": str(STAND_INS / "connection"),
            "ANSIBLE_FORKS": "20",
            "ANSIBLE_HOME": str(self._folder / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        command = [str(Path(sys.executable).parent / "ansible-playbook"), *words]
        if answer is not None:
            return at_terminal(command, self._folder, {**clean, **settings, **environment}, answer)
        done = subprocess.run(
            command,
            cwd=self._folder,
            env={**clean, **settings, **environment},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        return Run(done.returncode, done.stdout)


def at_terminal(command: list[str], folder: Path, environment: dict[str, str], answer: str) -> Run:
    """Run a command at a terminal, and type an answer whenever it waits after it asked."""
    terminal = ["script", "--quiet", "--return", "--command", shlex.join(command), os.devnull]
    end, output = time.monotonic() + LIMIT, b""
    with subprocess.Popen(
        terminal, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while time.monotonic() < end:
            if not select.select([process.stdout], [], [], 1)[0]:
                # What is typed before the action pause listens is thrown away, so that once may not be enough.
                if QUESTION in output:
                    process.stdin.write(answer.encode())
                    process.stdin.flush()
                continue
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                return Run(process.wait(), output.decode().replace("\r\n", "\n"))
            output += part
        process.kill()
    raise AssertionError(f"after {LIMIT} s it had printed no more than\n{output.decode()}")


def extra_vars(variables: dict[str, Any]) -> tuple[str, ...]:
    return ("--extra-vars", json.dumps(variables)) if variables else ()


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_stand_in(tmp_path_factory.mktemp("collections"))


def with_stand_in(top: Path) -> Path:
    """Lay out the collection as it is, but for the modules host and guest, below a folder; return it."""
    collection = top / "ansible_collections" / "vfio" / "workstation"
    modules = collection / "plugins" / "modules"
    modules.mkdir(parents=True)
    for name in ("galaxy.yml", "meta", "playbooks", "roles"):
        (collection / name).symlink_to(ROOT / name)
    for name in ("action", "doc_fragments", "filter", "module_utils", "plugin_utils"):
        (collection / "plugins" / name).symlink_to(ROOT / "plugins" / name)
    for name in ("guest.py", "host.py"):
        (modules / name).symlink_to(STAND_INS / name)
    for name in ("display.py", "fleet_page.py", "guests.py", "host_info.py", "host_page.py"):
        (modules / name).symlink_to(ROOT / "plugins" / "modules" / name)
    return top


@pytest.fixture
def fleet(tmp_path: Path, collections: Path) -> Fleet:
    return Fleet(tmp_path, collections)
