# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of the scenario provision, and the collection's playbooks run on them as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import testinfra
import yaml
from testinfra.host import Host

from .command import ROOT

RUN = Path(os.environ["VFIO_RUN"])
INVENTORY = ROOT / "molecule/provision/inventory.yml"
_GROUPS = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))
MACHINES: dict[str, dict[str, Any]] = _GROUPS["machines"]["hosts"]
PROVISIONED, REFUSED, FLEET, AWAY = (
    list(_GROUPS[name]["hosts"]) for name in ("provisioned", "refused", "fleet", "away")
)
#: Those of the fleet that come back from a reboot.
BACK = [name for name in FLEET if name != "does-not-come-back"]
_FATAL = re.compile(r"^fatal: \[(\S+)\]: FAILED! => ", re.MULTILINE)
_SENT = re.compile(r"^<(\S+)> PUT \S+ TO \S+/AnsiballZ_(\w+)\.py$", re.MULTILINE)
_RECAP = re.compile(r"^(\S+) +: (ok=.*)$", re.MULTILINE)


class Played(NamedTuple):
    """What a playbook came to."""

    status: int
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The counts of each host."""
        return {
            name: {key: int(value) for key, value in (pair.split("=") for pair in text.split())}
            for name, text in _RECAP.findall(self.output)
        }

    @property
    def failures(self) -> dict[str, str]:
        """What each host failed with."""
        decode = json.JSONDecoder().raw_decode
        return {
            found.group(1): str(decode(self.output, found.end())[0]["msg"]) for found in _FATAL.finditer(self.output)
        }

    @property
    def modules(self) -> list[tuple[str, str]]:
        """The modules that were sent to containers, each with its container's name; needs -vvv."""
        return [(container.removeprefix(f"{RUN.name}-"), module) for container, module in _SENT.findall(self.output)]

    def printed(self, task: str) -> list[str]:
        """The lines that a task printed for people."""
        headline = rf"^TASK \[{re.escape(task)}\] \*+\n"
        (part,) = re.findall(rf"{headline}(.*?)(?=^(?:TASK|PLAY) |\Z)", self.output, re.DOTALL | re.MULTILINE)
        # Before Ansible's own line for the first host.
        text = re.split(r"^(?:(?:ok|changed|fatal|failed|skipping|included): |\[ERROR\])", part, flags=re.MULTILINE)[0]
        return str(text).rstrip("\n").split("\n")


def play(playbook: str, *arguments: str, **variables: Any) -> Played:
    """Run a playbook of the collection."""
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            str(INVENTORY),
            *arguments,
            "-e",
            json.dumps(variables),
            f"vfio.workstation.{playbook}",
        ],
        env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "false"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout
    return Played(done.returncode, done.stdout)


def inside(name: str) -> Host:
    """Return a container, straight through podman: much faster than through Ansible."""
    return testinfra.get_host(f"podman://{RUN.name}-{name}")


def unlike_before(name: str) -> str:
    """Return what of a machine's files is not as it was when it was made; empty when all are, to the byte."""
    return str(inside(name).run("sh /srv/provision/is-as-before").stdout)


def returned(name: str, run: str) -> dict[str, Any]:
    """Return what the module returned in a run of converge.yml: foretold, done, or again."""
    result: dict[str, Any] = json.loads((RUN / f"{name}-{run}.json").read_text(encoding="utf-8"))
    return result
