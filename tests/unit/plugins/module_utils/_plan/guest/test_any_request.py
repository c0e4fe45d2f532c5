# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any sequence of requests for any domain: what holds for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    BIOS,
    LINUX,
    NO_DISPLAY,
    NO_NETWORK,
    PASST,
    SPICE,
    WINDOWS10,
    WINDOWS11,
    DiskRequest,
    Domain,
    GuestRequest,
    LookingGlassRequest,
    UsbDevice,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import (
    Element,
    element,
    parse_xml,
    render,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.domain import plan_absent, plan_present
from ansible_collections.vfio.workstation.tests.guests.hosts import DISK, MEDIUM
from ansible_collections.vfio.workstation.tests.guests.install import LINUX as CLOUD_IMAGE
from ansible_collections.vfio.workstation.tests.guests.install import WINDOWS

from .test_domain import foreign, host

HOST = host()
HOST = HOST._replace(files=HOST.files._replace(usb=(UsbDevice("1-1", "0951", "1666", False, ()),)))
LEAVES = st.sampled_from(
    [
        element("description", "a note"),
        element("os:info", element("os:id", "x"), **{"xmlns:os": "urn:os"}),
        element("hostdev", element("source", element("vendor", id="0x046d")), mode="subsystem", type="usb"),
        element("vcpupin", vcpu=0, cpuset=3),
        element("hpet", "x", y="a'b&c"),
        element("feature", policy="disable", name="hypervisor"),
        element("shares", "2048"),
    ]
)
REQUESTS = st.builds(
    GuestRequest,
    name=st.just("g"),
    os=st.sampled_from([LINUX, WINDOWS10, WINDOWS11]),
    devices=st.lists(st.sampled_from(["gpu", "nic"]), unique=True).map(tuple),
    memory_bytes=st.sampled_from([4 << 30, 8 << 30]),
    cpus=st.sampled_from([None, (4, 5), (4, 5, 6, 7)]),
    firmware=st.sampled_from([None, BIOS]),
    secure_boot=st.none(),
    tpm=st.sampled_from([None, True, False]),
    disk=st.sampled_from([None, DiskRequest(DISK)]),
    isos=st.sampled_from([(), (MEDIUM,)]),
    install=st.sampled_from([None, WINDOWS, CLOUD_IMAGE]),  # the media are added by plan_install
    network=st.sampled_from([None, NO_NETWORK, "default", PASST]),
    bridge=st.sampled_from([None, "br0"]),
    display=st.sampled_from([None, SPICE, NO_DISPLAY]),
    evdev=st.just(()),
    usb=st.sampled_from([(), ("046d:c52b",), ("046d:c52b", "1-1")]),
    looking_glass=st.sampled_from(
        [None, LookingGlassRequest(1920, 1080), LookingGlassRequest(3840, 2160, True, "dev")]
    ),
    virtualization_based_security=st.just(False),
    xml=st.none(),
    adopt=st.just(True),
    domain_type=st.just("kvm"),
    accepted=st.just(frozenset({"firmware_changed", "passt_unsupported"})),
)


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    """A domain of somebody, with further elements in some of its parts."""
    domain = foreign().xml
    parts = draw(st.lists(st.tuples(st.sampled_from(["devices", "cputune", "features", "metadata", "cpu"]), LEAVES)))
    for name, leaf in parts:
        part = domain.first(name) or Element(name)
        others = tuple(child for child in domain.children if child is not part)
        domain = domain._replace(children=(*others, part._replace(children=(*part.children, leaf))))
    return Domain(domain, is_running=False)


def after(requests: Sequence[GuestRequest], domain: Domain | None) -> Domain | None:
    """Return the domain after a run for each request."""
    for request in requests:
        change = plan_present(HOST, request, domain)
        assert change.refusals == ()
        assert change.after is not None
        domain = Domain(parse_xml(render(change.after)), is_running=False)
    return domain


@given(st.lists(REQUESTS, min_size=1, max_size=3), st.one_of(st.none(), domains()))
def test_a_second_run_changes_nothing(requests: list[GuestRequest], domain: Domain | None) -> None:
    assert not plan_present(HOST, requests[-1], after(requests, domain)).is_due


@given(st.lists(REQUESTS, min_size=1, max_size=3), domains())
def test_a_foreign_domain_is_returned(requests: list[GuestRequest], domain: Domain) -> None:
    returned = plan_absent("g", after(requests, domain)).after
    assert returned is not None
    assert sorted(render(returned).splitlines()) == sorted(render(domain.xml).splitlines())


@given(st.lists(REQUESTS, min_size=2, max_size=3))
def test_only_the_last_request_counts(requests: list[GuestRequest]) -> None:
    """Secure Boot aside, which a domain keeps."""
    like = [request._replace(os=requests[0].os) for request in requests]
    last, fresh = after(like, None), after(like[-1:], None)
    assert last is not None
    assert fresh is not None

    def content(domain: Domain) -> list[str]:
        parts = (part for name in ("devices", "cputune", "features", "clock") for part in domain.xml.all(name))
        return sorted(
            render(child).replace("bus='0x02'", "bus='0x01'")
            for part in parts
            for child in part.elements
            if "pci" not in str(child)
        )

    assert content(last) == content(fresh)
