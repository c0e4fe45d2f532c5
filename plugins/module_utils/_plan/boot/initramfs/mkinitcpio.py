# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mkinitcpio of Arch Linux: a build hook of ours, and a drop-in that names it last, see mkinitcpio(8).

`FILES` and `MODULES` would not do: a file in `FILES` goes in where it lies on the machine, and a module in `MODULES`
that a kernel lacks is an error for it.

An image of the preset `fallback`, which presets had until release 40, is left as it is: it is what the machine boots
with when the other one fails. The next upgrade of its kernel makes it anew, and with our files in it.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Iterator

from ...._machine.plan import DRAFT
from ...refusals import refuse
from .rebuild import rebuilding
from .store import clearing_steps, copies, file_steps, marker, modules, store_steps

if TYPE_CHECKING:
    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step
    from ...._probe.tree import Tree

#: Drop-ins are read in the order of their names, and a later one may set HOOKS anew.
DROP_IN = "/etc/mkinitcpio.conf.d/zz-vfio-workstation.conf"
HOOK = "/etc/initcpio/install/vfio-workstation"
_PROGRAM = "/usr/bin/mkinitcpio"
_PRESETS = "/etc/mkinitcpio.d"
_SCRIPT_LIMIT = 1 << 20

_VERSION = re.compile(r"""^(?:declare -r\s+)?version=['"]?([0-9]+)""", re.MULTILINE)
_FIRST_WITH_DROP_INS = 36  # CHANGELOG of mkinitcpio
_FIRST_WITH_NOPOST = 40
_SETTING = re.compile(r"""^\s*(\w+)_(config|image|options)=(.*)$""")

_CONF = """\
# Written by the Ansible collection vfio.workstation, by its module initramfs. Changes by hand do not last.
HOOKS+=(vfio-workstation)
"""

# mkinitcpio reads the file into its own shell: hence the long names. It reports an incomplete image when a hook fails.
# So what can't be put in is warned of, and the marker stays out: the next run of the collection sees that.
_HOOK = """\
#!/bin/bash
# Written by the Ansible collection vfio.workstation, by its module initramfs. Changes by hand do not last.

_vfio_workstation_put() {
    if [[ -f $1 ]] && add_file "$1" "$2" "$3"; then
        return
    fi
    warning "vfio-workstation: '%%s' could not be put in" "$2"
    _vfio_workstation_complete=no
}

# A module that is built in, or that this kernel does not have, is never asked for.
_vfio_workstation_add() {
    if grep -qsE "$1" "/lib/modules/$KERNELVERSION/modules.dep"; then
        add_module "$2"
    fi
}

build() {
    _vfio_workstation_complete=yes
%(lines)s    if [[ $_vfio_workstation_complete == yes ]]; then
        mkdir -p "$BUILDROOT/%(folder)s"
        : > "$BUILDROOT/%(marker)s"
    fi
}

help() {
    echo "Puts in what the module initramfs of the Ansible collection vfio.workstation was asked to put in."
}
"""


class Mkinitcpio:
    """mkinitcpio as it is set up on a machine.

    Args:
        tree: The machine.
    """

    name = "mkinitcpio"

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        match = _VERSION.search(tree.text(_PROGRAM, _SCRIPT_LIMIT) or "")
        self._version = int(match.group(1)) if match else None

    def refusals(self) -> list[Refusal]:
        """Return why nothing can be put into this machine's images safely; none where it can."""
        if self._version is None:
            return [refuse("initramfs_unsupported", f"{_PROGRAM} does not tell its version")]
        if self._version < _FIRST_WITH_DROP_INS:
            seen = f"mkinitcpio {self._version} reads no drop-ins; {_FIRST_WITH_DROP_INS} is the first that does"
            return [refuse("initramfs_unsupported", seen, remedy="Upgrade mkinitcpio.")]
        return list(self._blind_presets())

    def config_steps(self, request: InitramfsRequest) -> list[Step]:
        """Return what makes every image made from now on hold a request, and nothing else of ours."""
        wanted = marker(request) is not None
        hook = file_steps(self._tree, HOOK, _hook(request), 0o644, "puts files and modules into every initramfs")
        conf = file_steps(self._tree, DROP_IN, _CONF if wanted else None, 0o644, f"has mkinitcpio call {HOOK}")
        # mkinitcpio fails when a hook that it is to call is not there.
        ordered = [*hook, *conf] if wanted else [*conf, *hook]
        return [*store_steps(self._tree, request), *ordered, *clearing_steps(self._tree, request)]

    def rebuild_steps(self, image: Image) -> list[Step]:
        """Return what makes an image anew."""
        argv = ["mkinitcpio", "-k", image.version, "-g", DRAFT, *self._usual_arguments(image.path)]
        if self._version is not None and self._version >= _FIRST_WITH_NOPOST:
            argv.append("--nopost")  # those hooks would be called with the draft's name
        return rebuilding(self._tree, image, tuple(argv), image.path, hooks=False)

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the command line that lists an image."""
        return ("lsinitcpio", path)

    def names(self, output: str) -> frozenset[str]:
        """Return the names in what that command printed: one a line."""
        return frozenset(output.splitlines())

    def _blind_presets(self) -> Iterator[Refusal]:
        for path, number, _preset, key, value in self._settings():
            if key == "config" and value:
                yield refuse(
                    "initramfs_unsupported",
                    f"{path}, line {number}, names a configuration file: mkinitcpio then reads no drop-ins",
                    remedy="Take that line out, as presets have it since mkinitcpio 36.",
                )

    def _usual_arguments(self, image: str) -> list[str]:
        """Return the options of the preset that makes an image, so that it stays as it was."""
        settings = list(self._settings())
        presets = [(path, preset) for path, _line, preset, key, value in settings if (key, value) == ("image", [image])]
        for path, _line, preset, key, value in settings:
            if key == "options" and (path, preset) in presets:
                return value
        return []

    def _settings(self) -> Iterator[tuple[str, int, str, str, list[str]]]:
        """Yield path, line, preset, key and words of each setting in the presets."""
        for name in self._tree.names(_PRESETS):
            path = f"{_PRESETS}/{name}"
            if not name.endswith(".preset"):
                continue
            for number, line in enumerate((self._tree.text(path) or "").splitlines(), 1):
                match = _SETTING.match(line)
                if match is not None:
                    yield path, number, match.group(1), match.group(2), _words(match.group(3))


def _words(value: str) -> list[str]:
    """Return the words of a shell assignment of a string, which mkinitcpio splits at white space, or of an array."""
    try:
        words = " ".join(shlex.split(value, comments=True))
    except ValueError:
        return [value]
    if words.startswith("(") and words.endswith(")"):
        words = words[1:-1]
    return words.split()


def _hook(request: InitramfsRequest) -> str | None:
    name = marker(request)
    if name is None:
        return None
    lines = [f"    _vfio_workstation_put {words}\n" for words in copies(request)]
    lines += [f"    _vfio_workstation_add {words}\n" for words in modules(request)]
    return _HOOK % {"lines": "".join(lines), "folder": name.rpartition("/")[0], "marker": name}
