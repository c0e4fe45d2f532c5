# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drivers that hold a PCI function for guests or programs instead of using it; all others are drivers of the host.

Names are those in /sys/bus/pci/drivers, or those of modules: `-` and `_` are the same.
"""

from __future__ import annotations

_VFIO = "vfio_pci"
_STUB = "pci_stub"
#: Drivers by module, where their names differ.
_DRIVERS = {
    _VFIO: "vfio-pci",
    _STUB: "pci-stub",
    "xen_pciback": "pciback",  # PCISTUB_DRIVER_NAME in drivers/xen/xen-pciback
    "xe_vfio_pci": "xe-vfio-pci",
}
#: Drivers for guests and programs that do not use VFIO.
_WITHOUT_VFIO = (_STUB, "pciback", "xen_pciback", "uio_pci_generic", "igb_uio")


def is_vfio_driver(driver: str | None) -> bool:
    """Tell whether a guest gets a function on this driver through VFIO: vfio-pci, or a variant for some device.

    All variants end in its name, such as mlx5_vfio_pci and xe-vfio-pci (drivers/vfio/pci of Linux). The modules vfio,
    vfio_pci_core and vfio_iommu_type1 have no driver.
    """
    plain = _plain(driver)
    return plain == _VFIO or plain.endswith("_" + _VFIO)


def is_guest_driver(driver: str | None) -> bool:
    """Tell whether a driver takes a function from the host: one of VFIO, a placeholder, Xen's, or one for programs."""
    return is_vfio_driver(driver) or _plain(driver) in _WITHOUT_VFIO


def leaves_group_usable(driver: str | None) -> bool:
    """Tell whether VFIO gives a guest the IOMMU group of a function on this driver: one of VFIO, pci-stub, or none.

    Drivers of bridges leave it usable too. Source: iommu_device_claim_dma_owner() of drivers/iommu/iommu.c and the
    drivers with `driver_managed_dma`; before Linux 5.19, vfio_driver_allowed[] of drivers/vfio/vfio.c.
    """
    return driver is None or is_vfio_driver(driver) or _plain(driver) == _STUB


def driver_of(module: str) -> str:
    """Return the name of a module's driver in /sys/bus/pci/drivers."""
    return _DRIVERS.get(_plain(module), module)


def _plain(name: str | None) -> str:
    return (name or "").replace("-", "_")
