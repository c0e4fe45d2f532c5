# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh into a virtual workstation: one configuration file that ssh, scp and Ansible all read."""

from __future__ import annotations

import pathlib
import shlex
import socket
import subprocess
import time
import typing

from . import files
from .errors import GuestCommandFailed, LabError

# ssh appends a dot and 16 characters while it makes its control socket; a socket's address has 107 at most.
_LONGEST_CONTROL_PATH = 107 - 17


class Remote:
    """The machine as ssh sees it."""

    def __init__(self, folder: pathlib.Path, port: int, key: pathlib.Path, known_hosts: pathlib.Path) -> None:
        self.config = folder / "ssh_config"
        self.port = port
        self.key = key
        self._control = folder / "ssh"
        lines = [
            "Host lab",
            "  HostName 127.0.0.1",
            f"  Port {port}",
            "  User root",
            f'  IdentityFile "{key}"',
            "  IdentitiesOnly yes",
            # The host key is the image's, whatever the port.
            "  HostKeyAlias lab",
            f'  UserKnownHostsFile "{known_hosts}"',
            "  StrictHostKeyChecking yes",
            "  LogLevel ERROR",
            "  ConnectTimeout 60",
            "  ServerAliveInterval 15",
            "  ServerAliveCountMax 8",
        ]
        # A handshake costs more than a second in emulation: do it once.
        if len(str(self._control)) <= _LONGEST_CONTROL_PATH:
            lines += ["  ControlMaster auto", f'  ControlPath "{self._control}"', "  ControlPersist 600"]
        files.write(self.config, "\n".join(lines) + "\n", 0o600)

    def answers(self, timeout: float = 5) -> bool:
        """Whether an ssh server says who it is. (QEMU accepts the connection itself, so connecting proves nothing.)"""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def run(
        self, command: str | typing.Sequence[str], *, check: bool = True, timeout: float = 600, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command: a list of arguments, or a line for the guest's shell."""
        line = command if isinstance(command, str) else shlex.join(command)
        try:
            done = subprocess.run(
                ["ssh", "-F", self.config, "lab", line],
                input=stdin if stdin is not None else "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            raise LabError(f"in the guest, {line!r} did not end within {timeout:.0f} s") from expired
        if check and done.returncode != 0:
            raise GuestCommandFailed(line, done.returncode, done.stdout + done.stderr)
        return done

    def copy(self, source: str, target: str, timeout: float = 600) -> None:
        """scp; the guest's side is written lab:PATH."""
        argv = ["scp", "-q", "-r", "-F", str(self.config), source, target]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise LabError(f"{shlex.join(argv)} failed: {done.stderr.strip()}")

    def hang_up(self) -> None:
        """Drop the shared connection, if there is one: the next command makes a new one."""
        argv = ["ssh", "-F", str(self.config), "-O", "exit", "lab"]
        if self._control.exists():
            # Its status says only whether the connection was still there, which is all the same here.
            subprocess.run(argv, capture_output=True, timeout=30, check=False)
        deadline = time.monotonic() + 5
        while self._control.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._control.unlink(missing_ok=True)
