# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual workstation: a real kernel behind a real boot loader, with real IOMMU groups, made of software.

See docs/lab.md. In short::

    with Lab().machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        print(machine.ssh(["lspci", "-nn"]).stdout)
"""

from __future__ import annotations

from .errors import BootFailed, GuestCommandFailed, LabError
from .hardware import Bus, Device, Hardware, Node, load
from .image import Image
from .lab import Lab
from .machine import Machine
from .recipe import Recipe

__all__ = [
    "BootFailed",
    "Bus",
    "Device",
    "GuestCommandFailed",
    "Hardware",
    "Image",
    "Lab",
    "LabError",
    "Machine",
    "Node",
    "Recipe",
    "load",
]
