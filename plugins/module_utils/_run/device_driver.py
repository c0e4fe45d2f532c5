# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hand one PCI function to another driver while the machine runs."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._apply import Busy, ToolFailed, locked
from .._apply.sysfs import AttributeFailed, KernelHang, is_responsive, load_modules, write_with_limit
from .._machine import Machine, to_json
from .._machine.driver_change import AUTO, NONE, DriverRequest, DriverStep, LoadDriver
from .._machine.plan import Refusal
from .._plan.driver_change import (
    ACCEPTABLE,
    UNCLAIMED,
    DriverPlan,
    for_programs,
    group_of,
    hanging_refusal,
    missing_refusal,
    plan_driver_change,
    with_driver,
)
from .._plan.notation import full_address
from .._probe import probe
from .._probe.drivers import (
    DRIVERS,
    is_registered,
    override_path,
    read_driver,
    read_function_drivers,
    read_override,
    read_waiting,
)
from .._probe.tree import Tree
from .converge import refusal_text
from .since_boot import note_now

_DRIVER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}", re.ASCII)
_LONGEST_WAIT = 3600
_UNSEEN = "/proc/[pid]/fd"

ARGUMENTS: dict[str, dict[str, Any]] = {
    "address": {"type": "str", "required": True},
    "driver": {"type": "str", "default": "vfio-pci"},
    "accept": {"type": "list", "elements": "str", "choices": list(ACCEPTABLE), "default": []},
    "timeout": {"type": "int", "default": 30},
}


class DriverState(NamedTuple):
    """Who has a function, and who may."""

    driver: str | None
    override: str | None


class Observation(NamedTuple):
    """The machine with the request in mind."""

    machine: Machine
    before: DriverState
    plan: DriverPlan


class DriverChangeFailed(Exception):
    """A function did not get the driver that was asked for; the message says why, and how it stands with it now.

    Attributes:
        after: Who has it now.
    """

    def __init__(self, message: str, after: DriverState) -> None:
        super().__init__(message)
        self.after = after


def run_device_driver() -> NoReturn:
    """Hand a function over, or say why not."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    errors = check_parameters(params)
    if errors:
        module.fail_json(msg="\n".join(errors))
    request = DriverRequest(full_address(params["address"]) or "", params["driver"])
    session = DriverRun(request, frozenset(params["accept"]), params["timeout"])
    if module.check_mode:
        look = session.look()
        _finish(module, request, look, DriverState(look.plan.driver, look.plan.override))
    if os.geteuid() != 0:
        module.fail_json(
            msg="Only root can hand devices to other drivers, and this is run as another user. "
            "Set become: true, or use check mode to see what would change."
        )
    try:
        with locked():
            look = session.look()
            after = session.hand_over(look) if look.plan.steps else look.before
    except Busy as error:
        module.fail_json(msg=f"{error}\nNothing is changed.", refusals=[])
    except DriverChangeFailed as error:
        values = _values(look, request, error.after)
        module.fail_json(msg=str(error), changed=error.after != look.before, refusals=[], **values)
    _finish(module, request, look._replace(plan=look.plan._replace(notes=session.notes(look, after))), after)


def check_parameters(params: dict[str, Any]) -> list[str]:
    """Return everything that is wrong with the parameters, each with what was found, what was expected, what to do."""
    errors = []
    if full_address(params["address"]) is None:
        errors.append(
            f"address: {params['address']!r} is no address of a PCI function. Write it as lspci -D shows it, "
            "such as '0000:41:00.0'."
        )
    if not _DRIVER.fullmatch(params["driver"]):
        errors.append(
            f"driver: {params['driver']!r} is no name of a driver. Write it as /sys/bus/pci/drivers has it, "
            f"such as vfio-pci, or {AUTO} or {NONE}."
        )
    if not 1 <= params["timeout"] <= _LONGEST_WAIT:
        errors.append(f"timeout: {params['timeout']} is not from 1 to {_LONGEST_WAIT} seconds. Leave it out for 30.")
    return errors


class DriverRun:
    """One run.

    Args:
        request: Which function, for whom.
        accepted: Codes of refusals that the person takes upon them.
        limit: Seconds that each step may take.
        root: Folder of the machine's files; `/` but in tests.
    """

    def __init__(self, request: DriverRequest, accepted: frozenset[str], limit: float, root: str = "/") -> None:
        self._request = request
        self._accepted = accepted
        self._limit = limit
        self._root = root
        self._prefix = root.rstrip("/")
        self._complaints: list[str] = []

    def look(self) -> Observation:
        """Observation at the machine with the request in mind."""
        request = self._request
        reading = probe(self._root)
        machine = reading.host
        refusal = missing_refusal(machine, request.address)
        override = None
        if refusal is None:
            refusal = self._hangs_already(machine)
        if refusal is not None:
            driver = machine.pci[request.address].driver if request.address in machine.pci else None
            return Observation(machine, DriverState(driver, None), DriverPlan((), (refusal,), (), driver, None))
        live = read_function_drivers(Tree(self._root), request)
        override = live.override
        plan = plan_driver_change(machine, live, request, self._accepted)
        if any(one.path == _UNSEEN for one in reading.unreadable):
            unseen = "which processes use the function can't all be seen without root"
            plan = plan._replace(notes=(*plan.notes, unseen))
        return Observation(machine, DriverState(machine.pci[request.address].driver, override), plan)

    def _hangs_already(self, machine: Machine) -> Refusal | None:
        address = self._request.address
        process = read_waiting(Tree(self._root), address)
        if process is None and is_responsive(self._prefix + override_path(address), self._limit):
            return None
        return hanging_refusal(machine, address, process)

    def hand_over(self, look: Observation) -> DriverState:
        """Carry out the steps, and return who has the function then.

        Raises:
            DriverChangeFailed: It did not get the driver; where that could be done, the old one has it again.
        """
        override = look.before.override
        try:
            note_now(self._root)
        except OSError as error:
            message = f"{self._request.address} was not handed over: {error}. Nothing is changed."
            raise DriverChangeFailed(message, look.before) from error
        try:
            for step in look.plan.steps:
                self._do(step, override)
                if not isinstance(step, LoadDriver) and step.path == override_path(self._request.address):
                    override = look.plan.override
        except (AttributeFailed, ToolFailed) as error:
            raise self._put_back(look.before, str(error)) from error
        after = self._now()
        fault = self._fault(after)
        if fault:
            raise self._put_back(look.before, fault)
        return after

    def notes(self, look: Observation, after: DriverState) -> tuple[str, ...]:
        """Return what a person should know at the end."""
        notes = look.plan.notes
        if after.driver is None and self._request.driver == AUTO and look.plan.steps and UNCLAIMED not in notes:
            why = "the modules that claim it are not loaded; a blacklist in modprobe.d may keep them out"
            return (*notes, f"the function has no driver now: {why}", *self._complaints)
        return notes

    def _do(self, step: DriverStep, override: str | None) -> None:
        try:
            if not isinstance(step, LoadDriver):
                write_with_limit(self._prefix + step.path, step.value, self._limit)
                return
            self._load(step)
        except KernelHang as error:
            driver = step.argv[-1] if isinstance(step, LoadDriver) else step.driver or "a driver"
            raise self._stuck(driver, step, error, override) from error

    def _load(self, step: LoadDriver) -> None:
        try:
            load_modules(step.argv, self._limit)
        except ToolFailed as error:
            if step.required:
                raise
            self._complaints.append(str(error))
            return
        if step.required and not is_registered(Tree(self._root), self._request.driver):
            raise ToolFailed(
                f"{' '.join(step.argv)} succeeded, but {DRIVERS}/{self._request.driver} is not there: "
                "what was loaded has no PCI driver of that name"
            )

    def _stuck(self, driver: str, step: DriverStep, error: KernelHang, override: str | None) -> DriverChangeFailed:
        """Return the message for a step that did not come back. Nothing of the function is touched any more."""
        # Its driver_override may not be readable either, so that it is what was written last.
        after = DriverState(read_driver(Tree(self._root), self._request.address), override)
        return DriverChangeFailed(
            f"{self._request.address}: {driver} hangs. The step was to {step.reason}, and {error}.\n"
            f"Process {error.process.pid} is left behind: it waits in the kernel, where nothing can end it. It goes on "
            "if whoever uses the device lets go of it; if it does not, a reboot is the only way out, and one that may "
            "need the reset button. Until then the function can't be used.",
            after,
        )

    def _fault(self, after: DriverState) -> str:
        """Return what is wrong with who has the function now; nothing when that is who was to have it."""
        wanted, driver = self._request.driver, after.driver
        address = self._request.address
        if wanted == AUTO:
            if for_programs(driver):
                return f"the kernel picked {driver}: its ids catch the function (ids= or new_id)"
            live = read_function_drivers(Tree(self._root), self._request)
            able = [claim.module for claim in live.modules or () if claim.loaded]
            if driver is None and able:
                why = f"{', '.join(able)} modules the function and is loaded, but did not take it"
                return "\n".join([f"{why} (dmesg | grep {address})", *self._complaints])
            return ""
        if driver == (None if wanted == NONE else wanted):
            return ""
        return f"it is on {driver or 'no driver'} after all steps{self._reason(wanted)}"

    def _reason(self, driver: str) -> str:
        """Return why a driver does not take the function: unlike drivers_probe, `bind` says it."""
        path = f"{DRIVERS}/{driver}/bind"
        if driver == NONE or not Tree(self._root).exists(path):
            return ""
        try:
            write_with_limit(self._prefix + path, self._request.address, self._limit)
        except AttributeFailed as error:
            return f"; {error} (dmesg | grep {self._request.address})"
        except KernelHang as error:
            return f"; {error}, and process {error.process.pid} is left behind"
        return "; it took the function when asked once more, which is not to be relied on"

    def _put_back(self, before: DriverState, why: str) -> DriverChangeFailed:
        """Give the function back to whoever had it, and return the message about all of that."""
        address = self._request.address
        message = f"{address} was not handed to {self._request.driver}: {why}"
        left = ""
        try:
            if read_override(Tree(self._root), address) != before.override:
                write_with_limit(self._prefix + override_path(address), before.override or "", self._limit)
            now = read_driver(Tree(self._root), address)
            if now != before.driver and now is not None:
                write_with_limit(f"{self._prefix}{DRIVERS}/{now}/unbind", address, self._limit)
            if now != before.driver and before.driver is not None:
                write_with_limit(f"{self._prefix}{DRIVERS}/{before.driver}/bind", address, self._limit)
        except AttributeFailed as error:
            left = str(error)
        except KernelHang as error:
            left = f"{error}; process {error.process.pid} is left behind, and a reboot is the way out"
            after = DriverState(read_driver(Tree(self._root), address), before.override)
            return DriverChangeFailed(f"{message}\nIt could not be put back: {left}", after)
        after = self._now()
        if after == before:
            return DriverChangeFailed(f"{message}\nIt is as it was: on {before.driver or 'no driver'}.", after)
        state = f"It is on {after.driver or 'no driver'} now, and was on {before.driver or 'no driver'}"
        return DriverChangeFailed(f"{message}\nIt could not be put back: {left or 'nothing says why'}. {state}.", after)

    def _now(self) -> DriverState:
        tree = Tree(self._root)
        return DriverState(read_driver(tree, self._request.address), read_override(tree, self._request.address))


def _values(look: Observation, request: DriverRequest, after: DriverState) -> dict[str, Any]:
    before = look.before
    machine = look.machine
    if request.address in machine.pci:
        machine = with_driver(machine, request.address, after.driver)
    return {
        "driver": {"before": before.driver, "after": after.driver},
        "driver_override": {"before": before.override, "after": after.override},
        "group": to_json(group_of(machine, request.address)),
    }


def _finish(module: AnsibleModule, request: DriverRequest, look: Observation, after: DriverState) -> NoReturn:
    plan = look.plan
    values = {**_values(look, request, after), "notes": list(plan.notes), "refusals": to_json(plan.refusals)}
    if plan.refusals:
        module.fail_json(msg=refusal_text(plan.refusals), **values)
    changed = bool(plan.steps) if module.check_mode else after != look.before
    module.exit_json(
        changed=changed,
        steps=[{"kind": type(step).__name__, **to_json(step)} for step in plan.steps],
        diff=[_diff(request.address, look.before, after)] if changed else [],
        **values,
    )


def _diff(address: str, before: DriverState, after: DriverState) -> dict[str, str]:
    header = f"/sys/bus/pci/devices/{address}"
    return {"before_header": header, "after_header": header, "before": _shown(before), "after": _shown(after)}


def _shown(binding: DriverState) -> str:
    return f"driver: {binding.driver or 'none'}\ndriver_override: {binding.override or 'not set'}\n"
