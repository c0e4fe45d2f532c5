# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing how a virtual workstation boots, by this collection's modules, for the tests and for the power cuts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests import payload
from tests.lab import Machine
from tests.lab.recipe import SPARE_FOLDER

_WHERE = "/root/payload"


def carry(machine: Machine) -> None:
    """Put the modules into the machine."""
    with tempfile.TemporaryDirectory() as scratch:
        machine.put(payload.build(Path(scratch) / "payload"), _WHERE)


def install_second_kernel(machine: Machine) -> None:
    """As an upgrade does it: by dpkg, whose hooks make its initramfs and its entries."""
    machine.ssh(f"dpkg --install {SPARE_FOLDER}/kernel/*.deb")


def purge_second_kernel(machine: Machine) -> None:
    """Take it away again; it does not run."""
    names = f"dpkg-deb --show --showformat '${{Package}} ' {SPARE_FOLDER}/kernel/linux-image*.deb"
    machine.ssh(f"dpkg --purge $({names})")


def call(machine: Machine, module: str, *, check: bool = False, **parameters: Any) -> payload.Answer:
    """Run a module in the machine."""
    done = machine.ssh(payload.argv(module, _WHERE), check=False, stdin=payload.text(parameters, check=check))
    if not done.stdout.strip():
        raise AssertionError(f"{module} printed nothing (exit status {done.returncode}): {done.stderr[-4000:]}")
    return payload.answer(done.stdout)


def tree(machine: Machine) -> list[str]:
    """Every file that decides how the machine boots, with its checksum, mode and owner."""
    line = (
        "find /etc /boot /var/lib/vfio-workstation -xdev -type f -o -type l 2>/dev/null | LC_ALL=C sort | "
        # Accounts for what ran, not for how it boots; initramfs images differ by dates; the loader counts boots.
        "grep -vE '^(/etc/(mtab|resolv.conf|ld.so.cache|adjtime|machine-info)|/boot/(initrd|grub/grubenv).*)$' | "
        'while read -r file; do stat -c "%A %u:%g %n" "$file"; sha256sum <"$file"; done'
    )
    # The EFI system partition is another file system.
    more = "find /boot/efi -type f 2>/dev/null | grep -vE 'initrd|random-seed' | LC_ALL=C sort | xargs -r sha256sum"
    return machine.ssh(f"{line}; {more}").stdout.splitlines()
