# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matches of udev rules, evaluated as for the `add` event of a PCI function, udev(7).

A result is None if it depends on a value that is unknown before the event: the output of a program, a property that
another rule sets, the driver. Keys that search the parents of a device are evaluated one by one, while udev wants one
parent that matches all of them.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Iterator, Mapping, NamedTuple

from ..._machine import PciFunction
from .files import Line, lines
from .functions import modalias

_KEY = re.compile(r'([A-Z][A-Z_]*)(?:\{([^}"]{1,256})\})?\s*([=!+:-]?=)\s*[ei]?"((?:[^"\\]|\\.)*)"')
_MATCHES = ("==", "!=")
#: An attribute of another function: `ATTR{[pci/0000:41:00.0]vendor}`.
_OF_FUNCTION = re.compile(r"\[pci/([^\]]+)\](\w+)")
#: Later events of a function, when it gets a driver or somebody triggers one.
_LATER_EVENTS = ("bind", "change")
_MAX_PARENTS = 32
_MAX_KEYS = 64


class Key(NamedTuple):
    """A key with its operator: a match or an assignment."""

    name: str
    attribute: str  # in braces, or ""
    operator: str
    value: str

    @property
    def is_match(self) -> bool:
        """Whether it is a match."""
        return self.operator in _MATCHES


class Rule(NamedTuple):
    """A rule."""

    line: Line
    keys: tuple[Key, ...]

    def assigned(self, *names: str) -> Iterator[Key]:
        """Yield the assignments to keys of these names."""
        return (key for key in self.keys if key.name in names and not key.is_match)


class Rules:
    """The rules of a file.

    Args:
        text: The file.
        functions: The PCI functions of the host, by address.
    """

    def __init__(self, text: str, functions: Mapping[str, PciFunction]) -> None:
        self._functions = functions
        self.rules = tuple(_rule(line) for line in lines(text))
        self._jumps = tuple(self._find_jumps())

    def _find_jumps(self) -> Iterator[tuple[int, int]]:
        """Yield the positions of each GOTO and of the LABEL that it leads to, which is further down."""
        labels: dict[str, int] = {}
        for position in range(len(self.rules) - 1, -1, -1):
            for key in self.rules[position].assigned("GOTO"):
                if key.value in labels:
                    yield position, labels[key.value]
            labels.update({key.value: position for key in self.rules[position].assigned("LABEL")})

    def matching(self, position: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the functions that a rule matches for certain, and those that it may match.

        Args:
            position: The position of the rule.
        """
        results = {address: self._reaches(position, address) for address in self._functions}
        certain = tuple(address for address, result in results.items() if result)
        return certain, tuple(address for address, result in results.items() if result is None)

    def _reaches(self, position: int, address: str) -> bool | None:
        result = self._matches(position, address)
        for start, end in self._jumps:
            if result is not False and start < position < end:
                jumps = self._matches(start, address)
                result = False if jumps else (result if jumps is False else None)
        return result

    def _matches(self, position: int, address: str) -> bool | None:
        result: bool | None = True
        for key in self.rules[position].keys:
            if key.is_match:
                value = self._evaluate(key, address)
                if value is False:
                    return False
                result = None if value is None else result
        return result

    def _evaluate(self, key: Key, address: str) -> bool | None:
        result = self._equals(key, address)
        return result if key.operator == "==" or result is None else not result

    def _equals(self, key: Key, address: str) -> bool | None:
        """Return whether the value of a key is what a match asks for."""
        if key.name == "ACTION":
            later = any(_fits(event, key.value) for event in _LATER_EVENTS)
            return True if _fits("add", key.value) else (None if later else False)
        if key.name == "SUBSYSTEM":
            return _fits("pci", key.value)
        if key.name == "KERNEL":
            return _fits(address, key.value)
        if key.name == "ENV":
            return _fits(_property(address, self._functions[address], key.attribute), key.value)
        if key.name == "ATTR":
            other = _OF_FUNCTION.fullmatch(key.attribute)
            address, name = other.groups() if other else (address, key.attribute)
            return _fits(self._attribute(address, name), key.value)
        if key.name in ("KERNELS", "SUBSYSTEMS", "ATTRS"):
            return self._any_parent_equals(key, address)
        return None

    def _any_parent_equals(self, key: Key, address: str) -> bool | None:
        """Return whether the function or any device above it has a value."""
        results = []
        names: list[str] = []
        parent: str | None = address
        while parent is not None and len(names) < _MAX_PARENTS:
            names.append(parent)
            function = self._functions.get(parent)
            parent = function.parent if function else None
        for name in names:
            if key.name == "ATTRS":
                results.append(_fits(self._attribute(name, key.attribute), key.value))
            else:
                results.append(_fits("pci" if key.name == "SUBSYSTEMS" else name, key.value))
        if key.name == "KERNELS":  # the root bus has a name too
            results.append(_fits(f"pci{names[-1].rpartition(':')[0]}", key.value))
        return True if True in results else (None if None in results else False)

    def _attribute(self, address: str, name: str) -> str | None:
        function = self._functions.get(address)
        if function is None:
            return None
        if name == "boot_vga" and function.boot_display is not None:
            return str(int(function.boot_display)) if (function.class_ or "").startswith("0300") else ""
        values = {
            "vendor": function.vendor,
            "device": function.device,
            "subsystem_vendor": function.subsystem_vendor,
            "subsystem_device": function.subsystem_device,
            "class": function.class_,
            "revision": function.revision,
        }
        value = values.get(name)
        return None if value is None else f"0x{value}"


def _rule(line: Line) -> Rule:
    keys = [Key(*match.groups("")) for match in _KEY.finditer(line.text)]
    return Rule(line, tuple(keys[:_MAX_KEYS]))


def _fits(value: str | None, pattern: str) -> bool | None:
    """Return whether a value fits a pattern, alternatives of which have `|` between them; None if it is unknown."""
    return None if value is None else any(fnmatchcase(value, choice) for choice in pattern.split("|"))


def _property(address: str, function: PciFunction, name: str) -> str | None:
    """Return a property that the kernel gives the event: pci_uevent() of drivers/pci/pci-driver.c."""
    ids = (function.vendor, function.device, function.subsystem_vendor, function.subsystem_device)
    values = {
        "ACTION": "add",
        "SUBSYSTEM": "pci",
        "PCI_SLOT_NAME": address,
        "PCI_CLASS": None if function.class_ is None else f"{int(function.class_, 16):04X}",
        "PCI_ID": None if None in ids[:2] else f"{ids[0]}:{ids[1]}".upper(),
        "PCI_SUBSYS_ID": None if None in ids[2:] else f"{ids[2]}:{ids[3]}".upper(),
        "MODALIAS": modalias(function),
    }
    return values.get(name)
