# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""initramfs-tools of Debian and Ubuntu: a hook of ours in /etc/initramfs-tools/hooks, see initramfs-tools(7).

Images are made by mkinitramfs rather than by update-initramfs, which calls it, but renames the draft before that is on
the disk (it calls sync afterwards), and which does nothing and succeeds when /boot is read-only or when
update-initramfs.conf says `update_initramfs=no`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._machine.plan import DRAFT
from .rebuild import rebuilding
from .store import clearing_steps, copies, file_steps, marker, modules, store_steps

if TYPE_CHECKING:
    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step
    from ...._probe.tree import Tree

HOOK = "/etc/initramfs-tools/hooks/vfio-workstation"

# A hook that fails takes the installation of a kernel with it. So what can't be put in is warned of, and the marker
# stays out: the next run of the collection sees that.
_HEAD = """\
#!/bin/sh
# Written by the Ansible collection vfio.workstation, by its module initramfs. Changes by hand do not last.

case "${1:-}" in
prereqs)
    echo "udev"
    exit 0
    ;;
esac

. /usr/share/initramfs-tools/hook-functions

complete=yes

put() {
    place="${DESTDIR}$2"
    mkdir -p "${place%/*}" && rm -f "$place" && cp "$1" "$place" && chmod "$3" "$place" && return
    echo "W: vfio-workstation: $2 could not be put in" >&2
    complete=no
}

# A module that is built in, or that this kernel does not have, is never asked for.
add() {
    if grep -qsE "$1" "/lib/modules/${version}/modules.dep"; then
        manual_add_modules "$2"
    fi
}

"""
_TAIL = """
if [ "$complete" = yes ]; then
    mkdir -p "${DESTDIR}/%(folder)s"
    : >"${DESTDIR}/%(marker)s"
fi
"""


class InitramfsTools:
    """initramfs-tools as it is set up on a machine.

    Args:
        tree: The machine.
    """

    name = "initramfs-tools"

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def refusals(self) -> list[Refusal]:
        """None: whatever is configured, hooks are called."""
        return []

    def config_steps(self, request: InitramfsRequest) -> list[Step]:
        """Return what makes every image made from now on hold a request, and nothing else of ours."""
        hook = file_steps(self._tree, HOOK, _hook(request), 0o755, "puts files and modules into every initramfs")
        return [*store_steps(self._tree, request), *hook, *clearing_steps(self._tree, request)]

    def rebuild_steps(self, image: Image) -> list[Step]:
        """Return what makes an image anew."""
        argv = ("mkinitramfs", "-o", DRAFT, image.version)
        return rebuilding(self._tree, image, argv, "/boot/initrd.img-" + image.version, hooks=True)

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the command line that lists an image."""
        return ("lsinitramfs", path)

    def names(self, output: str) -> frozenset[str]:
        """Return the names in what that command printed: one a line."""
        return frozenset(output.splitlines())


def _hook(request: InitramfsRequest) -> str | None:
    name = marker(request)
    if name is None:
        return None
    lines = [f"put {words}\n" for words in copies(request)] + [f"add {words}\n" for words in modules(request)]
    return _HEAD + "".join(lines) + _TAIL % {"folder": name.rpartition("/")[0], "marker": name}
