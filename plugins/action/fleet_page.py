# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module fleet_page: the page of all hosts in a directory of reports on the controller."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.vfio.workstation.plugins.action.host_page import report_files
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.fleet_page import (
    fleet_page,
    read_records,
    without_times,
)


class ActionModule(ActionBase):
    """The action of the module fleet_page."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("directory",))

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        files = report_files(self._task.args)
        page = files.fleet_page()
        before = files.read(page)
        # What hosts returned is read from their files: no variable of Ansible has the data of all of them.
        text = fleet_page(*read_records(files.documents()))
        try:
            files.write(page, text, bool(self._task.check_mode))
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}") from error
        result["changed"] = before is None or without_times(before) != without_times(text)
        result["page"] = page
        return result
