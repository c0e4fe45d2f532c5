# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network interfaces that the host needs: those of default routes, and that of the SSH session that runs us."""

from __future__ import annotations

import ipaddress
import re
from typing import Iterator, NamedTuple

from .._machine import Use
from .parse import integer
from .tree import FILE_LIMIT, Tree

# include/uapi/linux/route.h
_RTF_UP = 0x0001
_RTF_REJECT = 0x0200
_MOST_ANCESTORS = 64
_FLAGS = re.compile(r"[0-9a-fA-F]{1,8}")
_WORD32 = re.compile(r"[0-9a-fA-F]{8}")
_WORD128 = re.compile(r"[0-9a-fA-F]{32}")


class _Route(NamedTuple):
    network: ipaddress.IPv4Network
    interface: str


def read_network_uses(tree: Tree) -> Iterator[tuple[Use, set[str]]]:
    """Yield each interface that the host needs with the sysfs paths of the devices below it."""
    routes = list(_routes(tree))
    defaults = [route.interface for route in routes if route.network.prefixlen == 0]
    for interface in dict.fromkeys(defaults + list(_default_interfaces_v6(tree))):
        yield Use("default_route", interface, interface), _devices(tree, interface)
    session = _session(tree)
    if session is not None:
        session_interface = _session_interface(tree, session, routes)
        if session_interface is not None:
            yield Use("ssh_session", session_interface, session_interface), _devices(tree, session_interface)


def has_default_route(tree: Tree) -> bool:
    """Tell whether the host reaches other networks, by IPv4 or IPv6."""
    v4 = any(route.network.prefixlen == 0 for route in _routes(tree))
    return v4 or any(True for _interface in _default_interfaces_v6(tree))


def _devices(tree: Tree, interface: str) -> set[str]:
    """Return the sysfs paths of the devices below an interface, through bonds, bridges and VLANs."""
    paths: set[str] = set()
    visited: set[str] = set()
    pending = [interface]
    while pending and len(visited) < 1024:
        name = pending.pop()
        path = tree.resolve("/sys/class/net/" + name) if name not in visited else None
        visited.add(name)
        if path is None:
            continue
        lower = [entry[len("lower_") :] for entry in tree.names(path) if entry.startswith("lower_")]
        pending.extend(lower)
        pending.extend(tree.names(path + "/brif"))
        paths.add(path)
    return paths


def _routes(tree: Tree) -> Iterator[_Route]:
    """Yield the main IPv4 routes (proc(5), /proc/net/route): numbers are little-endian hexadecimal."""
    for line in (tree.text("/proc/net/route", FILE_LIMIT) or "").splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or not (
            _FLAGS.fullmatch(words[3]) and _WORD32.fullmatch(words[1]) and _WORD32.fullmatch(words[7])
        ):
            continue
        if not int(words[3], 16) & _RTF_UP or int(words[3], 16) & _RTF_REJECT:
            continue
        address, mask = (int.from_bytes(bytes.fromhex(words[column]), "little") for column in (1, 7))
        inverted = mask ^ 0xFFFFFFFF
        if inverted & (inverted + 1) == 0:
            yield _Route(ipaddress.IPv4Network((address & mask, 32 - inverted.bit_length())), words[0])


def _default_interfaces_v6(tree: Tree) -> Iterator[str]:
    for line in (tree.text("/proc/net/ipv6_route", FILE_LIMIT) or "").splitlines():
        words = line.split()
        if len(words) < 10 or words[0] != "0" * 32 or words[1] != "00" or not _FLAGS.fullmatch(words[8]):
            continue
        flags = int(words[8], 16)
        if flags & _RTF_UP and not flags & _RTF_REJECT and words[9] != "lo":
            yield words[9]


def _session(tree: Tree) -> list[str] | None:
    """Return the words of SSH_CONNECTION: client address and port, server address and port.

    sudo removes the variable from our environment, so the environments of our parent processes are read too.
    """
    process: int | None = integer((tree.text("/proc/self/stat") or "").partition(" ")[0], 1)
    for _step in range(_MOST_ANCESTORS):
        if process is None or process <= 1:
            return None
        for entry in (tree.data(f"/proc/{process}/environ", FILE_LIMIT) or b"").split(b"\0"):
            name, _equals, value = entry.partition(b"=")
            words = value.decode("ascii", "replace").split()
            if name == b"SSH_CONNECTION" and len(words) == 4:
                return words
        # The name in brackets may contain brackets; the last one precedes state and parent (proc_pid_stat(5)).
        fields = (tree.text(f"/proc/{process}/stat") or "").rpartition(")")[2].split()
        process = integer(fields[1], 1) if len(fields) > 1 else None
    return None


def _session_interface(tree: Tree, session: list[str], routes: list[_Route]) -> str | None:
    client, server = _address(session[0]), _address(session[2])
    if isinstance(server, ipaddress.IPv6Address):
        for line in (tree.text("/proc/net/if_inet6", FILE_LIMIT) or "").splitlines():
            words = line.split()
            if len(words) == 6 and _WORD128.fullmatch(words[0]) and int(words[0], 16) == int(server):
                return words[5]
        return None
    if not isinstance(client, ipaddress.IPv4Address) or client.is_loopback:
        return None
    matching = [route for route in routes if client in route.network]
    return max(matching, key=lambda route: route.network.prefixlen).interface if matching else None


def _address(text: str) -> object:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
