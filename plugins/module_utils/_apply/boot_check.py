# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what the check at boot found where people and monitoring look: the journal, the message of the day, metrics."""

from __future__ import annotations

import os
import socket
from typing import Sequence

from .._plan.local_files import METRICS_FILES, MOTD_FILE
from . import files

#: pam_motd(8) shows the files of all of these. The one in /run is forgotten at each boot.
_MOTD_FOLDERS = ("/etc/motd.d", "/run/motd.d", "/usr/lib/motd.d")
#: The socket of systemd-journald's native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
JOURNAL_SOCKET = "/run/systemd/journal/socket"


def write_text(path: str, text: str) -> None:
    """Replace a file that everybody may read; make its folder if need be.

    Raises:
        OSError: The file can't be written.
    """
    files.make_directories(os.path.dirname(path))
    files.write(path, text.encode(), 0o644, files.take_snapshot(path))


def write_motd(text: str, root: str = "/") -> None:
    """Replace the message for people who log in, where the host shows such messages; remove it if it is empty.

    Raises:
        OSError: The file can't be written.
    """
    prefix = root.rstrip("/")
    if text and any(os.path.isdir(prefix + folder) for folder in _MOTD_FOLDERS):
        write_text(prefix + MOTD_FILE, text)
    else:
        files.remove(prefix + MOTD_FILE)


def write_metrics(text: str, root: str = "/") -> None:
    """Replace the metrics, where the host collects some.

    Raises:
        OSError: The file can't be written.
    """
    prefix = root.rstrip("/")
    path = next((path for path in METRICS_FILES if os.path.isdir(os.path.dirname(prefix + path))), None)
    if path is not None:
        write_text(prefix + path, text)


def write_journal(fields: Sequence[tuple[str, str]], path: str = JOURNAL_SOCKET) -> bool:
    """Write an entry to the journal; return whether there is one that takes it."""
    if not fields:
        return True
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.sendto(b"".join(_field(name, value) for name, value in fields), path)
    except OSError:
        return False
    return True


def _field(name: str, value: str) -> bytes:
    """Return a field as the protocol has it: the size of the value precedes it, as it may have several lines."""
    data = value.encode("utf-8", "replace")
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
