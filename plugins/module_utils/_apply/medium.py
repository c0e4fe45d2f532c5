# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Media with secrets: their content for the tool that makes them, and whether it is on them."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import Iterator, Sequence

#: Where the content is while the tool runs. It is in memory, and gone after a power cut.
STAGING = "/run/vfio-workstation/medium"
_PRIVATE_FILE, _PRIVATE_DIRECTORY = 0o600, 0o700
#: The time of all files, in seconds since the epoch: with it, xorriso makes the same medium of the same content.
_TIME = 1577836800


@contextmanager
def content_directory(directory: str, content: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Create a directory with files that only root can read; the value is its path. Remove it at the end.

    Args:
        directory: The directory. What a killed run left there is removed.
        content: Paths below the directory, and texts.
    """
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    _remove(directory)
    try:
        os.mkdir(directory, _PRIVATE_DIRECTORY)
        for path, text in content:
            _write(os.path.join(directory, path), text)
        for parent, _directories, names in os.walk(directory):
            for name in (*names, "."):
                os.utime(os.path.join(parent, name), (_TIME, _TIME))
        yield directory
    finally:
        _remove(directory)


def create_private(path: str) -> None:
    """Create an empty file that only root can read; a tool that writes to it keeps its mode."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE))


def problems(path: str, content: Sequence[tuple[str, str]]) -> list[str]:
    """Return what is wrong with a medium: each file must be on it, which ISO 9660 stores in one piece."""
    with open(path, "rb") as file:
        medium = file.read()
    return [f"it has no {name}" for name, text in content if text.encode("utf-8") not in medium]


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), _PRIVATE_DIRECTORY, exist_ok=True)
    create_private(path)
    with open(path, "wb") as file:
        file.write(text.encode("utf-8"))


def _remove(directory: str) -> None:
    if os.path.lexists(directory):
        shutil.rmtree(directory)
