# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that the next run generates again: replaced atomically, and not flushed to the disk."""

from __future__ import annotations

import contextlib
import os
import tempfile


def replace_file(path: str, text: str) -> None:
    """Replace a file that everybody may read. Missing directories are created.

    Args:
        path: The file. If it is a symbolic link, the link is replaced.
        text: Its content. Characters that UTF-8 does not have are replaced.
    """
    directory = os.path.dirname(path)
    os.makedirs(directory, exist_ok=True)
    # Ansible's processes may write the same file: each has a draft of its own.
    descriptor, draft = tempfile.mkstemp(prefix=".", suffix="~", dir=directory)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
