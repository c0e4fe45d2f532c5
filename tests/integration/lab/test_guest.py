# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of libvirt with devices of the workstation: defined, started, followed when a card moves, and removed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.lab.boot_configuration import tree
from tests.integration.lab.provisioning import REBOOT, RIVALS, Desk, Run, drivers, fine, requests
from tests.integration.lab.test_provision import move_the_card
from tests.lab import Lab, Machine, disks, libvirt_guest, small_initramfs
from tests.lab.libvirt_guest import NAME, virsh

pytestmark = [pytest.mark.lab, pytest.mark.slow]

#: As virt-manager would define it.
FOREIGN = """\
<domain type='kvm'>
  <name>foreign</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><apic/></features>
  <devices>
    <video><model type='virtio'/></video>
  </devices>
</domain>
"""
FIRST = libvirt_guest.request(["gpu", "nic", "disk"])
SECOND = {"name": "second", "os": "linux", "devices": ["gpu"], "network": "none"}
#: systemd switches the controller of the slice off when nothing limits it any more.
_HOST_CPUS = "cat /sys/fs/cgroup/system.slice/cpuset.cpus.effective 2>/dev/null || cat /sys/devices/system/cpu/online"
_PAGES = "cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"


def test_a_guest_from_its_definition_to_its_removal(lab: Lab, tmp_path: Path) -> None:
    with lab.machine("desktop", lab.image(software=("libvirt",))) as machine:
        machine.start()
        machine.wait_for_ssh()
        small_initramfs.ask_for(machine, RIVALS)
        libvirt_guest.make_files(machine)
        machine.ssh("cat >/root/foreign.xml && virsh define /root/foreign.xml", stdin=FOREIGN)
        bare, bare_drivers, foreign = tree(machine), drivers(machine), virsh(machine, "dumpxml", "foreign")
        desk = Desk(machine, {**wanted(machine), "workstation_guests": [FIRST, SECOND]}, tmp_path)

        define(desk)
        start(desk)
        refuse_the_second(machine)
        change_while_it_runs(desk)
        adopt(desk)
        kill(machine)
        refuse_without_its_device(machine)
        move_the_card(desk)
        fine(desk.play("provision", *REBOOT))
        assert bus(machine.address("gpu")) in virsh(machine, "dumpxml", NAME)
        fine(desk.play("verify"))

        fine(desk.play("rollback", *REBOOT))
        assert drivers(machine) == bare_drivers
        assert virsh(machine, "list", "--all", "--name").split() == ["foreign"]
        assert virsh(machine, "dumpxml", "foreign") == foreign
        assert tree(machine) == bare
        assert machine.serial.faults() == []


def define(desk: Desk) -> None:
    """Have the guests defined by the run that reboots the machine, and the next run change nothing."""
    assert "- - - after the" in words(fine(desk.play("provision")))
    assert "yes yes yes defined; off" in words(fine(desk.play("provision", *REBOOT)))
    assert fine(desk.play("provision", *REBOOT)).changed == 0
    fine(desk.play("verify"))
    # libvirt looks for hooks when its daemon starts.
    desk.machine.ssh("systemctl restart libvirtd")


def start(desk: Desk) -> None:
    """Start the guest, which has its devices, CPUs and pages."""
    machine = desk.machine
    report = libvirt_guest.start(machine)
    assert [(nic.mac, nic.driver) for nic in report.nics] == [(machine.mac("second_nic"), "e1000e")]
    assert [disk.marker for disk in report.disks] == [disks.MARKER.format(name="data_disk")]
    assert {"bochs-drm", "snd_hda_intel"} <= {function.driver for function in report.functions}
    assert "disk, gpu, nic work in" in words(fine(desk.play("verify")))
    assert machine.ssh(_PAGES).stdout.strip() == "0"
    assert pinned(machine) == {"CPU 0/KVM": "2", "CPU 1/KVM": "3"}
    assert machine.ssh(_HOST_CPUS).stdout.strip() == "0-1"


def refuse_the_second(machine: Machine) -> None:
    """Both have the GPU and all of the memory: they may run one after the other."""
    refused = machine.ssh(["virsh", "start", SECOND["name"]], check=False)
    assert refused.returncode != 0
    assert NAME in refused.stderr, refused.stderr
    machine.ssh("systemctl restart libvirtd")
    assert machine.ssh(_HOST_CPUS).stdout.strip() == "0-1"


def change_while_it_runs(desk: Desk) -> None:
    """What is asked of a guest that runs takes effect at its next start, and a rollback stops at it."""
    desk.requests["workstation_guests"] = [{**FIRST, "devices": ["gpu", "nic"]}, SECOND]
    assert "defined; takes" in words(fine(desk.play("provision")))
    assert desk.play("verify").status != 0
    stopped = desk.play("rollback", *REBOOT)
    assert stopped.status != 0
    assert "guest_running" in stopped.text
    assert virsh(desk.machine, "domstate", NAME).strip() == "running"


def adopt(desk: Desk) -> None:
    """Tune somebody's own guest beside it."""
    adopted = {"name": "foreign", "os": "linux", "adopt": True}
    desk.requests["workstation_guests"] = [FIRST, SECOND, adopted]
    fine(desk.play("provision"))
    assert "vcpupin" in virsh(desk.machine, "dumpxml", "foreign")


def kill(machine: Machine) -> None:
    """Whatever ends a guest, the host has its CPUs and pages again."""
    machine.ssh(f"kill -9 $(cat /run/libvirt/qemu/{NAME}.pid)")
    machine.ssh(f"for _ in $(seq 30); do virsh domstate {NAME} | grep -q off && break; sleep 1; done; sleep 5")
    assert machine.ssh(_PAGES).stdout.strip() == "256"
    assert machine.ssh(_HOST_CPUS).stdout.strip() == "0-3"


def refuse_without_its_device(machine: Machine) -> None:
    """A device that the host has got back is named before the start."""
    address = machine.address("second_nic")
    machine.ssh(f"echo {address} >/sys/bus/pci/drivers/vfio-pci/unbind")
    refused = machine.ssh(["virsh", "start", NAME], check=False)
    assert refused.returncode != 0
    assert address in refused.stderr, refused.stderr


def wanted(machine: Machine) -> dict[str, Any]:
    """The devices of other tests, with as much memory as the guest needs."""
    return {
        **requests(machine),
        "workstation_hugepages": [{"size": "2M", "memory": "512M", "at": "boot"}],
        "workstation_cpu_isolation": {"mode": "dynamic"},
    }


def words(run: Run) -> str:
    """What a run printed, without its columns."""
    return " ".join(run.text.split())


def pinned(machine: Machine) -> dict[str, str]:
    """The CPUs that each thread of a vCPU may run on, as the kernel has them."""
    script = f"""\
for thread in /proc/$(cat /run/libvirt/qemu/{NAME}.pid)/task/*; do
    echo "$(cat $thread/comm)=$(sed -n 's/^Cpus_allowed_list:\t*//p' $thread/status)"
done
"""
    lines = machine.ssh(script).stdout.splitlines()
    pairs = (line.split("=", 1) for line in lines)
    return {name: cpus for name, cpus in pairs if name.endswith("/KVM")}


def bus(address: str) -> str:
    """The part of libvirt's address of a function that the firmware numbers."""
    match = re.fullmatch(r"(\w{4}):(\w\w):(\w\w)\.(\w)", address)
    assert match is not None
    return f"domain='0x{match[1]}' bus='0x{match[2]}' slot='0x{match[3]}'"
