# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for systemd-boot: which entry it starts, and what it writes before that (boot.c of systemd 257).

The lab runs systemd-boot itself, which takes half a minute for each boot.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from pathlib import Path
from typing import NamedTuple

VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_VARIABLES = "sys/firmware/efi/efivars"
_TRIES = re.compile(r"\+(?P<left>[0-9]+)(?:-(?P<done>[0-9]+))?(?=\.conf$)")
_NON_VOLATILE, _VOLATILE = bytes([7, 0, 0, 0]), bytes([6, 0, 0, 0])
#: LoaderEntryDefault, LoaderEntryOneShot, and boot counting.
FEATURES = 1 << 2 | 1 << 3 | 1 << 4


class Entry(NamedTuple):
    """An entry of the menu."""

    id: str
    file: Path
    values: dict[str, str]
    left: int | None  # tries

    @property
    def options(self) -> str:
        """The command line."""
        return self.values.get("options", "")


def variable(disk: Path, name: str) -> Path:
    """Return the file of a variable."""
    return disk / _VARIABLES / f"{name}-{VENDOR}"


def read(disk: Path, name: str) -> str | None:
    """Return a variable of text."""
    path = variable(disk, name)
    return path.read_bytes()[4:].decode("utf-16-le").rstrip("\0") if path.exists() else None


def write(disk: Path, name: str, value: str, *, volatile: bool = False) -> None:
    """Set a variable of text."""
    path = variable(disk, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((_VOLATILE if volatile else _NON_VOLATILE) + (value + "\0").encode("utf-16-le"))


def introduce(disk: Path, version: str = "257.8-1~deb13u2", features: int = FEATURES) -> None:
    """Write what systemd-boot tells the system about itself."""
    write(disk, "LoaderInfo", f"systemd-boot {version}", volatile=True)
    variable(disk, "LoaderFeatures").write_bytes(_VOLATILE + features.to_bytes(8, "little"))


def boot(disk: Path, esp: str = "boot/efi") -> Entry:
    """Return the entry that is started; variables and boot counters are changed as before that."""
    directory = disk / esp / "loader"
    one_shot = read(disk, "LoaderEntryOneShot")
    variable(disk, "LoaderEntryOneShot").unlink(missing_ok=True)
    entries = sorted(map(_entry, directory.glob("entries/*.conf")), key=functools.cmp_to_key(_compare))
    configuration = directory / "loader.conf"
    settings = _values(configuration.read_text("utf-8")) if configuration.exists() else {}
    names = (one_shot, read(disk, "LoaderEntryDefault"), settings.get("default"), "*")
    saved = read(disk, "LoaderEntryLastBooted")
    patterns = [saved if name == "@saved" else name for name in names]
    entry = next(entry for pattern in patterns if pattern for entry in entries if _matches(entry, pattern))
    if "@saved" in names:
        write(disk, "LoaderEntryLastBooted", entry.id)
    return _counted(entry)


def _matches(entry: Entry, pattern: str) -> bool:
    return fnmatch.fnmatchcase(entry.id, pattern.lower())


def _entry(file: Path) -> Entry:
    match = _TRIES.search(file.name)
    # systemd 252 keeps the counter in the identifier; later versions leave it out.
    name = _TRIES.sub("", file.name).lower()
    return Entry(name, file, _values(file.read_text("utf-8")), int(match["left"]) if match else None)


def _values(text: str) -> dict[str, str]:
    lines = (line.split(None, 1) for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: words[1].strip() for words in lines if len(words) == 2}


def _compare(one: Entry, other: Entry) -> int:
    """Order entries as boot_entry_compare() does."""
    keys = [(entry.left == 0, "sort-key" not in entry.values) for entry in (one, other)]
    if keys[0] != keys[1]:
        return -1 if keys[0] < keys[1] else 1
    for key in ("sort-key", "machine-id"):
        values = [entry.values.get(key, "") for entry in (one, other)]
        if values[0] != values[1]:
            return -1 if values[0] < values[1] else 1
    versions = [(_parts(entry.values.get("version", "")), _parts(entry.id)) for entry in (one, other)]
    return (versions[0] < versions[1]) - (versions[0] > versions[1])


def _parts(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"[0-9]+|[^0-9]+", text)]


def _counted(entry: Entry) -> Entry:
    match = _TRIES.search(entry.file.name)
    if match is None:
        return entry
    left, done = max(0, int(match["left"]) - 1), int(match["done"] or 0) + 1
    file = entry.file.with_name(_TRIES.sub(f"+{left}-{done}", entry.file.name))
    entry.file.rename(file)
    return entry._replace(file=file, left=left)
