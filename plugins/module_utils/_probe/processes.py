# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that hold a device node open: displays, sound, and virtual machines with passed-through functions."""

from __future__ import annotations

import re
from typing import Iterator, Mapping

from .._machine import Use
from .._machine.guest_drivers import is_vfio_driver
from .parse import key_values
from .tree import Tree

_DRM = re.compile(r"/dev/dri/((?:card|renderD)[0-9]{1,5})")
_SOUND = re.compile(r"/dev/snd/([A-Za-z0-9]{1,32})")
_FRAMEBUFFER = re.compile(r"/dev/(fb[0-9]{1,3})")
_NVIDIA = re.compile(r"/dev/nvidia([0-9]{1,3})")
_VFIO_GROUP = re.compile(r"/dev/vfio/([0-9]{1,6})")
_VFIO_DEVICE = re.compile(r"/dev/vfio/devices/(vfio[0-9]{1,6})")
_CLASSES = ((_DRM, "drm"), (_SOUND, "sound"), (_FRAMEBUFFER, "graphics"))
_GUEST_NAME = re.compile(rb"(?:guest=)?([^,\0]{1,200})")


def read_process_uses(tree: Tree, groups: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[Use, set[str]]]:
    """Yield each open node with the sysfs paths of the devices behind it."""
    nodes = _Nodes(tree, groups)
    for process in tree.names("/proc"):
        if not process.isdigit():
            continue
        opened = tree.targets(f"/proc/{process}/fd")
        if opened is None:
            tree.deny("/proc/[pid]/fd", None)
            continue
        for node in sorted({target for target in opened.values() if target.startswith("/dev/")}):
            paths = nodes.paths(node)
            if paths:
                yield _use(tree, process, node), paths


class _Nodes:
    """Device nodes, and the devices in sysfs behind them."""

    def __init__(self, tree: Tree, groups: Mapping[str, tuple[str, ...]]) -> None:
        self._tree = tree
        self._groups = groups
        self._known: dict[str, set[str]] = {}
        self._nvidia: dict[str, str] | None = None

    def paths(self, node: str) -> set[str]:
        """Return the sysfs paths behind a node; an empty set for nodes without a function, such as /dev/snd/timer."""
        if node not in self._known:
            self._known[node] = set(filter(None, self._find(node)))
        return self._known[node]

    def _find(self, node: str) -> Iterator[str | None]:
        tree = self._tree
        for pattern, kind in _CLASSES:
            match = pattern.fullmatch(node)
            if match:
                yield tree.resolve(f"/sys/class/{kind}/{match.group(1)}")
        match = _VFIO_DEVICE.fullmatch(node)
        if match:
            yield tree.resolve("/sys/class/vfio-dev/" + match.group(1))
        match = _VFIO_GROUP.fullmatch(node)
        for member in self._groups.get(match.group(1), ()) if match else ():
            path = tree.resolve("/sys/bus/pci/devices/" + member)
            # Bridges in the group stay with the host: the guest has the functions on a VFIO driver.
            if path and is_vfio_driver(tree.link(path + "/driver")):
                yield path
        match = _NVIDIA.fullmatch(node)
        if match:
            yield self._nvidia_functions().get(match.group(1))

    def _nvidia_functions(self) -> dict[str, str]:
        """Return the paths of functions by the number of their /dev/nvidia node, which no other number determines."""
        if self._nvidia is None:
            self._nvidia = {}
            for address in self._tree.names("/proc/driver/nvidia/gpus"):
                text = self._tree.text(f"/proc/driver/nvidia/gpus/{address}/information")
                path = self._tree.resolve("/sys/bus/pci/devices/" + address)
                minor = key_values(text, ":").get("Device Minor")
                if minor and path:
                    self._nvidia[minor] = path
        return self._nvidia


def _use(tree: Tree, process: str, node: str) -> Use:
    via = node.rpartition("/")[2]
    name = tree.text(f"/proc/{process}/comm") or "?"
    if node.startswith("/dev/vfio/"):
        guest = _guest_name(tree.data(f"/proc/{process}/cmdline"))
        return Use("virtual_machine", guest or f"{name} ({process})", "vfio/" + via)
    return Use("process", f"{name} ({process})", via)


def guest_names(tree: Tree) -> Iterator[str]:
    """Yield the names of guests that run."""
    return (name for _process, name in guest_processes(tree))


def guest_processes(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the processes of guests that run: the number of the process, and the name of the guest."""
    for process in filter(str.isdigit, tree.names("/proc")):
        name = _guest_name(tree.data(f"/proc/{process}/cmdline"))
        if name is not None:
            yield process, name


def _guest_name(cmdline: bytes | None) -> str | None:
    """Return the guest's name in QEMU's option -name: `win11` of `guest=win11,debug-threads=on`."""
    words = (cmdline or b"").split(b"\0")
    for option, value in zip(words, words[1:]):
        match = _GUEST_NAME.match(value) if option == b"-name" else None
        if match:
            return match.group(1).decode("utf-8", "replace")
    return None
