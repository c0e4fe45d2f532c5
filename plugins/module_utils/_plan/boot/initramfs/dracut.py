# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dracut: configured by a dracut module of this collection, see dracut.modules(7).

A drop-in in dracut.conf.d is not enough. `install_items` copies a file to the path that it has on the host; and when
drop-ins are read, the kernel's version is not always known, so kernel modules that it lacks could not be left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...._machine.plan import DRAFT
from ...refusals import refuse
from .rebuild import replacement_steps
from .store import cleanup_steps, copy_arguments, hook_steps, marker_path, module_arguments, store_steps

if TYPE_CHECKING:
    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step
    from ...._probe.tree import Tree

_MODULES_DIRECTORY = "/usr/lib/dracut/modules.d"
MODULE = _MODULES_DIRECTORY + "/90vfio-workstation/module-setup.sh"
_PLUGIN = "/usr/lib/kernel/install.d/50-dracut.install"
_DEBIAN_HOOK = "/etc/kernel/postinst.d/dracut"
_SCRIPT_LIMIT = 1 << 20

# A line of lsinitrd, in the format of `ls -l`.
_LINE = re.compile(r"[-dlbcps][-rwxsStT]{9}\s+\d+\s+\S+\s+\S+\s+(?:\d+,\s*)?\d+\s+\S+\s+\d+\s+[\d:]+\s(.+)")

# dracut sources the file beside those of other modules, hence the long function names. If one of these functions fails,
# so does dracut, and with it the installation of a kernel. So a file that can't be copied causes a warning, and the
# marker is left out: the next run of the collection rebuilds an image without it.
_TEMPLATE = """\
#!/bin/bash
# Made by the Ansible collection vfio.workstation (module initramfs). Manual changes are overwritten.

_vfio_workstation_copy() {
    local target="${initdir}$2"

    mkdir -p "${target%%/*}" && rm -f "$target" && cp "$1" "$target" && chmod "$3" "$target" && return
    dwarn "vfio-workstation: could not copy $2 into the initramfs"
    _vfio_workstation_complete=no
}

# Adds a kernel module if modules.dep lists it: not if it is built in, nor if this kernel lacks it.
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
%(copies)s    if [[ $_vfio_workstation_complete == yes ]]; then
        mkdir -p "${initdir}/%(directory)s"
        : > "${initdir}/%(marker)s"
    fi
    return 0
}
"""


class Dracut:
    """dracut as it is configured on a host.

    Args:
        tree: The host.
    """

    name = "dracut"

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def refusals(self) -> list[Refusal]:
        """Return why this host's images can't be extended safely; nothing if they can."""
        if self._tree.exists("/run/ostree-booted"):
            return [refuse("initramfs_unsupported", "/run/ostree-booted exists: rpm-ostree builds the initramfs")]
        if not self._tree.exists(_MODULES_DIRECTORY):
            return [refuse("initramfs_unsupported", f"dracut is installed, but {_MODULES_DIRECTORY} does not exist")]
        return []

    def config_steps(self, request: InitramfsRequest) -> list[Step]:
        """Return the steps after which every newly built image holds the request, and nothing of an earlier one."""
        module = hook_steps(self._tree, MODULE, _module(request), 0o755)
        return [*store_steps(self._tree, request), *module, *cleanup_steps(self._tree, request)]

    def rebuild_steps(self, image: Image) -> list[Step]:
        """Return the steps that rebuild an image."""
        # By itself dracut overwrites an image in place: a power cut would leave half of it. Since release 106 it also
        # calls the hooks of boot loaders, which would get the draft's name.
        command = ("env", "NO_POST_UPDATE_HOOKS=1", "dracut", "--force")
        argv = (*command, *self._installation_options(), DRAFT, image.version)
        calls_hooks = "post-update.d" in (self._tree.text("/usr/bin/dracut", _SCRIPT_LIMIT) or "")
        return replacement_steps(self._tree, image, argv, "/boot/initrd.img-" + image.version, calls_hooks)

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the command line that lists an image."""
        return ("lsinitrd", path)

    def names(self, output: str) -> frozenset[str]:
        """Return the file names in the output of that command, which are in its lines in the format of `ls -l`."""
        matches = map(_LINE.fullmatch, output.splitlines())
        return frozenset(match.group(1).partition(" -> ")[0] for match in matches if match)

    def _installation_options(self) -> list[str]:
        """Return dracut's options at the installation of a kernel, so that the image keeps its other content."""
        if self._tree.exists(_DEBIAN_HOOK):
            return []
        plugin = self._tree.text(_PLUGIN) or ""
        return ["--add-confdir", "hostonly"] if "--add-confdir hostonly" in plugin else []


def _module(request: InitramfsRequest) -> str | None:
    marker = marker_path(request)
    if marker is None:
        return None
    values = {
        "adds": "".join(f"    _vfio_workstation_add {arguments}\n" for arguments in module_arguments(request)),
        "copies": "".join(f"    _vfio_workstation_copy {arguments}\n" for arguments in copy_arguments(request)),
        "directory": marker.rpartition("/")[0],
        "marker": marker,
    }
    return _TEMPLATE % values
