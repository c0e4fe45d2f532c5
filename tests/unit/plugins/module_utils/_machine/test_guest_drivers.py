# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drivers hold a function for guests, which of them use VFIO, and which leave an IOMMU group usable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_drivers import (
    driver_of,
    is_guest_driver,
    is_vfio_driver,
    leaves_group_usable,
)

# VFIO, guests or programs, group. The names are those of the kernel's `struct pci_driver`.
ANSWERS = {
    "vfio-pci": (True, True, True),
    "mlx5_vfio_pci": (True, True, True),
    "hisi_acc_vfio_pci": (True, True, True),
    "pds_vfio_pci": (True, True, True),
    "nvgrace_gpu_vfio_pci": (True, True, True),
    "virtio_vfio_pci": (True, True, True),
    "qat_vfio_pci": (True, True, True),
    "ism_vfio_pci": (True, True, True),
    "xe-vfio-pci": (True, True, True),
    "i915-vfio-pci": (True, True, True),
    "pci-stub": (False, True, True),
    "pciback": (False, True, False),
    "uio_pci_generic": (False, True, False),
    "igb_uio": (False, True, False),
    "nvidia": (False, False, False),
    "xe": (False, False, False),
    "snd_hda_intel": (False, False, False),
    None: (False, False, True),
    # Modules, as command lines and modprobe.d name them.
    "vfio_pci": (True, True, True),
    "hisi-acc-vfio-pci": (True, True, True),
    "xen-pciback": (False, True, False),
    # Modules without a driver, and names that only look like one of VFIO.
    "vfio": (False, False, False),
    "vfio_pci_core": (False, False, False),
    "vfio_iommu_type1": (False, False, False),
    "novfio_pci": (False, False, False),
}


@pytest.mark.parametrize("driver", ANSWERS)
def test_answers(driver: str | None) -> None:
    assert (is_vfio_driver(driver), is_guest_driver(driver), leaves_group_usable(driver)) == ANSWERS[driver]


@pytest.mark.parametrize(
    ("module", "driver"),
    [
        ("vfio_pci", "vfio-pci"),
        ("vfio-pci", "vfio-pci"),
        ("xen-pciback", "pciback"),
        ("xe_vfio_pci", "xe-vfio-pci"),
        ("mlx5_vfio_pci", "mlx5_vfio_pci"),
        ("nvidia", "nvidia"),
    ],
)
def test_driver_of_a_module(module: str, driver: str) -> None:
    assert driver_of(module) == driver


@given(st.text())
def test_a_driver_of_vfio_is_for_guests_and_leaves_its_group_usable(prefix: str) -> None:
    for driver in (prefix, prefix + "vfio-pci", prefix + "_vfio_pci"):
        if is_vfio_driver(driver):
            assert is_guest_driver(driver)
            assert leaves_group_usable(driver)
