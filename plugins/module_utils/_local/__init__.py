# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `vfio-workstation` on managed hosts: status, verification and report without a controller.

It judges the host by the code of the modules, and imports nothing of Ansible. A command is an entry in commands.py.
"""
