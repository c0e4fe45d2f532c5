# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over a machine, without Ansible: probe, plan, apply, and probe again to verify.

The modules (`_run`) and the local command call this layer: both judge a machine by the same code.
"""
