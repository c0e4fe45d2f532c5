# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `benchmark`: measure one kind of work on a host."""

from __future__ import annotations

import os
import re
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._apply.benchmark import has_systemd
from .._engine.benchmark import MeasurementFailed, Request, available_cpus, measure
from .._machine import to_json
from .._machine.benchmark import Work
from .._plan.benchmarks import KINDS
from .._plan.notation import parse_numbers

_LONGEST = 3600
#: What names a host, and can't be read as an option by a tool.
_SERVER = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.:%\[\]-]{0,252}", re.ASCII)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "kind": {"type": "str", "choices": list(KINDS)},
    "cpus": {"type": "raw"},
    "node": {"type": "int"},
    "root": {"type": "path", "default": "/"},
    "runs": {"type": "int", "default": 1},
    "seconds": {"type": "int", "default": 5},
    "warm_up": {"type": "int", "default": 1},
    "disk": {"type": "path", "default": ""},
    "server": {"type": "str", "default": ""},
    "source": {"type": "path", "default": ""},
    "guest": {"type": "str", "default": ""},
    "uri": {"type": "str", "default": "qemu:///system"},
    "hold_cpus": {"type": "bool", "default": False},
}


def run_benchmark_module() -> NoReturn:
    """Measure, or fail with the reason."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    errors = check_parameters(params, available_cpus(), has_systemd())
    if errors:
        module.fail_json(msg="\n".join(errors))
    request = _request(params)
    if module.check_mode:
        # A benchmark occupies the host, and suspends a guest: not in a prediction.
        request = request._replace(kind="", guest="", hold_cpus=False)
    elif os.geteuid() != 0:
        module.fail_json(msg="Benchmarks require root: real-time priority, and the slice of guests. Set become: true.")
    try:
        measurement = measure(request)
    except MeasurementFailed as error:
        module.fail_json(msg=str(error))
    # A run leaves nothing behind.
    module.exit_json(changed=False, **to_json(measurement))


def check_parameters(params: dict[str, Any], available: tuple[int, ...], systemd: bool) -> list[str]:
    """Return all mistakes in the parameters: what was found, what was expected, what to do."""
    errors = [*_check_cpus(params["cpus"], available), *_check_numbers(params), *_check_paths(params)]
    if not systemd:
        errors += [
            f"{name}: this host is not managed by systemd, which sets the {name} of a benchmark. Omit it."
            for name, default in (("node", None), ("root", "/"))
            if params[name] != default
        ]
    needed = KINDS[params["kind"]].needs if params["kind"] else ""
    if needed and not params[needed]:
        errors.append(f"{needed}: found nothing. The kind {params['kind']} needs it.")
    if params["server"] and not _SERVER.fullmatch(params["server"]):
        errors.append(f"server: found {params['server']!r}, expected the name or address of a host.")
    return errors


def _check_cpus(text: Any, available: tuple[int, ...]) -> list[str]:
    if text is None:
        return []
    cpus = parse_numbers(str(text))
    if not cpus:
        return [f"cpus: found {text!r}, expected numbers of CPUs. Write them as 2-7,10-15."]
    if os.path.isdir("/sys/devices/system/cpu"):
        missing = [cpu for cpu in cpus if not os.path.isdir(f"/sys/devices/system/cpu/cpu{cpu}")]
        if missing:
            return [f"cpus: this host has no CPU {missing[0]}. It has {len(available)} that may be used."]
    return []


def _check_numbers(params: dict[str, Any]) -> list[str]:
    ranges = (("runs", 1, 100), ("seconds", 1, _LONGEST), ("warm_up", 0, _LONGEST), ("node", 0, 1023))
    return [
        f"{name}: {params[name]} is not within {least} to {most}."
        for name, least, most in ranges
        if params[name] is not None and not least <= params[name] <= most
    ]


def _check_paths(params: dict[str, Any]) -> list[str]:
    inside = params["root"].rstrip("/")
    names = ("root", "disk", "source")
    return [
        f"{name}: {params[name]} is not a directory{' below the root' if inside and name != 'root' else ''}. "
        "Write the absolute path of one."
        for name in names
        if params[name]
        and not (
            params[name].startswith("/") and os.path.isdir(params[name] if name == "root" else inside + params[name])
        )
    ]


def _request(params: dict[str, Any]) -> Request:
    cpus = parse_numbers(str(params["cpus"])) if params["cpus"] is not None else None
    work = Work(cpus or (), params["seconds"], params["disk"], params["server"], params["source"])
    return Request(
        params["kind"] or "",
        work,
        params["runs"],
        params["warm_up"],
        params["node"],
        params["root"],
        params["guest"],
        params["uri"],
        params["hold_cpus"],
    )
