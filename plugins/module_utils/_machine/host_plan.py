# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The desired state of a host, computed before any file is compared, and the record of what earlier runs decided."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from .desired import Selector
from .initramfs import File, InitramfsRequest
from .plan import Step

#: Stores the HostRecord.
HOST_RECORD_FILE = "/etc/vfio-workstation/host.json"


class Identity(NamedTuple):
    """What identifies a PCI function. Twins, that is identical devices, differ only in parent and serial number."""

    vendor: str | None
    device: str | None
    subsystem_vendor: str | None
    subsystem_device: str | None
    class_: str | None
    parent: str | None  # address of the bridge above
    serial: str | None = None  # PCI Express device serial number, where it could be read
    physical_function: str | None = None  # address, of an SR-IOV virtual function

    @property
    def ids(self) -> tuple[str | None, ...]:
        """The ids, which twins have in common."""
        return self.vendor, self.device, self.subsystem_vendor, self.subsystem_device


#: Why a function is bound: it is selected; it is in the slot of a selected function; it is selected by with_group.
SELECTED, SAME_SLOT, NAMED = "selected", "same slot", "named"


class Binding(NamedTuple):
    """A function to bind to vfio-pci."""

    name: str  # of the request
    address: str
    identity: Identity
    role: str  # SELECTED, SAME_SLOT or NAMED
    bind_by: str
    twins: tuple[str, ...]  # addresses of other functions with the same ids


class RecordedDevice(NamedTuple):
    """A selector and the functions it selected: later runs find these functions again, wherever they have moved."""

    name: str  # of the request
    position: int  # 0 for `select`, from 1 on for the items of with_group
    select: Selector
    functions: tuple[tuple[str, Identity], ...]  # each with its address at that time
    twins: tuple[tuple[str, Identity], ...]  # the identical devices of the first function, likewise
    companions: tuple[tuple[str, Identity], ...] = ()  # functions that are bound for being in the same slot, likewise
    removable: bool = False  # the user can unplug it


class HostRecord(NamedTuple):
    """What earlier runs decided and later runs rely on."""

    devices: tuple[RecordedDevice, ...] = ()
    bound: tuple[str, ...] = ()  # addresses of all bound functions
    cpus: tuple[int, ...] = ()  # CPUs of guests
    set_aside: int = 0  # runs that set aside foreign lines of which initramfs images have copies


class RuntimePages(NamedTuple):
    """A number of huge pages of one size on one node of the running system."""

    node: int | None  # None: the kernel chooses
    size_kb: int
    pages: int


class HugePagesPlan(NamedTuple):
    """How huge pages are requested from the kernel."""

    arguments: tuple[str, ...]  # units, in order
    at_boot: tuple[RuntimePages, ...]  # what these arguments allocate on each node
    runtime: tuple[RuntimePages, ...]  # allocated by writing to sysfs, at every boot and now


class CpuPlan(NamedTuple):
    """Which CPUs guests get, and how the host is kept off them."""

    guests: tuple[int, ...]
    host: tuple[int, ...]
    arguments: tuple[str, ...]  # units; none in dynamic mode
    mode: str
    reason: str  # one sentence


class HostContext(NamedTuple):
    """What some rules need beyond the machine; None or empty where it could not be read."""

    own_files: frozenset[str] = frozenset()  # paths of existing files that this collection may write
    mounts: str | None = None  # /proc/mounts
    groups: str | None = None  # /etc/group
    users: str | None = None  # /etc/passwd
    kvm_values: tuple[tuple[str, str], ...] = ()  # module parameters in effect: ("kvm.ignore_msrs", "Y")
    kvm_built_in: bool = False
    crypttab: str | None = None  # /etc/crypttab
    modprobe: tuple[tuple[str, str], ...] = ()  # paths of modprobe.d files with their content
    foreign: tuple[tuple[str, str], ...] = ()  # paths of files in /etc whose lines can be set aside, with their content
    removable_arguments: frozenset[str] = frozenset()  # kernel arguments of others that can be removed


NO_CONTEXT = HostContext()


class RequestState(NamedTuple):
    """The states of one request, for people and scripts."""

    section: str
    name: str
    requested: str  # on this machine
    now: str  # what the running system shows
    configured: bool
    staged: bool
    active: bool | None  # None where the running system does not show it


class HostPlan(NamedTuple):
    """The desired state of a host. An unmanaged section is None, and a key of no mapping."""

    arguments: Mapping[str, tuple[str, ...]]  # section -> units for every kernel's command line
    initramfs: Mapping[str, InitramfsRequest]  # section -> content for every initramfs
    files: Mapping[str, tuple[File, ...]]  # section -> all of its files; others that it may have are removed
    bindings: tuple[Binding, ...] | None
    hugepages: HugePagesPlan | None
    cpus: CpuPlan | None
    record: HostRecord
    notes: tuple[str, ...]  # for the user
    foreign: tuple[Step, ...] = ()  # changes of files of others: lines that are set aside, or put back
    replaced_arguments: tuple[str, ...] = ()  # kernel arguments of others that are set aside
