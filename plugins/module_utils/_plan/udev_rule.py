# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rule that gives functions to vfio-pci before any other driver comes, if the command line says so.

It lies in the initramfs alone. Every event of a PCI function sets the override of all functions that are wanted, not
only of its own (udev(7): ATTR{[SUBSYSTEM/KERNEL]NAME}): rules of an event come before what it runs, so that whichever
event loads a driver, and events are handled in parallel, the overrides are set by then.

A function that a built-in driver has taken is let go of. `drivers_probe` is for a vfio-pci that is built in or loaded
already; loading it binds every function whose override names it (Documentation/ABI/testing/sysfs-bus-pci).
"""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

from .._machine.host_plan import Binding, Identity
from .notation import slot_of

#: In the initramfs, before 80-drivers.rules, which loads drivers.
RULE_FILE = "/etc/udev/rules.d/05-vfio-workstation.rules"
#: The kernel argument without which the rule does nothing.
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
        bindings: All of them. For those by id, whose ids are on the command line, it is enough that vfio-pci is loaded
            before the others.
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
    here = f"[pci/{address}]"
    matches = [f'ATTR{{{here}{name}}}=="0x{value}"' for name, value in _attributes(binding.identity)]
    place = [f'TEST=="{path}"' for path in _places(address, binding.identity.parent)]
    unset = f'ATTR{{{here}driver_override}}!="{DRIVER}"'
    keys = [*matches, *place, unset, f'ATTR{{{here}driver_override}}="{DRIVER}"']
    return f"# {binding.name}\n{', '.join(keys)}\n"


def _bind(address: str) -> str:
    ours = f'KERNEL=="{address}", ATTR{{driver_override}}=="{DRIVER}"'
    return (
        f'{ours}, DRIVER=="?*", DRIVER!="{DRIVER}", ATTR{{driver/unbind}}="$kernel"\n'
        f'{ours}, DRIVER!="{DRIVER}", ATTR{{[subsystem/pci]drivers_probe}}="$kernel", {_LOAD}'
    )


def _attributes(identity: Identity) -> Iterator[tuple[str, str]]:
    names = ("vendor", "device", "subsystem_vendor", "subsystem_device")
    yield from ((name, value) for name, value in zip(names, identity.ids) if value is not None)


def _places(address: str, parent: str | None) -> Iterator[str]:
    """Yield the path that exists if the function sits below that bridge.

    On a root bus there is none, and where that bus is in /sys/devices differs between architectures.
    """
    if parent is None:
        return
    domain, bus, _slot = address.split(":")
    if parent.startswith(domain + ":"):
        yield f"/sys/bus/pci/devices/{parent}/{address}"
    else:  # a VMD controller, with a domain of its own below
        yield f"/sys/bus/pci/devices/{parent}/pci{domain}:{bus}/{address}"


def ids_argument(bindings: Iterable[Binding]) -> str | None:
    """Return the kernel argument that has vfio-pci take all functions with these ids; None where there are none.

    Source: drivers/vfio/pci/vfio_pci.c, parameter ids: vendor:device[:subvendor[:subdevice]], with commas between.
    """
    found: dict[str, None] = {}
    for binding in sorted(bindings, key=lambda one: (slot_of(one.address), one.address)):
        if binding.bind_by == "id":
            found[":".join(part for part in binding.identity.ids if part is not None)] = None
    return f"{DRIVER}.ids={','.join(found)}" if found else None
