# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of udev rules: those that set driver_override, write new_id, or run commands that bind functions, udev(7)."""

from __future__ import annotations

import re
from typing import Iterator, Sequence

from ..._machine.claims import EACH_BOOT, RECOGNISED, TAKES, Claim
from ..._machine.guest_drivers import driver_of
from ..tree import Tree
from .files import content, in_folders
from .functions import Functions
from .images import Images
from .managed import is_managed
from .meaning import Meaning
from .shell import Place, mentions, read_commands, read_script
from .udev_matches import Rule, Rules

#: Files of packages have claims only if they mention a binding; those of administrators may run scripts of any name.
_PACKAGED = ("/usr/lib/", "/lib/")
#: Attributes of another function and of a driver: `[pci/0000:41:00.0]driver_override`, `[drivers/pci:vfio-pci]new_id`.
_OF_FUNCTION = re.compile(r"\[pci/([^\]]+)\]driver_override")
_OF_DRIVER = re.compile(r"\[drivers/pci:([^\]]+)\](new_id|bind)")
#: The function of the event, and its directory in sysfs.
_NAME = re.compile(r"\$kernel\b|%k|\$env\{PCI_SLOT_NAME\}|%E\{PCI_SLOT_NAME\}")
_DIRECTORY = re.compile(r"(?:\$sys|%S|/sys)(?:\$devpath\b|%p|\$env\{DEVPATH\}|%E\{DEVPATH\})")
#: Functions whose events are gone through for a rule.
_MAX_FUNCTIONS = 64
_MAX_RULES = 2048


def read_udev_rules(tree: Tree, functions: Functions, images: Images) -> Iterator[Claim]:
    """Yield the claims of all rules.

    Args:
        tree: The host.
        functions: Its PCI functions.
        images: Its initramfs images, which may have copies of the rules.
    """
    for path in in_folders(tree, "udev/rules.d", ".rules"):
        text = content(tree, path)
        if text is None or (path.startswith(_PACKAGED) and not mentions(text)):
            continue
        managed = is_managed(text)
        file = Rules(text, functions.by_address)
        for position, rule in enumerate(file.rules[:_MAX_RULES]):
            commands = [key.value for key in rule.keys if key.name in ("RUN", "PROGRAM")]
            places = [place for one in commands for place in read_commands(tree, path, one, functions, rule.line)]
            scripts = [place for place in places if place.origin is not None]
            if not places and not any(_bindings(rule, "", functions)):
                continue
            certain, possible = file.matching(position)
            matched = certain or possible
            direct = list(_direct(path, rule, matched, functions, bool(scripts)))
            scripts = [_with_matched(place, matched, functions) for place in scripts]
            # The kernel argument that gates a rule of this collection's is no reason to doubt the rule.
            doubtful = not certain and bool(possible) and not managed
            for place in (*direct, *scripts):
                yield _doubted(place, doubtful).claim("udev_rule", (EACH_BOOT, *images.with_file(path)), managed)


def _direct(path: str, rule: Rule, matched: Sequence[str], functions: Functions, has_scripts: bool) -> Iterator[Place]:
    """Yield the effects that a rule has itself, each with all functions that it concerns.

    Args:
        path: The file.
        rule: The rule.
        matched: The functions that it matches.
        functions: Those of the host.
        has_scripts: Whether it runs scripts that have been read: then a command that can't be understood is theirs.
    """
    by_effect: dict[tuple[str | None, str], set[str]] = {}
    for address in matched[:_MAX_FUNCTIONS] or [""]:
        for meaning in _bindings(rule, address, functions):
            if meaning.effect != RECOGNISED or not has_scripts:
                by_effect.setdefault((meaning.driver, meaning.effect), set()).update(meaning.addresses)
    for (driver, effect), addresses in by_effect.items():
        place = Place(path, rule.line, Meaning(driver, effect, functions.present(addresses)), None)
        yield _with_matched(place, matched, functions)


def _with_matched(place: Place, matched: Sequence[str], functions: Functions) -> Place:
    """Return an effect that can't be understood with the functions of its rule, unless that matches all there are."""
    meaning = place.meaning
    if meaning.effect != RECOGNISED or len(matched) == len(functions.by_address):
        return place
    return place._replace(meaning=meaning._replace(addresses=functions.present({*meaning.addresses, *matched})))


def _bindings(rule: Rule, address: str, functions: Functions) -> Iterator[Meaning]:
    """Yield the effects of a rule in the event of a function, or of none that is present ("")."""
    for key in rule.assigned("ATTR"):
        of_function, of_driver = _OF_FUNCTION.fullmatch(key.attribute), _OF_DRIVER.fullmatch(key.attribute)
        value = _NAME.sub(address, key.value) if address else key.value
        if value and (of_function or key.attribute == "driver_override"):
            target = of_function.group(1) if of_function else address
            yield Meaning(driver_of(value), TAKES, functions.present([target]))
        elif value and of_driver:
            by_ids = of_driver.group(2) == "new_id"
            addresses = functions.with_ids(":".join(value.split())) if by_ids else functions.mentioned(value)
            yield Meaning(driver_of(of_driver.group(1)), TAKES, addresses)
    for key in rule.keys:
        if key.name in ("RUN", "PROGRAM"):
            command = _DIRECTORY.sub(f"/sys/bus/pci/devices/{address}", key.value) if address else key.value
            for effect in read_script(_NAME.sub(address, command) if address else command, functions):
                yield effect.meaning


def _doubted(place: Place, doubtful: bool) -> Place:
    """Return an effect, recognised only if it depends on what is not known."""
    if doubtful and place.meaning.effect == TAKES:
        return place._replace(meaning=place.meaning._replace(effect=RECOGNISED))
    return place
