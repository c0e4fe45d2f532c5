# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module host_page: the data and the page of one host, in a directory of reports on the controller."""

from __future__ import annotations

import shlex
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import LAST_CHECK_FILE, BootCheck
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot_records import parse_check
from ansible_collections.vfio.workstation.plugins.module_utils._text.verdict import UNREACHABLE, verdict
from ansible_collections.vfio.workstation.plugins.plugin_utils._become import run_with_or_without_root
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.document import (
    Inspection,
    is_same,
    parse_document,
    rendered,
    updated,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.files import ReportFiles
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.machine_page import machine_page

_Result = t.Dict[str, t.Any]
#: More than any record of a check.
_MOST_BYTES = 65536


class ActionModule(ActionBase):
    """The action of the module host_page."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("directory", "reading", "result", "predicted", "state", "root"))

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> _Result:
        answer: _Result = super().run(tmp, task_vars)
        variables = task_vars or {}
        files = report_files(self._task.args)
        result = _mapping(self._task.args, "result")
        inspection = Inspection(
            name=str(variables["inventory_hostname"]),
            time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            reading=_mapping(self._task.args, "reading"),
            result=result,
            predicted=bool(self._task.args.get("predicted")),
            state=str(self._task.args.get("state") or "present"),
        )
        if result is None or verdict(result) != UNREACHABLE:
            inspection = self._completed(inspection, variables, answer)
        answer.update(self._written(files, inspection))
        return answer

    def _completed(self, inspection: Inspection, variables: _Result, answer: _Result) -> Inspection:
        """Return the inspection with what has to be read from the host. What can't be read is a warning."""
        try:
            if inspection.reading is None:
                inspection = inspection._replace(reading=self._reading(variables))
            return inspection._replace(boot_check=self._boot_check())
        except AnsibleError as error:
            answer["warnings"] = [f"{inspection.name}: its page shows an earlier state: {error}"]
            return inspection

    def _reading(self, variables: _Result) -> _Result:
        def read() -> _Result:
            reading: _Result = self._execute_module(
                module_name="vfio.workstation.host_info",
                module_args={"root": self._root()},
                task_vars=variables,
            )
            return reading

        reading = run_with_or_without_root(self, variables, read)
        if reading.get("failed") or "host" not in reading:
            raise AnsibleActionFail(str(reading.get("msg") or "the host could not be read"))
        return reading

    def _boot_check(self) -> BootCheck | None:
        """Return what the host found at its last boot; None if it does not check its boots."""
        path = shlex.quote(self._root().rstrip("/") + LAST_CHECK_FILE)
        execute: t.Callable[[str], _Result] = self._low_level_execute_command
        done = execute(f"head -c {_MOST_BYTES} {path} 2>/dev/null")
        return parse_check(str(done.get("stdout") or ""))

    def _root(self) -> str:
        return str(self._task.args.get("root") or "/")

    def _written(self, files: ReportFiles, inspection: Inspection) -> _Result:
        """Write the data and the page, and return the result of the task."""
        data, page = files.data(inspection.name), files.page(inspection.name)
        before = parse_document(files.read(data) or "", inspection.name)
        document = updated(before, inspection)
        check_mode = bool(self._task.check_mode)
        try:
            files.write(data, rendered(document), check_mode)
            files.write(page, machine_page(document), check_mode)
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}") from error
        return {"changed": not is_same(before, document), "data": data, "page": page}


def report_files(arguments: t.Mapping[str, t.Any]) -> ReportFiles:
    """Return the directory of reports that a task names."""
    directory = arguments.get("directory")
    if not isinstance(directory, str) or not directory:
        raise AnsibleActionFail(f"directory: found {directory!r:.80}, expected the path of a directory")
    return ReportFiles(directory)


def _mapping(arguments: t.Mapping[str, t.Any], name: str) -> _Result | None:
    value = arguments.get(name)
    if value is None:
        return None
    if not isinstance(value, t.Mapping):
        raise AnsibleActionFail(f"{name}: found {value!r:.80}, expected what a module returned")
    return dict(value)
