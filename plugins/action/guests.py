# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module guests: one call of the module guest for each guest, and their results beside that of the host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.vfio.workstation.plugins.plugin_utils._become import run_with_or_without_root
from ansible_collections.vfio.workstation.plugins.plugin_utils._guests import guest_mistakes, guest_options, guest_row
from ansible_collections.vfio.workstation.plugins.plugin_utils._packages import with_packages

#: Keys of the result of another task that say nothing about this one.
_OF_THE_TASK = ("changed", "failed", "msg", "diff", "invocation", "warnings", "deprecations", "exception")
#: Options of the module guest that apply to all entries that do not set them.
_DEFAULTS = ("look_inside", "install_packages")
_Result = t.Dict[str, t.Any]


class ActionModule(ActionBase):
    """The action of the module guests."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("guests", "host", "state", "look_inside", "install_packages"))

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> _Result:
        result: _Result = super().run(tmp, task_vars)
        args = self._task.args
        guests, state = args.get("guests"), str(args.get("state") or "present")
        mistakes = guest_mistakes(guests, state, variable="guests")
        if mistakes:
            raise AnsibleActionFail("\n".join(mistakes))
        host = args.get("host") or {}
        defaults = {name: True for name in _DEFAULTS if boolean(args.get(name) or False, strict=False)}
        answers = [
            (entry, self._answer({**defaults, **guest_options(entry, state)}, task_vars or {}))
            for entry in guests or ()
        ]
        rows = [guest_row(entry, state, answer, bool(self._task.check_mode)) for entry, answer in answers]
        failures = [f"guest {row['name']}: {row.get('msg')}" for row in rows if row["failed"]]
        result.update({key: value for key, value in host.items() if key not in _OF_THE_TASK})
        result.update(
            guests=rows,
            changed=any(answer.get("changed") for _entry, answer in answers),
            diff=[part for _entry, answer in answers for part in answer.get("diff") or ()],
        )
        if failures:
            result.update(failed=True, msg="\n".join(failures))
        return result

    def _answer(self, options: _Result, variables: _Result) -> _Result:
        def call() -> _Result:
            answer: _Result = self._execute_module(
                module_name="vfio.workstation.guest", module_args=options, task_vars=variables
            )
            return answer

        return run_with_or_without_root(self, variables, lambda: with_packages(self, variables, call))
