# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that run without root where become needs a password that nobody gave; in check mode only."""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleError

Result = t.Dict[str, t.Any]


def run_with_or_without_root(action: t.Any, variables: t.Mapping[str, t.Any], run: t.Callable[[], Result]) -> Result:
    """Return the result of a module, run as the task says; in check mode, without become if become is unavailable.

    The module then reports which files it could not read. A run that changes hosts needs the password, as ever.

    Args:
        action: The action plugin.
        variables: The task's variables, with Ansible's magic variables.
        run: Runs the module.
    """
    become = action._connection.become
    if become is None or not variables.get("ansible_check_mode"):
        return run()
    try:
        result = run()
        if not is_unavailable(become, str(result.get("module_stderr") or "")):
            return result
    except AnsibleError as error:
        if not is_unavailable(become, str(error)):
            raise
    action._connection.set_become_plugin(None)
    try:
        return run()
    finally:
        action._connection.set_become_plugin(become)


def is_unavailable(become: t.Any, message: str) -> bool:
    """Return whether a message says that become needs a password and has none, or that its program is missing.

    Args:
        become: The become plugin.
        message: What Ansible or the program said.
    """
    if become.get_option("become_pass"):
        return False
    if become.check_missing_password(message.encode()) or re.search(r"Missing \S+ password", message):
        return True
    program = str(become.get_option("become_exe") or become.name.rpartition(".")[2])
    return re.search(rf"{re.escape(program)}: (?:command )?not found", message) is not None
