# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trial boots with GRUB: commands in grub.cfg that choose between the menu's own default and the entry without VFIO.

What they choose by is in an environment block of this collection, beside grub.cfg or on the EFI system partition: the
one of the distribution is written by GRUB, tools and services, and can be recreated by any of them. Only two of its
contents boot the configuration: FINAL, and ARMED if GRUB reads back from the disk that it has replaced it with STOCK.
Whatever else happens, such as a block that is missing or can't be written, the entry without VFIO is booted. So a trial
never loops.

`next_entry` and `saved_entry` of the distribution's block are not used. An entry that a person chose for one boot, with
grub-reboot, is booted, and the trial stays armed.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Sequence

from ...._machine.plan import RECORD, STAGED, OverwriteFile, Refusal, RemoveFile, Step, WriteFile
from ...._machine.trial import ARMED, CHOICES, FINAL, STOCK
from ...._probe.boot.grub_storage import why_not_writable
from ...refusals import refuse
from .grub_files import FALLBACK_ID, SCRIPT

if TYPE_CHECKING:
    from ...._probe.tree import Tree

#: The name of the block.
BLOCK = "vfio-workstation.env"
_VARIABLE = "vfio_workstation_trial"
_HEADER = "# GRUB Environment Block\n"
_BLOCK_SIZE = 1024  # of which GRUB knows no other
_CONFIG_LIMIT = 1 << 20
#: In the script and in the menu that it generates: the kernel and the block that the commands are for.
_MARK = "# Trial boots: kernel {}, block {}"
_MARKED = re.compile(r"^# Trial boots: kernel (\S+), block (\S+)$", re.MULTILINE)
_PASSWORD = re.compile(r"^\s*(?:set\s+)?superusers=[\"']?[^\"'\s]", re.MULTILINE)
_TARGET = re.compile(rf'^ *set default="{FALLBACK_ID}>([^"]+)"$', re.MULTILINE)


def block(choice: str) -> str:
    """Return the content of the block for a choice."""
    return f"{_HEADER}{_VARIABLE}={choice}\n".ljust(_BLOCK_SIZE, "#")


def choice_in(content: str | None) -> str | None:
    """Return the choice that a block says; None if it is no block of this collection."""
    return next((choice for choice in CHOICES if content == block(choice)), None)


class GrubTrial:
    """The trial boots of a host with GRUB.

    Args:
        tree: The host.
        config: The path of grub.cfg; None without one.
        esps: The mount points of EFI system partitions.
    """

    def __init__(self, tree: Tree, config: str | None, esps: Sequence[str]) -> None:
        self._tree = tree
        self._config = config
        directory = (tree.resolve(config) or config).rpartition("/")[0] if config else ""
        self._directories = tuple(dict.fromkeys(name for name in (directory, *esps) if name))
        self._mark = _MARKED.search(tree.exact(SCRIPT, _CONFIG_LIMIT) or "")

    @property
    def kernel(self) -> str | None:
        """The version of the kernel whose entry without VFIO is the default until a trial is confirmed."""
        return self._mark.group(1) if self._mark else None

    @functools.cached_property
    def path(self) -> str | None:
        """The path of the block; None where GRUB can't write to any."""
        if self._mark is not None and self._tree.exists(self._mark.group(2)):
            return self._mark.group(2)
        writable = (name for name in self._directories if why_not_writable(self._tree, name) is None)
        return next((f"{name}/{BLOCK}" for name in writable), None)

    @property
    def choice(self) -> str | None:
        """What GRUB boots by itself; None without a valid block, which boots the entry without VFIO."""
        return choice_in(self._tree.exact(self.path, _BLOCK_SIZE)) if self.path is not None else None

    def refusals(self) -> Sequence[Refusal]:
        """Return why this host can't have trial boots."""
        reasons: list[str] = []
        if self.path is None:
            reasons.extend(why_not_writable(self._tree, name) or "" for name in self._directories)
        if _PASSWORD.search(self._menu):
            reasons.append(f"{self._config} sets superusers: GRUB would ask for a password before it returns")
        if not reasons:
            return ()
        return (refuse("trial_unsupported", f"GRUB boots this host: {'; '.join(reasons)}."),)

    def steps(self, choice: str | None, present: str | None, _kernel: str) -> Sequence[Step]:
        """Return the steps that have GRUB boot a choice by itself; None for no trial boots.

        Args:
            choice: The choice.
            present: The choice before these steps.
        """
        if self.path is None or (present is not None and choice == present):
            return ()
        steps: list[Step] = []
        if choice is None:
            if present not in (None, STOCK):
                # GRUB may find the file for a while after its removal.
                steps.append(OverwriteFile(self.path, block(STOCK), RECORD, _REASONS[STOCK]))
            if self._tree.exists(self.path):
                steps.append(RemoveFile(self.path, RECORD, "no trial boots are requested any more"))
            return steps
        if present is None:
            # GRUB may find a file of this name that was removed before: it must not say anything but STOCK.
            steps.append(WriteFile(self.path, block(STOCK), RECORD, "create the block that GRUB chooses by"))
        if choice != STOCK or present is not None:
            effect = STAGED if choice == ARMED else RECORD
            steps.append(OverwriteFile(self.path, block(choice), effect, _REASONS[choice]))
        return steps

    def reason_to_regenerate(self, kernel: str | None) -> str | None:
        """Return what has to be changed in the menu; None if nothing has to be.

        Args:
            kernel: As `kernel`, of the requested configuration; None for no trial boots.
        """
        mark = _MARKED.search(self._menu)
        if kernel is None:
            return "remove the choice of a trial boot from the menu" if mark else None
        if mark is None or mark.groups() != (kernel, self.path) or not self._has_target():
            return "add the choice of a trial boot to the menu"
        return None

    def _has_target(self) -> bool:
        target = _TARGET.search(self._menu)
        return target is not None and f"'{target.group(1)}'" in self._menu

    @functools.cached_property
    def _menu(self) -> str:
        return (self._tree.exact(self._config, _CONFIG_LIMIT) or "") if self._config else ""

    def script(self, kernel: str) -> str:
        """Return the lines of the script that generate the commands."""
        values = {"@MARK@": _MARK.format(kernel, self.path), "@KERNEL@": kernel, "@BLOCK@": self.path or ""}
        text = _SCRIPT.replace("@ID@", FALLBACK_ID).replace("@VARIABLE@", _VARIABLE)
        text = text.replace("@ARMED@", ARMED).replace("@STOCK@", STOCK).replace("@FINAL@", FINAL)
        for name, value in values.items():
            text = text.replace(name, value)
        return text


_REASONS = {
    ARMED: "have GRUB boot the configuration once, and the entry without VFIO after that",
    STOCK: "have GRUB boot the entry without VFIO",
    FINAL: "have GRUB boot the configuration",
}

# The variable boot_once, of 00_header, is true where grub-reboot chose the entry; it also keeps GRUB_SAVEDEFAULT from
# saving the entry without VFIO as the default. An error while GRUB loads the tried entry leads to the submenu.
_SCRIPT = r"""
@MARK@
. "${pkgdatadir:-/usr/share/grub}/grub-mkconfig_lib"
block=@BLOCK@
ids=$(printf '%s\n' "$entries" | sed -n "s/^menuentry .*\$menuentry_id_option '\([^']*\)'.*/\1/p")
id=$(printf '%s\n' "$ids" | grep -F -e 'gnulinux-@KERNEL@-advanced' | head -n 1)
[ -n "$id" ] || id=$(printf '%s\n' "$ids" | head -n 1)
device=$("${grub_probe:?}" --target=device "${block%/*}")
access=$(prepare_grub_to_access_device "$device")
path=$(make_system_path_relative_to_its_root "$block")
[ -n "$device" ] && [ -n "$access" ] && [ -n "$path" ]
cat <<END
@MARK@
set vfio_workstation_root="\${root}"
$access
set vfio_workstation_block="(\${root})$path"
set root="\${vfio_workstation_root}"
set @VARIABLE@=
load_env --skip-sig -f "\${vfio_workstation_block}" @VARIABLE@
if [ -z "\${boot_once}" ]; then
    if [ "\${@VARIABLE@}" = "@ARMED@" ]; then
        set @VARIABLE@=@STOCK@
        save_env -f "\${vfio_workstation_block}" @VARIABLE@
        set @VARIABLE@=
        load_env --skip-sig -f "\${vfio_workstation_block}" @VARIABLE@
        if [ "\${@VARIABLE@}" = "@STOCK@" ]; then
            set @VARIABLE@=trial
            if [ -z "\${fallback}" ]; then
                set fallback="@ID@"
            fi
        fi
    fi
    if [ "\${@VARIABLE@}" != "@FINAL@" -a "\${@VARIABLE@}" != "trial" ]; then
        set default="@ID@>$id"
        set boot_once=true
    fi
fi
END
"""
