# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EFI variables are written as efivarfs expects them, and restored when a step fails."""

from __future__ import annotations

import fcntl
import struct
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ApplyFailed, Transaction, efivarfs
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    STAGED,
    OverwriteFile,
    Step,
    WriteVariable,
)

NAME = "/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
ATTRIBUTES = bytes([7, 0, 0, 0])
FAILING = OverwriteFile("/missing", "", STAGED, "fail")


@pytest.fixture(name="file")
def variable(tmp_path: Path) -> Path:
    file = tmp_path / NAME.lstrip("/")
    file.parent.mkdir(parents=True)
    return file


def apply(root: Path, *steps: Step) -> None:
    with Transaction({}, str(root)) as transaction:
        transaction.apply(steps)


def test_a_variable_is_set_and_removed(tmp_path: Path, file: Path) -> None:
    apply(tmp_path, WriteVariable(NAME, "debian-\u00e4.conf", STAGED, "choose"))
    assert file.read_bytes() == ATTRIBUTES + "debian-\u00e4.conf\0".encode("utf-16-le")
    apply(tmp_path, WriteVariable(NAME, "a", STAGED, "choose"))
    assert file.read_bytes() == ATTRIBUTES + b"a\0\0\0"
    for _again in range(2):
        apply(tmp_path, WriteVariable(NAME, None, STAGED, "choose nothing"))
        assert not file.exists()


@pytest.mark.parametrize("before", [None, ATTRIBUTES + b"b\0"])
@pytest.mark.parametrize("value", [None, "a"])
def test_a_variable_is_restored(tmp_path: Path, file: Path, before: bytes | None, value: str | None) -> None:
    efivarfs.write(str(file), before)
    with pytest.raises(ApplyFailed, match="fail"):
        apply(tmp_path, WriteVariable(NAME, value, STAGED, "choose"), FAILING)
    assert efivarfs.read(str(file)) == before


def test_a_directory_that_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ApplyFailed, match=r"choose: .*LoaderEntryDefault.*: No such file"):
        apply(tmp_path, WriteVariable(NAME, "a", STAGED, "choose"))


def test_the_flag_of_efivarfs_is_removed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every file system has it: the calls are recorded."""
    calls = []

    def ioctl(_descriptor: int, request: int, argument: bytes) -> bytes:
        calls.append((request & 0xFF, struct.unpack("i", argument)[0]))
        return struct.pack("i", 0x80010) if request & 0xFF == 1 else argument

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    file.write_bytes(b"old")
    efivarfs.write(str(file), b"new")
    assert (calls, file.read_bytes()) == ([(1, 0), (2, 0x80000)], b"new")
