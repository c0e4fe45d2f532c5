# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock that lets one run at a time change a host: a second run would mistake its changes for damage."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import Iterator

LOCK_FILE = "/run/vfio-workstation.lock"
_LIMIT = 600.0  # seconds; the other run may be rebuilding initramfs images


class Busy(Exception):
    """Another run did not release the lock in time."""


@contextmanager
def locked(path: str = LOCK_FILE, limit: float = _LIMIT) -> Iterator[None]:
    """Hold the lock; the kernel releases it when the process ends, even when it is killed.

    Args:
        path: The lock file.
        limit: Seconds to wait for another run.

    Raises:
        Busy: Another run still holds the lock after that time.
        OSError: The lock file can't be created.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + limit
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise Busy(f"another run of this collection has held {path} for {limit:.0f} s") from error
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
