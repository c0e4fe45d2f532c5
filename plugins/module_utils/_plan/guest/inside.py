# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a running guest has what its definition gives it: devices that work, CPUs, memory, and what protects it."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple

from ..._machine import Machine
from ..._machine.guest import DomainPlan, GuestRequest
from ..._machine.guest_inside import GuestCpus, GuestFunction, GuestInside, GuestProcess
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element
from ..notation import numbers_text, page_size_text
from ..refusals import refuse
from .firmware import secure_boot_of

_SMALLEST_PAGE = 4096
#: Microsoft, Device Manager Error Messages; with what causes each in a guest that has the device of a host.
_PROBLEMS: Mapping[int, tuple[str, str]] = {
    10: ("the device did not start", "Restart the guest; if that does not help, switch the host off and on again."),
    12: (
        "the firmware of the guest has no room for the memory of the device",
        "Switch resizable BAR off in the setup of the host's firmware, or add a larger pci-hole64 to xml.",
    ),
    28: ("no driver is installed", "Install the driver of the vendor in the guest."),
    31: ("the driver was not loaded", "Remove the driver in the guest, and install the latest one of the vendor."),
    43: (
        "the driver has stopped the device",
        "Update the driver. If the device worked until the guest was restarted, it can't be reset: restart the host.",
    ),
}


class Look(NamedTuple):
    """What a look into a running guest found."""

    works: Mapping[str, bool]  # name of a device -> whether the guest has it with a driver that works
    findings: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def judge(
    host: Machine,
    request: GuestRequest,
    plan: DomainPlan,
    running: Element,
    *,
    inside: GuestInside | None,
    process: GuestProcess | None,
) -> Look:
    """Compare a running guest with what it was started with.

    Args:
        host: The host.
        request: The request for the guest.
        plan: What the request results in.
        running: The definition that the guest was started with.
        inside: What the system in the guest reports; None: nothing, since its agent does not answer.
        process: The process of the guest; None where it is unknown.
    """
    findings = list(_process_findings(request.name, plan, running, process)) if process is not None else []
    if inside is None:
        note = "whether the devices work in the guest is unknown: its guest agent does not answer"
        return Look({}, tuple(findings), (note,))
    rest = list(inside.functions)
    works = {}
    for name, addresses in plan.devices.items():
        problems = [problem for problem in _device_findings(host, request, name, addresses, rest) if problem]
        works[name] = not problems
        findings += problems
    findings += _system_findings(request, running, inside)
    return Look(works, tuple(findings), tuple(_notes(request, inside)))


def _device_findings(
    host: Machine, request: GuestRequest, name: str, addresses: tuple[str, ...], rest: list[GuestFunction]
) -> Iterator[Refusal]:
    """Yield what is wrong with a device. Its functions are taken out of the rest: twins have the same ids.

    A further function may lack a driver: Linux has none for the USB-C port of many a GPU.
    """
    for index, address in enumerate(addresses):
        ids = (host.pci[address].vendor, host.pci[address].device)
        seen = next((function for function in rest if (function.vendor, function.device) == ids), None)
        what = f"{request.name}: {name} ({':'.join(map(str, ids))})"
        if seen is None:
            yield refuse("guest_device_missing", f"{what} is not in the guest")
            continue
        rest.remove(seen)
        if seen.problem is not None:
            cause, remedy = _PROBLEMS.get(seen.problem, ("see Device Manager in the guest", ""))
            text = f"{what}: Windows reports the problem code {seen.problem}: {cause}"
            yield refuse("guest_device_fails", text, remedy=remedy)
        elif seen.driver is None and index == 0:
            yield refuse("guest_device_fails", f"{what} has no driver in the guest")


def _process_findings(name: str, plan: DomainPlan, running: Element, process: GuestProcess) -> Iterator[Refusal]:
    moved = [
        f"vCPU {vcpu} on {numbers_text(process.cpus[vcpu])} (planned: {cpu})"
        for vcpu, cpu in enumerate(plan.pins)
        if vcpu in process.cpus and process.cpus[vcpu] != (cpu,)
    ]
    if moved:
        yield refuse("guest_not_as_planned", f"{name}: the host may run {', '.join(moved)}")
    has_huge_pages = running.first("memoryBacking", "hugepages") is not None
    if has_huge_pages and process.page_bytes is not None and process.page_bytes <= _SMALLEST_PAGE:
        size = page_size_text(process.page_bytes >> 10)
        yield refuse("guest_not_as_planned", f"{name}: its memory is on pages of {size}, and huge pages are planned")


def _system_findings(request: GuestRequest, running: Element, inside: GuestInside) -> Iterator[Refusal]:
    name = request.name
    planned = _cpus_of(running)
    if planned is not None and inside.cpus is not None and planned != inside.cpus:
        seen = f"the guest has {_cpus_text(inside.cpus)}, and {_cpus_text(planned)} are planned"
        yield refuse("guest_not_as_planned", f"{name}: {seen}")
    expected = (
        ("Secure Boot", secure_boot_of(running), inside.secure_boot),
        ("the TPM", running.first("devices", "tpm") is not None, inside.tpm),
        (
            "virtualization-based security",
            request.virtualization_based_security,
            inside.virtualization_based_security,
        ),
    )
    for what, is_requested, is_there in expected:
        if is_requested and is_there is False:
            yield refuse("guest_not_as_planned", f"{name}: {what} is not in effect in the guest")


def _notes(request: GuestRequest, inside: GuestInside) -> Iterator[str]:
    if inside.virtualization_based_security and not request.virtualization_based_security:
        yield "virtualization-based security is running in the guest, though it is not requested; it costs speed"


def _cpus_of(running: Element) -> GuestCpus | None:
    """Return the CPUs of a definition; None where it leaves their topology to QEMU."""
    topology = running.first("cpu", "topology")
    if topology is None:
        return None
    sockets, dies, clusters, cores, threads = (
        _number(topology.get(level)) for level in ("sockets", "dies", "clusters", "cores", "threads")
    )
    in_all = sockets * dies * clusters * cores
    return GuestCpus(threads=in_all * threads, cores=in_all, packages=sockets)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 1


def _cpus_text(cpus: GuestCpus) -> str:
    return f"{cpus.threads} CPUs on {cpus.cores} cores of {cpus.packages} packages"
