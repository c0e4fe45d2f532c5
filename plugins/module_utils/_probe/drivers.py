# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drivers that a PCI function could get: its driver_override, the registered drivers, the modules that match it.

Source: Documentation/ABI/testing/sysfs-bus-pci, modules.alias of depmod(8), and Documentation/kbuild/kbuild.rst for
modules.builtin.modinfo.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Iterator

from .._machine.driver_change import AUTO, NONE, DriverModule, DriverRequest, FunctionDrivers
from .boot.kernel_modules import kernel_modules
from .tree import FILE_LIMIT, Tree

DEVICES = "/sys/bus/pci/devices"
DRIVERS = "/sys/bus/pci/drivers"

# The list has tens of thousands of lines: two thirds are of other buses, and most of the rest of other vendors.
_ALIAS = re.compile(r"^alias (pci:\S+) (\S+)$", re.MULTILINE)
_BUILT_IN_ALIAS = re.compile(r"(?:^|\0)([^.\0]+)\.alias=(pci:[^\0]+)")
_VENDOR = len("pci:v00008086")


def override_path(address: str) -> str:
    """Return the path of the attribute that restricts a function to one driver."""
    return f"{DEVICES}/{address}/driver_override"


def read_driver(tree: Tree, address: str) -> str | None:
    """Return the driver that a function is bound to."""
    return tree.link(f"{DEVICES}/{address}/driver")


def read_override(tree: Tree, address: str) -> str | None:
    """Return a function's driver_override, or None where it is not restricted.

    Kernels before Linux 7.1 lock the function while they show the attribute, so that a hanging driver blocks the
    reader: call this only if _apply.sysfs.is_responsive().
    """
    text = tree.text(override_path(address))
    # The kernel prints "(null)" for a string that is not set.
    return None if text in (None, "", "(null)") else text


def read_waiting(tree: Tree, address: str) -> str | None:
    """Return a description of a process of an earlier run that still waits for this function's driver, or None.

    The kernel removes the link to the driver before the driver has released the function (drivers/base/dd.c,
    __device_release_driver()), and not every kernel blocks readers of driver_override meanwhile: the process may be
    the only evidence.
    """
    for process in tree.names("/proc"):
        if process.isdigit():
            # As started by _apply.sysfs: the attribute and the value are the last arguments.
            words = (tree.text(f"/proc/{process}/cmdline") or "").split("\0")[:-1]
            path = words[-2] if len(words) > 2 else ""
            if path.startswith("/sys/bus/pci/") and (words[-1] == address or f"/{address}/" in path):
                return f"process {process} waits in the kernel for its write to {path}"
    return None


def read_function_drivers(tree: Tree, request: DriverRequest) -> FunctionDrivers:
    """Return what determines the driver that a function can get.

    Args:
        tree: The machine.
        request: The function and the requested driver.
    """
    modalias = tree.text(f"{DEVICES}/{request.address}/modalias")
    version = tree.text("/proc/sys/kernel/osrelease") or ""
    modules: tuple[DriverModule, ...] | None = None
    candidates: tuple[str, ...] = ()
    module = None
    registered = True
    if request.driver == AUTO:
        modules = _matching_modules(tree, version, modalias)
        candidates = _drivers_of(tree, {driver.module for driver in modules or ()})
    elif request.driver != NONE:
        registered = is_registered(tree, request.driver)
        installed = None if registered else kernel_modules(tree, version)
        module = None if installed is None else installed.kind(request.driver)
    return FunctionDrivers(read_override(tree, request.address), modalias, modules, candidates, registered, module)


def is_registered(tree: Tree, driver: str) -> bool:
    """Return whether a PCI driver of that name is registered in the running kernel."""
    return tree.exists(f"{DRIVERS}/{driver}")


def _matching_modules(tree: Tree, version: str, modalias: str | None) -> tuple[DriverModule, ...] | None:
    if modalias is None:
        return None
    for folder in ("/lib/modules/", "/usr/lib/modules/"):
        loadable = tree.text(f"{folder}{version}/modules.alias", FILE_LIMIT)
        if loadable is not None:
            built_in = tree.text(f"{folder}{version}/modules.builtin.modinfo", FILE_LIMIT) or ""
            aliases = ((match[1], match[2]) for match in _ALIAS.finditer(loadable))
            built_in_aliases = ((match[2], match[1]) for match in _BUILT_IN_ALIAS.finditer(built_in))
            is_built_in = dict.fromkeys(_matching(modalias, aliases), False)
            is_built_in.update(dict.fromkeys(_matching(modalias, built_in_aliases), True))
            return tuple(
                DriverModule(name, always or tree.exists(f"/sys/module/{name}"))
                for name, always in sorted(is_built_in.items())
            )
    return None


def _matching(modalias: str, aliases: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Yield the modules whose aliases match, with underscores, as the kernel names them."""
    # Both the device's own alias and the patterns have upper-case digits (file2alias.c of the kernel).
    for pattern, module in aliases:
        if pattern.startswith((modalias[:_VENDOR], "pci:v*")) and fnmatchcase(modalias, pattern):
            yield module.replace("-", "_")


def _drivers_of(tree: Tree, modules: set[str]) -> tuple[str, ...]:
    return tuple(name for name in tree.names(DRIVERS) if tree.link(f"{DRIVERS}/{name}/module") in modules)
