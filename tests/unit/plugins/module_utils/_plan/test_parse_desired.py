# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests as users write them, and the messages for their mistakes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import (
    AccessRequest,
    CpuIsolationRequest,
    Desired,
    DeviceRequest,
    HugePagesRequest,
    IommuRequest,
    KvmRequest,
    Selector,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import SECTIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import (
    HostOptions,
    parse_desired,
    parse_host,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_spec import REQUEST

GIB_KB = 1 << 20
NAMES = {option: f"workstation_{option}" for option in REQUEST}


def desired(text: str) -> Desired:
    request = parse_desired(yaml.safe_load(text))
    assert isinstance(request, Desired), request
    return request


def mistakes(text: str) -> list[str]:
    result = parse_desired(yaml.safe_load(text), NAMES)
    assert isinstance(result, list)
    return result


def test_no_options_are_no_request() -> None:
    assert parse_desired({}) == Desired()
    assert desired("{iommu: null, devices: null, hugepages: null, cpu_isolation: null}") == Desired()
    assert desired("{access: null, kvm: null, arguments: null}") == Desired()


def test_the_readme_example() -> None:
    assert desired(
        """
        devices: [{name: gpu, select: {class: display, boot_display: false}, functions: all}]
        hugepages: [{size: 1G, memory: 16G, nodes: auto}]
        cpu_isolation: {cpus: auto, keep_for_host: 2, mode: dynamic}
        iommu: {pass_through: true}
        memory_for_host: 4G
        accept: [device_in_use]
        """
    ) == Desired(
        iommu=IommuRequest(True),
        devices=(DeviceRequest("gpu", Selector(class_=("03",), class_name="display", boot_display=False)),),
        hugepages=(HugePagesRequest(GIB_KB, 16),),
        cpu_isolation=CpuIsolationRequest(keep_for_host=2),
        memory_for_host=4 << 30,
        accepted=frozenset({"device_in_use"}),
    )


def test_empty_sections_are_requests_too() -> None:
    request = desired("{iommu: {}, devices: [], hugepages: [], cpu_isolation: {cpus: none}}")
    assert request == Desired(IommuRequest(), (), (), CpuIsolationRequest(cpus=()))
    request = desired("{access: {}, kvm: {}, arguments: []}")
    assert request == Desired(access=AccessRequest(), kvm=KvmRequest(), arguments=())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{group: kvm}", AccessRequest("kvm")),
        ("{memlock: {users: [alice, bob, alice]}}", AccessRequest(memlock_users=("alice", "bob"))),
        ("{memlock: {users: [a], limit: unlimited}}", AccessRequest(memlock_users=("a",))),
        ("{memlock: {groups: [vfio], limit: 64G}}", AccessRequest(None, (), ("vfio",), 64 << 30)),
        ("{group: vfio, memlock: {users: [eve@example.org]}}", AccessRequest("vfio", ("eve@example.org",))),
        ("{memlock: {}}", AccessRequest()),
    ],
)
def test_access(text: str, expected: AccessRequest) -> None:
    assert desired(f"access: {text}").access == expected


def test_kvm_options() -> None:
    request = desired(
        "kvm: {nested: true, ignore_msrs: 'yes', report_ignored_msrs: null, interrupt_virtualization: false}"
    )
    assert request.kvm == KvmRequest(True, True, None, False)


def test_custom_arguments() -> None:
    request = desired("arguments: [quiet, 'hugepagesz=1G hugepages=2', default_hugepagesz=1G, 'a=\"b c\"']")
    assert request.arguments == ("quiet", "hugepagesz=1G hugepages=2", "default_hugepagesz=1G", 'a="b c"')


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("{vendor: nvidia}", Selector(vendor=("10de",))),
        ("{vendor: AMD, class: '0302'}", Selector(vendor=("1002", "1022"), class_=("0302",), class_name="0302")),
        ("{id: '10DE:2684'}", Selector(vendor=("10de",), device="2684")),
        (
            "{subsystem: '1043:88e2', driver: nvme}",
            Selector(subsystem_vendor="1043", subsystem_device="88e2", driver="nvme"),
        ),
        ("{vendor: '0x8086', device: '1572'}", Selector(vendor=("8086",), device="1572")),
        ("{address: '41:00.0'}", Selector(address="0000:41:00.0")),
        ("{slot: '0000:41:00'}", Selector(slot="0000:41:00")),
        ("{model: RTX 4090}", Selector(model=("rtx", "4090"))),
        ("'0000:41:00.0'", Selector(address="0000:41:00.0")),
    ],
)
def test_selectors(text: str, selector: Selector) -> None:
    request = desired(f"devices: [{{name: gpu, select: {text}, with_group: [{text}]}}]")
    assert request.devices == (DeviceRequest("gpu", selector, with_group=(selector,)),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{size: 2M, count: 512}", HugePagesRequest(2048, 512)),
        ("{size: 1G, memory: 4GiB, nodes: [1, 0], at: run}", HugePagesRequest(GIB_KB, 4, (0, 1), "run")),
        ("{size: 1G, memory: 4G, nodes: null}", HugePagesRequest(GIB_KB, 4, None)),
        ("{size: 1G, memory: 4G, nodes: 1}", HugePagesRequest(GIB_KB, 4, (1,))),
    ],
)
def test_huge_pages(text: str, expected: HugePagesRequest) -> None:
    assert desired(f"hugepages: [{text}]").hugepages == (expected,)


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [("'2-4,10'", (2, 3, 4, 10)), ("[2, 4-5]", (2, 4, 5)), ("7", (7,)), ("[]", ()), ("auto", "auto")],
)
def test_cpus(cpus: str, expected: Any) -> None:
    assert desired(f"cpu_isolation: {{cpus: {cpus}}}").cpu_isolation == CpuIsolationRequest(cpus=expected)


# Each with what its message must name: the path, below `workstation_`, and what helps.
MISTAKES = [
    ("devices: {name: gpu}", "devices", "a list"),
    ("devices: [gpu]", "devices[0]", "a mapping"),
    ("devices: [null]", "devices[0]", "Add it"),
    ("devices: [{select: {class: display}}]", "devices[0].name", "a name"),
    ("devices: [{name: 'a b', select: {class: display}}]", "devices[0].name", "a name"),
    ("devices: [{name: gpu}]", "devices[0].select", "Add it"),
    ("devices: [{name: gpu, select: {}}]", "devices[0].select", "at least one"),
    ("devices: [{name: gpu, select: {class: gpu}}]", "devices[0].select.class", "display"),
    ("devices: [{name: gpu, select: {klass: x, class: usb}}]", "devices[0].select.klass", "class"),
    ("devices: [{name: gpu, select: {vendor: 0x1f86}}]", "devices[0].select.vendor", "quotes"),
    ("devices: [{name: gpu, select: {vendor: 8086}}]", "devices[0].select.vendor", "quotes"),
    ("devices: [{name: gpu, select: {address: 0000:41:00.0}}]", "devices[0].select.address", "quotes"),
    ("devices: [{name: gpu, select: {address: '2460.0'}}]", "devices[0].select.address", "quotes"),
    ("devices: [{name: gpu, select: {slot: 41:00}}]", "devices[0].select.slot", "quotes"),
    ("devices: [{name: gpu, select: {address: gpu}}]", "devices[0].select.address", "0000:41:00.0"),
    ("devices: [{name: gpu, select: {id: '10de:2684', device: '2684'}}]", "devices[0].select.id", "either"),
    ("devices: [{name: gpu, select: {boot_display: maybe}}]", "devices[0].select.boot_display", "true or false"),
    ("devices: [{name: gpu, select: {class: usb}, functions: some}]", "devices[0].functions", "selected"),
    ("devices: [{name: gpu, select: {class: usb}, bind_by: ids}]", "devices[0].bind_by", "function"),
    ("devices: [{name: gpu, select: {class: usb}, with_group: [x]}]", "devices[0].with_group[0]", "address"),
    ("devices: [{name: a, select: {class: usb}}, {name: a, select: {class: audio}}]", "devices", "Rename"),
    ("hugepages: [{memory: 1G}]", "hugepages[0].size", "1G or 2M"),
    ("hugepages: [{size: 3M, count: 1}]", "hugepages[0].size", "power of two"),
    ("hugepages: [{size: 1, count: 1}]", "hugepages[0].size", "unit"),
    ("hugepages: [{size: 1G}]", "hugepages[0]", "set exactly one of memory and count"),
    ("hugepages: [{size: 1G, count: 1, memory: 1G}]", "hugepages[0]", "set exactly one of memory and count"),
    ("hugepages: [{size: 1G, memory: 1500M}]", "hugepages[0].memory", "1 GiB or 2 GiB"),
    ("hugepages: [{size: 1G, memory: 16}]", "hugepages[0].memory", "unit"),
    ("hugepages: [{size: 1G, count: 0}]", "hugepages[0].count", "1 or more"),
    ("hugepages: [{size: 1G, count: 1, nodes: all}]", "hugepages[0].nodes", "auto"),
    ("hugepages: [{size: 1G, count: 1}, {size: 1G, count: 2}]", "hugepages[1].size", "each size once"),
    ("hugepages: [{size: 1G, count: 1, at: once}]", "hugepages[0].at", "boot"),
    ("cpu_isolation: 2-7", "cpu_isolation", "a mapping"),
    ("cpu_isolation: {cpus: all}", "cpu_isolation.cpus", "auto"),
    ("cpu_isolation: {cpus: 7-2}", "cpu_isolation.cpus", "auto"),
    ("cpu_isolation: {cpus: [[1]]}", "cpu_isolation.cpus", "auto"),
    ("cpu_isolation: {keep_for_host: 0}", "cpu_isolation.keep_for_host", "1 or more"),
    ("cpu_isolation: {cpus: 2-3, count: 1}", "cpu_isolation.count", "auto"),
    ("cpu_isolation: {mode: static}", "cpu_isolation.mode", "dynamic"),
    ("iommu: true", "iommu", "pass_through"),
    ("memory_for_host: lots", "memory_for_host", "unit"),
    ("access: kvm", "access", "group"),
    ("access: {groups: [kvm]}", "access.groups", "memlock"),
    ("access: {group: 106}", "access.group", "getent group"),
    ("access: {group: '106'}", "access.group", "getent group"),
    ("access: {group: 'a b'}", "access.group", "letters"),
    ('access: {group: "kvm\\nx"}', "access.group", "letters"),
    ("access: {memlock: [alice]}", "access.memlock", "users"),
    ("access: {memlock: {users: alice}}", "access.memlock.users", "a list"),
    ("access: {memlock: {users: ['@kvm']}}", "access.memlock.users[0]", "getent passwd"),
    ("access: {memlock: {groups: ['a:b']}}", "access.memlock.groups[0]", "getent group"),
    ("access: {memlock: {users: [a], limit: 1M}}", "access.memlock.limit", "64 MiB"),
    ("access: {memlock: {users: [a], limit: 8}}", "access.memlock.limit", "unit"),
    ("access: {memlock: {limit: 8G}}", "access.memlock.limit", "users or groups"),
    ("kvm: [nested]", "kvm", "a mapping"),
    ("kvm: {avic: true}", "kvm.avic", "interrupt_virtualization"),
    ("kvm: {nested: maybe}", "kvm.nested", "true or false"),
    ("arguments: quiet", "arguments", "a list"),
    ("arguments: [quiet, 5]", "arguments[1]", "quotes"),
    ("arguments: [' ']", "arguments[0]", "Remove it"),
    ('arguments: ["a\\nb"]', "arguments[0]", "printable ASCII"),
    ("arguments: ['a=\"b']", "arguments[0]", "Close it"),
    ("arguments: ['-- single']", "arguments[0]", "init"),
    ("arguments: [=pt]", "arguments[0]", "name=value"),
    ("arguments: [a-b=1, a_b=1]", "arguments", "twice"),
    ("arguments: [iommu=pt, iommu=off]", "arguments", "contradict"),
    ("accept: [everything]", "accept[0]", "device_in_use"),
]


@pytest.mark.parametrize(("text", "path", "help_"), MISTAKES)
def test_mistakes(text: str, path: str, help_: str) -> None:
    (mistake,) = mistakes(text)
    assert mistake.startswith((f"workstation_{path}: found ", f"workstation_{path}: set "))
    assert help_ in mistake


def test_an_unknown_section() -> None:
    (mistake,) = mistakes("devicess: []")
    assert mistake.startswith("devicess: found ")
    assert "Did you mean devices?" in mistake


def test_all_mistakes_at_once() -> None:
    result = mistakes(
        """
        iommu: true
        devices: [{name: "", select: {class: gpu, vendor: 8086}, functions: some}]
        hugepages: [{size: 1G, at: once}]
        cpu_isolation: {cpus: all, keep_for_host: 0, mode: static}
        access: {group: 'a b', memlock: {users: ["", 5], limit: x}, x: 1}
        kvm: {nested: x, x: y}
        arguments: ['', '"', 5]
        accept: [x, y]
        """
    )
    assert len(result) == 1 + 4 + 2 + 3 + 5 + 2 + 3 + 2


@pytest.mark.parametrize(
    ("text", "names", "path"),
    [
        ("cpu_isolation: {cpus: all}", {"cpu_isolation.cpus": "cpu_isolation_cpus"}, "cpu_isolation_cpus"),
        ("hugepages: [{size: 3M, count: 1}]", {"hugepages": "hugepages_sizes"}, "hugepages_sizes[0].size"),
        ("accept: [x]", {"accept": "vfio_pci_accept"}, "vfio_pci_accept[0]"),
        ("iommu: {pass_through: maybe}", {"iommu.pass_through": "iommu_pass_through"}, "iommu_pass_through"),
        ("kvm: {nested: x}", {"k": "wrong", "kvm.nest": "wrong"}, "kvm.nested"),
    ],
)
def test_mistakes_name_the_variable_that_an_option_was_filled_from(text: str, names: dict[str, str], path: str) -> None:
    result = parse_desired(yaml.safe_load(text), names)
    assert isinstance(result, list)
    assert [mistake.partition(": found ")[0] for mistake in result] == [path]


def test_values_of_a_command_line_or_of_jinja_are_read_as_what_they_mean() -> None:
    assert desired(
        """
        iommu: {pass_through: "True"}
        hugepages: [{size: " 2M", count: " 8 "}, {size: 1G, count: 4.0, nodes: 0}, {size: 1G, count: "6.0", nodes: 1}]
        cpu_isolation: {keep_for_host: "2"}
        kvm: {nested: "no", ignore_msrs: 1}
        accept: "device_in_use, reserved_region"
        """
    ) == Desired(
        iommu=IommuRequest(True),
        hugepages=(
            HugePagesRequest(2048, 8),
            HugePagesRequest(GIB_KB, 4, (0,)),
            HugePagesRequest(GIB_KB, 6, (1,)),
        ),
        cpu_isolation=CpuIsolationRequest(keep_for_host=2),
        kvm=KvmRequest(nested=False, ignore_msrs=True),
        accepted=frozenset({"device_in_use", "reserved_region"}),
    )


def test_a_key_that_is_almost_right_is_suggested() -> None:
    (mistake,) = mistakes("devices: [{name: gpu, select: {clas: usb, class: usb}}]")
    assert mistake.endswith("Did you mean class?")
    (mistake,) = mistakes("devices: [{name: gpu, select: {colour: red, class: usb}}]")
    assert mistake.endswith("Check the spelling, or remove it.")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, HostOptions(Desired(), None, False, "/")),
        ({"state": "present", "conflicts": "replace", "root": "/a"}, HostOptions(Desired(), None, True, "/a")),
        ({"state": "absent", "sections": ["kvm"]}, HostOptions(Desired(), ("kvm",), False, "/")),
        ({"state": "absent", "sections": "kvm, iommu"}, HostOptions(Desired(), ("kvm", "iommu"), False, "/")),
        ({"state": "absent", "devices": None}, HostOptions(Desired(), SECTIONS, False, "/")),
    ],
)
def test_options_besides_the_request(options: dict[str, Any], expected: HostOptions) -> None:
    assert parse_host(options) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "absent", "devices": []}, "state: absent removes sections, and devices is requested"),
        ({"sections": ["devices"]}, "sections: applies to state=absent only"),
        ({"trial": True, "local_command": False}, "trial: requires the command on the host"),
        ({"trial_timeout": 59}, "trial_timeout: found 59"),
        ({"state": "gone"}, "state: found 'gone', expected one of present, absent"),
        ({"conflicts": True}, "conflicts: found True, expected one of refuse, replace"),
        ({"state": "absent", "sections": ["gpu"]}, "sections[0]: found 'gpu', expected one of iommu, devices"),
        ({"root": ["/"]}, "root: found ['/'], expected a path"),
        ({"device": []}, "device: found [], expected one of the keys iommu, devices"),
    ],
)
def test_mistakes_besides_the_request(options: dict[str, Any], message: str) -> None:
    result = parse_host(options)
    assert isinstance(result, list)
    (mistake,) = result
    assert mistake.startswith(message)


def test_mistakes_have_the_order_of_the_options() -> None:
    result = mistakes(
        """
        accept: [x]
        kvm: {nestd: true}
        devices: [{name: a, select: {class: gpu}}, {name: b, select: {class: usb}, bind_by: it}, {name: "", select: x}]
        iommu: 5
        """
    )
    paths = ("iommu", "devices[0].select.class", "devices[1].bind_by", "devices[2].name", "devices[2].select")
    assert [mistake.partition(": ")[0] for mistake in result] == [
        f"workstation_{path}" for path in (*paths, "kvm.nestd", "accept[0]")
    ]


def test_mistakes_in_all_options_come_at_once() -> None:
    result = parse_host({"state": "gone", "root": 5, "devices": 5, "sectoins": []})
    assert isinstance(result, list)
    assert [mistake.partition(":")[0] for mistake in result] == ["sectoins", "devices", "state", "root"]


def test_the_same_size_twice_on_disjoint_nodes_is_accepted() -> None:
    request = desired("hugepages: [{size: 1G, count: 8, nodes: [0]}, {size: 1G, count: 2, nodes: [1]}]")
    assert [pages.pages for pages in request.hugepages or ()] == [8, 2]


KEYS = st.sampled_from(
    [
        *("iommu", "devices", "hugepages", "cpu_isolation", "memory_for_host", "accept", "name", "select", "class"),
        *("vendor", "device", "id", "address", "slot", "model", "boot_display", "functions", "bind_by", "with_group"),
        *("size", "memory", "count", "nodes", "at", "cpus", "keep_for_host", "mode", "pass_through", "x"),
        *("access", "group", "memlock", "users", "groups", "limit", "kvm", "nested", "arguments"),
    ]
)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5000)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["auto", "1G"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, JUNK, max_size=5))
def test_any_value_is_a_request_or_mistakes(raw: dict[str, Any]) -> None:
    result = parse_desired(raw)
    assert isinstance(result, Desired) or (
        result and all(": found " in mistake or ": set " in mistake for mistake in result)
    )
