# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vCPUs of a guest: one for each planned CPU of the host, with the topology that these have on the host."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from ..._machine import Core, Machine
from ..._machine.guest import KVM, GuestRequest, HostFiles, Setting
from ..._machine.host_plan import HostRecord
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element, element
from ..notation import numbers_text
from ..refusals import refuse

_AMD, _INTEL = "amd", "intel"
_PERFORMANCE = "performance"  # Core.kind


class CpuLayout(NamedTuple):
    """The vCPUs of a guest, in the order in which QEMU numbers them: by socket, die, core and thread."""

    pins: tuple[int, ...]  # the host's CPU of each vCPU
    nodes: tuple[int | None, ...]  # the host's NUMA node of each vCPU
    host: tuple[int, ...]  # the host's CPUs for the emulator and I/O threads
    sockets: int
    dies: int  # of each socket
    cores: int  # of each die
    threads: int  # of each core
    emulate_l3: bool  # whether the sharing of the L3 cache must be emulated
    notes: tuple[str, ...]


def plan_cpus(
    machine: Machine, record: HostRecord, request: GuestRequest, files: HostFiles
) -> CpuLayout | tuple[Refusal, ...]:
    """Return the vCPUs, or why they are refused."""
    kept = set(record.cpus)
    if not kept:
        seen = f"{request.name}: no CPUs of this host are kept for guests"
        remedy = "Request cpu_isolation from the host, and run this again."
        return (refuse("guest_cpus_exceed_plan", seen, remedy=remedy),)
    requested = set(request.cpus if request.cpus is not None else record.cpus)
    outside = requested - kept
    if outside and "guest_cpus_exceed_plan" not in request.accepted:
        seen = (
            f"{request.name}: CPUs {numbers_text(outside)} are requested, "
            f"but only {numbers_text(kept)} are kept for guests"
        )
        return (refuse("guest_cpus_exceed_plan", seen),)
    chosen = [core for core in machine.cpus.cores if requested.intersection(core.cpus)]
    unknown = requested.difference(*(core.cpus for core in chosen))
    if unknown:
        seen = f"{request.name}: CPUs {numbers_text(unknown)} are offline, or the kernel does not report their core"
        return (refuse("cpus_unknown", seen),)
    split = {cpu for core in chosen for cpu in core.cpus} - requested
    if split:
        seen = f"{request.name}: the requested CPUs lack {numbers_text(split)} of the same cores"
        return (refuse("cpus_split_core", seen),)
    return _layout(machine, record, request, files, chosen)


def _layout(
    machine: Machine, record: HostRecord, request: GuestRequest, files: HostFiles, chosen: Sequence[Core]
) -> CpuLayout:
    ordered, notes = _of_one_kind(sorted(chosen, key=_order), request)
    threads = max(len(core.cpus) for core in ordered)
    narrow = [core for core in ordered if len(core.cpus) < threads]
    if narrow and request.cpus is None:
        # A guest's cores all have the same number of threads, and Windows schedules by that number.
        ordered = [core for core in ordered if len(core.cpus) == threads]
        left = numbers_text(cpu for core in narrow for cpu in core.cpus)
        notes.append(f"CPUs {left} are not used: their cores have fewer threads than the others")
    elif narrow:
        threads = 1
        notes.append("the CPUs have cores with different numbers of threads: the guest sees each CPU as a core")
    if threads > 1 and machine.cpu.vendor == _AMD and files.cpu_flags is not None and "topoext" not in files.cpu_flags:
        threads = 1
        notes.append("this processor lacks topoext: the guest sees each CPU as a core")
    pins = tuple(cpu for core in ordered for cpu in core.cpus)
    sockets, dies, die_notes = _division(ordered)
    node_of = {cpu: core.node for core in ordered for cpu in core.cpus}
    return CpuLayout(
        pins=pins,
        nodes=tuple(node_of[cpu] for cpu in pins),
        host=_host_cpus(machine, {*record.cpus, *pins}, set(node_of.values())),
        sockets=sockets,
        dies=dies,
        cores=len(pins) // threads // sockets // dies,
        threads=threads,
        emulate_l3=dies > 1 and not _shares_like_host(machine, ordered),
        notes=(*notes, *die_notes),
    )


def _of_one_kind(cores: list[Core], request: GuestRequest) -> tuple[list[Core], list[str]]:
    """Return the performance cores of a hybrid processor, and notes; all cores where the user names the CPUs.

    The guest sees one kind of core: its scheduler would put urgent work on slow ones.
    """
    fast = [core for core in cores if core.kind == _PERFORMANCE]
    others = [core for core in cores if core.kind not in (None, _PERFORMANCE)]
    if not fast or not others:
        return cores, []
    # Where they also differ in their threads, the note on these names them.
    if {len(core.cpus) for core in fast} != {len(core.cpus) for core in others}:
        return cores, []
    if request.cpus is not None:
        return cores, ["the CPUs are performance and efficiency cores, which the guest can't distinguish"]
    left = numbers_text(cpu for core in others for cpu in core.cpus)
    return fast, [f"CPUs {left} are not used: they are efficiency cores"]


def _order(core: Core) -> tuple[object, ...]:
    """Return a sort key that puts cores of one package, node and L3 cache next to each other."""
    places = (core.package, core.node, core.die, int(core.l3) if core.l3 is not None else None)
    return (*((place is None, place or 0) for place in places), core.cpus)


def _division(cores: Sequence[Core]) -> tuple[int, int, tuple[str, ...]]:
    """Return the number of sockets, the number of dies of each socket, and notes.

    QEMU gives each die one L3 cache: the cores of each L3 cache of the host become a die of the guest.
    """
    packages = _counts([core.package for core in cores])
    sockets = len(packages) if len(set(packages)) == 1 else 1
    caches = _counts([core.l3 for core in cores])
    if any(core.l3 is None for core in cores) or len(caches) == sockets:
        return sockets, 1, ()
    if len(set(caches)) > 1 or len(caches) % sockets:
        note = "the CPUs are unequally spread over L3 caches: the guest sees one cache for all of them"
        return sockets, 1, (note,)
    return sockets, len(caches) // sockets, ()


def _counts(keys: Sequence[object]) -> list[int]:
    return [keys.count(key) for key in dict.fromkeys(keys)]


def _shares_like_host(machine: Machine, cores: Sequence[Core]) -> bool:
    """Tell whether the host's own CPUID describes which vCPUs share an L3 cache.

    CPUID tells by how many low bits the APIC ids of the sharing CPUs may differ (Intel SDM, leaf 4; AMD APM volume 3,
    Fn8000_001D). The guest's dies have as many bits as their CPUs need. Where a die has fewer than the host's cache,
    the host's number would cover the next die too.
    """
    for name, group in machine.cpus.l3_groups.items():
        used = sum(len(core.cpus) for core in cores if core.l3 == name)
        if used and (used - 1).bit_length() != (len(group.cpus) - 1).bit_length():
            return False
    return True


def _host_cpus(machine: Machine, guests: set[int], nodes: set[int | None]) -> tuple[int, ...]:
    """Return the host's CPUs on the nodes of the vCPUs; all of the host's CPUs where those nodes have none."""
    host = [core for core in machine.cpus.cores if not guests.intersection(core.cpus)]
    near = [core for core in host if core.node in nodes]
    return tuple(sorted(cpu for core in near or host for cpu in core.cpus))


def cpu_settings(
    machine: Machine, request: GuestRequest, layout: CpuLayout, cells: Element | None
) -> tuple[Setting, ...]:
    """Return the settings of the vCPUs and their pins.

    Args:
        machine: The machine.
        request: The request.
        layout: The vCPUs.
        cells: The guest's NUMA nodes, as `<numa>`.
    """
    count = len(layout.pins)
    tune = ("cputune",)
    host = numbers_text(layout.host)
    settings = [
        Setting((), element("vcpu"), element("vcpu", str(count), placement="static"), exclusive=True),
        Setting((), element("iothreads"), element("iothreads", "1")),
        *(
            Setting(tune, element("vcpupin", vcpu=vcpu), element("vcpupin", vcpu=vcpu, cpuset=cpu))
            for vcpu, cpu in enumerate(layout.pins)
        ),
    ]
    if host:
        settings += [
            Setting(tune, element("emulatorpin"), element("emulatorpin", cpuset=host)),
            Setting(tune, element("iothreadpin", iothread=1), element("iothreadpin", iothread=1, cpuset=host)),
        ]
    cpu = _cpu(machine, request, layout, cells)
    return (*settings, Setting((), element("cpu"), cpu, exclusive=True))


def _cpu(machine: Machine, request: GuestRequest, layout: CpuLayout, cells: Element | None) -> Element:
    topology = element(
        "topology",
        sockets=layout.sockets,
        dies=layout.dies if layout.dies > 1 else None,
        cores=layout.cores,
        threads=layout.threads,
    )
    if request.domain_type != KVM:
        return element("cpu", topology, cells, mode="maximum", check="none")
    # migratable=off passes on what could not move to another host: the invariant TSC among it. A guest with a device
    # can't be migrated anyway.
    cache = element("cache", level=3, mode="emulate") if layout.emulate_l3 else element("cache", mode="passthrough")
    features = [element("feature", policy=policy, name=name) for name, policy in _features(machine, request, layout)]
    return element("cpu", topology, cache, *features, cells, mode="host-passthrough", check="none", migratable="off")


def _features(machine: Machine, request: GuestRequest, layout: CpuLayout) -> list[tuple[str, str]]:
    """Return the features that differ from the host's, with their policies."""
    features = []
    if layout.threads > 1 and machine.cpu.vendor == _AMD:
        # QEMU leaves it out of -cpu host, and then refuses threads on AMD.
        features.append(("topoext", "require"))
    nesting = {_AMD: "svm", _INTEL: "vmx"}.get(machine.cpu.vendor or "")
    if nesting and request.is_windows:
        # Windows 11 turns virtualization-based security on by itself where it can, and nesting costs every guest its
        # hardware-accelerated interrupts (kvm_x86 inhibits APICv and AVIC for it).
        features.append((nesting, "require" if request.virtualization_based_security else "disable"))
    return features
