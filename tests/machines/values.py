# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines as values, for tests of rules: small, quick to create, and unusual in one respect each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.vfio.workstation.plugins.module_utils._machine import (
    Boot,
    Core,
    Cpu,
    Cpus,
    HugePages,
    InterruptVirtualization,
    Iommu,
    IommuGroup,
    Kernel,
    L3Group,
    Machine,
    Memory,
    MemoryNode,
    Os,
    PciFunction,
    PostedInterrupts,
    RunningKernel,
    Use,
    Virtualization,
)

GIB = 1 << 30


def function(ids: str, class_: str, driver: str | None, group: str | None, **changes: Any) -> PciFunction:
    """Return a function; `ids` are vendor:device or vendor:device:subsystem:subsystem."""
    vendor, device, *subsystem = ids.split(":")
    base = PciFunction(
        vendor=vendor,
        device=device,
        subsystem_vendor=subsystem[0] if subsystem else None,
        subsystem_device=subsystem[1] if subsystem else None,
        class_=class_,
        revision="00",
        vendor_name=None,
        device_name=None,
        driver=driver,
        iommu_group=group,
        numa_node=None,
        local_cpus=None,
        boot_display=False,
        parent=None,
        bridge=class_.startswith("0604"),
        physical_function=None,
        virtual_functions=(),
        removable=None,
        reset_methods=("flr",),
        bars=(),
        link=None,
        serial_number=None,
        in_use_by=(),
    )
    return base._replace(**changes)


#: Two identical GPUs with audio, the boot display, the host's NIC and disk, two bridges.
DESKTOP: Mapping[str, PciFunction] = {
    "0000:00:00.0": function("1022:14d8", "060000", None, None),
    "0000:00:01.1": function("1022:14db", "060400", "pcieport", "1"),
    "0000:00:03.1": function("1022:14db", "060400", "pcieport", "5"),
    "0000:01:00.0": function("10de:2684:1043:88e2", "030000", "nvidia", "12", parent="0000:00:01.1"),
    "0000:01:00.1": function("10de:22ba:1043:88e2", "040300", "snd_hda_intel", "12", parent="0000:00:01.1"),
    "0000:02:00.0": function("144d:a80c", "010802", "nvme", "13", in_use_by=(Use("mount", "/", "nvme0n1p2"),)),
    "0000:03:00.0": function("10ec:8125", "020000", "r8169", "14"),
    "0000:0d:00.0": function("1002:164e", "030000", "amdgpu", "15", boot_display=True),
    "0000:41:00.0": function("10de:2684:1043:88e2", "030000", "nvidia", "20", parent="0000:00:03.1"),
    "0000:41:00.1": function("10de:22ba:1043:88e2", "040300", "snd_hda_intel", "20", parent="0000:00:03.1"),
}


def cores(clusters: Sequence[Mapping[str, Any]]) -> Cpus:
    """Return CPUs in clusters that share an L3: `count` cores of `threads`, and `node`, `size`, `kind`.

    Siblings have adjacent numbers. A cluster with `l3: False` has no third-level cache.
    """
    result: list[Core] = []
    groups: dict[str, L3Group] = {}
    first = 0
    for cluster in clusters:
        threads, count = cluster.get("threads", 2), cluster["count"]
        name = str(first) if cluster.get("l3", True) else None
        for number in range(count):
            cpus = tuple(range(first + number * threads, first + (number + 1) * threads))
            result.append(Core(cpus, 0, 0, cluster.get("node", 0), name, cluster.get("kind")))
        if name is not None:
            groups[name] = L3Group(tuple(range(first, first + count * threads)), cluster.get("size", 32 << 20))
        first += count * threads
    return Cpus(tuple(range(first)), (), (), (), tuple(result), groups)


def memory(*sizes: int, pools: Sequence[int] = (2048, 1 << 20), first: int = 0) -> Memory:
    """Return nodes with these sizes in GiB, numbered from `first`."""
    empty = {str(size): HugePages(0, 0, 0) for size in pools}
    nodes = {str(first + number): MemoryNode(size * GIB, (number,), empty) for number, size in enumerate(sizes)}
    return Memory(sum(sizes) * GIB, nodes)


def groups_of(functions: Mapping[str, PciFunction]) -> dict[str, IommuGroup]:
    """Return the groups that the functions are in."""
    members: dict[str, list[str]] = {}
    for address, member in functions.items():
        if member.iommu_group is not None:
            members.setdefault(member.iommu_group, []).append(address)
    return {number: IommuGroup("DMA-FQ", tuple(addresses), ()) for number, addresses in members.items()}


def machine(functions: Mapping[str, PciFunction] | None = None, **changes: Any) -> Machine:
    """Return an AMD desktop without problems; changes are parts (`iommu_state`, `kernels`) or whole values."""
    functions = DESKTOP if functions is None else functions
    groups = groups_of(functions)
    state = changes.pop("iommu_state", "enabled")
    base = Machine(
        cpu=Cpu(
            "amd",
            "a processor",
            None,
            Virtualization(
                "svm",
                changes.pop("virtualization_state", "ready"),
                "as the test says",
                "NPT",
                InterruptVirtualization("avic", True, False),
                PostedInterrupts(True, False),
                True,
            ),
        ),
        iommu=Iommu(
            changes.pop("iommu_kind", "amd"), state, "as the test says", True, groups if state == "enabled" else {}
        ),
        pci=dict(functions)
        if state == "enabled"
        else {address: member._replace(iommu_group=None) for address, member in functions.items()},
        cpus=cores([{"count": 8}]),
        memory=memory(32),
        boot=Boot(
            "uefi",
            False,
            "none",
            "grub",
            "as the test says",
            tuple(Kernel(version, None, None, None, True) for version in changes.pop("kernels", ("6.12.43-amd64",))),
            RunningKernel("6.12.43-amd64", changes.pop("cmdline", "root=/dev/sda1 ro")),
            "initramfs-tools",
        ),
        os=Os("debian", "13", ()),
    )
    return base._replace(**changes)
