# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for GRUB's shell: it runs the commands of a grub.cfg that choose the entry to boot.

The lab runs the same commands in GRUB itself, which takes half a minute for each boot.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HEADER = "# GRUB Environment Block\n"
_SET = re.compile(r"\bset (?=\w+=)")
_PRELUDE = r"""
insmod() { :; }; loadfont() { false; }; terminal_output() { :; }
search() { root=found; }
file_of() { file="$prefix/grubenv"; if [ "$1" = -f ]; then file="$DISK${2#(*)}"; fi; }
load_env() {
    [ "$1" != --skip-sig ] || shift
    file_of "$@"; [ "$1" != -f ] || shift 2
    [ -f "$file" ] || { echo "error: no $file" >&2; return 1; }
    local line
    while IFS= read -r line; do
        case $line in '#'*|'') continue ;; esac
        [ $# = 0 ] || [[ " $* " = *" ${line%%=*} "* ]] || continue
        printf -v "${line%%=*}" %s "${line#*=}"
    done < "$file"
}
save_env() {
    file_of "$@"; [ "$1" != -f ] || shift 2
    [ -n "$CAN_WRITE" ] && [ -f "$file" ] || { echo "error: can't write $file" >&2; return 1; }
    local name rest
    for name; do
        rest=$(grep -v -e '^#' -e "^$name=" "$file")
        echo '# GRUB Environment Block' > "$file.new"
        [ -z "$rest" ] || echo "$rest" >> "$file.new"
        [ -z "${!name}" ] || echo "$name=${!name}" >> "$file.new"
        printf %1024s "" | tr ' ' '#' >> "$file.new"
        head -c 1024 "$file.new" > "$file"
    done
    rm -f "$file.new"
}
prefix="$DISK/boot/grub" root=hd0
"""


class Boot(NamedTuple):
    """What GRUB would do."""

    default: str
    fallback: str
    errors: str

    @property
    def is_stock(self) -> bool:
        """Whether it boots an entry without VFIO."""
        return self.default.startswith("vfio-workstation-fallback>")


def boot(disk: Path, *, can_write: bool = True) -> Boot:
    """Run the grub.cfg of a disk, and write what GRUB would write.

    Args:
        disk: The directory that stands for the disk.
        can_write: Whether GRUB can write to it.
    """
    text = "".join(_outside_entries((disk / "boot/grub/grub.cfg").read_text("utf-8")))
    script = _PRELUDE + _SET.sub("", text) + '\nprintf "%s\\n" "$default" "${fallback:-}"\n'
    environment = {"DISK": str(disk), "CAN_WRITE": "1" if can_write else "", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    default, fallback = done.stdout.split("\n")[-3:-1]
    return Boot(default, fallback, done.stderr)


def _outside_entries(text: str) -> Iterator[str]:
    depth = 0
    for line in text.splitlines(keepends=True):
        command = line.strip()
        if depth or command.startswith(("menuentry ", "submenu ")):
            if not depth:
                yield ":\n"  # an entry may be all there is between `then` and `fi`
            depth += command.endswith("{") - (command == "}")
        else:
            yield line


def environment_block(**variables: str) -> str:
    """Return the content of a grubenv."""
    return (HEADER + "".join(f"{name}={value}\n" for name, value in variables.items())).ljust(1024, "#")
