# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a guest is not equivalent: what the host shows, each with the setting of this collection that changes it."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine.benchmark import GuestProcess

from .evidence import Evidence
from .result import Json, Result, Side

#: Shares and rates above which something is named. Below, it can't explain a difference of 1 %.
_STEAL = 0.005
_HOST = 0.02
_SMALL_PAGES = 0.05
_OTHER_NODES = 0.05
_DEVICE_EXITS = 1000.0
_EXITS = 10_000.0
_INTERRUPT_EXITS = 1000.0
_GOOD_CLOCKS = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter")
#: Parameters of KVM for interrupts without exits.
_INTERRUPTS = {"kvm_intel.enable_apicv": "APICv", "kvm_amd.avic": "AVIC"}
_PERCENT = 100
_SMALLEST_PAGE = "4"


class Cause(t.NamedTuple):
    """A cause.

    Attributes:
        code: Its name, which is stable.
        text: What was found.
        remedy: What to change; "" if nothing can be changed.
    """

    code: str
    text: str
    remedy: str


def causes(evidence: Evidence, result: Result) -> list[Cause]:
    """Return the causes that are visible, the most fundamental first."""
    if result.guest is None:
        return []
    native, guest = result.native, result.guest
    process = evidence.process or GuestProcess((), {}, {}, True)
    rules: tuple[t.Iterator[Cause], ...] = (
        _emulation(process),
        _nesting(native),
        _pinning(process),
        _pages(process),
        _nodes(process, result.node),
        _waiting(evidence),
        _exits(evidence.exits, native.kvm),
        _clocks(native, guest),
        _heat(evidence),
    )
    return [cause for rule in rules for cause in rule]


def differences(native: Side, guest: Side) -> list[str]:
    """Return the settings in which both sides differ, in words. What one side does not show is not compared."""
    sides = (
        *((name, native.conditions, guest.conditions) for name in sorted(native.conditions) if name != "hypervisor"),
        *((f"version of {name}", native.tools, guest.tools) for name in sorted(native.tools)),
    )
    texts = []
    for title, left, right in sides:
        name = title.rpartition("version of ")[2]
        values = left.get(name), right.get(name)
        # A guest has a clock source of its own.
        if None not in values and values[0] != values[1] and name != "clocksource":
            texts.append(f"{title}: {values[0]} on {native.name}, {values[1]} on {guest.name}")
    if len(native.cpus) != len(guest.cpus):
        texts.append(f"CPUs: {len(native.cpus)} on {native.name}, {len(guest.cpus)} on {guest.name}")
    return texts


def _emulation(process: GuestProcess) -> t.Iterator[Cause]:
    if process.vcpus and not process.uses_kvm:
        yield Cause(
            "emulated",
            "the guest runs without KVM, so that all its instructions are emulated",
            "set type to kvm in the module guest, and enable virtualization in the firmware setup",
        )


def _nesting(native: Side) -> t.Iterator[Cause]:
    if native.conditions.get("hypervisor") == "yes":
        yield Cause(
            "nested",
            "the host is itself a guest, so that each VM exit passes through two hypervisors",
            "measure on a physical host",
        )


def _pinning(process: GuestProcess) -> t.Iterator[Cause]:
    loose = [f"vCPU {number} may run on {cpus}" for number, cpus in enumerate(process.vcpus) if not cpus.isdigit()]
    if loose:
        yield Cause(
            "unpinned", f"{loose[0]}, not on one CPU", "define the guest with the module guest, which pins vCPUs"
        )
    elif len(set(process.vcpus)) < len(process.vcpus):
        yield Cause("shared_cpu", "two vCPUs share a CPU of the host", "set cpus of the module guest to more CPUs")


def _pages(process: GuestProcess) -> t.Iterator[Cause]:
    share = _share(process.page_bytes, lambda size: size == _SMALLEST_PAGE)
    if share > _SMALL_PAGES:
        yield Cause(
            "small_pages",
            f"{share * _PERCENT:.0f} % of the guest's memory is not on reserved huge pages",
            "reserve huge pages with workstation_hugepages, and define the guest with the module guest",
        )


def _nodes(process: GuestProcess, node: int | None) -> t.Iterator[Cause]:
    nodes = process.node_bytes
    most = str(node) if node is not None else max(nodes, key=lambda name: nodes[name], default="")
    share = _share(nodes, lambda name: name != most)
    if share > _OTHER_NODES:
        yield Cause(
            "other_node",
            f"{share * _PERCENT:.0f} % of the guest's memory is on other NUMA nodes than {most}",
            "reserve huge pages on the node of the guest's CPUs (nodes of workstation_hugepages)",
        )


def _waiting(evidence: Evidence) -> t.Iterator[Cause]:
    remedy = "keep the host off these CPUs with workstation_cpu_isolation"
    if evidence.steal is not None and evidence.steal > _STEAL:
        yield Cause("steal", f"the guest waited for its CPUs {evidence.steal * _PERCENT:.1f} % of the time", remedy)
    if evidence.host is not None and evidence.host > _HOST:
        text = f"the host used the guest's CPUs {evidence.host * _PERCENT:.1f} % of the time, for exits or other work"
        yield Cause("host_time", text, remedy)


def _exits(exits: t.Mapping[str, float], kvm: Json) -> t.Iterator[Cause]:
    devices = exits.get("io_exits", 0.0) + exits.get("mmio_exits", 0.0)
    interrupts = exits.get("irq_exits", 0.0) + exits.get("irq_window_exits", 0.0)
    off = [name for key, name in _INTERRUPTS.items() if str(kvm.get(key)).upper() in ("N", "0")]
    if devices > _DEVICE_EXITS:
        yield Cause(
            "device_exits",
            f"{devices:.0f} VM exits per second for emulated devices",
            "use virtio or passed-through devices, as the module guest plans them",
        )
    if interrupts > _INTERRUPT_EXITS and off:
        yield Cause(
            "interrupt_exits",
            f"{interrupts:.0f} VM exits per second for interrupts, and {off[0]} is off",
            f"turn on {off[0]} where the processor has it, with a parameter of KVM",
        )
    if exits.get("exits", 0.0) > _EXITS:
        by_count = sorted(((rate, name) for name, rate in exits.items() if name.endswith("_exits")), reverse=True)
        names = ", ".join(f"{name} {rate:.0f}" for rate, name in by_count[:3])
        yield Cause("vm_exits", f"{exits['exits']:.0f} VM exits per second ({names})", "")


def _clocks(native: Side, guest: Side) -> t.Iterator[Cause]:
    for side, remedy in (
        (native, "find out why the kernel of the host does not trust the TSC, and update the firmware"),
        (guest, "define the guest with the module guest, which plans its clocks"),
    ):
        clock = side.conditions.get("clocksource")
        if clock is not None and clock not in _GOOD_CLOCKS:
            yield Cause("clock", f"{side.name} has the slow clock source {clock}", remedy)


def _heat(evidence: Evidence) -> t.Iterator[Cause]:
    if evidence.throttled > 0:
        text = f"cores were throttled for their temperature {evidence.throttled} times"
        yield Cause("throttled", text, "improve the cooling, and measure again")


def _share(sizes: t.Mapping[str, int], selected: t.Callable[[str], bool]) -> float:
    total = sum(sizes.values())
    return sum(size for name, size in sizes.items() if selected(name)) / total if total else 0.0
