# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims in modprobe.d(5): options, softdep, install, alias and blacklist, as kmod reads them.

Source: kmod's libkmod-config.c. The last occurrence of an option counts, in files sorted by name. A driver that is
built into the kernel reads the command line alone.
"""

from __future__ import annotations

import re
from typing import Iterator

from ..._machine.claims import EACH_BOOT, ORDERS, WITHHOLDS, Claim
from ..._machine.cmdline import Argument, parse
from ..._machine.guest_drivers import driver_of, is_guest_driver
from ..tree import Tree
from .arguments import LAST_COUNTS, keeping_away, meaning_of
from .files import Line, content, in_folders, lines
from .functions import Functions
from .images import Images
from .managed import is_managed
from .meaning import Meaning
from .shell import read_commands

#: A file without these words has no claims.
_WORTH = re.compile(r"vfio|stub|pciback|uio|driver_override|blacklist|install|modeset|\boff\b")
#: Commands that keep a module from being loaded.
_NOTHING = re.compile(r"(?:(?:/usr)?/bin/)?(?:false|true|:)(?:\s|$)")


def read_modprobe(tree: Tree, functions: Functions, images: Images) -> Iterator[Claim]:
    """Yield the claims of all files of modprobe.d.

    Args:
        tree: The host.
        functions: Its PCI functions.
        images: Its initramfs images, which have copies of the files.
    """
    claims: list[tuple[str, Claim]] = []  # each with the name of the option, "" for other commands
    for path in in_folders(tree, "modprobe.d", (".conf", ".alias")):
        text = content(tree, path)
        if text is None or not _WORTH.search(text):
            continue
        applies_to, managed = (EACH_BOOT, *images.with_file(path)), is_managed(text)
        for line in lines(text):
            for kind, option, meaning in _meanings(line.text, functions):
                claim = meaning.claim(kind, path, line.number, line.text, applies_to, managed=managed)
                claims.append((option, claim))
            claims.extend(("", claim) for claim in _installed(tree, path, line, functions, applies_to, managed))
    last = {option: position for position, (option, _claim) in enumerate(claims)}
    for position, (option, claim) in enumerate(claims):
        read = option not in LAST_COUNTS or (
            last[option] == position and not images.built_in_everywhere(option.partition(".")[0])
        )
        yield claim if read else claim._replace(applies_to=())


def _meanings(text: str, functions: Functions) -> Iterator[tuple[str, str, Meaning]]:
    """Yield the kind, the name of the option ("" for other commands) and the effect of each claim on a line."""
    command, _space, rest = text.replace("\t", " ").partition(" ")
    name, _space, rest = rest.strip().partition(" ")
    module = name.replace("-", "_")
    if command == "options":
        for argument in parse(rest).arguments:
            option = Argument("", f"{module}.{argument.text}")
            meaning = meaning_of(option, functions)
            if meaning is not None:
                yield "modprobe_options", option.name, meaning
    elif command == "softdep":
        before = rest.partition("post:")[0].replace("pre:", " ").split()
        driver = next(filter(is_guest_driver, before), None)
        if driver is not None:
            yield "modprobe_softdep", "", Meaning(driver_of(driver), ORDERS, ())
    elif command == "blacklist":
        kept_away = keeping_away([module], functions)
        if kept_away is not None:
            yield "modprobe_blacklist", "", kept_away
    elif command == "alias":
        yield from (("modprobe_alias", "", meaning) for meaning in _alias(name, rest.strip(), functions))


def _alias(name: str, module: str, functions: Functions) -> Iterator[Meaning]:
    """Yield the effect of an alias that loads another module in place of the host's driver, or none."""
    plain = name.replace("-", "_")
    addresses = functions.like(name) if name.startswith("pci:") else functions.of_host_drivers([plain])
    if is_guest_driver(module):
        yield Meaning(driver_of(module), ORDERS, addresses)
    elif module == "off" and addresses:
        yield Meaning(None, WITHHOLDS, addresses)


def _installed(
    tree: Tree, path: str, line: Line, functions: Functions, applies_to: tuple[str, ...], managed: bool
) -> Iterator[Claim]:
    """Yield the claims of a command that runs in place of loading a module."""
    words = line.text.split(None, 2)
    if len(words) < 3 or words[0] != "install":
        return
    module, command = words[1].replace("-", "_"), words[2]
    if _NOTHING.match(command):
        kept_away = keeping_away([module], functions)
        if kept_away is not None:
            yield kept_away.claim("modprobe_install", path, line.number, line.text, applies_to, managed=managed)
        return
    for place in read_commands(tree, path, command, functions, line):
        # `install vfio-pci modprobe --ignore-install vfio-pci` orders nothing.
        if place.meaning.effect != ORDERS or not is_guest_driver(module):
            yield place.claim("modprobe_install", applies_to, managed)
