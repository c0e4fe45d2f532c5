# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""initramfs-tools of Debian and Ubuntu: configured by a hook in /etc/initramfs-tools/hooks, see initramfs-tools(7).

Images are built by mkinitramfs, not by update-initramfs, which calls mkinitramfs: update-initramfs renames the draft
before its content is on the disk (it calls sync afterwards), and it succeeds without doing anything if /boot is
read-only or if update-initramfs.conf has `update_initramfs=no`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._machine.plan import DRAFT
from .rebuild import replacement_steps
from .store import cleanup_steps, copy_arguments, hook_steps, marker_path, module_arguments, store_steps

if TYPE_CHECKING:
    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step
    from ...._probe.tree import Tree

HOOK = "/etc/initramfs-tools/hooks/vfio-workstation"

# If a hook fails, so does the installation of a kernel. So a file that can't be copied causes a warning, and the marker
# is left out: the next run of the collection rebuilds an image without it.
_HEAD = """\
#!/bin/sh
# Made by the Ansible collection vfio.workstation (module initramfs). Manual changes are overwritten.

case "${1:-}" in
prereqs)
    echo "udev"
    exit 0
    ;;
esac

. /usr/share/initramfs-tools/hook-functions

complete=yes

copy() {
    target="${DESTDIR}$2"
    mkdir -p "${target%/*}" && rm -f "$target" && cp "$1" "$target" && chmod "$3" "$target" && return
    echo "W: vfio-workstation: could not copy $2 into the initramfs" >&2
    complete=no
}

# Adds a kernel module if modules.dep lists it: not if it is built in, nor if this kernel lacks it.
add() {
    if grep -qsE "$1" "/lib/modules/${version}/modules.dep"; then
        manual_add_modules "$2"
    fi
}

"""
_TAIL = """
if [ "$complete" = yes ]; then
    mkdir -p "${DESTDIR}/%(directory)s"
    : >"${DESTDIR}/%(marker)s"
fi
"""


class InitramfsTools:
    """initramfs-tools as it is configured on a host.

    Args:
        tree: The host.
    """

    name = "initramfs-tools"

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def refusals(self) -> list[Refusal]:
        """Return nothing: hooks are called whatever the configuration is."""
        return []

    def config_steps(self, request: InitramfsRequest) -> list[Step]:
        """Return the steps after which every newly built image holds the request, and nothing of an earlier one."""
        hook = hook_steps(self._tree, HOOK, _hook(request), 0o755)
        return [*store_steps(self._tree, request), *hook, *cleanup_steps(self._tree, request)]

    def rebuild_steps(self, image: Image) -> list[Step]:
        """Return the steps that rebuild an image."""
        argv = ("mkinitramfs", "-o", DRAFT, image.version)
        return replacement_steps(self._tree, image, argv, "/boot/initrd.img-" + image.version, calls_hooks=True)

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the command line that lists an image."""
        return ("lsinitramfs", path)

    def names(self, output: str) -> frozenset[str]:
        """Return the file names in the output of that command: one on each line."""
        return frozenset(output.splitlines())


def _hook(request: InitramfsRequest) -> str | None:
    marker = marker_path(request)
    if marker is None:
        return None
    calls = [f"copy {arguments}\n" for arguments in copy_arguments(request)]
    calls += [f"add {arguments}\n" for arguments in module_arguments(request)]
    return _HEAD + "".join(calls) + _TAIL % {"directory": marker.rpartition("/")[0], "marker": marker}
