# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One file for each initramfs generator, with the methods of `protocol`: dracut, initramfs_tools, mkinitcpio.

`choose` picks the generator of a host. `images` reads the contents of images; `decide` compares them with the request.
`store` and `rebuild` have the steps that all generators share. `record` holds the requests of all owners.
"""
