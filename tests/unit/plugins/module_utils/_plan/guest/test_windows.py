# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enlightenments and clocks."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import InterruptVirtualization, Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    LINUX,
    QEMU,
    WINDOWS10,
    WINDOWS11,
    GuestRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.windows import (
    clock_settings,
    windows_notes,
    windows_refusals,
    windows_settings,
)
from ansible_collections.vfio.workstation.tests.guests.hosts import CAPABILITIES, NEWER, host_of
from ansible_collections.vfio.workstation.tests.machines.values import machine

USUAL = [
    *("relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer"),
    *("reset", "frequencies", "tlbflush", "ipi"),
]


def processor(vendor: str = "amd", interrupts: bool | None = False, nested: bool | None = True) -> Machine:
    host = machine()
    name = "avic" if vendor == "amd" else "apicv"
    virtualization = host.cpu.virtualization._replace(
        interrupt_virtualization=InterruptVirtualization(name, True, interrupts), nested=nested
    )
    return host._replace(cpu=host.cpu._replace(vendor=vendor, virtualization=virtualization))


def guest(system: str = WINDOWS11, **changes: Any) -> GuestRequest:
    return GuestRequest("g", system, **changes)


def names(host: Machine, request: GuestRequest, **changes: Any) -> list[str]:
    capabilities = (NEWER if changes.pop("newer", False) else CAPABILITIES)._replace(**changes)
    return [setting.element.name for setting in windows_settings(host, request, capabilities)]


@pytest.mark.parametrize(
    ("vendor", "interrupts", "vbs", "more"),
    [
        ("amd", False, False, []),
        ("amd", None, False, []),
        ("amd", True, False, ["avic"]),
        ("intel", True, False, ["avic"]),
        ("amd", False, True, ["reenlightenment", "emsr_bitmap"]),
        ("intel", False, True, ["reenlightenment", "evmcs", "emsr_bitmap"]),
    ],
)
def test_by_processor(vendor: str, interrupts: bool | None, vbs: bool, more: list[str]) -> None:
    request = guest(virtualization_based_security=vbs)
    assert names(processor(vendor, interrupts), request, newer=True) == [*USUAL, "xmm_input", *more]


def test_by_system() -> None:
    assert names(processor(), guest(WINDOWS10)) == USUAL
    assert names(processor(), guest(LINUX)) == []
    assert names(processor(), guest(domain_type=QEMU)) == []


def test_by_what_is_offered() -> None:
    assert names(processor(), guest(), hyperv=frozenset({"spinlocks", "vendor_id"})) == ["spinlocks"]
    assert names(processor(), guest(), hyperv=frozenset()) == []
    assert names(processor(), guest(), hyperv=None) == USUAL[:7]
    # QEMU refuses an enlightenment without those that it requires
    without = (CAPABILITIES.hyperv or frozenset()) - {"vpindex"}
    assert names(processor(), guest(), hyperv=without) == [
        "relaxed",
        "vapic",
        "spinlocks",
        "runtime",
        "reset",
        "frequencies",
    ]
    intel = (NEWER.hyperv or frozenset()) - {"evmcs"}
    vbs = guest(virtualization_based_security=True)
    assert "emsr_bitmap" not in names(processor("intel"), vbs, hyperv=intel)


def test_what_stimer_requires() -> None:
    """The clock of Hyper-V: libvirt does not notice that it is missing, and QEMU refuses to start."""
    assert "stimer" in names(processor(), guest())
    timers = [setting.element for setting in clock_settings(guest(), with_offset=True)]
    assert "<timer name='hypervclock' present='yes'/>\n" in map(render, timers)


def test_ways_of_tlbflush() -> None:
    def text(request: GuestRequest) -> str:
        (found,) = (
            setting.element
            for setting in windows_settings(processor(), request, NEWER)
            if setting.element.name == "tlbflush"
        )
        return render(found)

    assert text(guest()) == "<tlbflush state='on'>\n  <extended state='on'/>\n</tlbflush>\n"
    assert "<direct state='on'/>" in text(guest(virtualization_based_security=True))


@pytest.mark.parametrize(
    ("request_", "nested", "seen"),
    [
        (guest(LINUX, virtualization_based_security=True), True, "of a guest with linux"),
        (guest(virtualization_based_security=True), False, "which KVM has disabled"),
    ],
)
def test_refused(request_: GuestRequest, nested: bool, seen: str) -> None:
    (refusal,) = windows_refusals(processor(nested=nested), request_)
    assert refusal.code == "enlightenment_unsupported"
    assert seen in refusal.seen


@pytest.mark.parametrize("nested", [True, None])
def test_not_refused(nested: bool | None) -> None:
    assert not list(windows_refusals(processor(nested=nested), guest(virtualization_based_security=True)))
    assert not list(windows_refusals(processor(nested=False), guest()))


def test_clocks() -> None:
    def texts(request: GuestRequest, with_offset: bool = True) -> list[str]:
        return [render(setting.element).strip() for setting in clock_settings(request, with_offset=with_offset)]

    timers = [
        "<timer name='rtc' tickpolicy='catchup'/>",
        "<timer name='pit' tickpolicy='delay'/>",
        "<timer name='hpet' present='no'/>",
    ]
    assert texts(guest()) == ["<clock offset='localtime'/>", *timers, "<timer name='hypervclock' present='yes'/>"]
    assert texts(guest(LINUX)) == ["<clock offset='utc'/>", *timers, "<timer name='kvmclock' present='yes'/>"]
    assert texts(guest(domain_type=QEMU), with_offset=False) == timers


def test_notes() -> None:
    files = host_of(machine()).files
    assert not list(windows_notes(guest(), CAPABILITIES, files))
    assert not list(windows_notes(guest(), CAPABILITIES, files._replace(clock_source=None)))
    (slow,) = windows_notes(guest(LINUX), CAPABILITIES, files._replace(clock_source="hpet"))
    assert slow.startswith("the host's clock source is hpet instead of tsc")
    few = CAPABILITIES._replace(hyperv=frozenset({"spinlocks"}))
    assert len(list(windows_notes(guest(), few, files))) == 1
    assert not list(windows_notes(guest(LINUX), few, files))
    (costs,) = windows_notes(guest(virtualization_based_security=True), CAPABILITIES, files)
    assert "switches hardware-accelerated interrupts" in costs
