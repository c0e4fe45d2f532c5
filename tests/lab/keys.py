# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's two ssh keys, made once per cache: ours, which every image lets in, and the images', which we know."""

from __future__ import annotations

import pathlib
import subprocess

from . import files


class Keys:
    """A folder with both keys, made on first use."""

    def __init__(self, folder: pathlib.Path) -> None:
        with files.locked(folder.with_suffix(".lock")):
            if not folder.exists():
                with files.appearing(folder) as draft:
                    _make(draft)
        self.private = folder / "user"
        self.known_hosts = folder / "known_hosts"
        self._host = folder / "host"

    def texts(self) -> tuple[str, str, str]:
        """What an image contains of them: who may log in, the host's key, its public half."""
        paths = (self.private.with_suffix(".pub"), self._host, self._host.with_suffix(".pub"))
        user, host, host_public = (path.read_text(encoding="ascii") for path in paths)
        return user, host, host_public


def _make(folder: pathlib.Path) -> None:
    for name in ("user", "host"):
        argv = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            f"vfio.workstation lab {name}",
            "-f",
            str(folder / name),
        ]
        subprocess.run(argv, check=True)
    public = (folder / "host.pub").read_text(encoding="ascii")
    files.write(folder / "known_hosts", f"lab {public}")
