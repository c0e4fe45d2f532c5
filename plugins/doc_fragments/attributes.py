# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module of this collection says of itself."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes: see https://docs.ansible.com/ansible/latest/reference_appendices/common_return_values.html."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return what it would change, without changing it.
  diff_mode:
    description: Returns details on what has changed, or would change in check mode, when in diff mode.
  platform:
    description: Systems that the module works on.
    platforms: linux
    support: full
"""

    # For modules that only read.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing in any mode.
  diff_mode:
    support: N/A
    details:
      - Changes nothing, so there is no difference to show.
"""
