# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of a module: mistakes are reported in the user's terms, before anything is sent."""

from __future__ import annotations

import typing as t

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.vfio.workstation.plugins.plugin_utils._become import run_with_or_without_root
from ansible_collections.vfio.workstation.plugins.plugin_utils._variables import option_names, variable_mistakes


class ParsedAction(NormalAction):
    """An action whose options and variables are checked by the parser of its module.

    Attributes:
        parse: The parser. It returns a list of mistakes, or something else.
    """

    parse: t.Callable[[t.Mapping[str, t.Any], t.Mapping[str, str]], t.Any]

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        options = type(self).parse(self._task.args, option_names(variables))
        mistakes = [
            *variable_mistakes(variables, self._templar.template),
            *(options if isinstance(options, list) else ()),
        ]
        if mistakes:
            return {"failed": True, "changed": False, "msg": "\n".join(mistakes)}
        return run_with_or_without_root(self, variables, lambda: self.call_module(tmp, variables))

    def call_module(self, tmp: str | None, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run the module on the host, and return its result."""
        result: dict[str, t.Any] = NormalAction.run(self, tmp, variables)
        return result
