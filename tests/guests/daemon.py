# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real daemon of libvirt for tests: unprivileged, with all of its files in a directory, and reached by a socket.

It runs in a user namespace, so that it is an ordinary user's even when the tests run as root: it touches nothing of the
system's own libvirt. Only domains of the type qemu are started.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_START_LIMIT = 20.0


class Libvirt:
    """A connection to the daemon.

    Attributes:
        uri: For `virsh --connect`.
    """

    def __init__(self, socket: Path) -> None:
        self.uri = f"qemu+unix:///session?socket={socket}"

    def virsh(self, *arguments: str) -> str:
        """Run virsh, and return what it printed; it must succeed."""
        done = self.result(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def result(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run virsh, and return its result."""
        line = ["virsh", "--connect", self.uri, *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)

    def define(self, path: Path, text: str) -> None:
        """Define a domain, validated against the schemas of libvirt."""
        path.write_text(text, "utf-8")
        self.virsh("define", "--validate", str(path))

    def definition(self, name: str) -> str:
        """Return the definition of a domain as libvirt stores it."""
        return self.virsh("dumpxml", "--inactive", name)

    def remove_all(self) -> None:
        """Remove all domains."""
        for name in self.virsh("list", "--all", "--name").split():
            self.virsh("undefine", "--nvram", name)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Libvirt]:
    """Run the daemon; its directory must have a short path, as the path of a socket has up to 107 bytes."""
    home = {name: str(directory / folder) for name, folder in _FOLDERS.items()}
    environment = {"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(directory), **home}
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["unshare", "--user", "libvirtd", "--timeout", "600"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    socket = directory / _FOLDERS["XDG_RUNTIME_DIR"] / "libvirt" / "libvirt-sock"
    try:
        deadline = time.monotonic() + _START_LIMIT
        while not socket.exists():
            assert process.poll() is None, log.read_text("utf-8", "replace")[-4000:]
            assert time.monotonic() < deadline, f"no {socket} within {_START_LIMIT:.0f} s"
            time.sleep(0.05)
        yield Libvirt(socket)
    finally:
        process.terminate()
        process.wait(timeout=20)


_FOLDERS = {"XDG_RUNTIME_DIR": "r", "XDG_CONFIG_HOME": "c", "XDG_CACHE_HOME": "k", "XDG_DATA_HOME": "s"}
