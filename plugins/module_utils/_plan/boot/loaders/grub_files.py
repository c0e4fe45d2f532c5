# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of our own that grub-mkconfig reads: a drop-in with the arguments, a script that makes the fallback."""

from __future__ import annotations

from typing import Sequence

#: Sorts after whatever a distribution or a person puts there; grub-mkconfig reads *.cfg only.
DROP_IN = "/etc/default/grub.d/zz-vfio-workstation.cfg"
#: Sorts after every other script, custom.cfg's included, in any locale: people and GRUB_DEFAULT count entries, so the
#: submenu is the last of the menu, and no entry changes its number when it comes or is removed.
SCRIPT = "/etc/grub.d/zz_vfio_workstation"
#: The script that makes the entries of this system's kernels.
LINUX_SCRIPT = "/etc/grub.d/10_linux"
#: Identifier of the submenu, and the beginning of the identifiers of what is in it.
FALLBACK_ID = "vfio-workstation-fallback"
VARIABLE = "GRUB_CMDLINE_LINUX_DEFAULT"

#: What the shell would not take as it is, and what 10_linux would hand to GRUB's shell as it is.
UNSAFE = "$`\\'!;&|<>{}\n"


def drop_in(units: Sequence[str]) -> str:
    """Return the drop-in's text: recovery entries, which get GRUB_CMDLINE_LINUX only, stay free of our arguments."""
    return f"""\
# Made by the Ansible collection vfio.workstation, which also removes it; what is changed here is lost.
{VARIABLE}="${VARIABLE} {_in_double_quotes(units)}"
"""


def script(units: Sequence[str]) -> str:
    """Return the script's text."""
    # From the right, as they are taken out of any command line: ours stand after what others wrote.
    calls = "\n".join(f'take_out "{_in_double_quotes([unit])}"' for unit in reversed(units))
    return _SCRIPT.replace("@TAKE_OUT@", calls).replace("@ID@", FALLBACK_ID)


def _in_double_quotes(units: Sequence[str]) -> str:
    return " ".join(units).replace('"', '\\"')


# 10_linux is asked for the same kernels again, with the arguments that there were before ours. Of what it prints, only
# the entries are kept: it defines functions too, and GRUB knows none within a submenu. SUSE's puts two spaces or a
# hotkey behind the title. What is not as it is known to print it makes no entry, rather than one that does not boot.
_SCRIPT = r"""#!/bin/sh
# Made by the Ansible collection vfio.workstation, which also removes it; what is changed here is lost.
# For each kernel an entry that boots it without the collection's arguments: as the machine was before.
set -e

linux=/etc/grub.d/10_linux
[ -x "$linux" ] || exit 0

arguments=" $GRUB_CMDLINE_LINUX_DEFAULT "

# Of what is there twice, the last is the collection's. Where one is missing, they are not in effect.
take_out() {
    case "$arguments" in
        *" $1 "*) arguments="${arguments%" $1 "*} ${arguments##*" $1 "}" ;;
        *) exit 0 ;;
    esac
}

@TAKE_OUT@

arguments="${arguments# }"
GRUB_CMDLINE_LINUX_DEFAULT="${arguments% }"
GRUB_DISABLE_SUBMENU=true
GRUB_DISABLE_RECOVERY=true
export GRUB_CMDLINE_LINUX_DEFAULT GRUB_DISABLE_SUBMENU GRUB_DISABLE_RECOVERY

# It names the images that it finds; it has done so once already.
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
