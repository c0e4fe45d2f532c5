# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One handover of a PCI function to another driver, without a reboot."""

from __future__ import annotations

from typing import NamedTuple

from .._apply import ToolFailed
from .._apply.sysfs import AttributeFailed, KernelHang, is_responsive, load_modules, write_with_limit
from .._machine import Machine
from .._machine.driver_change import AUTO, NONE, DriverRequest, DriverStep, LoadDriver
from .._machine.guest_drivers import is_guest_driver
from .._machine.plan import Refusal
from .._plan.driver_change import (
    UNCLAIMED,
    DriverPlan,
    hanging_refusal,
    missing_refusal,
    plan_driver_change,
)
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
from .since_boot import note_now

_PROCESS_FILES = "/proc/[pid]/fd"


class DriverState(NamedTuple):
    """The driver that has a function, and the driver_override that restricts who may have it."""

    driver: str | None
    override: str | None


class Observation(NamedTuple):
    """The machine as it is, and the plan for the request."""

    machine: Machine
    before: DriverState
    plan: DriverPlan


class DriverChangeFailed(Exception):
    """A function did not get the requested driver; the message says why, and which driver has it now.

    Attributes:
        after: The state that the function is left in.
    """

    def __init__(self, message: str, after: DriverState) -> None:
        super().__init__(message)
        self.after = after


class DriverRun:
    """One run.

    Args:
        request: The function and its driver.
        accepted: Codes of the refusals to override.
        limit: Seconds that each step may take.
        root: Folder of the machine's files; `/` except in tests.
    """

    def __init__(self, request: DriverRequest, accepted: frozenset[str], limit: float, root: str = "/") -> None:
        self._request = request
        self._accepted = accepted
        self._limit = limit
        self._root = root
        self._prefix = root.rstrip("/")
        self._load_errors: list[str] = []

    def observe(self) -> Observation:
        """Plan the request for the machine as it is."""
        request = self._request
        reading = probe(self._root)
        machine = reading.host
        refusal = missing_refusal(machine, request.address)
        override = None
        if refusal is None:
            refusal = self._hanging_refusal(machine)
        if refusal is not None:
            driver = machine.pci[request.address].driver if request.address in machine.pci else None
            return Observation(machine, DriverState(driver, None), DriverPlan((), (refusal,), (), driver, None))
        live = read_function_drivers(Tree(self._root), request)
        override = live.override
        plan = plan_driver_change(machine, live, request, self._accepted)
        if any(unreadable.path == _PROCESS_FILES for unreadable in reading.unreadable):
            note = "without root, some processes that use the function can't be seen"
            plan = plan._replace(notes=(*plan.notes, note))
        return Observation(machine, DriverState(machine.pci[request.address].driver, override), plan)

    def _hanging_refusal(self, machine: Machine) -> Refusal | None:
        address = self._request.address
        process = read_waiting(Tree(self._root), address)
        if process is None and is_responsive(self._prefix + override_path(address), self._limit):
            return None
        return hanging_refusal(machine, address, process)

    def hand_over(self, observation: Observation) -> DriverState:
        """Carry out the steps, and return the state of the function after them.

        Raises:
            DriverChangeFailed: It did not get the driver; the previous driver has it again, where that was possible.
        """
        override = observation.before.override
        try:
            note_now(self._root)
        except OSError as error:
            message = f"{self._request.address} was not handed over: {error}. Nothing is changed."
            raise DriverChangeFailed(message, observation.before) from error
        try:
            for step in observation.plan.steps:
                self._carry_out(step, override)
                if not isinstance(step, LoadDriver) and step.path == override_path(self._request.address):
                    override = observation.plan.override
        except (AttributeFailed, ToolFailed) as error:
            raise self._restore(observation.before, str(error)) from error
        after = self._state()
        fault = self._fault(after)
        if fault:
            raise self._restore(observation.before, fault)
        return after

    def notes(self, observation: Observation, after: DriverState) -> tuple[str, ...]:
        """Return the notes of a run that succeeded."""
        notes = observation.plan.notes
        if after.driver is None and self._request.driver == AUTO and observation.plan.steps and UNCLAIMED not in notes:
            why = "the modules that claim it are not loaded; modprobe.d may blacklist them"
            return (*notes, f"the function has no driver now: {why}", *self._load_errors)
        return notes

    def _carry_out(self, step: DriverStep, override: str | None) -> None:
        try:
            if not isinstance(step, LoadDriver):
                write_with_limit(self._prefix + step.path, step.value, self._limit)
                return
            self._load(step)
        except KernelHang as error:
            driver = step.argv[-1] if isinstance(step, LoadDriver) else step.driver or "a driver"
            raise self._hanging_failure(driver, step, error, override) from error

    def _load(self, step: LoadDriver) -> None:
        try:
            load_modules(step.argv, self._limit)
        except ToolFailed as error:
            if step.required:
                raise
            self._load_errors.append(str(error))
            return
        if step.required and not is_registered(Tree(self._root), self._request.driver):
            raise ToolFailed(
                f"{' '.join(step.argv)} succeeded, but {DRIVERS}/{self._request.driver} does not exist: "
                "the loaded module has no PCI driver of that name"
            )

    def _hanging_failure(
        self, driver: str, step: DriverStep, error: KernelHang, override: str | None
    ) -> DriverChangeFailed:
        """Return the failure of a step that hangs. The function is not accessed any more."""
        # Reading driver_override may hang as well: the value is the one that was written last.
        after = DriverState(read_driver(Tree(self._root), self._request.address), override)
        return DriverChangeFailed(
            f"{self._request.address}: {driver} hangs. The step was to {step.reason}, and {error}.\n"
            f"Process {error.process.pid} is left behind: it waits in the kernel and can't be killed. It continues "
            "when the user of the device closes it. If that does not happen, a reboot is the only way out, and it may "
            "need the reset button. Until then the function can't be used.",
            after,
        )

    def _fault(self, after: DriverState) -> str:
        """Return why the state is not the requested one; "" if it is."""
        requested, driver = self._request.driver, after.driver
        address = self._request.address
        if requested == AUTO:
            if is_guest_driver(driver):
                return f"the kernel picked {driver}, which claims the function by its ids (ids= or new_id)"
            live = read_function_drivers(Tree(self._root), self._request)
            loaded = [module.module for module in live.modules or () if module.loaded]
            if driver is None and loaded:
                why = f"{', '.join(loaded)} claims the function and is loaded, but did not take it"
                return "\n".join([f"{why} (dmesg | grep {address})", *self._load_errors])
            return ""
        if driver == (None if requested == NONE else requested):
            return ""
        return f"it is on {driver or 'no driver'} after all steps{self._bind_error(requested)}"

    def _bind_error(self, driver: str) -> str:
        """Return why a driver does not take the function: `bind` returns an error where drivers_probe does not."""
        path = f"{DRIVERS}/{driver}/bind"
        if driver == NONE or not Tree(self._root).exists(path):
            return ""
        try:
            write_with_limit(self._prefix + path, self._request.address, self._limit)
        except AttributeFailed as error:
            return f"; {error} (dmesg | grep {self._request.address})"
        except KernelHang as error:
            return f"; {error}, and process {error.process.pid} is left behind"
        return "; it took the function at a second attempt, which is not reliable"

    def _restore(self, before: DriverState, why: str) -> DriverChangeFailed:
        """Give the function back to its previous driver, and return the failure that says so."""
        address = self._request.address
        message = f"{address} was not handed to {self._request.driver}: {why}"
        problem = ""
        try:
            if read_override(Tree(self._root), address) != before.override:
                write_with_limit(self._prefix + override_path(address), before.override or "", self._limit)
            now = read_driver(Tree(self._root), address)
            if now != before.driver and now is not None:
                write_with_limit(f"{self._prefix}{DRIVERS}/{now}/unbind", address, self._limit)
            if now != before.driver and before.driver is not None:
                write_with_limit(f"{self._prefix}{DRIVERS}/{before.driver}/bind", address, self._limit)
        except AttributeFailed as error:
            problem = str(error)
        except KernelHang as error:
            problem = f"{error}; process {error.process.pid} is left behind, and a reboot is the only way out"
            after = DriverState(read_driver(Tree(self._root), address), before.override)
            return DriverChangeFailed(f"{message}\nIt could not be restored: {problem}", after)
        after = self._state()
        if after == before:
            return DriverChangeFailed(f"{message}\nIt is as it was: on {before.driver or 'no driver'}.", after)
        state = f"It is on {after.driver or 'no driver'} now, and was on {before.driver or 'no driver'}"
        return DriverChangeFailed(
            f"{message}\nIt could not be restored: {problem or 'no error was reported'}. {state}.", after
        )

    def _state(self) -> DriverState:
        tree = Tree(self._root)
        return DriverState(read_driver(tree, self._request.address), read_override(tree, self._request.address))
