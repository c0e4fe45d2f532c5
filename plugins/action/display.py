# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print text as text: tables and reports through Ansible's Display, without quotes and brackets around each line."""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.color import stringc
from ansible.utils.display import Display

#: Callbacks whose output people read at a terminal. For all others (json, junit, AWX's) printing beside them would
#: damage or bypass their output: those get the lines as the result of the task.
_READ_BY_PEOPLE = frozenset(("default", "yaml", "debug", "unixy", "dense", "diy", "counter_enabled"))
#: In lines that are not indented, which begin with a host: the first word found decides.
_COLORS = (
    (("refused", "failed", "unreachable"), "COLOR_ERROR"),
    (("pending", "reboot", "not active", "not everything", "unknown"), "COLOR_CHANGED"),
    (("active", "rolled back"), "COLOR_OK"),
)


class ActionModule(ActionBase):
    """The action of the module display."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("lines", "failure", "stats"))

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        lines = _lines(self._task.args.get("lines"))
        failure = str(self._task.args.get("failure") or "")
        result["changed"] = False
        if is_read_by_people():
            _print(lines)
        elif lines:
            result["msg"] = lines
            result["_ansible_verbose_always"] = True
        stats = self._task.args.get("stats")
        if stats:
            # As the action set_stats returns it: a task of its own would show up in each run.
            result["ansible_stats"] = {"data": stats, "per_host": False, "aggregate": True}
        if failure:
            result.update(failed=True, msg=failure)
        return result


def _print(lines: list[str]) -> None:
    """Print lines in one piece: other hosts' lines and results would come between several."""
    if lines:
        colored = [stringc(line, color) if (color := color_of(line)) else line for line in lines]
        Display().display("\n".join(colored), screen_only=True)
        Display().display("\n".join(lines), log_only=True)


def _lines(value: t.Any) -> list[str]:
    if value is None or value == "":
        return []
    if not isinstance(value, (list, tuple)):
        raise AnsibleActionFail(f"lines: found {value!r:.80}, expected a list of lines")
    return [line for item in value for line in str(item).split("\n")]


def is_read_by_people() -> bool:
    """Return whether the output of this run is text for a terminal, so that lines can be printed into it."""
    callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK") or "default")
    return callback.rpartition(".")[2] in _READ_BY_PEOPLE


def color_of(line: str) -> str | None:
    """Return the color of a line, as Ansible is configured; None for the terminal's own."""
    setting = next((setting for words, setting in _COLORS if any(word in line for word in words)), None)
    if setting is None or line.startswith(" "):
        return None
    return str(constants.config.get_config_value(setting))
