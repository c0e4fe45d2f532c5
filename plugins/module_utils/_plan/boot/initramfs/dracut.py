# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dracut: a module of ours in dracut's folder of modules, see dracut.modules(7).

A drop-in in dracut.conf.d would not do: `install_items` puts a file in where it lies on the machine, and when the
drop-in is read the kernel's version is not always known, so that a module which it lacks would be asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...._machine.plan import DRAFT
from ...refusals import refuse
from .rebuild import rebuilding
from .store import clearing_steps, copies, file_steps, marker, modules, store_steps

if TYPE_CHECKING:
    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step
    from ...._probe.tree import Tree

_MODULES = "/usr/lib/dracut/modules.d"
MODULE = _MODULES + "/90vfio-workstation/module-setup.sh"
_PLUGIN = "/usr/lib/kernel/install.d/50-dracut.install"
_DEBIANS = "/etc/kernel/postinst.d/dracut"
_SCRIPT_LIMIT = 1 << 20

# As `ls -l` prints it, by cpio.
_LINE = re.compile(r"[-dlbcps][-rwxsStT]{9}\s+\d+\s+\S+\s+\S+\s+(?:\d+,\s*)?\d+\s+\S+\s+\d+\s+[\d:]+\s(.+)")

# dracut reads the file into its own shell, next to those of other modules: hence the long names. It stops when one of
# these functions fails, and with it the installation of a kernel. So what can't be put in is warned of, and the marker
# stays out: the next run of the collection sees that.
_HEAD = """\
#!/bin/bash
# Written by the Ansible collection vfio.workstation, by its module initramfs. Changes by hand do not last.

_vfio_workstation_put() {
    local place="${initdir}$2"

    mkdir -p "${place%%/*}" && rm -f "$place" && cp "$1" "$place" && chmod "$3" "$place" && return
    dwarn "vfio-workstation: $2 could not be put in"
    _vfio_workstation_complete=no
}

# A module that is built in, or that this kernel does not have, is never asked for.
_vfio_workstation_add() {
    if grep -qsE "$1" "${srcmods}/modules.dep"; then
        hostonly='' instmods "$2"
    fi
}

check() {
    return 0
}

depends() {
    return 0
}

installkernel() {
%(adds)s    return 0
}

install() {
    _vfio_workstation_complete=yes
%(puts)s    if [[ $_vfio_workstation_complete == yes ]]; then
        mkdir -p "${initdir}/%(folder)s"
        : > "${initdir}/%(marker)s"
    fi
    return 0
}
"""


class Dracut:
    """dracut as it is set up on a machine.

    Args:
        tree: The machine.
    """

    name = "dracut"

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def refusals(self) -> list[Refusal]:
        """Return why nothing can be put into this machine's images safely; none where it can."""
        if self._tree.exists("/run/ostree-booted"):
            return [refuse("initramfs_unsupported", "/run/ostree-booted is there: rpm-ostree makes the initramfs")]
        if not self._tree.exists(_MODULES):
            return [refuse("initramfs_unsupported", f"dracut is installed, and {_MODULES} is not there")]
        return []

    def config_steps(self, request: InitramfsRequest) -> list[Step]:
        """Return what makes every image made from now on hold a request, and nothing else of ours."""
        module = file_steps(self._tree, MODULE, _module(request), 0o755, "puts files and modules into every initramfs")
        return [*store_steps(self._tree, request), *module, *clearing_steps(self._tree, request)]

    def rebuild_steps(self, image: Image) -> list[Step]:
        """Return what makes an image anew."""
        # dracut copies an image to its place in place: a power cut would leave half of one. And it would call the hooks
        # of boot loaders with the draft's name, from release 106 on.
        argv = ["env", "NO_POST_UPDATE_HOOKS=1", "dracut", "--force", *self._usual_arguments(), DRAFT, image.version]
        hooks = "post-update.d" in (self._tree.text("/usr/bin/dracut", _SCRIPT_LIMIT) or "")
        return rebuilding(self._tree, image, tuple(argv), "/boot/initrd.img-" + image.version, hooks)

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the command line that lists an image."""
        return ("lsinitrd", path)

    def names(self, output: str) -> frozenset[str]:
        """Return the names in what that command printed: among other things, lines as of `ls -l`."""
        matches = map(_LINE.fullmatch, output.splitlines())
        return frozenset(match.group(1).partition(" -> ")[0] for match in matches if match)

    def _usual_arguments(self) -> list[str]:
        """Return the arguments with which a kernel's installation calls dracut, so that the image stays as it was."""
        if self._tree.exists(_DEBIANS):
            return []
        plugin = self._tree.text(_PLUGIN) or ""
        return ["--add-confdir", "hostonly"] if "--add-confdir hostonly" in plugin else []


def _module(request: InitramfsRequest) -> str | None:
    name = marker(request)
    if name is None:
        return None
    values = {
        "adds": "".join(f"    _vfio_workstation_add {words}\n" for words in modules(request)),
        "puts": "".join(f"    _vfio_workstation_put {words}\n" for words in copies(request)),
        "folder": name.rpartition("/")[0],
        "marker": name,
    }
    return _HEAD % values
