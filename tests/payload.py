# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules carried to a machine once and run there by its own Python: what Ansible sends, without Ansible's trip.

Ansible packs a module with what it imports, sends it, and runs it, at a second or more for each call, and tens of
seconds in an emulated machine under load. Tests that call a module dozens of times carry it over once.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ansible_collections.vfio.workstation.plugins.modules"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def build(folder: Path) -> Path:
    """Write the collection's modules and the part of Ansible that they import below a folder; return it."""
    shutil.copytree(Path(ansible.__file__).parent / "module_utils", folder / "ansible/module_utils", ignore=_LEFT_OUT)
    # As Ansible's own packing has it: the controller's checks its environment.
    (folder / "ansible/__init__.py").write_text("__version__ = 'payload'\n__author__ = 'payload'\n", "utf-8")
    target = folder / "ansible_collections/vfio/workstation/plugins"
    for name in ("modules", "module_utils"):
        shutil.copytree(ROOT / "plugins" / name, target / name, ignore=_LEFT_OUT)
    return folder


def argv(module: str, folder: str = "/root/payload", python: str = "python3") -> list[str]:
    """Return what runs a module where a payload lies; its parameters come by standard input, as text() makes them."""
    return ["env", f"PYTHONPATH={folder}", "PYTHONDONTWRITEBYTECODE=1", python, "-m", f"{PACKAGE}.{module}"]


def text(parameters: Mapping[str, Any], *, check: bool = False) -> str:
    """Return a module's parameters as it reads them, with diff mode on."""
    return json.dumps({"ANSIBLE_MODULE_ARGS": {**parameters, "_ansible_check_mode": check, "_ansible_diff": True}})


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a module returned."""

    values: dict[str, Any]

    @property
    def failed(self) -> bool:
        """Whether it failed, or refused."""
        return bool(self.values.get("failed"))

    @property
    def changed(self) -> bool:
        """Whether it changed something, or in check mode would."""
        return bool(self.values.get("changed"))

    @property
    def codes(self) -> list[str]:
        """The codes of its refusals."""
        return [refusal["code"] for refusal in self.values.get("refusals", [])]

    @property
    def tools(self) -> list[str]:
        """The names of the tools that it ran."""
        return [line.split()[0].rsplit("/", 1)[-1] for line in self.values.get("tools", [])]

    def lines(self, role: str = "normal") -> list[str]:
        """The command lines that the entries of that role have after it."""
        return [entry["after"] for entry in self.values["entries"] if entry["role"] == role]


def answer(printed: str) -> Answer:
    """Return what a module printed; a module prints one line of JSON, and nothing else."""
    try:
        return Answer(json.loads(printed))
    except ValueError as error:
        raise AssertionError(f"the module did not print JSON: {printed[-4000:]}") from error
