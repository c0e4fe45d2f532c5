# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of PCI classes."""

from __future__ import annotations

#: Base classes and a few subclasses (PCI Code and ID Assignment Specification, 1).
_CLASSES = {
    "0106": "SATA",
    "0108": "NVMe",
    "01": "storage",
    "02": "network",
    "03": "display",
    "0403": "audio",
    "04": "multimedia",
    "05": "memory",
    "0600": "host bridge",
    "0604": "PCI bridge",
    "06": "bridge",
    "07": "communication",
    "08": "system",
    "09": "input",
    "0b": "processor",
    "0c03": "USB",
    "0c": "serial bus",
    "0d": "wireless",
    "10": "encryption",
    "11": "signal processing",
    "12": "accelerator",
}


def class_name(code: str | None) -> str:
    """Return the name of a class of six digits, or of as much of it as is in the table."""
    return _CLASSES.get((code or "")[:4]) or _CLASSES.get((code or "")[:2]) or f"class {code or 'unknown'}"
