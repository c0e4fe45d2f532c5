# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of libvirt: devices that a guest takes when it starts, and the hooks that run then.

With managed='yes' libvirt binds a function to vfio-pci before the guest starts, and back when it has ended
(https://libvirt.org/formatdomain.html, "Host device assignment"); with 'no' it expects somebody else to have done that.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Iterator
from xml.parsers import expat

from ..._machine.claims import EACH_BOOT, GUEST_START, RECOGNISED, TAKES, Claim
from ..tree import Tree
from .files import MAX_FILES, SCRIPT_LIMIT, content, in_folder
from .functions import Functions
from .meaning import Meaning
from .shell import read_script

_DOMAINS = "/etc/libvirt/qemu"
_HOOKS = "/etc/libvirt/hooks"
#: Elements that have a device of the host: of a domain, and of a network whose members are functions.
_DEVICES = ("hostdev", "interface", "forward")
_DEEPEST = 6


def read_libvirt(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of all domains, networks and hooks."""
    for folder in (_DOMAINS, f"{_DOMAINS}/networks"):
        for path in in_folder(tree, folder, ".xml"):
            text = content(tree, path) or ""
            starts = tree.exists(f"{folder}/autostart/{path.rpartition('/')[2]}")
            reader = _Definition(text)
            for line, address in reader.devices:
                meaning = Meaning("vfio-pci", TAKES, functions.present([address]))
                yield meaning.claim(
                    "libvirt",
                    path,
                    line,
                    f"{text.splitlines()[line - 1].strip()} {address}",
                    (EACH_BOOT, GUEST_START) if starts else (GUEST_START,),
                    origin=f"guest {reader.name}" if reader.name else None,
                )
    yield from _hooks(tree, functions)


def _hooks(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of hooks: what they do depends on the guest, so that none is understood."""
    paths = list(itertools.islice(_below(tree, _HOOKS, _DEEPEST), MAX_FILES))
    # Addresses are often kept in a file of their own, which the hooks read.
    settings = "\n".join(content(tree, path, SCRIPT_LIMIT) or "" for path in paths if path.endswith(".conf"))
    for path in paths:
        text = content(tree, path, SCRIPT_LIMIT) or ""
        effects = [] if path.endswith(".conf") else read_script(text, functions)
        if effects:
            addresses = functions.mentioned(f"{text}\n{settings}")
            meaning = Meaning(effects[0].meaning.driver, RECOGNISED, addresses)
            yield meaning.claim("libvirt_hook", path, effects[0].line.number, effects[0].line.text, (GUEST_START,))


def _below(tree: Tree, folder: str, depth: int) -> Iterator[str]:
    """Yield the files at any depth below a folder."""
    for path in in_folder(tree, folder):
        if depth and tree.names(path):
            yield from _below(tree, path, depth - 1)
        else:
            yield path


class _Definition:
    """The devices in a definition of a domain or a network; those before a mistake, if it is no XML.

    Args:
        text: The definition.
    """

    def __init__(self, text: str) -> None:
        self.name = ""
        self.devices: list[tuple[int, str]] = []  # line of the element, address
        self._open: list[str] = []
        self._managed: int | None = None  # line of the managed device that is open
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        # Entities could make gigabytes of a few lines; libvirt writes none.
        if "<!DOCTYPE" not in text and "<!ENTITY" not in text:
            with contextlib.suppress(expat.ExpatError):
                self._parser.Parse(text, True)

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        self._open.append(element)
        if element in _DEVICES:
            is_pci = attributes.get("type") == "pci" if element == "hostdev" else True
            managed = attributes.get("managed") == "yes" and is_pci
            self._managed = self._parser.CurrentLineNumber if managed else None
        elif element == "address" and self._managed is not None and self._of_host(attributes):
            numbers = [_number(attributes.get(part, "0")) for part in ("domain", "bus", "slot", "function")]
            known = [number for number in numbers if number is not None]
            if len(known) == len(numbers):
                self.devices.append((self._managed, "{:04x}:{:02x}:{:02x}.{:x}".format(*known)))

    def _of_host(self, attributes: dict[str, str]) -> bool:
        """Return whether an address is the host's: that in the guest is beside `source`, not in it."""
        inside = self._open[-2] if len(self._open) > 1 else ""
        return inside == "source" or (inside == "forward" and attributes.get("type") == "pci")

    def _end(self, element: str) -> None:
        if self._open:
            self._open.pop()
        if element in _DEVICES:
            self._managed = None

    def _characters(self, text: str) -> None:
        if self._open[1:] == ["name"] and len(self.name) < 256:
            self.name += text


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None
