# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of foreign files that are set aside while devices are managed, and put back by a rollback. Pure.

Set aside are claims that a request replaces (they take what it takes, too) or that it contradicts (they take what the
host keeps, or give a requested function to another driver), in files of /etc whose format has comments: modprobe.d and
the lists of modules of initramfs generators. An override of driverctl is a file of its own, which is renamed. A kernel
argument is removed from its line and recorded, by boot/cmdline_change.py.

A line stays where the host would lose what only that line says: a function that is on a driver for guests now, and that
is not requested, would return to the host's driver, which may mount or configure it.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import AbstractSet, Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine, PciFunction
from .._machine.claims import (
    EACH_BOOT,
    NOTED,
    ORDERS,
    TAKES,
    WITHHOLDS,
    Claim,
    configured_at,
)
from .._machine.guest_drivers import driver_of, is_guest_driver
from .._machine.plan import CONFIGURED, MoveFile, RemoveFile, Step, WriteFile
from .marked_lines import joined, line_at, module_list_at, only_vfio, put_back, set_aside

_DRIVERCTL = "/etc/driverctl.d/"
#: Of an override's new name. driverctl and its udev rule look for a file by the exact name of a device.
_RENAMED = ".set-aside-by-vfio-workstation"
_INITRAMFS_TOOLS = "/etc/initramfs-tools/modules"
_MODULE_LISTS = "initramfs_modules"
_ARGUMENT = "cmdline"
#: Generators copy the files of these kinds into images.
_IN_IMAGES = (
    *("modprobe_options", "modprobe_softdep", "modprobe_install", "modprobe_alias", "modprobe_blacklist"),
    _MODULE_LISTS,
)
_VFIO = "vfio-pci"
_IDS = re.compile(r"[ \t.]ids=\"?([^\"\s]*)")
_ANY_ID = "ffffffff"
#: Ends the text of a claim that is too long to be complete.
_CUT = "..."

_Place = Sequence[Claim]


class ForeignLines(NamedTuple):
    """What of the foreign claims is set aside where conflicts are replaced."""

    claims: tuple[Claim, ...]  # in order of their files
    lost: Mapping[Claim, tuple[str, ...]]  # claims that stay, with the functions that only they keep from the host
    blocks: Mapping[str, tuple[range, ...]]  # by path: the indexes of lines to set aside; none for a whole file

    @property
    def arguments(self) -> tuple[str, ...]:
        """The kernel arguments among them."""
        return tuple(dict.fromkeys(claim.text for claim in self.claims if claim.kind == _ARGUMENT))

    @property
    def concern_images(self) -> bool:
        """Whether initramfs images have copies of some of the lines."""
        return any(claim.kind in _IN_IMAGES for claim in self.claims)


NO_LINES = ForeignLines((), {}, {})


def foreign_lines(
    machine: Machine, bound: AbstractSet[str], files: Mapping[str, str], arguments: AbstractSet[str] = frozenset()
) -> ForeignLines:
    """Return which claims are set aside where conflicts are replaced.

    Args:
        machine: The machine.
        bound: Addresses of the functions that the request takes.
        files: The content of files that can be changed, by path.
        arguments: The kernel arguments that can be removed.
    """
    rules = _Rules(machine, bound)
    places: dict[tuple[str, int], list[Claim]] = {}
    for claim in _candidates(machine):
        path, line = configured_at(claim)
        if path in files and line is not None:
            places.setdefault((path, line), []).append(claim)
    removable = [claim for claim in foreign_claims(machine) if claim.kind == _ARGUMENT and claim.text in arguments]
    judged = (*itertools.chain.from_iterable(places.values()), *removable)
    lost = {claim: rules.lost(claim) for claim in judged if rules.lost(claim)}
    # A rollback puts them back when nothing is requested any more, so there must be something now.
    on_command_lines = removable if bound and not lost.keys() & set(removable) else []
    chosen: dict[tuple[str, int], range] = {}
    for place, claims in places.items():
        block = None if lost.keys() & set(claims) else _block(files[place[0]], place[1], claims[0])
        if block is not None and any(map(rules.is_replaced, claims)):
            chosen[place] = block
    changed = {path for path, _line in chosen}
    for place, claims in places.items():
        # Elsewhere such a line chooses between two drivers of the host, as packages of graphics drivers do.
        block = _block(files[place[0]], place[1], claims[0])
        if block is not None and place[0] in changed and all(map(rules.is_redundant, claims)):
            chosen[place] = block
    blocks: dict[str, list[range]] = {}
    for path, line in sorted(chosen):
        blocks.setdefault(path, []).append(chosen[path, line])
    return ForeignLines(
        (*(claim for place in sorted(chosen) for claim in places[place]), *filter(rules.is_replaced, on_command_lines)),
        lost,
        {path: tuple(ranges) for path, ranges in blocks.items()},
    )


def without(machine: Machine, lines: ForeignLines) -> Machine:
    """Return the machine as it is once lines are set aside: an option that the last of them hid has an effect then."""
    removed = set(lines.claims)
    live = {
        (claim.kind, claim.driver) for claim in foreign_claims(machine) if claim.applies_to and claim not in removed
    }

    def remaining(claims: Sequence[Claim]) -> tuple[Claim, ...]:
        return tuple(
            claim._replace(applies_to=(EACH_BOOT,))
            if not claim.applies_to and _is_hidden_by(claim, removed) and (claim.kind, claim.driver) not in live
            else claim
            for claim in claims
            if claim not in removed
        )

    pci = {address: function._replace(claims=remaining(function.claims)) for address, function in machine.pci.items()}
    return machine._replace(pci=pci, claims=remaining(machine.claims))


def set_aside_steps(lines: ForeignLines, files: Mapping[str, str]) -> Iterator[Step]:
    """Yield the steps that set lines aside."""
    for path, blocks in lines.blocks.items():
        if path.startswith(_DRIVERCTL):
            yield MoveFile(path, _renamed(path), CONFIGURED, f"set aside the override in {path}")
        else:
            yield WriteFile(path, set_aside(files[path], blocks), CONFIGURED, f"set aside foreign lines of {path}")


def put_back_steps(files: Mapping[str, str]) -> Iterator[Step]:
    """Yield the steps that put back all lines that were set aside."""
    for path, text in files.items():
        original = _original(path)
        if original is not None and original in files:
            yield RemoveFile(path, CONFIGURED, f"{original} was written again since this override was set aside")
        elif original is not None:
            yield MoveFile(path, original, CONFIGURED, f"put back the override in {original}")
        elif put_back(text) != text:
            yield WriteFile(path, put_back(text), CONFIGURED, f"put back the foreign lines of {path}")


class _Rules:
    """What a request makes of claims.

    Args:
        machine: The machine.
        bound: Addresses of the functions that the request takes.
    """

    def __init__(self, machine: Machine, bound: AbstractSet[str]) -> None:
        self._pci: Mapping[str, PciFunction] = machine.pci
        self._bound = frozenset(bound)

    def is_replaced(self, claim: Claim) -> bool:
        """Return whether the request replaces a claim, or contradicts it."""
        requested = self._bound.intersection(claim.addresses)
        loads_vfio = driver_of(claim.driver or "") == _VFIO
        if claim.effect == TAKES and is_guest_driver(claim.driver):
            return bool(claim.addresses)
        if claim.kind == "driverctl":
            return bool(requested) and claim.effect in (TAKES, WITHHOLDS)
        if claim.effect == ORDERS and loads_vfio:
            return bool(self._bound) and self._says_only_that(claim)
        # `blacklist vfio-pci`
        return claim.effect == NOTED and loads_vfio and bool(self._bound)

    def is_redundant(self, claim: Claim) -> bool:
        """Return whether a claim keeps the host's driver from requested functions only."""
        return (
            claim.effect == WITHHOLDS
            and claim.kind in ("modprobe_blacklist", "modprobe_install", "modprobe_alias")
            and bool(claim.addresses)
            and self._bound.issuperset(claim.addresses)
        )

    def lost(self, claim: Claim) -> tuple[str, ...]:
        """Return the functions on a driver for guests that nothing but this claim takes from the host."""
        if claim.effect != TAKES or not is_guest_driver(claim.driver):
            return ()
        return tuple(
            address
            for group in self._groups(claim)
            if not self._bound.intersection(group)
            for address in group
            if is_guest_driver(self._pci[address].driver)
        )

    def _groups(self, claim: Claim) -> list[tuple[str, ...]]:
        """Return the functions of a claim as it names them: an id names all identical devices at once."""
        match = _IDS.search(claim.text) if claim.kind in ("modprobe_options", _MODULE_LISTS, _ARGUMENT) else None
        if match is not None:
            entries = match.group(1).split(",")
            return [tuple(filter(functools.partial(self._has_ids, entry), claim.addresses)) for entry in entries]
        return [(address,) for address in claim.addresses]

    def _has_ids(self, entry: str, address: str) -> bool:
        """Return whether an entry of `ids`, such as 10de:2684, names a function."""
        function = self._pci[address]
        ids = (function.vendor, function.device, function.subsystem_vendor, function.subsystem_device)
        fields = [field.lower().replace("0x", "", 1).lstrip("0") for field in entry.split(":")]
        return all(field in (_ANY_ID, (id_ or "").lstrip("0")) for field, id_ in zip(fields, ids))

    def _says_only_that(self, claim: Claim) -> bool:
        """Return whether a claim that has vfio-pci loaded early does nothing else."""
        if claim.kind == "modprobe_softdep":
            return only_vfio(word for word in claim.text.split()[2:] if word not in ("pre:", "post:"))
        if claim.kind == "modprobe_alias":
            return not self._bound.isdisjoint(claim.addresses)
        if claim.kind == _MODULE_LISTS:
            return claim.path != _INITRAMFS_TOOLS or only_vfio(claim.text.split())
        return False  # a command may do more


def foreign_claims(machine: Machine) -> tuple[Claim, ...]:
    """Return the claims of others, each once."""
    of_functions = (claim for function in machine.pci.values() for claim in function.claims)
    return tuple(dict.fromkeys(claim for claim in (*of_functions, *machine.claims) if not claim.managed))


def _candidates(machine: Machine) -> Iterator[Claim]:
    """Yield the claims of the kinds that can be set aside, those included that have no effect for now."""
    claims = foreign_claims(machine)
    live = {claim for claim in claims if claim.applies_to}
    for claim in claims:
        of_a_kind = claim.kind in _IN_IMAGES or claim.kind == "driverctl"
        if of_a_kind and not claim.text.endswith(_CUT) and (claim in live or _is_hidden_by(claim, live)):
            yield claim


def _is_hidden_by(claim: Claim, others: AbstractSet[Claim]) -> bool:
    """Return whether a claim has no effect because the same option has another value in a later file."""
    return claim.kind == "modprobe_options" and any(
        (other.kind, other.driver, other.effect) == (claim.kind, claim.driver, claim.effect) for other in others
    )


def _block(text: str, number: int, claim: Claim) -> range | None:
    """Return the indexes of the lines that make a claim; None where they can't be set aside alone."""
    if claim.kind == "driverctl":
        return range(0)
    if claim.kind == _MODULE_LISTS and claim.path != _INITRAMFS_TOOLS:
        return module_list_at(text, number)
    block = line_at(text, number, continued=claim.kind != _MODULE_LISTS)
    if block is None:
        return None
    line = " ".join(joined(text, block).split())
    is_same = line == claim.text if configured_at(claim)[0] == claim.path else line.startswith("install ")
    return block if is_same else None


def _renamed(path: str) -> str:
    folder, _slash, name = path.rpartition("/")
    return f"{folder}/.{name}{_RENAMED}"


def _original(path: str) -> str | None:
    """Return the path of an override before it was renamed; None for other files."""
    folder, _slash, name = path.rpartition("/")
    is_renamed = path.startswith(_DRIVERCTL) and name.startswith(".") and name.endswith(_RENAMED)
    return f"{folder}/{name[1 : -len(_RENAMED)]}" if is_renamed else None
