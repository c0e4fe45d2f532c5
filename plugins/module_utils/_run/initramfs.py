# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `initramfs`: manage files and kernel modules in the initramfs of every kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._engine.initramfs import InitramfsRun
from .._machine.initramfs import File, InitramfsRequest
from .._plan.boot.initramfs.decide import (
    request_problems,
)
from .converge import run_pass
from .owner import check_owner

if TYPE_CHECKING:
    pass

_MODE = re.compile(r"0?[0-7]{3}")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "owner": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
        },
    },
    "modules": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def run_initramfs() -> NoReturn:
    """Add the files and modules of an owner to the initramfs of every kernel, or remove them."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    errors = check_parameters(module.params)
    if errors:
        module.fail_json(msg="\n".join(errors))
    request = _request(module.params) if module.params["state"] == "present" else InitramfsRequest()
    run = InitramfsRun(module.params["owner"], request, caches=not module.check_mode)
    run_pass(module, run.observe, run.checks)


def check_parameters(params: dict[str, Any]) -> list[str]:
    """Return all mistakes in the parameters: what was found, what was expected, what to do."""
    errors = check_owner(params["owner"])
    wrong = [file for file in params["files"] if not _MODE.fullmatch(file["mode"])]
    errors.extend(
        f"files: the mode {file['mode']!r} of {file['path']} is not of three octal digits. Write it such as '0644'."
        for file in wrong
    )
    if params["state"] == "present" and not params["files"] and not params["modules"]:
        errors.append(
            "files, modules: both lists are empty. Name a file or a module, or set state=absent to remove all of them."
        )
    if not wrong:
        errors.extend(request_problems(_request(params)))
    return errors


def _request(params: dict[str, Any]) -> InitramfsRequest:
    files = tuple(File(file["path"], file["content"], int(file["mode"], 8)) for file in params["files"])
    return InitramfsRequest(files, tuple(params["modules"]))
