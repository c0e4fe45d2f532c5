# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a guest can start on a host as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_start import PageNeed, StartNeeds
from ansible_collections.vfio.workstation.plugins.module_utils._machine.memory import HugePages
from ansible_collections.vfio.workstation.plugins.module_utils._machine.pci import Use
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import Element, element, parse_xml
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.start_check import needs_of, start_refusals
from ansible_collections.vfio.workstation.tests.guests.hosts import provisioned

PAGE = 1 << 20  # kB
DOMAIN = """
<domain type='kvm'>
  <name>guest</name>
  <memory unit='KiB'>4194304</memory>
  <memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>
  <numatune><memory mode='strict' nodeset='0-1,3'/></numatune>
  <devices>
    <hostdev mode='subsystem' type='pci' managed='no'>
      <source><address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/></source>
    </hostdev>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/></source>
    </hostdev>
    <hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>
  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A workstation with a GPU on vfio-pci, which nothing uses, and eight pages of 1 GiB."""
    host = provisioned("amd-desktop", tmp_path_factory.mktemp("host") / "root").machine
    pci = {address: function._replace(in_use_by=()) for address, function in host.pci.items()}
    pool = HugePages(8, 8, 0)
    nodes = {name: node._replace(hugepages={str(PAGE): pool}) for name, node in host.memory.nodes.items()}
    return host._replace(pci=pci, memory=host.memory._replace(nodes=nodes))


@pytest.fixture(scope="module")
def gpu(machine: Machine) -> tuple[str, ...]:
    return tuple(address for address, function in machine.pci.items() if function.driver == "vfio-pci")


def codes(machine: Machine, needs: StartNeeds) -> list[str]:
    return [refusal.code for refusal in start_refusals(machine, needs)]


def changed(machine: Machine, address: str, **values: object) -> Machine:
    return machine._replace(pci={**machine.pci, address: machine.pci[address]._replace(**values)})


def test_what_a_domain_needs() -> None:
    needs = needs_of(parse_xml(DOMAIN))
    assert needs == StartNeeds("guest", ("0000:01:00.1",), (PageNeed(PAGE, 4 * PAGE, (0, 1, 3)),))


def test_a_domain_with_nodes() -> None:
    cells = "<cpu><numa><cell id='0' memory='1048576'/><cell id='1' memory='2' unit='GiB'/></numa></cpu>"
    tune = "<numatune><memnode cellid='1' mode='strict' nodeset='1'/></numatune>"
    backing = "<memoryBacking><hugepages/></memoryBacking>"
    needs = needs_of(parse_xml(f"<domain>{cells}{tune}{backing}</domain>"))
    assert needs.pages == (PageNeed(None, PAGE, ()), PageNeed(None, 2 * PAGE, (1,)))


def test_a_guest_can_start(machine: Machine, gpu: tuple[str, ...]) -> None:
    assert len(gpu) > 1
    assert codes(machine, StartNeeds("guest", gpu, (PageNeed(PAGE, 8 * PAGE, ()),))) == []


def test_all_reasons_at_once(machine: Machine, gpu: tuple[str, ...]) -> None:
    host = changed(machine, gpu[0], driver="amdgpu", in_use_by=(Use("process", "Xorg (7)", "card0"),))
    needs = StartNeeds("guest", (*gpu, "0000:7f:00.0"), (PageNeed(PAGE, 9 * PAGE, (0,)),))
    assert codes(host, needs) == [
        "device_not_provisioned",
        "device_in_use",
        "device_not_found",
        "guest_memory_exceeds_pages",
    ]


def test_a_device_that_another_guest_has(machine: Machine, gpu: tuple[str, ...]) -> None:
    host = changed(machine, gpu[0], in_use_by=(Use("virtual_machine", "other", "vfio/9"),))
    (refusal,) = start_refusals(host, StartNeeds("guest", gpu, ()))
    assert refusal.code == "device_held_by_guest"
    assert refusal.seen == f"guest: other has {gpu[0]} (/dev/vfio/9 is open)"


def test_a_group_that_the_host_uses(machine: Machine, gpu: tuple[str, ...]) -> None:
    host = changed(machine, gpu[1], driver="snd_hda_intel", iommu_group=machine.pci[gpu[0]].iommu_group)
    group = machine.iommu.groups[machine.pci[gpu[0]].iommu_group or ""]
    groups = {**host.iommu.groups, machine.pci[gpu[0]].iommu_group or "": group._replace(members=gpu)}
    host = host._replace(iommu=host.iommu._replace(groups=groups))
    assert codes(host, StartNeeds("guest", gpu[:1], ())) == ["group_shared_with_host"]


def test_pages_of_a_size_that_the_host_has_none_of(machine: Machine) -> None:
    assert codes(machine, StartNeeds("guest", (), (PageNeed(7, 7, ()),))) == ["guest_memory_exceeds_pages"]
    assert codes(machine, StartNeeds("guest", (), (PageNeed(None, 1 << 40, ()),))) == []


TEXT = st.sampled_from(["", "0x", "-1", "1-", "1-99999999999", "strict", "GiB", "0b1", "0", "pci", "1,2"])


@given(TEXT, TEXT, TEXT)
def test_no_domain_raises_an_exception(first: str, second: str, third: str) -> None:
    source = element("source", element("address", domain=first, bus=second, slot=third))
    device: Element = element("devices", element("hostdev", source, type="pci"))
    backing = element("memoryBacking", element("hugepages", element("page", size=first, unit=second)))
    tune = element("numatune", element("memory", mode=third, nodeset=first))
    needs_of(element("domain", device, backing, tune, element("memory", second, unit=third)))
