# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module host."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_host
from ansible_collections.vfio.workstation.plugins.plugin_utils._guests import VARIABLE, waiting_rows
from ansible_collections.vfio.workstation.plugins.plugin_utils._host_command import ask
from ansible_collections.vfio.workstation.plugins.plugin_utils._parsed_action import ParsedAction

_ROLE = "vfio.workstation.workstation"


class ActionModule(ParsedAction):
    parse = staticmethod(parse_host)

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        if variables.get("ansible_role_name") == _ROLE and "states" in result:
            guests = self._guests(variables, result)
            # Without guests, the result is that of the module, and no more.
            result.update({"guests": guests} if guests else {})
        return result

    def call_module(self, tmp: str | None, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the result of the module; if the command on the host knows it already, without sending the module."""
        # Beside check mode, the module may have something to do that is no step, such as confirming a trial boot.
        known = ask(self, self._task.args) if self._task.check_mode and not self._task.async_val else None
        return known or super().call_module(tmp, variables)

    def _guests(self, variables: dict[str, t.Any], result: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        """Return a row for each guest: what an earlier task of this run found, or that it waits for the host."""
        guests, state, before = (
            self._templar.template(variables.get(name))
            for name in (VARIABLE, "workstation_state", "workstation_result")
        )
        earlier = before.get("guests") if isinstance(before, t.Mapping) else None
        known = {row["name"]: row for row in earlier or () if row["configured"] is not None}
        return [known.get(row["name"], row) for row in waiting_rows(guests or (), result, str(state or "present"))]
