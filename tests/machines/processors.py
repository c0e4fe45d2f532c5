# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CPUs in /proc/cpuinfo and /sys/devices/system/cpu.

Layout: Documentation/ABI/testing/sysfs-devices-system-cpu and Documentation/admin-guide/cputopology.rst.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .files import Files, as_list, as_mask, numbers, size

CPU = "/sys/devices/system/cpu"


@dataclass
class LogicalCpu:
    """A logical CPU."""

    number: int
    core: int
    package: int
    die: int
    node: int
    cluster: int  # index of the cluster in the description; its CPUs share a last-level cache
    kind: str | None
    khz: int | None
    online: bool = True
    siblings: list[int] = field(default_factory=list)


def logical_cpus(described: dict[str, Any]) -> list[LogicalCpu]:
    """Return the CPUs with their numbers: siblings are adjacent (`near`), or all first threads come first (`far`)."""
    slots: list[tuple[int, int, LogicalCpu]] = []
    core = 0
    for index, cluster in enumerate(described["clusters"]):
        for _core in range(cluster["cores"]):
            for thread in range(cluster.get("threads", 1)):
                cpu = LogicalCpu(
                    0,
                    core * described.get("core_id_step", 1),
                    cluster.get("package", 0),
                    cluster.get("die", 0),
                    cluster.get("node", 0),
                    index,
                    cluster.get("kind"),
                    cluster.get("khz"),
                )
                slots.append((thread if described.get("numbering", "far") == "far" else 0, core, cpu))
            core += 1
    cpus = [cpu for _thread, _core, cpu in sorted(slots, key=lambda slot: slot[:2])]
    missing = set(numbers(described.get("missing")))
    offline = set(numbers(described.get("offline")))
    free = (number for number in range(len(cpus) + len(missing)) if number not in missing)
    for cpu, number in zip(cpus, free, strict=True):
        cpu.number = number
        cpu.online = number not in offline
    for cpu in cpus:
        cpu.siblings = [other.number for other in cpus if other.online and _core_key(other) == _core_key(cpu)]
    return cpus


def write_processors(files: Files, cpus: list[LogicalCpu], machine: dict[str, Any]) -> None:
    """Write cpuinfo and the folders of all CPUs."""
    described = machine["cpus"]
    online = [cpu for cpu in cpus if cpu.online]
    write_cpuinfo(files, online, machine.get("cpu", {}))
    if described.get("sysfs", True):
        _write_lists(files, cpus, described)
        for cpu in cpus:
            _write_cpu(files, cpu, cpus, described)
        _write_kinds(files, online, described)


def write_cpuinfo(files: Files, online: list[LogicalCpu], cpu: dict[str, Any]) -> None:
    """Write /proc/cpuinfo as printed by arch/x86/kernel/cpu/proc.c, or on Arm by arch/arm64/kernel/cpuinfo.c."""
    if cpu.get("vendor") == "arm":
        blocks = [_arm_block(logical, cpu) for logical in online]
    else:
        blocks = [_x86_block(logical, online, cpu) for logical in online]
    files.write("/proc/cpuinfo", "\n".join(blocks) + "\n")


def _arm_block(logical: LogicalCpu, cpu: dict[str, Any]) -> str:
    return (
        f"processor\t: {logical.number}\nBogoMIPS\t: 48.00\nFeatures\t: {cpu['flags']}\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: {cpu['part']}\nCPU revision\t: 0\n"
    )


def _x86_block(logical: LogicalCpu, online: list[LogicalCpu], cpu: dict[str, Any]) -> str:
    package = [other for other in online if other.package == logical.package]
    lines = [
        ("processor\t", logical.number),
        ("vendor_id\t", cpu["vendor"]),
        ("cpu family\t", cpu["family"]),
        ("model\t\t", cpu["model"]),
        ("model name\t", cpu["name"]),
        ("stepping\t", cpu.get("stepping", 1)),
        ("physical id\t", logical.package),
        ("siblings\t", len(package)),
        ("core id\t\t", logical.core),
        ("cpu cores\t", len({other.core for other in package})),
        ("fpu\t\t", "yes"),
        ("flags\t\t", cpu["flags"]),
    ]
    if cpu.get("vmx_flags"):
        lines.append(("vmx flags\t", cpu["vmx_flags"]))
    lines.append(("power management", cpu.get("power", "")))
    return "".join(f"{name}: {value}".rstrip() + "\n" for name, value in lines)


def _write_lists(files: Files, cpus: list[LogicalCpu], described: dict[str, Any]) -> None:
    present = [cpu.number for cpu in cpus]
    possible = range(max(present) + 1 + described.get("hotpluggable", 0))
    files.attributes(
        CPU,
        {
            "online": as_list(cpu.number for cpu in cpus if cpu.online),
            "present": as_list(present),
            "possible": as_list(possible),
            # All possible CPUs that are not online, even if not present (print_cpus_offline in drivers/base/cpu.c).
            "offline": as_list(set(possible) - {cpu.number for cpu in cpus if cpu.online}),
            "isolated": as_list(numbers(described.get("isolated"))),
            "nohz_full": described.get("nohz_full", "(null)"),
            "kernel_max": 8191,
        },
    )
    smt = any(len(cpu.siblings) > 1 for cpu in cpus)
    files.attributes(f"{CPU}/smt", {"active": int(smt), "control": "on" if smt else "notsupported"})


def _write_cpu(files: Files, cpu: LogicalCpu, cpus: list[LogicalCpu], described: dict[str, Any]) -> None:
    folder = f"{CPU}/cpu{cpu.number}"
    files.folder(folder)
    files.link(f"{folder}/subsystem", "/sys/bus/cpu")
    if cpu.number:  # CPU 0 has no such file on most machines (CONFIG_BOOTPARAM_HOTPLUG_CPU0)
        files.write(f"{folder}/online", int(cpu.online))
    if not cpu.online:  # an offline CPU has no topology and caches (drivers/base/topology.c, cacheinfo.c)
        return
    online = [other for other in cpus if other.online]
    width = max(other.number for other in cpus) + 1
    groups = {
        "thread_siblings": cpu.siblings,
        "core_cpus": cpu.siblings,
        "core_siblings": [other.number for other in online if other.package == cpu.package],
        "package_cpus": [other.number for other in online if other.package == cpu.package],
        "die_cpus": [other.number for other in online if (other.package, other.die) == (cpu.package, cpu.die)],
    }
    if described.get("die_ids", True) is False:  # before Linux 5.3
        del groups["die_cpus"], groups["core_cpus"], groups["package_cpus"]
    else:
        files.write(f"{folder}/topology/die_id", cpu.die)
    files.attributes(f"{folder}/topology", {"core_id": cpu.core, "physical_package_id": cpu.package})
    for name, members in groups.items():
        files.write(f"{folder}/topology/{name}", as_mask(members, width))
        files.write(f"{folder}/topology/{name}_list", as_list(members))
    if cpu.khz:
        files.write(f"{folder}/cpufreq/cpuinfo_max_freq", cpu.khz)
    _write_caches(files, cpu, online, width, described)


def _write_caches(
    files: Files, cpu: LogicalCpu, online: list[LogicalCpu], width: int, described: dict[str, Any]
) -> None:
    cluster = described["clusters"][cpu.cluster]
    last = [other.number for other in online if _shares_l3(described, other, cpu)]
    caches: list[tuple[int, str, str, list[int], int]] = [
        (1, "Data", cluster.get("l1", "32K"), cpu.siblings, cpu.core),
        (1, "Instruction", cluster.get("l1", "32K"), cpu.siblings, cpu.core),
        (2, "Unified", cluster.get("l2", "1024K"), cpu.siblings, cpu.core),
    ]
    if cluster.get("l3"):
        caches.append((3, "Unified", cluster["l3"], last, cluster.get("l3_id", cpu.cluster)))
    for index, (level, kind, capacity, shared, number) in enumerate(caches):
        files.attributes(
            f"{CPU}/cpu{cpu.number}/cache/index{index}",
            {
                "level": level,
                "type": kind,
                "size": f"{size(capacity) >> 10}K",
                "id": number if described.get("cache_ids", True) else None,
                "shared_cpu_list": as_list(shared),
                "shared_cpu_map": as_mask(shared, width),
                "coherency_line_size": 64,
            },
        )


def _shares_l3(described: dict[str, Any], first: LogicalCpu, second: LogicalCpu) -> bool:
    ids = [described["clusters"][cpu.cluster].get("l3_id", cpu.cluster) for cpu in (first, second)]
    l3_sizes = [described["clusters"][cpu.cluster].get("l3") for cpu in (first, second)]
    return ids[0] == ids[1] and all(l3_sizes)


def _write_kinds(files: Files, online: list[LogicalCpu], described: dict[str, Any]) -> None:
    """Write the lists of P and E cores in the PMU devices of hybrid Intel processors (arch/x86/events/intel/core.c)."""
    if not described.get("kind_lists", True):
        return
    for kind, name in (("performance", "cpu_core"), ("efficiency", "cpu_atom")):
        members = [cpu.number for cpu in online if cpu.kind == kind]
        if members:
            files.write(f"/sys/devices/{name}/cpus", as_list(members))


def _core_key(cpu: LogicalCpu) -> tuple[int, int]:
    return cpu.package, cpu.core
