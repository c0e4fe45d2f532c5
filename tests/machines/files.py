# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing a machine's files below a root, the way the kernel lays them out."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path


class Files:
    """The files of a machine under construction, by their absolute path on that machine."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(os.fspath(root))
        self._made: set[str] = set()
        os.makedirs(self.root, exist_ok=True)

    def here(self, path: str) -> str:
        """Return where a file of that machine lies on this one."""
        return self.root + path

    def folder(self, path: str) -> None:
        """Make a folder and those above it."""
        if path not in self._made:
            os.makedirs(self.here(path), exist_ok=True)
            self._made.add(path)

    def write(self, path: str, content: str | bytes | int) -> None:
        """Write a file. A number or text without an end of line gets one, as attributes of sysfs have."""
        self.folder(posixpath.dirname(path))
        data = content if isinstance(content, bytes) else _line(str(content)).encode()
        with open(self.here(path), "wb") as file:
            file.write(data)

    def attributes(self, folder: str, values: Mapping[str, str | bytes | int | None]) -> None:
        """Write a file a value; None is an attribute that this kernel does not have."""
        for name, value in values.items():
            if value is not None:
                self.write(f"{folder}/{name}", value)

    def sparse(self, path: str, parts: Mapping[int, bytes], size: int = 0) -> None:
        """Write pieces at their offsets and nothing between: how a device such as /dev/cpu/0/msr reads."""
        self.folder(posixpath.dirname(path))
        with open(self.here(path), "wb") as file:
            for offset, data in sorted(parts.items()):
                file.seek(offset)
                file.write(data)
            file.truncate(max(size, file.tell()))

    def link(self, path: str, target: str) -> None:
        """Make a relative symbolic link to an absolute path of that machine, as sysfs does."""
        folder = posixpath.dirname(path)
        self.raw_link(path, posixpath.relpath(target, folder))

    def raw_link(self, path: str, target: str) -> None:
        """Make a symbolic link with exactly this target, as procfs does for open files."""
        self.folder(posixpath.dirname(path))
        if os.path.lexists(self.here(path)):
            os.unlink(self.here(path))
        os.symlink(target, self.here(path))

    def remove(self, path: str) -> None:
        """Remove what a description says is not there, with all below."""
        here = Path(self.here(path))
        if here.is_dir() and not here.is_symlink():
            shutil.rmtree(here)
            self._made.clear()
        else:
            here.unlink()


def _line(text: str) -> str:
    return text if text.endswith(("\n", "\0")) or not text else text + "\n"


def as_list(numbers: Iterable[int]) -> str:
    """Return numbers as the kernel's %*pbl prints a mask: `0-3,8`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts) + "\n"


def as_mask(numbers: Iterable[int], width: int) -> str:
    """Return numbers as the kernel's %*pb prints a mask of `width` bits: words of 32 bits, the highest first."""
    value = sum(1 << number for number in numbers)
    words = [(value >> shift) & 0xFFFFFFFF for shift in range(0, max(width, 1), 32)]
    first_bits = width % 32 or 32
    first, *rest = reversed(words)
    return ",".join([f"{first:0{(first_bits + 3) // 4}x}"] + [f"{word:08x}" for word in rest]) + "\n"


def numbers(text: str | int | list[int] | None) -> list[int]:
    """Return the numbers of a list such as `0-3,8`, as descriptions write them."""
    if text is None or text == "":
        return []
    if isinstance(text, list):
        return text
    found: list[int] = []
    for part in str(text).split(","):
        first, _dash, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def size(text: str | int) -> int:
    """Return bytes of `16G`, `128K`, or a plain number."""
    if isinstance(text, int):
        return text
    shift = {"K": 10, "M": 20, "G": 30, "T": 40}.get(text[-1])
    return int(text) if shift is None else int(text[:-1]) << shift
