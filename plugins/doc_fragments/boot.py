# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and notes of the modules that manage kernel arguments."""

from __future__ import annotations


class ModuleDocFragment:
    """The texts are those of the roles' argument specs too."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    membership: [vfio.workstation.all, vfio.workstation.boot, vfio.workstation.capture]
options:
  conflicts:
    description:
      - What to do about foreign configuration that contradicts the request, such as the argument C(amd_iommu=off).
      - V(refuse) refuses the run and names it with file and line. V(replace) sets it aside, and restores it when the
        request is removed.
    type: str
    choices: [refuse, replace]
    default: refuse
  root:
    description:
      - Directory on the managed host with a captured tree to plan for, instead of the running host. In check mode only.
    type: path
    default: /
notes:
  - Does not reboot. If RV(reboot_required) is true, a reboot makes active what the running kernel does not show yet.
"""
