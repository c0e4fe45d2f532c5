# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effect of a kernel argument on PCI functions.

Sources: Documentation/admin-guide/kernel-parameters.txt; dracut.cmdline(7), systemd-modules-load.service(8),
initramfs-tools(7) and mkinitcpio(8) for the arguments that only an initramfs reads; kmod's libkmod-config.c for
modprobe.blacklist.
"""

from __future__ import annotations

import re

from ..._machine.claims import NOTED, ORDERS, TAKES, WITHHOLDS
from ..._machine.cmdline import Argument
from ..._machine.guest_drivers import driver_of, is_guest_driver
from .functions import Functions
from .meaning import Meaning

#: Parameters of drivers for guests. The last occurrence counts: param_set_copystring(), param_set_charp().
_BY_IDS = {"vfio_pci.ids": "vfio-pci", "pci_stub.ids": "pci-stub"}
_BY_ADDRESS = {"xen_pciback.hide": "pciback", "pciback.hide": "pciback"}
LAST_COUNTS = (*_BY_IDS, *_BY_ADDRESS)
#: Lists of modules to load early, or before others.
_LOADS = ("rd.driver.pre", "rd.driver.post", "rdloaddriver", "rd.modules_load", "modules_load", "earlymodules")
_KEEPS_AWAY = ("modprobe.blacklist", "module_blacklist", "rd.driver.blacklist", "rdblacklist", "blacklist")
#: Drivers of the firmware's framebuffer, as initcalls and `video=` name them.
_FRAMEBUFFERS = ("sysfb", "efifb", "vesafb", "simplefb", "simpledrm")
_INITCALL = re.compile(r"(?:_module|_driver|_platform_driver|_pci_driver)?_init(?:_module)?$")
_NOTED = ("pcie_acs_override", "isolcpus")
UNSAFE_INTERRUPTS = "vfio_iommu_type1.allow_unsafe_interrupts"
_FALSE = ("0", "n", "N", "off")


def meaning_of(argument: Argument, functions: Functions) -> Meaning | None:
    """Return the effect of an argument, or None where it has none on PCI functions or guests."""
    name, value = argument.name, argument.value or ""
    if name in _BY_IDS:
        return Meaning(_BY_IDS[name], TAKES, functions.with_ids(value))
    if name in _BY_ADDRESS:
        return Meaning(_BY_ADDRESS[name], TAKES, functions.hidden(value))
    if name in _LOADS:
        return loading(value.split(","))
    if name in _KEEPS_AWAY:
        return keeping_away(value.split(","), functions)
    if name == "initcall_blacklist":
        return _without_initcalls(value.split(","), functions)
    if name == "video":
        device, _colon, mode = value.partition(":")
        return _without_framebuffer(functions) if device in _FRAMEBUFFERS and mode == "off" else None
    if name.endswith(".modeset") and value == "0":
        return keeping_away([name[: -len(".modeset")]], functions)
    if name in _NOTED or (name == UNSAFE_INTERRUPTS and value not in _FALSE):
        return Meaning(None, NOTED, ())
    return None


def loading(modules: list[str]) -> Meaning | None:
    """Return the effect of loading modules, or None. vfio_virqfd is noted: it is part of vfio since Linux 6.2."""
    names = [module.strip() for module in modules]
    driver = next((name for name in names if is_guest_driver(name)), None)
    if driver is not None:
        return Meaning(driver_of(driver), ORDERS, ())
    return Meaning(None, NOTED, ()) if "vfio_virqfd" in [name.replace("-", "_") for name in names] else None


def keeping_away(modules: list[str], functions: Functions) -> Meaning | None:
    """Return the effect of not loading modules, or None where none of them drives a function of this host."""
    names = [module.strip().replace("-", "_") for module in modules]
    driver = next((name for name in names if is_guest_driver(name)), None)
    if driver is not None:
        return Meaning(driver_of(driver), NOTED, ())
    addresses = functions.of_host_drivers(names)
    return Meaning(None, WITHHOLDS, addresses) if addresses else None


def _without_initcalls(initcalls: list[str], functions: Functions) -> Meaning | None:
    if any(initcall.startswith(_FRAMEBUFFERS) for initcall in initcalls):
        return _without_framebuffer(functions)
    return keeping_away([_INITCALL.sub("", initcall) for initcall in initcalls], functions)


def _without_framebuffer(functions: Functions) -> Meaning:
    return Meaning(None, WITHHOLDS, functions.boot_displays())
