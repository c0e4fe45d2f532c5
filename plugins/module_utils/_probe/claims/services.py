# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of programs that run at boot: systemd units, rc.local, init scripts, @reboot of cron, and their scripts."""

from __future__ import annotations

import re
from typing import Iterator

from ..._machine.claims import EACH_BOOT, Claim
from ..tree import Tree
from .files import MAX_FILES, SCRIPT_LIMIT, Line, content, in_folder, lines
from .functions import Functions
from .managed import is_managed
from .shell import SCRIPT_NAME, read_commands, read_script

#: Where administrators put units, and links that enable those of packages.
_UNITS = ("/etc/systemd/system", "/usr/local/lib/systemd/system")
_PACKAGED = ("/usr/lib/systemd/", "/lib/systemd/")
_ENABLING = (".wants", ".requires", ".upholds")
_EXEC = re.compile(r"^[ \t]*Exec\w+[ \t]*=[ \t]*((?:\\\n|.){1,4096})", re.MULTILINE)
_RC_LOCAL = ("/etc/rc.local", "/etc/rc.d/rc.local")
_INIT_SCRIPTS = "/etc/init.d"
_OPENRC = "/etc/local.d"
_CRONTAB = "/etc/crontab"
_CRONTABS = ("/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron")


def read_services(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of everything that runs at boot."""
    for path, is_enabled in _units(tree).items():
        yield from _unit(tree, path, (EACH_BOOT,) if is_enabled else (), functions)
    for path in (*_RC_LOCAL, *in_folder(tree, _OPENRC, ".start")):
        text = content(tree, path, SCRIPT_LIMIT) or ""
        for place in read_commands(tree, path, text, functions):
            yield place.claim("boot_script", (EACH_BOOT,), is_managed(text))
    for path in in_folder(tree, _INIT_SCRIPTS):
        text = content(tree, path, SCRIPT_LIMIT) or ""
        for effect in read_script(text, functions):
            yield effect.claim("boot_script", path, (EACH_BOOT,), is_managed(text))
    for path in (_CRONTAB, *(path for folder in _CRONTABS for path in in_folder(tree, folder))):
        yield from _crontab(tree, path, functions)


def _unit(tree: Tree, path: str, applies_to: tuple[str, ...], functions: Functions) -> Iterator[Claim]:
    text = content(tree, path, SCRIPT_LIMIT) or ""
    for match in _EXEC.finditer(text):
        line = Line(text.count("\n", 0, match.start()) + 1, match.group().replace("\\\n", " ").strip())
        for place in read_commands(tree, path, match.group(1).replace("\\\n", " "), functions, line):
            yield place.claim("systemd_unit", applies_to, is_managed(text))


def _crontab(tree: Tree, path: str, functions: Functions) -> Iterator[Claim]:
    for line in lines(content(tree, path, SCRIPT_LIMIT) or "", continued=False):
        if line.text.startswith("@reboot"):
            for place in read_commands(tree, path, line.text, functions, line):
                yield place.claim("boot_script", (EACH_BOOT,), managed=False)


def _units(tree: Tree) -> dict[str, bool]:
    """Return the paths of services and their drop-ins, each with whether the service is enabled.

    Of packaged units only those whose name hints at bindings are read: a host has hundreds.
    """
    links: dict[str, str] = {}
    written = []
    for top in _UNITS:
        for name in tree.names(top)[:MAX_FILES]:
            if name.endswith(_ENABLING):
                links.update(tree.targets(f"{top}/{name}") or {})
            elif name.endswith(".service"):
                written.append((name, f"{top}/{name}"))
            elif name.endswith(".service.d"):
                written.extend((name[: -len(".d")], path) for path in in_folder(tree, f"{top}/{name}", ".conf"))
    units = {tree.resolve(path) or path: name in links for name, path in written}
    for name, target in links.items():
        is_packaged = target.startswith(_PACKAGED) and not SCRIPT_NAME.search(name)
        if name.endswith(".service") and target.startswith("/") and not is_packaged:
            units.setdefault(tree.resolve(target) or target, True)
    return units
