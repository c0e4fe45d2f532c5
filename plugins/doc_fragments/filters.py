# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that the filters of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """One fragment for each option, and one for filters of a single reading."""

    # For filters of what host_info returned for one host.
    READING = r"""
options:
  _input:
    description: The return values of the module.
    type: dict
    required: true
  name:
    description: The host name to print.
    type: str
    required: true
"""

    # For filters of what host returned for several hosts.
    RESULTS = r"""
options:
  _input:
    description: The return values of the module, by host name. What Ansible returned in its place is accepted too.
    type: dict
    required: true
"""

    PREDICTED = r"""
options:
  predicted:
    description: Whether the module ran in check mode, so that its steps were not executed.
    type: bool
    default: false
"""

    WIDTH = r"""
options:
  width:
    description:
      - How many columns a line may have. By default as many as the terminal, or 80 without one.
    type: int
    default: 0
"""
