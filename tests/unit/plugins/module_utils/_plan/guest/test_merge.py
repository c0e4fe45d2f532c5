# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings in a domain, and the domain without them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import Mark, Setting
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import (
    Element,
    element,
    parse_xml,
    render,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.mark import DamagedMark, read_mark, with_mark
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.merge import (
    covers,
    merge,
    restore,
    take_ownership,
)

DOMAIN = parse_xml(
    """
    <domain type='kvm'>
      <name>theirs</name>
      <memory unit='KiB'>4194304</memory>
      <vcpu placement='static' current='1'>2</vcpu>
      <cputune><shares>2048</shares><vcpupin vcpu='0' cpuset='0'/></cputune>
      <os><type arch='x86_64' machine='pc-q35-9.0'>hvm</type><boot dev='hd'/></os>
      <features><acpi/><hyperv mode='custom'><relaxed state='off'/></hyperv></features>
      <devices>
        <disk type='file' device='disk'><source file='/a.qcow2'/><target dev='vda' bus='virtio'/></disk>
        <interface type='network'><mac address='52:54:00:11:22:33'/><source network='default'/></interface>
        <memballoon model='virtio'><address type='pci' bus='0x05'/></memballoon>
      </devices>
    </domain>
    """
)
MEMORY = Setting((), element("memory"), element("memory", "8388608", unit="KiB"))
BALLOON = Setting(("devices",), element("memballoon"), element("memballoon", model="none"), exclusive=True)
PIN = Setting(("cputune",), element("vcpupin", vcpu=0), element("vcpupin", vcpu=0, cpuset=4))
OTHER_PIN = Setting(("cputune",), element("vcpupin", vcpu=1), element("vcpupin", vcpu=1, cpuset=5))
RELAXED = Setting(("features", "hyperv"), element("relaxed"), element("relaxed", state="on"))
PAGES = Setting(("memoryBacking",), element("hugepages"), element("hugepages", element("page", size=2048)), True)
TIMER = Setting(("clock",), element("timer", name="hpet"), element("timer", name="hpet", present="no"))
BRIDGE = Setting(
    ("devices",), element("interface"), element("interface", element("source", bridge="br0"), type="bridge")
)
TPM = Setting(("devices",), element("tpm"), element("tpm", element("backend", type="emulator"), model="tpm-crb"))
ALL = (MEMORY, BALLOON, PIN, OTHER_PIN, RELAXED, PAGES, TIMER, BRIDGE, TPM)

SETTINGS = st.lists(st.sampled_from(ALL), unique=True)


def adopted(domain: Element, settings: Sequence[Setting]) -> Element:
    """Return a domain with settings, and with the mark that says what was there before."""
    mark = Mark(created=False, owned=tuple(take_ownership(domain, settings, ())), ports=())
    return with_mark(merge(domain, settings), mark)


def returned(domain: Element) -> Element:
    """Return a domain as it was, from its mark alone."""
    mark = read_mark(parse_xml(render(domain)))
    assert mark is not None
    return with_mark(restore(domain, mark.owned), None)


def unordered(root: Element) -> list[str]:
    """Return the lines of an element without their order, which libvirt decides."""
    return sorted(render(root).splitlines())


@given(SETTINGS)
def test_a_second_merge_changes_nothing(settings: list[Setting]) -> None:
    once = merge(DOMAIN, settings)
    assert merge(once, settings) == once


@given(SETTINGS)
def test_what_is_adopted_is_returned(settings: list[Setting]) -> None:
    assert render(returned(adopted(DOMAIN, settings))) == render(DOMAIN)


@given(SETTINGS, SETTINGS)
def test_what_is_adopted_is_returned_after_another_request(first: list[Setting], second: list[Setting]) -> None:
    """Settings that are no longer requested are taken out, and the rest is taken out later."""
    domain = adopted(DOMAIN, first)
    mark = read_mark(domain)
    assert mark is not None
    owned = take_ownership(domain, second, mark.owned)
    kept = {(prior.parent, prior.key) for prior in owned}
    gone = [prior for prior in mark.owned if (prior.parent, prior.key) not in kept]
    changed = with_mark(merge(restore(domain, gone), second), mark._replace(owned=tuple(owned)))
    assert unordered(with_mark(changed, None)) == unordered(with_mark(adopted(DOMAIN, second), None))
    assert render(returned(changed)) == render(DOMAIN)


@given(SETTINGS)
def test_nothing_of_others_is_lost(settings: list[Setting]) -> None:
    merged = merge(DOMAIN, settings)
    for path in (("name",), ("cputune", "shares"), ("os", "boot"), ("devices", "interface", "mac")):
        assert list(merged.all(*path)) == list(DOMAIN.all(*path))


def test_what_others_add_later_stays() -> None:
    domain = adopted(DOMAIN, ALL)
    added = parse_xml("<domain><cputune><emulatorpin cpuset='1'/></cputune><clock><timer name='rtc'/></clock></domain>")
    for container in added.elements:
        for child in container.elements:
            domain = merge(domain, [Setting((container.name,), child, child)])
    result = returned(domain)
    assert [child.name for child in result.all("cputune", "emulatorpin")] == ["emulatorpin"]
    assert [timer.get("name") for timer in result.all("clock", "timer")] == ["rtc"]
    assert result.first("memoryBacking") is None


def test_drift_is_corrected() -> None:
    drifted = merge(merge(DOMAIN, [PIN]), [Setting(PIN.parent, PIN.key, element("vcpupin", vcpu=0, cpuset=9))])
    pins = merge(drifted, [PIN]).all("cputune", "vcpupin")
    assert [pin.get("cpuset") for pin in pins] == ["4"]


def test_what_libvirt_adds_is_no_difference() -> None:
    current = parse_xml(
        "<domain><devices><memballoon model='none'/><tpm model='tpm-crb'><backend type='emulator'/>"
        "<alias name='tpm0'/></tpm></devices><cpu><topology sockets='1' dies='1' clusters='1'/></cpu></domain>"
    )
    cpu = Setting((), element("cpu"), element("cpu", element("topology", sockets=1)), exclusive=True)
    assert merge(current, [BALLOON, TPM, cpu]) == current


def test_an_exclusive_element_has_no_other_children() -> None:
    current = parse_xml("<domain><cpu mode='custom'><model>qemu64</model><topology sockets='1'/></cpu></domain>")
    cpu = Setting((), element("cpu"), element("cpu", element("topology", sockets=1), mode="host"), exclusive=True)
    assert merge(current, [cpu]).elements == (cpu.element,)
    assert not covers(parse_xml("<a><b/><c/></a>"), parse_xml("<a><b/></a>"), exclusive=True)
    assert covers(parse_xml("<a><b/><c/></a>"), parse_xml("<a><b/></a>"))


def test_a_source_is_replaced_as_a_whole() -> None:
    """The schema of libvirt does not allow attributes of two kinds of sources."""
    (interface,) = merge(DOMAIN, [BRIDGE]).all("devices", "interface")
    assert interface.first("source") == element("source", bridge="br0")
    assert interface.first("mac") is not None


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        ("<a/>", "<a/>", True),
        ("<a/>", "<b/>", False),
        ("<a b='1' c='2'/>", "<a c='2'/>", True),
        ("<a b='1'/>", "<a b='2'/>", False),
        ("<a>x</a>", "<a>x</a>", True),
        ("<a>x</a>", "<a>y</a>", False),
        ("<a>x</a>", "<a/>", True),
        ("<a><b n='1'/><b n='2'/></a>", "<a><b n='2'/></a>", True),
        ("<a><b n='1'/></a>", "<a><b n='1'/><b n='1'/></a>", False),
        ("<q:a/>", "<q:a xmlns:q='u'/>", True),  # libvirt declares namespaces at the root
    ],
)
def test_covers(current: str, wanted: str, expected: bool) -> None:
    assert covers(parse_xml(current), parse_xml(wanted)) == expected


def test_a_mark_is_read_as_it_was_written() -> None:
    owned = tuple(take_ownership(DOMAIN, ALL, ()))
    mark = Mark(created=True, owned=owned, ports=(("gpu 0", 1), ("node 1", 2)))
    read = read_mark(parse_xml(render(with_mark(DOMAIN, mark))))
    assert read is not None
    assert (read.created, read.ports) == (mark.created, mark.ports)
    assert [prior[:2] for prior in read.owned] == [prior[:2] for prior in owned]
    assert [prior.prior for prior in read.owned] == [prior.prior for prior in owned]


def test_metadata_of_others_stays() -> None:
    theirs = parse_xml("<domain><metadata><os:info xmlns:os='urn:os'/></metadata></domain>")
    marked = with_mark(theirs, Mark(False, (), ()))
    assert read_mark(theirs) is None
    assert read_mark(marked) == Mark(False, (), ())
    assert with_mark(marked, None) == theirs
    assert with_mark(with_mark(DOMAIN, Mark(True, (), ())), None) == DOMAIN


@pytest.mark.parametrize(
    "content",
    [
        "format='2' created='yes'/>",
        "format='1'/>",
        "format='1' created='yes'><own/></v:guest>",
        "format='1' created='yes'><own in='' container='yes'/></v:guest>",
        "format='1' created='yes'><own in='os'><before><a/></before></own></v:guest>",
        "format='1' created='yes'><port use='gpu 0' index='x'/></v:guest>",
        "format='1' created='yes'><port index='1'/></v:guest>",
    ],
)
def test_a_damaged_mark(content: str) -> None:
    text = f"<domain><metadata><v:guest xmlns:v='urn:vfio-workstation:guest' {content}</metadata></domain>"
    with pytest.raises(DamagedMark):
        read_mark(parse_xml(text))
