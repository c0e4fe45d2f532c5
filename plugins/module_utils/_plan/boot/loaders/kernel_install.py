# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kernel-install(8): its settings, the command line that it gives to new kernels, and this collection's plugin."""

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
_VENDOR_CMDLINE = "/usr/lib/kernel/cmdline"
#: The first one that exists is read; drop-ins override it (kernel-install(8)).
_CONFIGURATIONS = ("/etc/kernel/install.conf", "/usr/lib/kernel/install.conf")
_DROP_INS = ("/usr/lib/kernel/install.conf.d", "/etc/kernel/install.conf.d")
#: After 90-loaderentry.install, which writes the normal entry.
PLUGIN = "/etc/kernel/install.d/95-vfio-workstation.install"
#: Before Fedora's 20-grub.install, which ends kernel-install with exit status 77.
EARLY_PLUGIN = "/etc/kernel/install.d/15-vfio-workstation.install"

_REFERENCE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
_SETTING = re.compile(r"^[ \t]*([a-z_]+)[ \t]*=[ \t]*(\S*)[ \t]*$", re.MULTILINE)


def read_setting(tree: Tree, name: str) -> str | None:
    """Return a setting of kernel-install, such as `layout`; None if it is not set."""
    main = next((file for file in _CONFIGURATIONS if tree.exists(file)), None)
    files = [main] if main else []
    for directory in _DROP_INS:
        files.extend(f"{directory}/{file}" for file in tree.names(directory) if file.endswith(".conf"))
    values = [value for file in files for key, value in _SETTING.findall(tree.text(file) or "") if key == name]
    return values[-1] if values else None


def cmdline_source(tree: Tree, entries: Sequence[EntryLine]) -> Source:
    """Return the file from which new kernels get their arguments; if it is missing, as it has to be created.

    Without the file, kernel-install uses the running kernel's command line, including what was typed into the boot
    menu. The file is created with the arguments of the installed kernels instead.

    Args:
        tree: The host.
        entries: The entries of the installed kernels.
    """
    content = tree.exact(CMDLINE)
    if content is not None:
        # An empty file means that kernels get no arguments; without a file they get those of the running one. So an
        # empty file is given a line break, which stays when managed arguments are removed.
        return Source(CMDLINE, 1, "", content or "\n", managed=True)
    vendor = tree.exact(_VENDOR_CMDLINE)
    text = _installed_arguments(tree, entries) + "\n" if vendor is None else vendor
    return Source(CMDLINE, 1, "", text, managed=True, exists=False)


def _installed_arguments(tree: Tree, entries: Sequence[EntryLine]) -> str:
    """Return the arguments of a fallback entry; without one, those of a normal entry; else the running kernel's."""
    fallback = [entry.text for entry in entries if entry.role == FALLBACK]
    normal = [entry.text for entry in entries if entry.role == NORMAL]
    text = (fallback or normal or [running_arguments(tree)])[0]
    # A reference such as $tuned_params is expanded by GRUB, in this entry. The tool that sets the variable adds it to
    # new entries too (TuneD's 92-tuned.install), and the tools that read the file know no variables.
    return cmdline.without(text, [unit for unit in cmdline.parse(text).texts if _REFERENCE.fullmatch(unit)])


def running_arguments(tree: Tree) -> str:
    """Return the running kernel's arguments, without those that the boot loader added."""
    arguments = cmdline.parse(tree.text("/proc/cmdline") or "").arguments
    return " ".join(argument.text for argument in arguments if argument.name not in ("BOOT_IMAGE", "initrd"))


def cmdline_refusals(tree: Tree) -> tuple[Refusal, ...]:
    """Return why /etc/kernel/cmdline can't be changed.

    90-loaderentry.install of systemd 257 ignores lines that begin with `#`; that of systemd 252, Fedora's
    20-grub.install and 60-ukify.install read them as arguments.
    """
    lines = (tree.exact(CMDLINE) or "").splitlines()
    return tuple(
        refuse(
            "cmdline_unreadable",
            f"{CMDLINE}, line {number} begins with #: {line}",
            danger="Some of the tools that read the file ignore such a line, others take it for arguments.",
            remedy="Remove the line.",
        )
        for number, line in enumerate(lines, 1)
        if line.lstrip().startswith("#")
    )


def white_space_refusals(units: Sequence[str]) -> tuple[Refusal, ...]:
    """Return which units kernel-install would change, since it splits /etc/kernel/cmdline at white space."""
    return tuple(
        refuse("argument_unsupported", f"{unit} contains white space that kernel-install would reduce to one space.")
        for unit in units
        if any("  " in argument.text or "\t" in argument.text for argument in cmdline.parse(unit).arguments)
    )


def cmdline_steps(change: Change) -> Iterator[Step]:
    """Yield the step that changes /etc/kernel/cmdline."""
    for line in change.sources:
        if line.path == CMDLINE and line.after:
            yield WriteFile(CMDLINE, line.after, CONFIGURED, "set the arguments of future kernels")
        elif line.path == CMDLINE:
            yield RemoveFile(CMDLINE, CONFIGURED, "it was created for the arguments, which are removed")


def plugin_steps(tree: Tree, change: Change, path: str, fallback_prefix: str | None) -> Iterator[Step]:
    """Yield the step that writes or removes the plugin.

    Args:
        tree: The host.
        change: The change to make.
        path: The path of the plugin.
        fallback_prefix: The path of this system's fallback entries up to the kernel's version; None if unknown.
    """
    text = _PLUGIN.replace("@PREFIX@", shlex.quote(fallback_prefix or ""))
    status = tree.status(path)
    if not change.fallback:
        if status is not None:
            yield RemoveFile(path, CONFIGURED, "no kernel arguments are requested any more")
    elif fallback_prefix and (status is None or tree.exact(path) != text or status.st_mode & 0o777 != 0o755):
        yield WriteFile(path, text, CONFIGURED, "give future kernels an entry without VFIO", 0o755)


# The fallback entry of another kernel is the template: its paths, title and identifier differ in the version only. The
# plugin does not depend on what kernel-install has written before, which differs between distributions.
_PLUGIN = r"""#!/bin/sh
# Made by the Ansible collection vfio.workstation. Manual changes are overwritten.
# Run by kernel-install: gives each kernel an entry that boots it without the kernel arguments of this collection.
set -e

prefix=@PREFIX@
command=${1:-}
version=${2:-}
[ -n "$version" ] || exit 0

case "$command" in
    add)
        template=
        for file in "$prefix"*.conf; do
            if [ -e "$file" ]; then
                template=$file
            fi
        done
        entry=$prefix$version.conf
        if [ -z "$template" ] || [ -e "$entry" ]; then
            exit 0
        fi
        old=${template#"$prefix"}
        old=${old%.conf}
        draft=${prefix%/*}/.vfio-workstation~
        trap 'rm -f "$draft"' EXIT
        awk -v old="$old" -v new="$version" '{
            done = ""
            while ((at = index($0, old)) > 0) {
                done = done substr($0, 1, at - 1) new
                $0 = substr($0, at + length(old))
            }
            print done $0
        }' "$template" >"$draft"
        mv -f "$draft" "$entry"
        ;;
    remove)
        rm -f "$prefix$version.conf"
        ;;
esac
"""
