# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes that the modules of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes: see https://docs.ansible.com/ansible/latest/reference_appendices/common_return_values.html."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/NAME) in C(module_defaults) to set defaults for all modules of a group at once.
    support: full
    membership: [vfio.workstation.all]
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
  platform:
    description: Target OS/families that can be operated against.
    platforms: linux
    support: full
"""

    # For modules that change the host, and predict in check mode what they would change.
    CHANGES = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
"""

    # For modules that only read.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module does not modify state.
  diff_mode:
    support: N/A
    details:
      - This module does not modify state.
"""
