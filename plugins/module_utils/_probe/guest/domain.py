# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domains and networks of libvirt, as virsh prints them."""

from __future__ import annotations

import re

from ..._machine.guest import Domain, Networks
from ..._machine.xml_element import XmlError, parse_xml

_VERSION = re.compile(r"^Running against daemon: ([0-9]{1,4})[.]([0-9]{1,4})[.]([0-9]{1,4})$", re.ASCII | re.MULTILINE)
#: States in which a guest has no processes (virsh, domstate).
_OFF = ("shut off", "crashed")


def read_domain(definition: str, state: str) -> Domain | None:
    """Return a domain; None where the definition is not a `<domain>`.

    Args:
        definition: The output of `virsh dumpxml --inactive`.
        state: The output of `virsh domstate`.
    """
    try:
        root = parse_xml(definition)
    except XmlError:
        return None
    return Domain(root, state.strip() not in _OFF) if root.name == "domain" else None


def read_networks(defined: str, active: str) -> Networks:
    """Return the networks.

    Args:
        defined: The output of `virsh net-list --all --name`.
        active: The output of `virsh net-list --name`.
    """
    return Networks(_names(defined), _names(active))


def read_version(text: str) -> tuple[int, ...] | None:
    """Return the version of the daemon of libvirt; None where the output of `virsh version --daemon` has none."""
    match = _VERSION.search(text)
    return tuple(map(int, match.groups())) if match else None


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, text.splitlines())))
