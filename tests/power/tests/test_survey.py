# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A survey passes a change that any power cut leaves whole, and finds one that it does not: on a FAT, by mtools."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess

import pytest

from tests.power.layouts import Layout
from tests.power.log import SECTOR
from tests.power.record import MARK, Recording
from tests.power.starts import COMMAND_LINE, Chain, SystemdBootChain
from tests.power.survey import Coverage, Survey
from tests.power.tests.logs import Entry, flush, save, write
from tests.power.views import Fat, Files

pytestmark = [pytest.mark.lab]

SIZE = 4 << 20
CONFIGURATION = "version 6.12\nlinux /k\ninitrd /i\noptions root=/dev/sda1 {}=1\n"
FOLDERS = ("EFI", "EFI/BOOT", "EFI/systemd", "loader", "loader/entries")
FILES = {
    "EFI/BOOT/BOOTX64.EFI": "program",
    "EFI/systemd/systemd-bootx64.efi": "program",
    "loader/loader.conf": "",
    "loader/entries/new.conf": CONFIGURATION.format("old"),
    "k": "kernel" * 1000,
    "i": "initrd" * 1000,
}


@dataclasses.dataclass(frozen=True)
class FatAlone(Layout):
    """A disk that is a FAT from its first byte."""

    def chain(self, _programs: pathlib.Path, image: pathlib.Path) -> Chain:
        return SystemdBootChain(Files(Fat(0), image))


def mtools(image: pathlib.Path, program: str, *arguments: str, text: str = "") -> None:
    argv = [program, "-i", str(image), *arguments]
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    subprocess.run(argv, input=text.encode(), env=environment, check=True, capture_output=True)


@pytest.fixture
def base(tmp_path: pathlib.Path) -> pathlib.Path:
    """The disk before the change."""
    image = tmp_path / "base.raw"
    with image.open("wb") as file:
        file.truncate(SIZE + SECTOR)
    mtools(image, "mformat", "-C", "-T", str(SIZE // SECTOR), "::")
    mtools(image, "mmd", *(f"::{folder}" for folder in FOLDERS))
    for name, text in FILES.items():
        mtools(image, "mcopy", "-", f"::{name}", text=text)
    return image


def changed(base: pathlib.Path, *steps: tuple[str, ...]) -> list[list[Entry]]:
    """Run mtools on a copy of the disk; return the sectors that each step writes."""
    image = base.with_name("changed.raw")
    image.write_bytes(base.read_bytes())
    result = []
    for program, text, *arguments in steps:
        before = image.read_bytes()
        mtools(image, program, *arguments, text=text)
        after = image.read_bytes()
        sectors = [(at, after[at : at + SECTOR]) for at in range(0, SIZE, SECTOR)]
        result.append([write(at, data) for at, data in sectors if data != before[at : at + SECTOR]])
    return result


def survey(base: pathlib.Path, entries: list[Entry], samples: int = 4) -> Coverage:
    marks = [write(SIZE, f"{MARK}{kind} apply: host".encode().ljust(SECTOR)) for kind in ("begin", "end")]
    save(base.with_name("writes.log"), [flush(), marks[0], flush(), *entries, marks[1], flush()])
    return Survey(Recording(base.parent, FatAlone(mark=SIZE, ext4=())), samples).run()


NEW = CONFIGURATION.format("new")


def test_one_flushed_sector_is_all_or_nothing(base: pathlib.Path) -> None:
    (entries,) = changed(base, ("mcopy", NEW, "-o", "-", "::loader/entries/new.conf"))
    # The content of the entry is a sector of its own.
    coverage = survey(base, [entry for entry in entries if b"options" in entry.data] + [flush()])
    assert coverage.faults == []
    assert (coverage.boundaries, coverage.flushes, coverage.samples > 4) == (6, 3, True)


def test_a_file_that_is_written_before_it_is_flushed_is_torn(base: pathlib.Path) -> None:
    (entries,) = changed(base, ("mcopy", "KERNEL" * 1000, "-o", "-", "::k"))
    faults = survey(base, [*entries, flush()]).faults
    assert any("default: kernel is" in fault.reason or "can't be read" in fault.reason for fault in faults)
    assert any(fault.lost for fault in faults)


def test_what_is_reported_as_done_must_be_flushed(base: pathlib.Path) -> None:
    (entries,) = changed(base, ("mcopy", NEW, "-o", "-", "::loader/entries/new.conf"))
    content = [entry for entry in entries if b"options" in entry.data]
    faults = survey(base, content).faults  # no flush before the end
    assert [fault.step for fault in faults] == ["after apply: host"] * len(faults) != []
    assert COMMAND_LINE in faults[0].reason


def test_a_file_that_is_gone_for_a_moment_is_found(base: pathlib.Path) -> None:
    removed, written = changed(base, ("mdel", "", "::i"), ("mcopy", "INITRD" * 1000, "-", "::i"))
    faults = survey(base, [*removed, flush(), *written, flush()], samples=0).faults
    assert any("/i can't be read" in fault.reason for fault in faults)
