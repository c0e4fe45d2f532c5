# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that only read."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule

from .._machine import to_json
from .._probe import probe

#: Every machine has these at its root; a capture has at least one.
_ROOT_FOLDERS = ("sys", "proc")


def run_info() -> None:
    """Probe, and exit with what was found."""
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    errors = check_root(module.params["root"])
    if errors:
        module.fail_json(msg="\n".join(errors))
    module.exit_json(changed=False, **to_json(probe(module.params["root"])))


def check_root(root: str) -> list[str]:
    """Return what is wrong with a root, each with what was found, what was expected, and what to do."""
    remedy = "Give the folder that holds the captured machine's sys/ and proc/, or leave it out to read this machine."
    if not os.path.exists(root):
        return [f"root: {root} does not exist on this machine. {remedy}"]
    if not os.path.isdir(root):
        return [f"root: {root} is not a folder; an archive must be unpacked first. {remedy}"]
    if not any(os.path.isdir(os.path.join(root, name)) for name in _ROOT_FOLDERS):
        return [f"root: {root} has neither sys/ nor proc/ in it. {remedy}"]
    return []


def check_planned_root(root: str, check_mode: bool) -> list[str]:
    """Return what is wrong with the root of a module that changes machines: captured ones can be planned for alone."""
    errors = check_root(root)
    if root.rstrip("/") and not check_mode:
        errors.append(f"root: {root} is a captured machine, which can't be changed. Use check mode with it.")
    return errors
