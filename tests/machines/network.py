# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces, routes and connections.

Layout: Documentation/ABI/testing/sysfs-class-net, proc_pid_net(5), net/ipv4/fib_trie.c, net/ipv6/route.c.
"""

from __future__ import annotations

import ipaddress
import posixpath
from typing import Any

from .files import Files
from .pci import Bus


class Network:
    """The interfaces of one machine."""

    def __init__(self, files: Files, bus: Bus) -> None:
        self.files = files
        self.bus = bus
        self.paths: dict[str, str] = {}

    def write(self, machine: dict[str, Any]) -> None:
        """Write interfaces in the order of the description, in which lower interfaces come first."""
        for index, (name, interface) in enumerate({"lo": {}, **machine.get("net", {})}.items(), 1):
            self._write_interface(index, name, interface)
        self._write_routes(machine.get("routes", {}))
        self._write_connections(machine.get("connections", []))
        addresses = {
            interface["address"]: name for name, interface in machine.get("net", {}).items() if "address" in interface
        }
        self._write_addresses(addresses)

    def _write_interface(self, index: int, name: str, interface: dict[str, Any]) -> None:
        device = None
        if "on" in interface:
            device = posixpath.join(self.bus.path(interface["on"]), interface.get("through", "")).rstrip("/")
        folder = f"{device or '/sys/devices/virtual'}/net/{name}"
        self.paths[name] = folder
        self.files.attributes(
            folder,
            {
                "ifindex": index,
                "type": 772 if name == "lo" else 1,
                "operstate": "unknown" if name == "lo" else "up",
                "uevent": f"INTERFACE={name}\nIFINDEX={index}\n",
            },
        )
        if device:
            self.files.folder(device)
            self.files.link(f"{folder}/device", device)
        self.files.link(f"/sys/class/net/{name}", folder)
        for lower in interface.get("lower", []):
            self.files.link(f"{folder}/lower_{lower}", self.paths[lower])
            self.files.link(f"{self.paths[lower]}/upper_{name}", folder)
        if interface.get("kind") == "bridge":
            for lower in interface["lower"]:
                self.files.link(f"{folder}/brif/{lower}", f"{self.paths[lower]}/brport")
                self.files.link(f"{self.paths[lower]}/brport/bridge", folder)

    def _write_routes(self, routes: dict[str, str]) -> None:
        """Write the main tables: a default route has destination and mask 0.

        The IPv6 table always ends with an unreachable default route on lo (ip6_null_entry).
        """
        header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
        lines = [header]
        if "ipv4" in routes:
            lines.append(f"{routes['ipv4']}\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0")
            lines.append(f"{routes['ipv4']}\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0")
        self.files.write("/proc/net/route", "".join(f"{line:<127}\n" for line in lines))
        zeros = "0" * 32
        last = f"{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n"
        first = ""
        if "ipv6" in routes:
            gateway = "fe80000000000000" + "0" * 15 + "1"
            first = f"{zeros} 00 {zeros} 00 {gateway} 00000400 00000001 00000000 00000003 {routes['ipv6']:>8}\n"
        self.files.write("/proc/net/ipv6_route", first + last)

    def _write_connections(self, connections: list[str]) -> None:
        """Write /proc/net/tcp (Documentation/networking/proc_net_tcp.rst) from lines `LOCAL:PORT REMOTE:PORT`."""
        lines = ["  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"]
        lines.append(
            "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1000 1"
        )
        for index, connection in enumerate(connections, 1):
            ends = [
                f"{_little_endian(address)}:{int(port):04X}"
                for address, port in (end.rsplit(":", 1) for end in connection.split())
            ]
            lines.append(
                f"{index:>4}: {ends[0]} {ends[1]} 01 00000000:00000000 02:000A0000 00000000     0        0 {index} 2"
            )
        self.files.write("/proc/net/tcp", "\n".join(lines))

    def _write_addresses(self, addresses: dict[str, str]) -> None:
        lines = []
        for text, name in addresses.items():
            address = ipaddress.ip_address(text)
            if address.version == 6:
                index = list(self.paths).index(name) + 1
                lines.append(f"{int(address):032x} {index:02x} 40 00 80 {name:>8}\n")
        self.files.write("/proc/net/if_inet6", "".join(["0" * 31 + "1 01 80 10 80       lo\n", *lines]))


def _little_endian(address: str) -> str:
    return f"{int.from_bytes(ipaddress.IPv4Address(address).packed, 'little'):08X}"
