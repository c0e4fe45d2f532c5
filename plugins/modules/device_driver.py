#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hand a PCI function to another driver without a reboot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: device_driver
short_description: Hand a PCI function to vfio-pci, to another driver or back to the host, without a reboot
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Unbinds a PCI function from its driver and binds it to vfio-pci, to another driver, or to the driver that the kernel
    chooses, while the host is running.
  - Uses the C(driver_override) of the function, so that no other function is affected, not even an identical one. Loads
    the driver if it is not loaded.
  - Refuses functions that the host uses. Verifies the result by reading the driver of the function. If it is not the
    requested driver, the function is handed back to its previous driver.
  - A driver that does not release the function blocks the process that unbinds it, possibly until the next reboot. That
    process is left behind after O(timeout), and the module fails with a message that says so.
  - The change does not survive a reboot. M(vfio.workstation.host) binds devices at boot.
extends_documentation_fragment:
  - vfio.workstation.attributes
  - vfio.workstation.attributes.changes
attributes:
  check_mode:
    details: The driver that the kernel would choose for V(auto) is predicted if there is only one candidate.
options:
  address:
    description:
      - The full address of the function, as C(lspci -D) prints it. Other functions of its slot are not affected.
    type: str
    required: true
  driver:
    description:
      - The driver to bind the function to, by its name in C(/sys/bus/pci/drivers).
      - V(auto) clears the C(driver_override) and lets the kernel choose, which returns the function to the host. A
        driver of the host that has the function already keeps it.
      - V(none) unbinds the function and prevents other drivers from binding it.
    type: str
    default: vfio-pci
  accept:
    description:
      - Refusal codes to override.
      - With V(device_in_use), a driver may hang until the next reboot, and with it the programs that use the device.
    type: list
    elements: str
    choices:
      - device_has_no_group
      - device_in_use
      - device_is_boot_display
      - iommu_absent
      - iommu_disabled_by_firmware
      - iommu_disabled_in_kernel
      - iommu_unknown
    default: []
  timeout:
    description:
      - Seconds that each step may take, from 1 to 3600. Drivers of large GPUs take several seconds to release them.
    type: int
    default: 30
notes:
  - A guest gets an IOMMU group as a whole. A function whose group has members on drivers of the host is handed over
    nevertheless; RV(notes) and RV(group) list these members. Hand them over too, one by one.
  - Network interfaces count as in use if they have a default route or carry the connection that manages the host.
  - A driver that is loaded for a function also binds other functions that it supports and that have no driver, as it
    would at boot.
seealso:
  - module: vfio.workstation.host_info
"""

EXAMPLES = r"""
- name: Hand a network interface to vfio-pci, for a guest
  vfio.workstation.device_driver:
    address: "0000:41:00.0"
  become: true

- name: Return it to the host
  vfio.workstation.device_driver:
    address: "0000:41:00.0"
    driver: auto
  become: true

- name: Hand over a GPU and its audio function
  vfio.workstation.device_driver:
    address: "{{ item }}"
    timeout: 60
  loop:
    - "0000:01:00.0"
    - "0000:01:00.1"
  become: true

- name: Predict the result
  vfio.workstation.device_driver:
    address: "0000:41:00.0"
    driver: auto
  check_mode: true
  diff: true
  register: prediction
"""

RETURN = r"""
driver:
  description: The driver that the function is bound to. V(null) for none.
  returned: success, and when refused or failed
  type: dict
  contains:
    before:
      description: Before the run.
      type: str
      sample: e1000e
    after:
      description: After the run, in check mode as predicted. V(null) if the kernel decides.
      type: str
      sample: vfio-pci
driver_override:
  description: The only driver that may bind the function. V(null) if any driver may.
  returned: success, and when refused or failed
  type: dict
  contains:
    before:
      description: Before the run. V(null) also if a driver that hangs makes it unreadable.
      type: str
      sample: null
    after:
      description: After the run, in check mode as predicted.
      type: str
      sample: vfio-pci
group:
  description: The IOMMU group of the function after the run. V(null) if it has none or the IOMMU is disabled.
  returned: success, and when refused or failed
  type: dict
  contains:
    number:
      description: Its number.
      type: str
      sample: "20"
    usable:
      description: Whether a guest could use the group, because no member is bound to a driver of the host.
      type: bool
      sample: true
    members:
      description: Its members, including this function.
      type: list
      elements: dict
      contains:
        address:
          description: Full address.
          type: str
          sample: "0000:41:00.0"
        driver:
          description: The driver that it is bound to.
          type: str
          sample: vfio-pci
notes:
  description: Further information.
  returned: success, and when refused
  type: list
  elements: str
  sample: []
refusals:
  description: Why the run was refused, as M(vfio.workstation.host) returns it. Empty if it was not.
  returned: success, and when refused or failed
  type: list
  elements: dict
  sample:
    - code: device_in_use
      seen: 0000:02:00.0 [144d:a80c], class 0108, driver nvme, group 13, mount / (by nvme0n1p2)
      danger: The host would lose what uses the device at once, and its driver may hang until a reboot.
      remedy: Stop what uses the device, and run this again.
      because: null
steps:
  description: The steps that load modules and write to sysfs, in their order; in check mode as planned.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: SetAttribute
      path: /sys/bus/pci/drivers/e1000e/unbind
      value: "0000:41:00.0"
      driver: e1000e
      reason: unbind the function from e1000e
"""

from ansible_collections.vfio.workstation.plugins.module_utils._run.device_driver import run_device_driver


def main() -> None:
    run_device_driver()


if __name__ == "__main__":
    main()
