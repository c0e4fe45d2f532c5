#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hand one PCI function to another driver without a reboot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: device_driver
short_description: Hand one PCI function to vfio-pci, to another driver or back, without a reboot
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Takes one PCI function from its driver, and has vfio-pci or any other driver take it, while the machine runs. Gives
    it back to the driver that the kernel itself would pick.
  - Names the one driver in the function's C(driver_override), so that no other function is concerned, identical ones
    included. Loads the driver where it is not loaded.
  - Refuses functions that the host uses. Trusts nobody's word for success, and reads back who has the function; when it
    is not who was asked for, the old driver gets it back.
  - A driver that does not let go makes whoever asked it wait in the kernel, for ever if need be. That is a process
    which is left behind when O(timeout) is over, and the module says so.
  - Nothing of this outlasts a reboot. M(vfio.workstation.host) binds devices at boot, and keeps them so.
extends_documentation_fragment:
  - vfio.workstation.attributes
attributes:
  check_mode:
    support: full
    details: Which driver the kernel would pick for V(auto) is told where only one can be it.
  diff_mode:
    support: full
options:
  address:
    description:
      - The function, by its full address as C(lspci -D) shows it. Other functions of the same slot are not concerned.
    type: str
    required: true
  driver:
    description:
      - Who shall have it, by the name in C(/sys/bus/pci/drivers).
      - V(auto) lifts every restriction and has the kernel pick, which is how to give a function back to the host. A
        driver of the host's that has the function already keeps it.
      - V(none) takes the function from its driver, and keeps others from it.
    type: str
    default: vfio-pci
  accept:
    description:
      - Codes of refusals that you take upon yourself.
      - With V(device_in_use) a driver may hang until the next reboot, and take whoever uses the device with it.
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
      - How many seconds each step may take, from 1 to 3600. Large GPUs take several to be let go of.
    type: int
    default: 30
notes:
  - An IOMMU group goes to a guest as a whole. A function whose group has members on drivers of the host's is handed
    over all the same, and RV(notes) and RV(group) say who else is in it. Hand those over too, one by one.
  - Of network interfaces, those count as in use that have a default route or carry the connection that manages the
    machine.
  - A driver that is loaded for one function takes all other functions that have none and that it fits, as it would at
    boot.
seealso:
  - module: vfio.workstation.host_info
"""

EXAMPLES = r"""
- name: Lend a network interface to a guest
  vfio.workstation.device_driver:
    address: "0000:41:00.0"
  become: true

- name: Take it back
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

- name: Say what would happen
  vfio.workstation.device_driver:
    address: "0000:41:00.0"
    driver: auto
  check_mode: true
  diff: true
  register: lent
"""

RETURN = r"""
driver:
  description: The driver that has the function. V(null) for none.
  returned: success, and when refused or failed
  type: dict
  contains:
    before:
      description: At the beginning.
      type: str
      sample: e1000e
    after:
      description: At the end; in check mode, the one that it would have, and V(null) where only the kernel can tell.
      type: str
      sample: vfio-pci
driver_override:
  description: The only driver that may have the function. V(null) when any may.
  returned: success, and when refused or failed
  type: dict
  contains:
    before:
      description: At the beginning. V(null) too where a driver that hangs keeps it from being read.
      type: str
      sample: null
    after:
      description: At the end, or in check mode what it would be.
      type: str
      sample: vfio-pci
group:
  description: The function's IOMMU group as it is at the end. V(null) when it has none, or the IOMMU is off.
  returned: success, and when refused or failed
  type: dict
  contains:
    number:
      description: Its number.
      type: str
      sample: "20"
    usable:
      description: Whether a guest could have its functions, because no driver of the host's has one of them.
      type: bool
      sample: true
    members:
      description: Its members, this function among them.
      type: list
      elements: dict
      contains:
        address:
          description: Full address.
          type: str
          sample: "0000:41:00.0"
        driver:
          description: The driver that has it.
          type: str
          sample: vfio-pci
notes:
  description: What else you should know.
  returned: success, and when refused
  type: list
  elements: str
  sample: []
refusals:
  description: Why nothing was done. Empty when nothing was in the way.
  returned: success, and when refused or failed
  type: list
  elements: dict
  contains:
    code:
      description: Stable name of the reason.
      type: str
      sample: device_in_use
    seen:
      description: What was found.
      type: str
      sample: 0000:02:00.0 [144d:a80c], class 0108, driver nvme, group 13, mount / (by nvme0n1p2)
    danger:
      description: What would come of it.
      type: str
      sample: The host would lose what uses the device at once, and its driver may hang until a reboot.
    remedy:
      description: What you can do.
      type: str
      sample: Stop what uses the device, and run this again.
steps:
  description: What was done, or in check mode would be done, in that order; each with its reason.
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
