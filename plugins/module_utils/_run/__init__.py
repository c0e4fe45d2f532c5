# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one pass that every module makes, and the only place that knows Ansible.

A file a module, so that each is sent to a machine with no more than it needs.
"""
