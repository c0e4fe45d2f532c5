# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rule that binds functions to vfio-pci before other drivers are loaded, gated by a kernel argument.

The same file is in every initramfs and on the host. In the initramfs it binds the functions that the kernel finds at
boot. On the host it binds those that appear later: virtual functions when their driver creates them, Thunderbolt
devices when they are authorized, functions that a rescan of the bus finds. initramfs-tools and dracut (hostonly) copy
rules of the host into images, so the file has one content for both: an image is right whichever copy it has.

The add event of any PCI function sets driver_override of all requested functions without a driver, not only of the
event's own (udev(7): ATTR{[SUBSYSTEM/KERNEL]NAME}). udev handles events in parallel, and any event may load a driver;
but it applies the rules of an event before it runs the event's programs, so the overrides are set before any driver is
loaded.

A function is unbound from another driver in two cases. In the initramfs, a built-in driver may have claimed it, and
nothing uses it yet. On the host, when it appears: the driver of an identical device is already loaded, and claims it
before udev gets the event. The kernel sends that event once. Events that are replayed by `udevadm trigger`, at boot or
by a package, carry SYNTH_UUID since Linux 4.13 (lib/kobject_uevent.c, kobject_synth_uevent()), and unbind nothing. So a
function that is requested while the host uses it stays with the host until the next boot, even if the running kernel
already has the gate: neither writing the rule nor a trigger takes it from its driver.

Loading vfio-pci binds every function whose override names it; `drivers_probe` does that where vfio-pci is built in or
already loaded (Documentation/ABI/testing/sysfs-bus-pci).
"""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

from .._machine.host_plan import Binding, Identity
from .._machine.initramfs import MARKERS
from .notation import slot_of

#: Path in the initramfs and on the host. It is read before 80-drivers.rules, which loads drivers.
RULE_FILE = "/etc/udev/rules.d/05-vfio-workstation.rules"
#: Name of the kernel argument that enables the rule.
GATE = "vfio_workstation"
DRIVER = "vfio-pci"
#: Makes udev read its rules again. No present device gets an event.
RELOAD_RULES = ("udevadm", "control", "--reload")

# A property whose name begins with a dot is not stored in udev's database.
_MAY_UNBIND = ".vfio_workstation_may_unbind"
_HEAD = f"""\
# Made by the Ansible collection vfio.workstation: functions for guests, by address and identity.
ACTION!="add", GOTO="vfio_workstation_end"
SUBSYSTEM!="pci", GOTO="vfio_workstation_end"
IMPORT{{cmdline}}="{GATE}"
ENV{{{GATE}}}!="1", GOTO="vfio_workstation_end"
# A function is unbound from its driver in the initramfs, or when it appears; not if udevadm trigger replays its event.
TEST=="/{MARKERS}", ENV{{{_MAY_UNBIND}}}="1"
ENV{{SYNTH_UUID}}!="?*", ENV{{{_MAY_UNBIND}}}="1"
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
        *(_bind(binding) for binding in by_function),
    ]
    if len(by_function) < len(bindings):
        parts.append(_LOAD)
    return "".join([*parts, _TAIL])


def _override(binding: Binding) -> str:
    """Return the line that acts on every event, while the function has no driver."""
    address = binding.address
    free = f'TEST!="/sys/bus/pci/devices/{address}/driver"'
    unset = f'ATTR{{[pci/{address}]driver_override}}=="|(null)"'
    return f"# {binding.name}\n{', '.join([*_matches(binding), free, unset, _set_override(address)])}\n"


def _bind(binding: Binding) -> str:
    """Return the lines that act on the function's own event.

    They name the function in brackets although the event is its own: udev reads ATTR{NAME} of the event's device once,
    and a later line would match the value from before the override was set (sd_device_get_sysattr_value() caches).
    """
    own = f'KERNEL=="{binding.address}"'
    attribute = f"ATTR{{[pci/{binding.address}]driver_override}}"
    may_unbind = f'ENV{{{_MAY_UNBIND}}}=="1"'
    unset = f'{attribute}!="{DRIVER}"'
    override = [own, may_unbind, *_matches(binding), unset, _set_override(binding.address)]
    overridden = f'{own}, {attribute}=="{DRIVER}", DRIVER!="{DRIVER}"'
    return (
        f"{', '.join(override)}\n"
        f'{overridden}, {may_unbind}, DRIVER=="?*", ATTR{{driver/unbind}}="$kernel"\n'
        f'{overridden}, ATTR{{[subsystem/pci]drivers_probe}}="$kernel", {_LOAD}'
    )


def _matches(binding: Binding) -> Iterator[str]:
    """Yield the keys that match if this very function is at its address."""
    for name, value in _attributes(binding.identity):
        yield f'ATTR{{[pci/{binding.address}]{name}}}=="0x{value}"'
    for path in _paths(binding.address, binding.identity.parent):
        yield f'TEST=="{path}"'


def _set_override(address: str) -> str:
    return f'ATTR{{[pci/{address}]driver_override}}="{DRIVER}"'


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
