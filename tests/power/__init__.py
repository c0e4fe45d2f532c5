# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts at each write of a change: the states of the disk are rebuilt from a log, and read as boot loaders do.

See docs/lab.md. In short: a virtual workstation makes a change while QEMU logs each write and flush of its disk. From
that log, the disk is rebuilt as every power cut would have left it. For each of these states, the tests read what would
start: with GRUB's own code, or with mtools in place of the firmware. A sample is booted.
"""
