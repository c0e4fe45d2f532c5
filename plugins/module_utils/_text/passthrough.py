# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether each GPU of a host can be passed through, by the rules that the module host applies to a request for it."""

from __future__ import annotations

import re
import typing as t

from .._machine import Machine
from .._machine.desired import Desired, DeviceRequest, Selector
from .._machine.host_plan import HostPlan, HostRecord
from .._machine.plan import Refusal
from .._plan.groups import is_host_device
from .._plan.host_plan import plan_host
from .._plan.refusal_text import causes
from .._plan.select import (
    functions_of_slot,
    is_endpoint,
    may_have_outputs,
)
from .classes import class_name

_ADDRESS = re.compile(r"\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b")
#: Uses that end with the next boot, which is when the device is handed over.
_TEMPORARY_USES = ("process", "virtual_machine")
#: By code of a refusal that does not depend on the device: the cause, and what is needed first.
_HOST: t.Mapping[str, tuple[str, str]] = {
    "cpu_virtualization_unsupported": ("the processor does not provide virtualization", ""),
    "cpu_virtualization_disabled_by_firmware": (
        "virtualization is disabled in firmware",
        "enable virtualization (VT-x, SVM Mode) in the firmware setup",
    ),
    "iommu_absent": ("there is no IOMMU", ""),
    "iommu_disabled_by_firmware": (
        "the IOMMU is disabled in firmware",
        "enable the IOMMU (VT-d, AMD-Vi) in the firmware setup",
    ),
    "iommu_disabled_in_kernel": ("the kernel does not use the IOMMU", "find the cause in the kernel log"),
    "iommu_unknown": ("the state of the IOMMU is unknown", "run the report as root on the host itself"),
    "claimed_by_others": (
        "other configuration takes devices that the host keeps (each claim is listed below)",
        "remove that configuration",
    ),
}
#: By codes of refusals with the same cause.
_HOST_TOGETHER: t.Mapping[frozenset[str], tuple[str, str]] = {
    frozenset(("iommu_absent", "cpu_virtualization_unsupported")): (
        "the hypervisor that this machine runs on provides neither an IOMMU nor virtualization to it",
        "a virtual IOMMU and nested virtualization from the host of this guest",
    ),
    frozenset(("iommu_unknown", "cpu_virtualization_unsupported")): (
        "the hypervisor that this machine runs on keeps virtualization and the IOMMU to itself",
        "boot without the hypervisor",
    ),
    frozenset(("iommu_disabled_by_firmware", "cpu_virtualization_disabled_by_firmware")): (
        "virtualization and the IOMMU are disabled in firmware",
        "enable virtualization (VT-x, SVM Mode) and the IOMMU (VT-d, AMD-Vi) in the firmware setup",
    ),
}


class Gpu(t.NamedTuple):
    """A GPU, with the reasons why it can't be passed through, if any."""

    address: str
    companions: tuple[str, ...]  # the other functions of the device, which are passed through with it
    codes: tuple[str, ...]  # of the refusals
    causes: tuple[str, ...]
    needed: tuple[str, ...]  # what removes the causes, as far as anything does
    notes: tuple[str, ...]


def gpus(machine: Machine) -> list[Gpu]:
    """Return the GPUs of a host, in bus order."""
    return [_gpu(machine, address) for address, function in machine.pci.items() if _is_gpu(function.class_)]


def _is_gpu(class_code: str | None) -> bool:
    return (class_code or "").startswith("03")


def _gpu(machine: Machine, address: str) -> Gpu:
    """Return what a request for the GPU alone results in, on a host without earlier requests."""
    request = DeviceRequest(address, Selector(address=address))
    plan = plan_host(machine, Desired(devices=(request,)), HostRecord())
    companions = tuple(member for member in functions_of_slot(machine, address) if member != address)
    if isinstance(plan, HostPlan):
        return Gpu(address, companions, (), (), (), tuple(_notes(machine, address, plan)))
    explained = [_explained(machine, address, companions, refusal, plan) for refusal in causes(plan)]
    return Gpu(
        address,
        companions,
        codes=tuple(dict.fromkeys(refusal.code for refusal in plan)),
        causes=tuple(dict.fromkeys(cause for cause, _needed in explained)),
        needed=tuple(dict.fromkeys(needed for _cause, needed in explained if needed)),
        notes=(),
    )


def _notes(machine: Machine, address: str, plan: HostPlan) -> t.Iterator[str]:
    if machine.iommu.state == "disabled_in_kernel":
        yield "its IOMMU group is unknown until the IOMMU is enabled"
    # Other notes are about the host.
    prefix = f"{address}: "
    yield from (note[len(prefix) :] for note in plan.notes if note.startswith(prefix))


def _explained(
    machine: Machine, address: str, companions: t.Sequence[str], refusal: Refusal, plan: t.Sequence[Refusal]
) -> tuple[str, str]:
    """Return the cause of a refusal, and what is needed first: half a sentence each."""
    together = frozenset(other.code for other in plan if refusal.code in (other.code, other.because))
    if together in _HOST_TOGETHER:
        return _HOST_TOGETHER[together]
    if refusal.code in _HOST:
        return _HOST[refusal.code]
    # A refusal begins with the name of the request, which is an address here, and the function that it is about.
    about = (_ADDRESS.findall(refusal.seen)[1:2] or [address])[0]
    subject = "it" if about == address else about
    if refusal.code == "device_is_boot_display":
        certain = "is" if machine.pci[about].boot_display else "may be"
        return f"{subject} {certain} the boot display", _other_display(machine, about)
    if refusal.code == "device_in_use":
        uses = [use for use in machine.pci[about].in_use_by if use.kind not in _TEMPORARY_USES]
        named = ", ".join(f"{use.kind.replace('_', ' ')} {use.name}" for use in uses)
        return f"{subject} is in use ({named})", "move what uses it to a device that stays with the host"
    if refusal.code == "device_has_no_group":
        return f"{subject} has no IOMMU group", ""
    if refusal.code == "group_shared_with_host":
        return _shared_group(machine, (address, *companions))
    if refusal.code == "reserved_region":
        return (
            f"its IOMMU group {machine.pci[address].iommu_group} has a reserved memory region (RMRR, IVMD)",
            "disable in the firmware setup what needs the region",
        )
    if refusal.code == "kernel_lacks_vfio":
        kernels = ", ".join(kernel.version for kernel in machine.boot.kernels if kernel.has_vfio_pci is False)
        return f"there is no vfio-pci for kernel {kernels}", "install the modules of that kernel, or remove it"
    return _without(f"{address}: ", refusal.seen.splitlines()[0]).rstrip(".:"), refusal.remedy.rstrip(".")


def _without(prefix: str, text: str) -> str:
    return text[len(prefix) :] if text.startswith(prefix) else text


def _other_display(machine: Machine, address: str) -> str:
    others = [
        other
        for other, function in machine.pci.items()
        if other != address and may_have_outputs(function) and function.physical_function is None
    ]
    if others:
        return "make another GPU the primary display in the firmware setup"
    return "another GPU with outputs, as the primary display of the host"


def _shared_group(machine: Machine, requested: t.Sequence[str]) -> tuple[str, str]:
    numbers = {number for number, group in machine.iommu.groups.items() if set(requested) & set(group.members)}
    members = [
        member
        for number in numbers
        for member in machine.iommu.groups[number].members
        if member not in requested and is_host_device(machine, member, HostRecord())
    ]
    functions = [machine.pci.get(member) for member in members]
    named = [
        f"{member} {class_name(function.class_)}" if function else member
        for member, function in zip(members, functions)
    ]
    cause = f"its IOMMU group {', '.join(sorted(numbers, key=int))} has host devices ({', '.join(named)})"
    if all(function and is_endpoint(function) and not function.in_use_by for function in functions):
        return cause, "pass these through too (with_group), or move the card to another slot"
    return cause, "move the card to another slot"
