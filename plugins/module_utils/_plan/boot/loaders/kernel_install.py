# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kernel-install(8): the command line that it gives to new kernels, its layout, and our plugin for it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Iterator, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import FALLBACK, NORMAL, Change, EntryLine, Source
from ...._machine.plan import CONFIGURED, Refusal, RemoveFile, Step, WriteFile
from ...refusals import refuse

if TYPE_CHECKING:
    from ...._probe.tree import Tree

CMDLINE = "/etc/kernel/cmdline"
_VENDORS_CMDLINE = "/usr/lib/kernel/cmdline"
#: In the order in which they count; the first that is there does, and drop-ins come on top (kernel-install(8)).
_CONFIGURATIONS = ("/etc/kernel/install.conf", "/usr/lib/kernel/install.conf")
_DROP_INS = ("/usr/lib/kernel/install.conf.d", "/etc/kernel/install.conf.d")
#: After 90-loaderentry.install, which writes the entry that ours is beside.
PLUGIN = "/etc/kernel/install.d/95-vfio-workstation.install"
#: Fedora's 20-grub.install ends the work of kernel-install with exit status 77; ours has to be done by then.
EARLY_PLUGIN = "/etc/kernel/install.d/15-vfio-workstation.install"

_REFERENCE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
_SETTING = re.compile(r"^[ \t]*([a-z_]+)[ \t]*=[ \t]*(\S*)[ \t]*$", re.MULTILINE)


def setting(tree: Tree, name: str) -> str | None:
    """Return a setting of kernel-install's configuration, such as `layout`, or None where nothing is set."""
    first = next((file for file in _CONFIGURATIONS if tree.exists(file)), None)
    files = [first] if first else []
    for folder in _DROP_INS:
        files.extend(f"{folder}/{file}" for file in tree.names(folder) if file.endswith(".conf"))
    values = [value for file in files for key, value in _SETTING.findall(tree.text(file) or "") if key == name]
    return values[-1] if values else None


def cmdline_source(tree: Tree, entries: Sequence[EntryLine]) -> Source:
    """Return the file that new kernels get their arguments from, as it is, or as it would have to be.

    Args:
        tree: The machine.
        entries: Those of kernels that are installed now: what they have counts where there is no such file.
            kernel-install itself would take the running kernel's command line then, with what somebody typed into the
            boot menu.
    """
    content = tree.exact(CMDLINE)
    if content is not None:
        # An empty file says that kernels need no arguments, and no file that they have those of the running one. So it
        # is not to go when ours do, and gets a line's end.
        return Source(CMDLINE, 1, "", content or "\n", managed=True)
    vendors = tree.exact(_VENDORS_CMDLINE)
    text = _installed_arguments(tree, entries) + "\n" if vendors is None else vendors
    return Source(CMDLINE, 1, "", text, managed=True, exists=False)


def _installed_arguments(tree: Tree, entries: Sequence[EntryLine]) -> str:
    """Return what kernels have without our arguments, as far as entries tell, else the running one's."""
    bare = [entry.text for entry in entries if entry.role == FALLBACK]
    normal = [entry.text for entry in entries if entry.role == NORMAL]
    text = (bare or normal or [running_arguments(tree)])[0]
    # A reference such as $tuned_params is GRUB's, for this entry: whoever sets the variable adds it to new entries too
    # (TuneD's 92-tuned.install), and the file is read by tools that know no variables.
    return cmdline.without(text, [unit for unit in cmdline.parse(text).texts if _REFERENCE.fullmatch(unit)])


def cmdline_problems(tree: Tree) -> tuple[Refusal, ...]:
    """Return why that file can't be changed.

    90-loaderentry.install of systemd 257 passes over lines that begin with `#`; that of 252, Fedora's 20-grub.install
    and 60-ukify.install take them for arguments.
    """
    lines = (tree.exact(CMDLINE) or "").splitlines()
    return tuple(
        refuse(
            "cmdline_unreadable",
            f"{CMDLINE}, line {number} begins with #: {line}",
            danger="Some of the tools that read the file take such a line for a comment, others for arguments.",
            remedy="Take the line out.",
        )
        for number, line in enumerate(lines, 1)
        if line.lstrip().startswith("#")
    )


def white_space_problems(units: Sequence[str]) -> tuple[Refusal, ...]:
    """Return which units would not come through kernel-install, which parts /etc/kernel/cmdline at white space."""
    return tuple(
        refuse("argument_unsupported", f"{unit} has white space that kernel-install would fold into one blank.")
        for unit in units
        if any("  " in one.text or "\t" in one.text for one in cmdline.parse(unit).arguments)
    )


def cmdline_steps(change: Change) -> Iterator[Step]:
    """Yield what brings that file in line."""
    for line in change.sources:
        if line.path == CMDLINE and line.after:
            yield WriteFile(CMDLINE, line.after, CONFIGURED, "let kernels to come have our arguments")
        elif line.path == CMDLINE:
            yield RemoveFile(CMDLINE, CONFIGURED, "it was there for our arguments only")


def running_arguments(tree: Tree) -> str:
    """Return the running kernel's arguments, without what the boot loader put there."""
    arguments = cmdline.parse(tree.text("/proc/cmdline") or "").arguments
    return " ".join(one.text for one in arguments if one.name not in ("BOOT_IMAGE", "initrd"))


def plugin_steps(tree: Tree, change: Change, path: str, fallbacks: str | None) -> Iterator[Step]:
    """Yield what brings our plugin in line.

    Args:
        tree: The machine.
        change: What is requested for.
        path: Of the plugin.
        fallbacks: Path of this system's entries without our arguments, up to the version of the kernel.
    """
    wanted = _PLUGIN.replace("@FALLBACKS@", shlex.quote(fallbacks or ""))
    status = tree.status(path)
    if not change.fallback:
        if status is not None:
            yield RemoveFile(path, CONFIGURED, "no kernel has arguments of ours")
    elif fallbacks and (status is None or tree.exact(path) != wanted or status.st_mode & 0o777 != 0o755):
        yield WriteFile(path, wanted, CONFIGURED, "let kernels to come have an entry without our arguments", 0o755)


# The entry of another kernel is taken as the pattern: files, title and identifier differ by the version only. It asks
# nothing of what kernel-install has written by then, since that differs from one distribution to the other.
_PLUGIN = r"""#!/bin/sh
# Made by the Ansible collection vfio.workstation, which also removes it; what is changed here is lost.
# kernel-install calls it: each kernel has an entry that boots it without the collection's arguments.
set -e

fallbacks=@FALLBACKS@
command=${1:-}
version=${2:-}
[ -n "$version" ] || exit 0

case "$command" in
    add)
        pattern=
        for file in "$fallbacks"*.conf; do
            if [ -e "$file" ]; then
                pattern=$file
            fi
        done
        new=$fallbacks$version.conf
        if [ -z "$pattern" ] || [ -e "$new" ]; then
            exit 0
        fi
        old=${pattern#"$fallbacks"}
        old=${old%.conf}
        draft=${fallbacks%/*}/.vfio-workstation~
        trap 'rm -f "$draft"' EXIT
        awk -v old="$old" -v new="$version" '{
            done = ""
            while ((at = index($0, old)) > 0) {
                done = done substr($0, 1, at - 1) new
                $0 = substr($0, at + length(old))
            }
            print done $0
        }' "$pattern" >"$draft"
        mv -f "$draft" "$new"
        ;;
    remove)
        rm -f "$fallbacks$version.conf"
        ;;
esac
"""
