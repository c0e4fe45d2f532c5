# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to a machine that is a folder: this computer's programs with the files of a described machine.

Each command runs in a mount namespace of its own, on an overlay: what it writes is in the folder `upper`. What the
commands cost is appended to the file `processor`, so that it can be told from what Ansible itself costs.
"""

from __future__ import annotations

import resource
import shlex
from pathlib import Path
from typing import Any

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = r"""
name: overlay
short_description: This computer with the files of a described machine
description: Runs commands on this computer, on an overlay of its files and those in a folder.
author: The vfio.workstation contributors
extends_documentation_fragment:
  - connection_pipelining
options:
  folder:
    description: The folder.
    required: true
    vars:
      - name: overlay_folder
  become_success_timeout:
    description: As that of the connection local, from ansible-core 2.19 on.
    type: int
    default: 10
  become_strip_preamble:
    description: As that of the connection local, from ansible-core 2.19 on.
    type: bool
    default: true
"""
#: $1 is the folder, $2 the command.
ENTER = """\
mount -t overlay machine -o "lowerdir=$1/../tree:/,upperdir=$1/upper,workdir=$1/work" "$1/root" &&
mount --rbind /dev "$1/root/dev" && exec chroot "$1/root" /bin/sh -c "$2"
"""


class Connection(Local):
    """The folder has `upper`, `work` and `root`; the described machine is beside it."""

    transport = "overlay"

    def exec_command(self, cmd: Any, in_data: Any = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        folder = Path(self.get_option("folder"))
        words = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", ENTER, "enter", str(folder), cmd]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done: tuple[int, bytes, bytes] = super().exec_command(shlex.join(words), in_data, sudoable)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (folder / "processor").open("a", encoding="ascii") as file:
            file.write(f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}\n")
        return done
