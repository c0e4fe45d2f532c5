# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes Windows fast in a guest: the enlightenments of Hyper-V, and the clocks of every guest.

Sources: QEMU, docs/system/i386/hyperv.rst, for what each enlightenment does and requires; libvirt, formatdomain, for
the names; the Linux kernel, Documentation/virt/kvm/x86, for the clocks.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..._machine import Machine
from ..._machine.guest import KVM, Capabilities, GuestRequest, HostFiles, Setting
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element, element
from ..refusals import refuse

_HYPERV = ("features", "hyperv")
_INTEL = "intel"
_TSC = "tsc"

#: For releases of libvirt before 9.0 that do not report enlightenments: those that Linux 4.18 and QEMU 4 have.
_ASSUMED = frozenset({"relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer"})


class _Enlightenment(NamedTuple):
    name: str
    requires: tuple[str, ...] = ()  # others, by hyperv.rst


#: Those that help every Windows guest, in an order in which each follows those that it requires.
_ALWAYS = (
    # The guest's watchdogs do not fire when a vCPU gets no time.
    _Enlightenment("relaxed"),
    # End of interrupt without an exit.
    _Enlightenment("vapic"),
    # A vCPU that waits for a lock gives its time away after so many attempts.
    _Enlightenment("spinlocks"),
    # Number of a vCPU: required by most that follow.
    _Enlightenment("vpindex"),
    # How much time a vCPU really had.
    _Enlightenment("runtime"),
    # Messages of the hypervisor, required by stimer.
    _Enlightenment("synic", ("vpindex",)),
    # Without synthetic timers, Windows uses the HPET or RTC all the time. hv-time is <timer name='hypervclock'/>.
    _Enlightenment("stimer", ("vpindex", "synic")),
    # Restart by a register.
    _Enlightenment("reset"),
    # The frequencies of TSC and APIC, without measuring them.
    _Enlightenment("frequencies"),
    # TLB shoot-down by the host: a vCPU that does not run needs no interrupt.
    _Enlightenment("tlbflush", ("vpindex",)),
    # Interrupts to many vCPUs with one exit.
    _Enlightenment("ipi", ("vpindex",)),
    # Parameters of hypercalls in registers.
    _Enlightenment("xmm_input"),
)


def windows_refusals(machine: Machine, request: GuestRequest) -> Iterator[Refusal]:
    """Yield why virtualization-based security can't work in the guest."""
    if not request.virtualization_based_security:
        return
    if not request.is_windows:
        seen = f"{request.name}: virtualization_based_security is requested of a guest with {request.os}"
        yield refuse("enlightenment_unsupported", seen, remedy="It is a feature of Windows: omit it.")
    elif machine.cpu.virtualization.nested is False:
        seen = f"{request.name}: virtualization_based_security needs nested virtualization, which KVM has disabled"
        remedy = "Set kvm: {nested: true} for the host, and run this again."
        yield refuse("enlightenment_unsupported", seen, remedy=remedy)


def windows_settings(machine: Machine, request: GuestRequest, capabilities: Capabilities) -> Iterator[Setting]:
    """Yield the enlightenments that this QEMU and processor have and that help this guest."""
    if not request.is_windows or request.domain_type != KVM:
        return
    offered = capabilities.hyperv if capabilities.hyperv is not None else _ASSUMED
    chosen: set[str] = set()
    for enlightenment in (*_ALWAYS, *_conditional(machine, request)):
        if enlightenment.name in offered and chosen.issuperset(enlightenment.requires):
            chosen.add(enlightenment.name)
            element_ = _element(enlightenment.name, request, capabilities)
            yield Setting(_HYPERV, element(enlightenment.name), element_)


def _conditional(machine: Machine, request: GuestRequest) -> Iterator[_Enlightenment]:
    """Yield those that help only on some processors, or only with nesting."""
    # "should not be enabled if the hardware does not support APIC virtualization": lets synic coexist with it.
    if machine.cpu.virtualization.interrupt_virtualization.enabled:
        yield _Enlightenment("avic")
    if not request.virtualization_based_security:
        return
    # Windows' own hypervisor is notified when the TSC changes its frequency, and passes a stable clock on.
    yield _Enlightenment("reenlightenment", ("frequencies",))
    if machine.cpu.vendor == _INTEL:
        # Exits of the nested guest are cheaper, without posted interrupts. Intel's alone.
        yield _Enlightenment("evmcs", ("vapic",))
        yield _Enlightenment("emsr_bitmap", ("evmcs",))
    else:
        yield _Enlightenment("emsr_bitmap")


def _element(name: str, request: GuestRequest, capabilities: Capabilities) -> Element:
    if name == "spinlocks":
        return element(name, state="on", retries=8191)
    if name == "stimer":
        # Expiry as an ordinary interrupt instead of a message.
        return element(name, element("direct", state="on"), state="on")
    if name == "tlbflush":
        # "direct" is for nested guests, and with Intel only beside evmcs, which nesting alone brings.
        ways = [way for way in ("direct", "extended") if way in capabilities.tlbflush]
        if not request.virtualization_based_security:
            ways = [way for way in ways if way != "direct"]
        return element(name, *(element(way, state="on") for way in ways), state="on")
    return element(name, state="on")


def clock_settings(request: GuestRequest, *, with_offset: bool) -> Iterator[Setting]:
    """Yield the clocks.

    Args:
        request: The request.
        with_offset: Whether to set how the guest's hardware clock is read: not in a domain that was adopted, whose
            system may be configured for the other way.
    """
    if with_offset:
        # Windows reads its hardware clock as local time.
        yield Setting((), element("clock"), element("clock", offset="localtime" if request.is_windows else "utc"))
    timers = {
        # Ticks that were missed are delivered later, so that time does not fall behind.
        "rtc": {"tickpolicy": "catchup"},
        # Re-injection of missed ticks would inhibit APICv and AVIC (arch/x86/kvm/i8254.c).
        "pit": {"tickpolicy": "delay"},
        # Emulated by QEMU itself: each read is an exit to user space.
        "hpet": {"present": "no"},
    }
    if request.domain_type == KVM:
        # hv-time, which stimer requires; or the clock of KVM for Linux.
        timers["hypervclock" if request.is_windows else "kvmclock"] = {"present": "yes"}
    for name, attributes in timers.items():
        yield Setting(("clock",), element("timer", name=name), element("timer", name=name, **attributes))


def windows_notes(request: GuestRequest, capabilities: Capabilities, files: HostFiles) -> Iterator[str]:
    """Yield what the user should know about clocks and enlightenments."""
    if files.clock_source not in (None, _TSC):
        yield (
            f"the host's clock source is {files.clock_source} instead of tsc: reading the time is slow in guests "
            "(dmesg says why the kernel rejected the TSC)"
        )
    if request.is_windows and capabilities.hyperv is not None and not capabilities.hyperv >= {"vapic", "vpindex"}:
        yield "KVM on this host lacks most enlightenments of Hyper-V: Windows is slow here"
    if request.virtualization_based_security:
        yield (
            "virtualization_based_security: nesting switches hardware-accelerated interrupts (APICv, AVIC) off in this "
            "guest"
        )
