# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module guest."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.parse_guest import parse_guest
from ansible_collections.vfio.workstation.plugins.plugin_utils._packages import with_packages
from ansible_collections.vfio.workstation.plugins.plugin_utils._parsed_action import ParsedAction


class ActionModule(ParsedAction):
    parse = staticmethod(parse_guest)

    def call_module(self, tmp: str | None, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run the module; with install_packages, again after the packages that it lacks were installed."""
        return with_packages(self, variables, lambda: super(ActionModule, self).call_module(tmp, variables))
