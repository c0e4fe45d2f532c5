# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run at a time: two that change the same files would each take the other's for damage."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import Iterator

LOCK_FILE = "/run/vfio-workstation.lock"
_WAIT = 600.0  # seconds; the other run may be making initramfs images


class Busy(Exception):
    """Another run has held the lock for too long."""


@contextmanager
def locked(path: str = LOCK_FILE, wait: float = _WAIT) -> Iterator[None]:
    """Hold the lock; it goes with the process, however that ends.

    Raises:
        Busy: Another run holds it still after the wait, in seconds.
        OSError: The file can't be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise Busy(f"another run of this collection has held {path} for {wait:.0f} s") from error
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
