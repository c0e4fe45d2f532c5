# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of modules as ansible-doc reads it, with the fragments that it extends."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ansible.utils.plugin_docs import get_docstring

COLLECTION = "vfio.workstation"
PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


class Fragments:
    """Finds fragments of this collection by their full names, without Ansible's configuration."""

    def get(self, name: str) -> Any:
        """Return the fragment; None where there is none, such as for `vfio.workstation.attributes.info`."""
        module = name.removeprefix(f"{COLLECTION}.")
        if not (PLUGINS / "doc_fragments" / f"{module}.py").is_file():
            return None
        package = f"ansible_collections.{COLLECTION}.plugins.doc_fragments"
        fragment = importlib.import_module(f"{package}.{module}").ModuleDocFragment()
        fragment.ansible_name = name
        return fragment


def documentation(module: str) -> dict[str, Any]:
    """Return a module's DOCUMENTATION, with its fragments."""
    path = PLUGINS / "modules" / f"{module}.py"
    content: dict[str, Any] = get_docstring(str(path), Fragments(), collection_name=COLLECTION, is_module=True)[0]
    return content
