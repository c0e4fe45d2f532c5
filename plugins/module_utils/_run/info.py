# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `host_info`, and the checks of the option `root` that modules share."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from .._machine import to_json
from .._machine.boot_facts import LAST_CHECK_FILE
from .._plan.boot_records import parse_check
from .._probe import probe
from .._probe.captured import check_root
from .._probe.tree import FILE_LIMIT, Tree


def run_info() -> None:
    """Probe the machine and exit with the result."""
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    errors = check_root(module.params["root"])
    if errors:
        module.fail_json(msg="\n".join(errors))
    root = module.params["root"]
    last_check = parse_check(Tree(root).exact(LAST_CHECK_FILE, FILE_LIMIT))
    module.exit_json(changed=False, **to_json(probe(root)), last_check=to_json(last_check))


def check_planned_root(root: str, check_mode: bool) -> list[str]:
    """Return the mistakes in the root of a module that changes machines; a captured tree can only be planned for."""
    errors = check_root(root)
    if root.rstrip("/") and not check_mode:
        errors.append(f"root: {root} is a captured tree, which can't be changed. Use check mode with it.")
    return errors
