# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install the packages that a guest was refused for, and run its module again."""

from __future__ import annotations

import typing as t

Result = t.Dict[str, t.Any]

#: Keys that a result has only where the module failed. Ansible prints the exception whatever else the result says.
_OF_A_FAILURE = ("failed", "msg", "exception", "packages")


def with_packages(action: t.Any, variables: Result, call: t.Callable[[], Result]) -> Result:
    """Return the result of the module guest, run again if packages were missing that could be installed.

    Args:
        action: The action plugin.
        variables: The task's variables, with Ansible's magic variables.
        call: Runs the module.
    """
    result = call()
    packages = list(result.get("packages") or ())
    if not packages:
        return result
    if action._task.check_mode:
        return _predicted(result, packages)
    installed = _install(action, variables, packages)
    if installed.get("failed"):
        text = str(installed.get("msg") or "").strip()
        return {**result, "msg": f"{result.get('msg')}\nInstalling {', '.join(packages)} failed: {text}"}
    again = call()
    notes = [f"these packages were installed: {', '.join(packages)}", *(again.get("notes") or ())]
    return {**again, "changed": bool(again.get("changed") or installed.get("changed")), "notes": notes}


def _predicted(result: Result, packages: list[str]) -> Result:
    note = f"these packages would be installed first: {', '.join(packages)}"
    kept = {key: value for key, value in result.items() if key not in _OF_A_FAILURE}
    return {**kept, "changed": True, "refusals": [], "notes": [note], "uuid": None, "definition": ""}


def _install(action: t.Any, variables: Result, packages: list[str]) -> Result:
    """Run ansible.builtin.package, which knows the package manager of the host."""
    task = action._task.copy()
    task.args = {"name": packages, "state": "present", "update_cache": True}
    package = action._shared_loader_obj.action_loader.get(
        "ansible.builtin.package",
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    result: Result = package.run(task_vars=variables)
    return result
