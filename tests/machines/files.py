# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes a machine's files below a root, in the kernel's layout."""

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
        self._created: set[str] = set()
        os.makedirs(self.root, exist_ok=True)

    def here(self, path: str) -> str:
        """Return the path on this machine of a file of that machine."""
        return self.root + path

    def folder(self, path: str) -> None:
        """Create a folder and its parents."""
        if path not in self._created:
            os.makedirs(self.here(path), exist_ok=True)
            self._created.add(path)

    def write(self, path: str, content: str | bytes | int) -> None:
        """Write a file. Numbers and text without a newline get one, as in attributes of sysfs."""
        self.folder(posixpath.dirname(path))
        data = content if isinstance(content, bytes) else _line(str(content)).encode()
        with open(self.here(path), "wb") as file:
            file.write(data)

    def attributes(self, folder: str, values: Mapping[str, str | bytes | int | None]) -> None:
        """Write one file per value; None stands for an attribute that this kernel does not have."""
        for name, value in values.items():
            if value is not None:
                self.write(f"{folder}/{name}", value)

    def sparse(self, path: str, parts: Mapping[int, bytes], size: int = 0) -> None:
        """Write parts at their offsets and holes between them, as for a device such as /dev/cpu/0/msr."""
        self.folder(posixpath.dirname(path))
        with open(self.here(path), "wb") as file:
            for offset, data in sorted(parts.items()):
                file.seek(offset)
                file.write(data)
            file.truncate(max(size, file.tell()))

    def link(self, path: str, target: str) -> None:
        """Create a relative symbolic link to an absolute path of that machine, as in sysfs."""
        folder = posixpath.dirname(path)
        self.raw_link(path, posixpath.relpath(target, folder))

    def raw_link(self, path: str, target: str) -> None:
        """Create a symbolic link with exactly this target, as in procfs for open files."""
        self.folder(posixpath.dirname(path))
        if os.path.lexists(self.here(path)):
            os.unlink(self.here(path))
        os.symlink(target, self.here(path))

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with everything below."""
        here = Path(self.here(path))
        if here.is_dir() and not here.is_symlink():
            shutil.rmtree(here)
            self._created.clear()
        else:
            here.unlink()


def write_files(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a root, exactly as given; their folders are created."""
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))


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
    """Return numbers as the mask of `width` bits that the kernel's %*pb prints: 32-bit words, the highest first."""
    value = sum(1 << number for number in numbers)
    words = [(value >> shift) & 0xFFFFFFFF for shift in range(0, max(width, 1), 32)]
    first_bits = width % 32 or 32
    first, *rest = reversed(words)
    return ",".join([f"{first:0{(first_bits + 3) // 4}x}"] + [f"{word:08x}" for word in rest]) + "\n"


def numbers(text: str | int | list[int] | None) -> list[int]:
    """Return the numbers of a list such as `0-3,8` in a description."""
    if text is None or text == "":
        return []
    if isinstance(text, list):
        return text
    result: list[int] = []
    for part in str(text).split(","):
        first, _dash, last = part.partition("-")
        result.extend(range(int(first), int(last or first) + 1))
    return result


def size(text: str | int) -> int:
    """Return bytes of `16G`, `128K`, or a plain number."""
    if isinstance(text, int):
        return text
    shift = {"K": 10, "M": 20, "G": 30, "T": 40}.get(text[-1])
    return int(text) if shift is None else int(text[:-1]) << shift
