# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rule that binds functions to vfio-pci before other drivers are loaded, gated by a kernel argument.

The rule is in the initramfs only. The add event of any PCI function sets driver_override of all requested functions,
not only of the event's own (udev(7): ATTR{[SUBSYSTEM/KERNEL]NAME}). udev handles events in parallel, and any event may
load a driver; but it applies the rules of an event before it runs the event's programs, so the overrides are set
before any driver is loaded.

A function that a built-in driver has claimed is unbound from it. Loading vfio-pci binds every function whose override
names it; `drivers_probe` does that where vfio-pci is built in or already loaded
(Documentation/ABI/testing/sysfs-bus-pci).
"""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

from .._machine.host_plan import Binding, Identity
from .notation import slot_of

#: Path in the initramfs. It is read before 80-drivers.rules, which loads drivers.
RULE_FILE = "/etc/udev/rules.d/05-vfio-workstation.rules"
#: Name of the kernel argument that enables the rule.
GATE = "vfio_workstation"
DRIVER = "vfio-pci"

_HEAD = f"""\
# Made by the Ansible collection vfio.workstation: functions for guests, by address and identity.
ACTION!="add", GOTO="vfio_workstation_end"
SUBSYSTEM!="pci", GOTO="vfio_workstation_end"
IMPORT{{cmdline}}="{GATE}"
ENV{{{GATE}}}!="1", GOTO="vfio_workstation_end"
"""
_LOAD = f'RUN{{builtin}}+="kmod load {DRIVER}"\n'
_TAIL = 'LABEL="vfio_workstation_end"\n'


def rule_text(bindings: Sequence[Binding]) -> str:
    """Return the content of RULE_FILE.

    Args:
        bindings: All bindings. The functions bound by id have their ids on the command line: for them it suffices to
            load vfio-pci before other drivers.
    """
    by_function = [binding for binding in bindings if binding.bind_by == "function"]
    parts = [
        _HEAD,
        *(_override(binding) for binding in by_function),
        *(_bind(binding.address) for binding in by_function),
    ]
    if len(by_function) < len(bindings):
        parts.append(_LOAD)
    return "".join([*parts, _TAIL])


def _override(binding: Binding) -> str:
    address = binding.address
    function = f"[pci/{address}]"
    ids = [f'ATTR{{{function}{name}}}=="0x{value}"' for name, value in _attributes(binding.identity)]
    location = [f'TEST=="{path}"' for path in _paths(address, binding.identity.parent)]
    unset = f'ATTR{{{function}driver_override}}!="{DRIVER}"'
    keys = [*ids, *location, unset, f'ATTR{{{function}driver_override}}="{DRIVER}"']
    return f"# {binding.name}\n{', '.join(keys)}\n"


def _bind(address: str) -> str:
    overridden = f'KERNEL=="{address}", ATTR{{driver_override}}=="{DRIVER}"'
    return (
        f'{overridden}, DRIVER=="?*", DRIVER!="{DRIVER}", ATTR{{driver/unbind}}="$kernel"\n'
        f'{overridden}, DRIVER!="{DRIVER}", ATTR{{[subsystem/pci]drivers_probe}}="$kernel", {_LOAD}'
    )


def _attributes(identity: Identity) -> Iterator[tuple[str, str]]:
    names = ("vendor", "device", "subsystem_vendor", "subsystem_device")
    yield from ((name, value) for name, value in zip(names, identity.ids) if value is not None)


def _paths(address: str, parent: str | None) -> Iterator[str]:
    """Yield the path that exists if the function is below that bridge.

    Nothing for a function on a root bus: the path of a root bus in /sys/devices differs between architectures.
    """
    if parent is None:
        return
    domain, bus, _slot = address.split(":")
    if parent.startswith(domain + ":"):
        yield f"/sys/bus/pci/devices/{parent}/{address}"
    else:  # below a VMD controller, which has a PCI domain of its own
        yield f"/sys/bus/pci/devices/{parent}/pci{domain}:{bus}/{address}"


def ids_argument(bindings: Iterable[Binding]) -> str | None:
    """Return the kernel argument that binds all functions with the ids of bindings by id; None where there are none.

    Source: drivers/vfio/pci/vfio_pci.c, parameter ids: vendor:device[:subvendor[:subdevice]], separated by commas.
    """
    ids: dict[str, None] = {}  # an ordered set
    for binding in sorted(bindings, key=lambda binding: (slot_of(binding.address), binding.address)):
        if binding.bind_by == "id":
            ids[":".join(part for part in binding.identity.ids if part is not None)] = None
    return f"{DRIVER}.ids={','.join(ids)}" if ids else None
