# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module benchmark: mistakes in the variables of the role parity are reported."""

from __future__ import annotations

import typing as t

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.vfio.workstation.plugins.plugin_utils._variables import variable_mistakes


class ActionModule(NormalAction):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        mistakes = variable_mistakes(task_vars or {}, self._templar.template)
        if mistakes:
            return {"failed": True, "changed": False, "msg": "\n".join(mistakes)}
        result: dict[str, t.Any] = NormalAction.run(self, tmp, task_vars)
        return result
