# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Handing one PCI function to another driver while the machine runs."""

from __future__ import annotations

from typing import NamedTuple, Union

#: Instead of a driver's name: whichever the kernel picks, and none at all.
AUTO, NONE = "auto", "none"


class DriverRequest(NamedTuple):
    """Who shall have a function."""

    address: str  # in full
    driver: str  # a driver's name as sysfs has it, AUTO or NONE


class DriverModule(NamedTuple):
    """A module that says it has a driver for a function."""

    module: str
    loaded: bool


class FunctionDrivers(NamedTuple):
    """What decides which driver a function can get now."""

    override: str | None  # its driver_override
    modalias: str | None
    modules: tuple[DriverModule, ...] | None  # None where the kernel's modules have no list; asked for AUTO only
    candidates: tuple[str, ...]  # registered drivers of those modules
    registered: bool  # the driver that is wanted can be bound to
    module: str | None  # what the module of that name is to the running kernel; None where that can't be told


class LoadDriver(NamedTuple):
    """Load modules; those that are loaded already are left alone."""

    argv: tuple[str, ...]
    required: bool  # whether it makes sense to go on when that fails
    reason: str


class SetAttribute(NamedTuple):
    """Write a value to an attribute of the running kernel, and wait until it has done what that means."""

    path: str
    value: str
    driver: str | None  # whose work that is; None: the kernel's own
    reason: str


DriverStep = Union[LoadDriver, SetAttribute]
