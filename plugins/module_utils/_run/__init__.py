# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run of each module: probe, plan, apply, verify, exit. The only layer that imports Ansible.

One file per module, so that Ansible sends each module with only the files that it needs.
"""
