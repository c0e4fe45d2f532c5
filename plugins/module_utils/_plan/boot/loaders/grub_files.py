# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This collection's own files for grub-mkconfig: a drop-in with arguments, and a script for the fallback entries."""

from __future__ import annotations

from typing import Sequence

#: Sorts after the drop-ins of distributions and people; grub-mkconfig reads *.cfg only.
DROP_IN = "/etc/default/grub.d/zz-vfio-workstation.cfg"
SCRIPTS = "/etc/grub.d"
#: Sorts after every other script, custom.cfg's included, in any locale: people and GRUB_DEFAULT count entries, so the
#: submenu is the last of the menu, and no entry changes its number when it is added or removed.
SCRIPT = SCRIPTS + "/zz_vfio_workstation"
#: The script that generates the entries of this system's kernels.
LINUX_SCRIPT = SCRIPTS + "/10_linux"
#: Identifier of the submenu, and prefix of the identifiers of the entries in it.
FALLBACK_ID = "vfio-workstation-fallback"
VARIABLE = "GRUB_CMDLINE_LINUX_DEFAULT"

#: Characters that are special to the shell, or that 10_linux passes unquoted to GRUB's shell.
UNSAFE = "$`\\'!;&|<>{}\n"


def drop_in(units: Sequence[str]) -> str:
    """Return the drop-in's text. Recovery entries get GRUB_CMDLINE_LINUX only, so they have no managed arguments."""
    return f"""\
# Made by the Ansible collection vfio.workstation. Manual changes are overwritten.
{VARIABLE}="${VARIABLE} {_in_double_quotes(units)}"
"""


def script(units: Sequence[str], trial: str = "") -> str:
    """Return the script's text.

    Args:
        units: The units to remove from the command line of fallback entries.
        trial: The lines that generate the choice of a trial boot.
    """
    # From the right, as for any command line: managed units are after those of others.
    calls = "\n".join(f'remove "{_in_double_quotes([unit])}"' for unit in reversed(units))
    return _SCRIPT.replace("@REMOVE@", calls).replace("@ID@", FALLBACK_ID) + trial


def _in_double_quotes(units: Sequence[str]) -> str:
    return " ".join(units).replace('"', '\\"')


# The script runs 10_linux again, without the managed arguments. Of its output, only entries are kept: it also defines
# functions, which GRUB does not allow in a submenu. On SUSE, two spaces or a hotkey follow the title. Output in an
# unknown format produces no entry, rather than one that does not boot.
_SCRIPT = r"""#!/bin/sh
# Made by the Ansible collection vfio.workstation. Manual changes are overwritten.
# Generates for each kernel an entry that boots it without the kernel arguments of this collection.
set -e

linux=/etc/grub.d/10_linux
[ -x "$linux" ] || exit 0

arguments=" $GRUB_CMDLINE_LINUX_DEFAULT "

# Removes the last occurrence of an argument: an earlier one is not this collection's. If there is none, the arguments
# of this collection are not in effect, and no entries without them are needed.
remove() {
    case "$arguments" in
        *" $1 "*) arguments="${arguments%" $1 "*} ${arguments##*" $1 "}" ;;
        *) exit 0 ;;
    esac
}

@REMOVE@

arguments="${arguments# }"
GRUB_CMDLINE_LINUX_DEFAULT="${arguments% }"
GRUB_DISABLE_SUBMENU=true
GRUB_DISABLE_RECOVERY=true
export GRUB_CMDLINE_LINUX_DEFAULT GRUB_DISABLE_SUBMENU GRUB_DISABLE_RECOVERY

# Its messages about the images that it finds are dropped: they were printed in its first run already.
entries=$("$linux" 2>/dev/null | sed -n \
    -e "/^menuentry '.*'  *--.* \$menuentry_id_option '/,/^}/{
            /^menuentry /{
                s/'  *--/ without VFIO&/
                s/\$menuentry_id_option '/&@ID@-/
            }
            p
        }")
[ -n "$entries" ] || exit 0

title=$(printf '%s' "${GRUB_DISTRIBUTOR:-Linux} without VFIO" | tr -d "'")
printf '%s\n' "submenu '$title' \$menuentry_id_option '@ID@' {" "$entries" '}'
"""
