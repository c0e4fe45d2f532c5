# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inner guest: a KVM guest inside the virtual workstation, with functions of it passed through by VFIO.

What it reports is the proof of passthrough: it saw the very functions, their drivers worked, DMA brought data.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing

from .errors import LabError
from .machine import Machine

_PREFIX = "inner-guest: "
_TOOLS = "/usr/local/lib/vfio-lab"


@dataclasses.dataclass(frozen=True)
class Function:
    """A PCI function as the inner guest sees it; the address is the inner one."""

    address: str
    vendor: str
    device: str
    pci_class: str
    driver: str


@dataclasses.dataclass(frozen=True)
class Nic:
    """A NIC whose driver has loaded."""

    address: str
    driver: str
    mac: str
    state: str


@dataclasses.dataclass(frozen=True)
class Disk:
    """An NVMe disk and the text in its first sector, read by DMA."""

    address: str
    driver: str
    marker: str


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything an inner guest said before it ended by itself."""

    functions: tuple[Function, ...]
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]
    log: str


def bind_by_hand(machine: Machine, addresses: typing.Iterable[str]) -> None:
    """Give functions to vfio-pci by plain sysfs writes, without the collection, to hold the collection against."""
    lines = ["set -eu", "modprobe vfio-pci", "cd /sys/bus/pci"]
    for address in addresses:
        lines += [
            f"echo vfio-pci >devices/{address}/driver_override",
            f"if [ -e devices/{address}/driver ]; then echo {address} >devices/{address}/driver/unbind; fi",
            f"echo {address} >drivers_probe",
            # drivers_probe succeeds even when nothing bound.
            f'test "$(basename "$(readlink devices/{address}/driver)")" = vfio-pci',
        ]
    machine.ssh("\n".join(lines))


def run(machine: Machine, addresses: typing.Iterable[str], *, memory: int = 256, timeout: float = 300) -> Report:
    """Start a guest with those functions of the machine, wait for its end, return what it reported."""
    ours = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    ours += ["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-smp", "1", "-m", f"{memory}M"]
    ours += ["-append", "console=ttyS0 panic=-1 no_timer_check quiet", "-serial", "stdio"]
    for index, address in enumerate(addresses, start=1):
        ours += ["-device", f"pcie-root-port,id=port{index},chassis={index},slot={index},addr={index:#x}"]
        ours += ["-device", f"vfio-pci,host={address},bus=port{index}"]
    script = f"""\
set -eu
version=$(uname -r)
initramfs={_TOOLS}/inner-initramfs-$version
[ -e "$initramfs" ] || {_TOOLS}/make-inner-initramfs "$version" "$initramfs"
exec timeout --kill-after=5 {timeout:.0f} {shlex.join(ours)} \\
    -kernel "/boot/vmlinuz-$version" -initrd "$initramfs" </dev/null 2>&1
"""
    done = machine.ssh(script, check=False, timeout=timeout + 60)
    return parse(done.stdout, done.returncode)


def parse(log: str, status: int = 0) -> Report:
    """The report in an inner guest's log; a log without its end is a failure."""
    found: dict[str, list[dict[str, str]]] = {"pci": [], "nic": [], "nvme": [], "end": []}
    for line in log.splitlines():
        _before, prefix, report = line.partition(_PREFIX)
        if prefix:
            record = json.loads(report)
            found[record.pop("kind")].append(record)
    if not found["end"]:
        tail = "\n".join(log.splitlines()[-40:])
        raise LabError(f"the inner guest did not end by itself (status {status}); it said last:\n{tail}")
    return Report(
        tuple(Function(r["address"], r["vendor"], r["device"], r["class"], r["driver"]) for r in found["pci"]),
        tuple(Nic(**record) for record in found["nic"]),
        tuple(Disk(**record) for record in found["nvme"]),
        log,
    )
