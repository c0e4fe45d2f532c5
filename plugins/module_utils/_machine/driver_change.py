# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Handing one PCI function over to another driver while the machine runs."""

from __future__ import annotations

from typing import NamedTuple, Union

#: Instead of a driver's name: the driver that the kernel chooses, or no driver at all.
AUTO, NONE = "auto", "none"


class DriverRequest(NamedTuple):
    """A request to hand a function over to a driver."""

    address: str  # with its PCI domain
    driver: str  # a driver's name as in sysfs, AUTO or NONE


class DriverModule(NamedTuple):
    """A kernel module that claims a function: one of its aliases matches the function's modalias."""

    module: str
    loaded: bool


class FunctionDrivers(NamedTuple):
    """What determines the driver that a function can get now."""

    override: str | None  # its driver_override
    modalias: str | None
    modules: tuple[DriverModule, ...] | None  # None where modules.alias can't be read; read for AUTO only
    candidates: tuple[str, ...]  # registered drivers of those modules
    registered: bool  # whether the requested driver is registered with the PCI bus
    module: str | None  # LOADABLE, BUILT_IN or MISSING for the module named like the driver; None where unknown


class LoadDriver(NamedTuple):
    """Load kernel modules; loaded ones are left alone."""

    argv: tuple[str, ...]
    required: bool  # whether a failure ends the run
    reason: str


class SetAttribute(NamedTuple):
    """Write a value to an attribute of the running kernel, and wait until the kernel has acted on it."""

    path: str
    value: str
    driver: str | None  # the driver that does the work, and may hang; None: the kernel itself
    reason: str


DriverStep = Union[LoadDriver, SetAttribute]
