# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Initramfs images that hold what the machine needs to come up, and no driver more: made in a third of the time.

Emulated, an image of all drivers takes a minute or two. The settings are initramfs-tools' own (initramfs.conf(5)).
"""

from __future__ import annotations

import typing

from .machine import Machine

# The root disk and its file system.
_NEEDED = ("nvme", "ext4")


def ask_for(machine: Machine, modules: typing.Iterable[str] = ()) -> None:
    """Have the images that are made from now on hold these modules beside what the machine needs."""
    names = "".join(f"{name}\\n" for name in (*_NEEDED, *modules))
    machine.ssh(
        r"printf 'MODULES=list\nCOMPRESSLEVEL=1\n' >/etc/initramfs-tools/conf.d/lab-small-images && "
        f"printf '{names}' >>/etc/initramfs-tools/modules && sync",
    )
