# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_info, run by Ansible over ssh, equals what the machine's own tools and kernel say of it."""

from __future__ import annotations

import collections
import typing

import pytest

from tests.lab import Machine
from tests.readers import serial_numbers

Facts = dict[str, typing.Any]

pytestmark = [
    pytest.mark.lab,
    pytest.mark.parametrize(
        "machine",
        ["desktop", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dual_socket", "no_iommu", "cramped"))],
        indirect=True,
        scope="session",
    ),
]

# host_info's name -> lspci's.
_LSPCI = {
    "vendor": "Vendor",
    "device": "Device",
    "subsystem_vendor": "SVendor",
    "subsystem_device": "SDevice",
    "revision": "Rev",
    "driver": "Driver",
    "iommu_group": "IOMMUGroup",
    "numa_node": "NUMANode",
}


def lspci(machine: Machine) -> dict[str, dict[str, str]]:
    """Address -> field -> value, as lspci prints them for programs."""
    result = {}
    for record in machine.ssh(["lspci", "-Dnvmmk"]).stdout.strip().split("\n\n"):
        # A function can be driven by several modules, each on a line of its own; nothing else repeats.
        fields = dict(line.split(":\t", 1) for line in record.splitlines())
        result[fields["Slot"]] = fields
    return result


def lscpu(machine: Machine, *columns: str) -> list[tuple[str, ...]]:
    """One tuple a CPU."""
    text = machine.ssh(["lscpu", f"--parse={','.join(columns)}", "--all"]).stdout
    return [tuple(line.split(",")) for line in text.splitlines() if not line.startswith("#")]


def validated(machine: Machine) -> dict[str, str]:
    """virt-host-validate's checks: what is checked -> PASS, WARN or FAIL with its words."""
    lines = machine.ssh(["virt-host-validate", "qemu"], check=False).stdout.splitlines()
    parts = [line.removeprefix("  QEMU: Checking ").rsplit(" : ", 1) for line in lines if " : " in line]
    return {what.strip(): verdict.strip() for what, verdict in parts}


def test_functions_equal_lspci(machine: Machine, facts: Facts) -> None:
    seen = facts["host"]["pci"]
    told = lspci(machine)
    assert sorted(seen) == sorted(told)
    for address, fields in told.items():
        for ours, theirs in _LSPCI.items():
            value = seen[address][ours]
            # lspci leaves out a driver, a group and a node that are not there, and ids and revisions that are 0.
            nothing = {"", "00", "0000"} if ours in ("revision", "subsystem_vendor", "subsystem_device") else {""}
            told_value = fields.get(theirs, "")
            if told_value == "":
                assert value is None or str(value) in nothing, (address, ours, value)
            else:
                assert str(value) == told_value, (address, ours)
        assert seen[address]["class"][:4] == fields["Class"]


def test_serial_numbers_equal_lspci(machine: Machine, facts: Facts) -> None:
    """Bridges are not asked, nor is what sleeps, whose link is unknown; lspci asks everyone, and wakes them."""
    told = serial_numbers(machine.ssh(["lspci", "-Dvvvn"]).stdout)
    # The e1000e has one, except behind a bridge to conventional PCI.
    express = any(device.name == "second_nic" and device.port for device in machine.hardware.devices)
    assert any(one["serial_number"] for one in facts["host"]["pci"].values()) or not express
    for address, one in facts["host"]["pci"].items():
        asleep = one["link"] is not None and one["link"]["current_speed_gts"] is None
        given = not one["class"].startswith("06") and not asleep
        assert one["serial_number"] == (told.get(address) if given else None), address


def test_groups_equal_the_kernel_log(machine: Machine, facts: Facts) -> None:
    groups = collections.defaultdict(set)
    log = machine.ssh("dmesg").stdout
    for line in log.splitlines():
        name, found, number = line.partition(": Adding to iommu group ")
        if found:
            groups[number.strip()].add(name.rsplit(" ", 1)[-1])
    iommu = facts["host"]["iommu"]
    assert {number: set(group["members"]) for number, group in iommu["groups"].items()} == groups
    assert (iommu["state"] == "enabled") == bool(groups)
    assert (iommu["kind"] == "intel") == ("ACPI: DMAR" in log)
    assert bool(iommu["interrupt_remapping"]) == ("Enabled IRQ remapping" in log)


def test_boot_display_and_twins(machine: Machine, facts: Facts) -> None:
    functions = facts["host"]["pci"]
    assert [a for a, f in functions.items() if f["boot_display"]] == [machine.address("display")]
    if any(device.name == "gpu_twin" for device in machine.hardware.devices):
        one, other = (functions[machine.address(name)] for name in ("gpu", "gpu_twin"))
        assert (one["vendor"], one["device"], one["class"]) == (other["vendor"], other["device"], other["class"])


def test_cores_equal_lscpu(machine: Machine, facts: Facts) -> None:
    rows = lscpu(machine, "CPU", "CORE", "SOCKET", "NODE", "ONLINE")
    cpus = facts["host"]["cpus"]
    assert cpus["online"] == [int(row[0]) for row in rows if row[4] == "Y"]
    siblings: dict[tuple[str, str], list[int]] = collections.defaultdict(list)
    for cpu, core, socket, _node, _online in rows:
        siblings[core, socket].append(int(cpu))
    assert sorted(core["cpus"] for core in cpus["cores"]) == sorted(siblings.values())
    # lscpu counts packages and nodes as the kernel does.
    place = {int(cpu): (int(socket), int(node)) for cpu, _core, socket, node, _online in rows}
    for core in cpus["cores"]:
        assert {place[cpu] for cpu in core["cpus"]} == {(core["package"], core["node"])}


def test_memory_equals_the_kernel(machine: Machine, facts: Facts) -> None:
    memory = facts["host"]["memory"]
    nodes = machine.ssh("ls -d /sys/devices/system/node/node*").stdout.split()
    assert sorted(memory["nodes"]) == sorted(path.rsplit("node", 1)[1] for path in nodes)
    for number, node in memory["nodes"].items():
        folder = f"/sys/devices/system/node/node{number}"
        kilobytes = machine.ssh(f"awk '$3 == \"MemTotal:\" {{ print $4 }}' {folder}/meminfo").stdout
        assert node["total_bytes"] == int(kilobytes) * 1024
        pools = machine.ssh(f"cd {folder}/hugepages && grep -H . */nr_hugepages").stdout.split()
        told = {line.split("-")[1].split("kB")[0]: int(line.rsplit(":", 1)[1]) for line in pools}
        assert {size: pool["total"] for size, pool in node["hugepages"].items()} == told
    total = machine.ssh("awk '$1 == \"MemTotal:\" { print $2 }' /proc/meminfo").stdout
    assert memory["total_bytes"] == int(total) * 1024


def test_virtualization_equals_virt_host_validate(machine: Machine, facts: Facts) -> None:
    checks = validated(machine)
    host = facts["host"]
    assert checks["for hardware virtualization"] == "PASS"
    assert host["cpu"]["virtualization"]["extension"] == "svm"
    assert (host["cpu"]["virtualization"]["state"] == "ready") == (checks["if device '/dev/kvm' exists"] == "PASS")
    # It looks for the IOMMU of the processor's maker. The lab's processor is AMD's, which is what TCG emulates
    # virtualization for, and its IOMMU Intel's: it finds no IVRS, and there is none.
    assert "IVRS" in checks["for device assignment IOMMU support"]
    assert host["iommu"]["kind"] != "amd"


def test_boot_equals_the_running_system(machine: Machine, facts: Facts) -> None:
    boot = facts["host"]["boot"]
    assert boot["firmware"] == "uefi"
    assert boot["running"] == {
        "version": machine.ssh("uname -r").stdout.strip(),
        "cmdline": machine.read("/proc/cmdline"),
    }
    installed = machine.ssh("ls /boot/vmlinuz-*").stdout.split()
    assert {kernel["version"] for kernel in boot["kernels"]} == {path.split("vmlinuz-")[1] for path in installed}
    assert boot["initramfs_generator"] == "initramfs-tools"
