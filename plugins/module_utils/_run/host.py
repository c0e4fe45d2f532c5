# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `host`: configure a host for PCI passthrough, all requested sections in one pass."""

from __future__ import annotations

import os
from typing import NoReturn

from .._engine.host import HostRun
from .._engine.local_files import LocalRequest
from .._local.archive import Archive
from .._plan.parse_desired import parse_host
from .._plan.request_spec import HOST, argument_spec
from .converge import run_pass
from .info import check_planned_root
from .raw_options import RawOptionsModule


def run_host() -> NoReturn:
    """Apply the requested sections, or remove sections."""
    module = RawOptionsModule(argument_spec=argument_spec(HOST), supports_check_mode=True)
    options = parse_host(module.options)
    root = os.path.expanduser(os.path.expandvars(str(module.options.get("root") or "/")))
    mistakes = [*(options if isinstance(options, list) else ()), *check_planned_root(root, module.check_mode)]
    if mistakes or isinstance(options, list):
        module.fail_json(msg="\n".join(mistakes))
    # A captured tree is planned for; it has no place for the command.
    command = Archive() if options.local_command else None
    local = LocalRequest(module.options, command) if root == "/" else None
    run = HostRun(options.desired, options.absent, options.replace, not module.check_mode, root, local)
    run_pass(module, run.observe, run.checks)
