# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One file for each boot loader, with the methods of `protocol`: grub, grub_bls, systemd_boot, uki.

`choose` picks the boot loader of a host. The other files are parts: grub_* of GRUB with its entries in grub.cfg;
type1_entries and kernel_install of the boot loaders whose entries kernel-install writes.
"""
