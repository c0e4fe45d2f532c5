# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to hold on a machine for its requests to come true, before anybody looks at files."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from .desired import Selector
from .initramfs import File, InitramfsRequest

#: What earlier runs decided.
HOST_RECORD_FILE = "/etc/vfio-workstation/host.json"


class Identity(NamedTuple):
    """What a function is, wherever it sits. Twins differ in their parent, and in a serial number."""

    vendor: str | None
    device: str | None
    subsystem_vendor: str | None
    subsystem_device: str | None
    class_: str | None
    parent: str | None  # address of the bridge above
    serial: str | None = None  # of the PCI Express capability, where it was read

    @property
    def ids(self) -> tuple[str | None, ...]:
        """What twins have in common."""
        return self.vendor, self.device, self.subsystem_vendor, self.subsystem_device


#: Why a function is bound: it was selected, it is in the slot of one that was, it was named as a member of the group.
SELECTED, SAME_SLOT, NAMED = "selected", "same slot", "named"


class Binding(NamedTuple):
    """A function that guests shall have, and so shall be on vfio-pci."""

    name: str  # of the request
    address: str
    identity: Identity
    role: str
    bind_by: str
    twins: tuple[str, ...]  # addresses of others with the same ids


class RecordedDevice(NamedTuple):
    """A selection and what it came to: from then on it stands for that function, wherever it goes."""

    name: str  # of the request
    position: int  # 0 for the device itself, from 1 on for the members of with_group
    select: Selector
    functions: tuple[tuple[str, Identity], ...]  # each with its address at that time
    twins: tuple[tuple[str, Identity], ...]  # the others with the ids of the first, and where they were


class HostRecord(NamedTuple):
    """What earlier runs decided, and later ones must not forget."""

    devices: tuple[RecordedDevice, ...] = ()
    bound: tuple[str, ...] = ()  # addresses of all functions that were bound
    cpus: tuple[int, ...] = ()  # that were kept for guests


class RuntimePages(NamedTuple):
    """Huge pages that are allocated in the running system."""

    node: int | None  # None: wherever the kernel likes
    size_kb: int
    pages: int


class HugePagesPlan(NamedTuple):
    """Huge pages as the kernel is asked for them."""

    arguments: tuple[str, ...]  # units, in order
    at_boot: tuple[RuntimePages, ...]  # the same, node by node, to hold the running kernel against
    runtime: tuple[RuntimePages, ...]


class CpuPlan(NamedTuple):
    """Which CPUs guests get."""

    guests: tuple[int, ...]
    host: tuple[int, ...]
    arguments: tuple[str, ...]  # units; none in dynamic mode
    mode: str
    reason: str  # one sentence


class HostContext(NamedTuple):
    """What some rules need to know beyond the machine; None and nothing where it could not be read."""

    own_files: frozenset[str] = frozenset()  # paths of those files of ours that are there
    mounts: str | None = None  # /proc/mounts
    groups: str | None = None  # /etc/group
    users: str | None = None  # /etc/passwd
    kvm_values: tuple[tuple[str, str], ...] = ()  # parameters in effect, by module and name
    kvm_built_in: bool = False
    modprobe: tuple[tuple[str, str], ...] = ()  # files of modprobe.d with their texts


NO_CONTEXT = HostContext()


class Row(NamedTuple):
    """A request, and how far it has come, for a person and for scripts."""

    section: str
    name: str
    wanted: str
    now: str  # what the running system shows
    configured: bool
    staged: bool
    active: bool | None  # None where the running system does not tell


class HostPlan(NamedTuple):
    """What shall hold. A section that was not spoken of is None, and not among the owners."""

    arguments: Mapping[str, tuple[str, ...]]  # owner -> units on every kernel's command line
    initramfs: Mapping[str, InitramfsRequest]  # owner -> what every initramfs shall hold
    files: Mapping[str, tuple[File, ...]]  # section -> files of ours that shall be there, and no others of its own
    bindings: tuple[Binding, ...] | None
    hugepages: HugePagesPlan | None
    cpus: CpuPlan | None
    record: HostRecord
    notes: tuple[str, ...]  # what a person should know of it
