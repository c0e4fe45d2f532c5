# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian system in a directory, changed through an overlay that is discarded, in a mount namespace of its own.

Built once for each set of packages, in `.cache/chroots`. Needs root and mmdebstrap.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests import payload

CACHE = payload.ROOT / ".cache" / "chroots"
KERNEL = "linux-image-cloud-amd64"
_ARCHIVE = "http://deb.debian.org/debian"

_MOUNTS = """
set -eu
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
mount -t tmpfs tmpfs "$2/root/run"
mount --rbind /dev "$2/root/dev"
mkdir -p "$2/root/root/payload"
mount --bind "$3" "$2/root/root/payload"
echo ready
exec sleep infinity
"""


def base(suite: str, generator: str) -> Path:
    """Return a Debian system with a kernel and an initramfs generator; it is built if it does not exist."""
    directory = CACHE / f"{suite}-{generator}"
    if not directory.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        draft = CACHE / f"{suite}-{generator}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        packages = ",".join((generator, KERNEL, "udev", "kmod", "zstd", "python3"))
        subprocess.run(
            [
                *("mmdebstrap", "--quiet", "--variant=minbase", "--aptopt=APT::Install-Recommends false"),
                *(f"--include={packages}", suite, str(draft), _ARCHIVE),
            ],
            check=True,
        )
        draft.rename(directory)
    return directory


class Chroot:
    """A running copy of such a system.

    Args:
        lower: The system.
        scratch: An empty directory for the changes.
    """

    def __init__(self, lower: Path, scratch: Path) -> None:
        for name in ("upper", "work", "root"):
            (scratch / name).mkdir()
        self.root = scratch / "root"
        modules = payload.build(scratch / "payload")
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _MOUNTS, "sh", str(lower), str(scratch), str(modules)],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End it: its mounts are removed with its last process."""
        os.killpg(self._holder.pid, signal.SIGKILL)
        self._holder.communicate()

    def run(self, *argv: str, given: str = "", fine: bool = True) -> str:
        """Run a command inside, and return what it printed.

        Args:
            argv: The command.
            given: Its standard input.
            fine: Whether it must succeed; if not, it must print something.
        """
        line = ["nsenter", f"--target={self._holder.pid}", "--mount", "chroot", str(self.root), *argv]
        result = subprocess.run(line, input=given, capture_output=True, text=True, check=False)
        assert result.returncode == 0 or (not fine and result.stdout), result.stdout[-4000:] + result.stderr[-4000:]
        return result.stdout

    def mount(self, *argv: str) -> None:
        """Mount something; paths are those outside of the chroot."""
        subprocess.run(["nsenter", f"--target={self._holder.pid}", "--mount", "mount", *argv], check=True)

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        """Write a file inside."""
        self.run("sh", "-c", f'mkdir -p "$(dirname {path})" && cat >{path} && chmod {mode:o} {path}', given=content)

    def module(self, parameters: Mapping[str, Any], *, check: bool = False) -> payload.Answer:
        """Run the module initramfs inside."""
        text = payload.text(parameters, check=check)
        return payload.answer(self.run(*payload.argv("initramfs"), given=text, fine=False))

    @property
    def versions(self) -> list[str]:
        """The kernels that have modules."""
        return sorted(self.run("ls", "/lib/modules").split())

    def add_kernel(self, version: str, lacks: str = "no module") -> None:
        """Install a copy of the kernel under another version, without the modules of that name."""
        of = self.versions[0]
        self.run(
            *("sh", "-c"),
            f"cp -a /lib/modules/{of} /lib/modules/{version}\n"
            f"find /lib/modules/{version} -name '{lacks}.ko*' -delete\n"
            f"for kind in config vmlinuz System.map; do cp /boot/$kind-{of} /boot/$kind-{version}; done\n"
            f"depmod {version}",
        )

    def files(self, *folders: str) -> list[str]:
        """Return every file with its mode, owner and checksum, except images."""
        script = (
            'find "$@" -printf "%p %y %m %u\\n" | grep -v initrd.img; '
            'find "$@" -type f ! -name "initrd.img*" -exec sha256sum {} +'
        )
        return sorted(self.run("sh", "-c", script, "sh", *folders).splitlines())

    def image(self, version: str) -> str:
        """Return the path of a kernel's image."""
        return f"/boot/initrd.img-{version}"

    def checksum(self, version: str) -> str:
        """Return the checksum of a kernel's image."""
        return self.run("sha256sum", self.image(version)).split()[0]
