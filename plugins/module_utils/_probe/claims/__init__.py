# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readers of claims: everything on a host that takes PCI functions from the host's drivers, one file a source.

Initramfs images are not unpacked. Read instead are the files that are copied into new images, and the cached listings
of the present ones.
"""

from __future__ import annotations

import itertools
from typing import Iterator, Mapping, NamedTuple, Sequence

from ..._machine import Boot, PciFunction
from ..._machine.claims import Claim
from ..boot.entry import Entry
from ..tree import Tree
from .command_lines import read_command_lines
from .dracut import read_dracut
from .driverctl import read_driverctl
from .functions import Functions
from .images import Images
from .initramfs_tools import read_initramfs_tools
from .libvirt import read_libvirt
from .mkinitcpio import read_mkinitcpio
from .modprobe import read_modprobe
from .module_lists import read_module_lists
from .services import read_services
from .udev_rules import read_udev_rules

_READERS = (
    read_module_lists,
    read_driverctl,
    read_initramfs_tools,
    read_dracut,
    read_mkinitcpio,
    read_services,
    read_libvirt,
)
#: More claims than any host has; what exceeds it is damage.
_MAX_CLAIMS = 1024


class Claims(NamedTuple):
    """The claims of a host."""

    of_functions: Mapping[str, tuple[Claim, ...]]  # by address
    others: tuple[Claim, ...]  # those that concern no present function

    def on(self, functions: Mapping[str, PciFunction]) -> dict[str, PciFunction]:
        """Return functions, each with the claims on it."""
        claims = self.of_functions
        return {
            address: function._replace(claims=claims[address]) if address in claims else function
            for address, function in functions.items()
        }


def read_claims(tree: Tree, functions: Mapping[str, PciFunction], boot: Boot, entries: Sequence[Entry]) -> Claims:
    """Return the claims of a host.

    Args:
        tree: The host.
        functions: Its PCI functions, by address.
        boot: Its boot chain.
        entries: The entries of its boot loader.
    """
    with tree.reading("claims"):
        claims = _merged(_all(tree, Functions(functions), boot, entries))
    of_functions: dict[str, list[Claim]] = {}
    for claim in claims:
        for address in claim.addresses:
            of_functions.setdefault(address, []).append(claim)
    return Claims(
        {address: tuple(items) for address, items in of_functions.items()},
        tuple(claim for claim in claims if not claim.addresses),
    )


def _all(tree: Tree, functions: Functions, boot: Boot, entries: Sequence[Entry]) -> Iterator[Claim]:
    images = Images(tree, boot)
    yield from read_command_lines(tree, functions, entries)
    yield from read_modprobe(tree, functions, images)
    yield from read_udev_rules(tree, functions, images)
    for read in _READERS:
        yield from read(tree, functions)


def _merged(claims: Iterator[Claim]) -> tuple[Claim, ...]:
    """Return each claim once, with every place where it applies."""
    merged: dict[Claim, dict[str, None]] = {}
    for claim in itertools.islice(claims, _MAX_CLAIMS * 4):
        merged.setdefault(claim._replace(applies_to=()), {}).update(dict.fromkeys(claim.applies_to))
    return tuple(claim._replace(applies_to=tuple(where)) for claim, where in merged.items())[:_MAX_CLAIMS]
