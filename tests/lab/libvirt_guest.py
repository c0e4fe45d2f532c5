# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of libvirt inside the virtual workstation, which the collection planned and defined.

It starts the kernel of the workstation with the initramfs of the inner guest, and stays up with QEMU's guest agent. The
workstation needs an image with the software libvirt.
"""

from __future__ import annotations

import typing

from . import inner
from .errors import LabError
from .machine import Machine

NAME = "inner"
_TOOLS = "/usr/local/lib/vfio-lab"
_IMAGES = "/var/lib/libvirt/images"
_CONSOLE = f"/var/log/libvirt/qemu/{NAME}-console.log"

# SMM is off, and the firmware is no UEFI: both end QEMU 10.0 without KVM (tcg_handle_interrupt: bql_locked()).
XML = f"""\
<domain>
  <os>
    <kernel>{_IMAGES}/inner-kernel</kernel>
    <initrd>{_IMAGES}/inner-initramfs</initrd>
    <cmdline>console=ttyS0 panic=-1 no_timer_check quiet inner_stay</cmdline>
  </os>
  <features>
    <smm state='off'/>
  </features>
  <devices>
    <serial type='file'>
      <source path='{_CONSOLE}'/>
    </serial>
  </devices>
</domain>
"""


def request(devices: typing.Sequence[str]) -> dict[str, typing.Any]:
    """The entry of workstation_guests that asks for it."""
    return {
        "name": NAME,
        "os": "linux",
        "firmware": "bios",
        "devices": list(devices),
        "disk": {"path": f"{_IMAGES}/inner.qcow2"},
        "network": "none",
        "xml": XML,
    }


def make_files(machine: Machine) -> None:
    """Put the kernel, the initramfs and an empty disk where libvirt's guests have theirs."""
    machine.ssh(
        f"""\
set -eu
version=$(uname -r)
{_TOOLS}/make-inner-initramfs "$version" {_IMAGES}/inner-initramfs
cp "/boot/vmlinuz-$version" {_IMAGES}/inner-kernel
qemu-img create -q -f qcow2 {_IMAGES}/inner.qcow2 64M
sync
"""
    )


def start(machine: Machine, timeout: float = 240) -> inner.Report:
    """Start it, and return what it reports on its console; its agent answers then."""
    virsh(machine, "start", NAME)
    # The console is empty until the firmware has started the kernel.
    script = f"""\
for _ in $(seq {timeout:.0f}); do
    if grep -q '"kind": "end"' {_CONSOLE} && virsh qemu-agent-command {NAME} '{{"execute": "guest-ping"}}'; then
        break
    fi
    sleep 1
done >/dev/null 2>&1
cat {_CONSOLE}
"""
    return inner.parse(machine.ssh(script, timeout=timeout + 60).stdout)


def virsh(machine: Machine, *words: str) -> str:
    """Run virsh, which must succeed, and return what it prints."""
    done = machine.ssh(["virsh", *words], check=False, timeout=600)
    if done.returncode != 0:
        raise LabError(f"virsh {' '.join(words)}: {done.stderr}")
    return done.stdout
