# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a directory of reports."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._apply.generated_files import replace_file
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.file_names import file_stem

_END = ".json"
_PARITY_END = ".parity.json"
#: A page of a machine is in a directory of its own: a host may be called index.
PAGES = "machines"
#: More than the data of any machine.
_LIMIT = 64 * 1024 * 1024


class ReportFiles:
    """A directory of reports. No name leads out of it.

    Args:
        directory: Its path; a relative one is relative to the current directory of the user.
    """

    def __init__(self, directory: str) -> None:
        # Ansible changes the current directory.
        start = os.environ.get("PWD") or os.getcwd()
        self.directory = os.path.normpath(os.path.join(start, os.path.expanduser(directory)))

    def data(self, name: str) -> str:
        """Return the path of the data of a host."""
        return os.path.join(self.directory, file_stem(name) + _END)

    def parity(self, name: str) -> str:
        """Return the path of the comparison of a guest with its host."""
        return os.path.join(self.directory, file_stem(name) + _PARITY_END)

    def page(self, name: str) -> str:
        """Return the path of the page of a host."""
        return os.path.join(self.directory, PAGES, file_stem(name) + ".html")

    def fleet_page(self) -> str:
        """Return the path of the page of the fleet."""
        return os.path.join(self.directory, "index.html")

    def documents(self) -> t.Iterator[tuple[str, str]]:
        """Yield the names and the texts of all files with data, sorted by name."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return
        for name in names:
            if name.endswith(_END):
                yield name, self.read(os.path.join(self.directory, name)) or ""

    def read(self, path: str) -> str | None:
        """Return the text of a file; None if there is none, or if it can't be read."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read(_LIMIT)
        except OSError:
            return None

    def write(self, path: str, text: str, check_mode: bool) -> bool:
        """Replace a file atomically, unless it has the content; return whether it differs.

        Args:
            path: The file.
            text: Its content.
            check_mode: Whether nothing is written.
        """
        if self.read(path) == text:
            return False
        if not check_mode:
            replace_file(path, text)
        return True
