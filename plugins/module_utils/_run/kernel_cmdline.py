# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `kernel_cmdline`: manage kernel arguments with any supported boot loader."""

from __future__ import annotations

from typing import Any, Iterator, NoReturn, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._engine.kernel_cmdline import draft_checks, observe
from .._machine import cmdline
from .._plan.boot.check_arguments import argument_clashes, argument_problem
from .._plan.boot.cmdline_change import CmdlineRequest
from .._plan.refusals import HOST_CODES
from .._probe.tree import Tree
from .converge import run_pass
from .info import check_planned_root
from .owner import check_owner

ARGUMENTS: dict[str, dict[str, Any]] = {
    "owner": {"type": "str", "required": True},
    "args": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "conflicts": {"type": "str", "choices": ["refuse", "replace"], "default": "refuse"},
    "kernels": {"type": "str", "choices": ["all"], "default": "all"},
    "accept": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/"},
}


def run_kernel_cmdline() -> NoReturn:
    """Add the arguments of an owner to the command line of every kernel, or remove them."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    errors = check_parameters(module.params, module.check_mode)
    if errors:
        module.fail_json(msg="\n".join(errors))
    request = CmdlineRequest(
        owner=module.params["owner"],
        units=cmdline.units(module.params["args"]) if module.params["state"] == "present" else (),
        replace=module.params["conflicts"] == "replace",
        accepted=frozenset(module.params["accept"]),
    )
    root = module.params["root"]
    run_pass(module, lambda: observe(Tree(root), request), draft_checks(root))


def check_parameters(params: dict[str, Any], check_mode: bool) -> list[str]:
    """Return all mistakes in the parameters: what was found, what was expected, what to do."""
    errors = check_planned_root(params["root"], check_mode)
    errors.extend(check_owner(params["owner"]))
    errors.extend(
        f"accept: {code!r} is not a refusal code. Use one of {', '.join(sorted(HOST_CODES))}."
        for code in params["accept"]
        if code not in HOST_CODES
    )
    if params["state"] == "present" and not params["args"]:
        errors.append("args: the list is empty. Name at least one argument, or set state=absent to remove all of them.")
    errors.extend(_argument_errors(params["args"]))
    return errors


def _argument_errors(args: Sequence[str]) -> Iterator[str]:
    for number, text in enumerate(args):
        problem = argument_problem(text)
        if problem is not None:
            yield f"args[{number}]: {text!r} {problem.seen}. {problem.remedy}"
    yield from (f"args: {clash}" for clash in argument_clashes(args))
