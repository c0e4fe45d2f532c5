# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated machines of any size, for measurements of the time that a reading takes."""

from __future__ import annotations

import os
from typing import Any

from .builder import build_described

#: Ordinary functions behind a root port: (id, class, driver, BARs).
_KINDS = [
    ("144d:a80a", "010802", "nvme", {0: "16K 64"}),
    ("8086:1572", "020000", "i40e", {0: "8M 64 pref", 3: "32K 64 pref"}),
    ("10de:2684", "030000", "nvidia", {0: "16M", 1: "32G 64 pref", 3: "32M 64 pref", 5: "128 io"}),
    ("10de:22ba", "040300", "snd_hda_intel", {0: "16K"}),
    ("1022:15b6", "0c0330", "xhci_hcd", {0: "1M 64"}),
]


def generate(functions: int, root: str | os.PathLike[str]) -> str:
    """Write a server with that many functions in groups of one: 200 root ports per domain, four nodes."""
    return build_described(described(functions), root)


def described(functions: int) -> dict[str, Any]:
    """Return the description of the server: every second function is behind the root port before it."""
    pci: dict[str, dict[str, Any]] = {}
    for index in range(functions):
        pair, second = divmod(index, 2)
        domain, slot = divmod(pair, 200)
        port = f"{domain:04x}:00:{slot // 8:02x}.{slot % 8}"
        common = {"node": domain % 4, "group": index, "reset": ["flr", "bus"], "link": "16.0x4 of 16.0x4"}
        if not second:
            pci[port] = {"id": "1022:1483", "class": "060400", "driver": "pcieport", "bus": f"{slot + 1:02x}", **common}
            continue
        identity, class_, driver, bars = _KINDS[pair % len(_KINDS)]
        pci[f"{domain:04x}:{slot + 1:02x}:00.0"] = {
            "serial": f"40-a6-b7-ff-ff-{domain:02x}-{slot:02x}-01",
            "id": identity,
            "class": class_,
            "driver": driver,
            "subsystem": "1043:8888",
            "bars": bars,
            **common,
        }
    nodes = {node: {"size": "64G", "hugepages": {2048: [0, 0, 0], 1048576: [0, 0, 0]}} for node in range(4)}
    return {
        "about": f"a generated server of {functions} functions",
        "kernel": {"version": "6.12.43-amd64", "cmdline": "root=/dev/sda1 ro"},
        "firmware": {"tables": ["IVRS"]},
        "cpu": {
            "vendor": "AuthenticAMD",
            "family": 25,
            "model": 17,
            "name": "AMD EPYC 9354 32-Core Processor",
            "flags": "fpu msr npt svm avic x2avic",
        },
        "cpus": {
            "clusters": [
                {"cores": 8, "threads": 2, "l3": "32M", "node": node, "package": node // 2} for node in range(4)
            ]
        },
        "memory": {"nodes": nodes},
        "modules": {"kvm_amd": {"npt": 1, "avic": "Y", "nested": 1}},
        "kvm_device": True,
        "interrupt_chips": ["IR-PCI-MSIX-0000:01:00.0    0-edge      nvme0q0"],
        "pci": pci,
    }
