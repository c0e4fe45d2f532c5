# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mkinitcpio of Arch Linux: configured by a build hook, and by a drop-in that adds it to HOOKS; see mkinitcpio(8).

`FILES` and `MODULES` are not enough: a file in `FILES` is copied to the path that it has on the host, and a module in
`MODULES` that a kernel lacks is an error.

The image of the preset `fallback`, which existed until release 40, is left as it is, for the case that the other image
fails. The next upgrade of its kernel rebuilds it, then with the requested files.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Iterator

from ...._machine.plan import DRAFT
from ...refusals import refuse
from .rebuild import replacement_steps
from .store import cleanup_steps, copy_arguments, hook_steps, marker_path, module_arguments, store_steps

if TYPE_CHECKING:
    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step
    from ...._probe.tree import Tree

#: Drop-ins are read in the order of their names. This one comes last, since another may assign HOOKS.
DROP_IN = "/etc/mkinitcpio.conf.d/zz-vfio-workstation.conf"
HOOK = "/etc/initcpio/install/vfio-workstation"
_PROGRAM = "/usr/bin/mkinitcpio"
_PRESETS = "/etc/mkinitcpio.d"
_SCRIPT_LIMIT = 1 << 20

_VERSION = re.compile(r"""^(?:declare -r\s+)?version=['"]?([0-9]+)""", re.MULTILINE)
#: Releases, by mkinitcpio's CHANGELOG.
_FIRST_WITH_DROP_INS = 36
_FIRST_WITH_NOPOST = 40
_SETTING = re.compile(r"""^\s*(\w+)_(config|image|options)=(.*)$""")

_CONF = """\
# Made by the Ansible collection vfio.workstation (module initramfs). Manual changes are overwritten.
HOOKS+=(vfio-workstation)
"""

# mkinitcpio sources the file, hence the long function names, and reports an incomplete image if a hook fails. So a file
# that can't be copied causes a warning, and the marker is left out: the next run of the collection rebuilds an image
# without it.
_HOOK = """\
#!/bin/bash
# Made by the Ansible collection vfio.workstation (module initramfs). Manual changes are overwritten.

_vfio_workstation_copy() {
    if [[ -f $1 ]] && add_file "$1" "$2" "$3"; then
        return
    fi
    warning "vfio-workstation: could not copy '%%s' into the initramfs" "$2"
    _vfio_workstation_complete=no
}

# Adds a kernel module if modules.dep lists it: not if it is built in, nor if this kernel lacks it.
_vfio_workstation_add() {
    if grep -qsE "$1" "/lib/modules/$KERNELVERSION/modules.dep"; then
        add_module "$2"
    fi
}

build() {
    _vfio_workstation_complete=yes
%(calls)s    if [[ $_vfio_workstation_complete == yes ]]; then
        mkdir -p "$BUILDROOT/%(directory)s"
        : > "$BUILDROOT/%(marker)s"
    fi
}

help() {
    echo "Adds the files and kernel modules requested from the Ansible collection vfio.workstation."
}
"""


class Mkinitcpio:
    """mkinitcpio as it is configured on a host.

    Args:
        tree: The host.
    """

    name = "mkinitcpio"

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        match = _VERSION.search(tree.text(_PROGRAM, _SCRIPT_LIMIT) or "")
        self._version = int(match.group(1)) if match else None

    def refusals(self) -> list[Refusal]:
        """Return why this host's images can't be extended safely; nothing if they can."""
        if self._version is None:
            seen = f"the version of mkinitcpio is unknown: {_PROGRAM} does not set version="
            return [refuse("initramfs_unsupported", seen)]
        if self._version < _FIRST_WITH_DROP_INS:
            seen = f"mkinitcpio {self._version} reads no drop-ins; release {_FIRST_WITH_DROP_INS} and later do"
            return [refuse("initramfs_unsupported", seen, remedy="Upgrade mkinitcpio.")]
        return list(self._presets_without_drop_ins())

    def config_steps(self, request: InitramfsRequest) -> list[Step]:
        """Return the steps after which every newly built image holds the request, and nothing of an earlier one."""
        is_requested = marker_path(request) is not None
        hook = hook_steps(self._tree, HOOK, _hook(request), 0o644)
        conf = hook_steps(self._tree, DROP_IN, _CONF if is_requested else None, 0o644)
        # mkinitcpio fails if HOOKS names a hook that does not exist.
        ordered = [*hook, *conf] if is_requested else [*conf, *hook]
        return [*store_steps(self._tree, request), *ordered, *cleanup_steps(self._tree, request)]

    def rebuild_steps(self, image: Image) -> list[Step]:
        """Return the steps that rebuild an image."""
        argv = ["mkinitcpio", "-k", image.version, "-g", DRAFT, *self._preset_options(image.path)]
        if self._version is not None and self._version >= _FIRST_WITH_NOPOST:
            argv.append("--nopost")  # post hooks would get the name of the draft
        return replacement_steps(self._tree, image, tuple(argv), image.path, calls_hooks=False)

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the command line that lists an image."""
        return ("lsinitcpio", path)

    def names(self, output: str) -> frozenset[str]:
        """Return the file names in the output of that command: one on each line."""
        return frozenset(output.splitlines())

    def _presets_without_drop_ins(self) -> Iterator[Refusal]:
        for path, number, _preset, key, value in self._settings():
            if key == "config" and value:
                yield refuse(
                    "initramfs_unsupported",
                    f"{path}, line {number}, names a configuration file: with that, mkinitcpio reads no drop-ins",
                    remedy="Remove that line; the presets of mkinitcpio 36 and later have none.",
                )

    def _preset_options(self, image: str) -> list[str]:
        """Return the options of the preset that builds an image, so that the image keeps its other content."""
        settings = list(self._settings())
        presets = [(path, preset) for path, _line, preset, key, value in settings if (key, value) == ("image", [image])]
        for path, _line, preset, key, value in settings:
            if key == "options" and (path, preset) in presets:
                return value
        return []

    def _settings(self) -> Iterator[tuple[str, int, str, str, list[str]]]:
        """Yield the file, line number, preset, key and words of each setting in the presets."""
        for name in self._tree.names(_PRESETS):
            path = f"{_PRESETS}/{name}"
            if not name.endswith(".preset"):
                continue
            for number, line in enumerate((self._tree.text(path) or "").splitlines(), 1):
                match = _SETTING.match(line)
                if match is not None:
                    yield path, number, match.group(1), match.group(2), _words(match.group(3))


def _words(value: str) -> list[str]:
    """Return the words of an assigned value: of an array, or of a string, which mkinitcpio splits at white space."""
    try:
        words = " ".join(shlex.split(value, comments=True))
    except ValueError:
        return [value]
    if words.startswith("(") and words.endswith(")"):
        words = words[1:-1]
    return words.split()


def _hook(request: InitramfsRequest) -> str | None:
    marker = marker_path(request)
    if marker is None:
        return None
    calls = [f"    _vfio_workstation_copy {arguments}\n" for arguments in copy_arguments(request)]
    calls += [f"    _vfio_workstation_add {arguments}\n" for arguments in module_arguments(request)]
    return _HOOK % {"calls": "".join(calls), "directory": marker.rpartition("/")[0], "marker": marker}
