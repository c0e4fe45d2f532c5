# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The serial number in any configuration space, and when the space is not read."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.pci import read_functions
from ansible_collections.vfio.workstation.plugins.module_utils._probe.serial_number import serial_number
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import Files
from ansible_collections.vfio.workstation.tests.machines.pci import write_pci

SERIAL = "00-11-22-ff-ff-33-44-55"
# The lower word is first, and each word is little-endian.
WORDS = bytes.fromhex("554433ffff221100")
AER, DSN, LTR = 0x0001, 0x0003, 0x0018


def space(capabilities: dict[int, tuple[int, int]], words: bytes = WORDS, size: int = 4096) -> bytes:
    """Return a configuration space; `capabilities` has the id and the next offset by offset."""
    content = bytearray(4096)
    for offset, (capability, following) in capabilities.items():
        struct.pack_into("<I", content, offset, following << 20 | 1 << 16 | capability)
        if capability == DSN:
            content[offset + 4 : offset + 12] = words
    return bytes(content[:size])


class Space:
    """A configuration space that records which parts of it were read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reads: list[tuple[int, int]] = []

    def __call__(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.content[offset : offset + length]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (space({0x100: (DSN, 0)}), SERIAL),
        (space({0x100: (AER, 0x148), 0x148: (DSN, 0x158), 0x158: (LTR, 0)}), SERIAL),
        # backwards, and at the very end
        (space({0x100: (AER, 0xFF4), 0xFF4: (DSN, 0)}), SERIAL),
        (space({0x100: (AER, 0x300), 0x300: (LTR, 0x200), 0x200: (DSN, 0)}), SERIAL),
        # the two lowest bits of an offset are reserved
        (space({0x100: (AER, 0x14B), 0x148: (DSN, 0)}), SERIAL),
        (space({0x100: (AER, 0x148), 0x148: (LTR, 0)}), None),
        (space({}), None),
        (b"\xff" * 4096, None),
        # what some vendors leave in the register
        (space({0x100: (DSN, 0)}, b"\0" * 8), None),
        (space({0x100: (DSN, 0)}, b"\xff" * 8), None),
        # loops to the beginning and to itself, and an offset in the header
        (space({0x100: (AER, 0x148), 0x148: (LTR, 0x100)}), None),
        (space({0x100: (AER, 0x100)}), None),
        (space({0x100: (AER, 0x40), 0x40: (DSN, 0)}), None),
        # short: without root, conventional PCI, truncated
        (space({0x100: (DSN, 0)}, size=64), None),
        (space({0x100: (DSN, 0)}, size=256), None),
        (space({0x100: (DSN, 0)}, size=0x102), None),
        (space({0x100: (DSN, 0)}, size=0x10B), None),
        (space({0x100: (DSN, 0)}, size=0x10C), SERIAL),
        (space({0x100: (AER, 0xFFC)}, size=0x200), None),
        (b"", None),
    ],
)
def test_the_serial_number_in_a_configuration_space(content: bytes, expected: str | None) -> None:
    assert serial_number(Space(content)) == expected


def test_only_the_list_up_to_the_serial_number_is_read() -> None:
    read = Space(space({0x100: (AER, 0x148), 0x148: (DSN, 0x158), 0x158: (LTR, 0)}))
    assert serial_number(read) == SERIAL
    assert read.reads == [(0x100, 4), (0x148, 4), (0x14C, 8)]


HEADERS = st.builds(
    lambda capability, following: struct.pack("<I", following << 20 | 1 << 16 | capability),
    st.sampled_from([AER, LTR, DSN, 0xFFFF]),
    st.sampled_from([*range(0xF0, 0x130, 4), 0, 0xFFC, 0xFFF]),
)


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=4096), st.lists(HEADERS, max_size=16).map(lambda headers: b"\0" * 0x100 + b"".join(headers))
    )
)
def test_any_content_results_in_a_serial_number_or_none(content: bytes) -> None:
    read = Space(content)
    number = serial_number(read)
    assert number is None or (
        re.fullmatch("[0-9a-f]{2}(-[0-9a-f]{2}){7}", number) and number[:2] == f"{words(read)[-1]:02x}"
    )
    assert len(read.reads) == len(set(read.reads)) <= 962
    assert all(offset >= 0x100 and length in (4, 8) for offset, length in read.reads)


def words(read: Space) -> bytes:
    offset, length = read.reads[-1]
    return read.content[offset : offset + length]


ADDRESS = "0000:01:00.0"
ENDPOINT: dict[str, Any] = {"id": "8086:10d3", "class": "020000", "link": "2.5x1 of 2.5x1", "serial": SERIAL}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, SERIAL),
        ({"asleep": True}, None),
        # conventional PCI has no such capability, and a bridge cannot be passed through
        ({"link": None}, None),
        ({"class": "060400"}, None),
        ({"class": "060100"}, None),
    ],
)
def test_the_space_is_read_of_endpoints_that_are_awake(
    changes: dict[str, Any], expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = {key: value for key, value in {**ENDPOINT, **changes}.items() if value is not None}
    write_pci(Files(tmp_path), {"pci": {ADDRESS: described}}, [])
    opened: list[str] = []
    real_open = os.open

    def recording_open(path: str, flags: int, **options: int) -> int:
        opened.append(path)
        return real_open(path, flags, **options)

    monkeypatch.setattr(os, "open", recording_open)
    assert read_functions(Tree(str(tmp_path)), {}, {})[ADDRESS].serial_number == expected
    assert opened.count("config") == (expected is not None)


def test_the_space_of_a_suspending_function_is_not_read(tmp_path: Path) -> None:
    files = Files(tmp_path)
    bus = write_pci(files, {"pci": {ADDRESS: ENDPOINT}}, [])
    files.write(f"{bus.path(ADDRESS)}/power/runtime_status", "suspending\n")
    assert read_functions(Tree(str(tmp_path)), {}, {})[ADDRESS].serial_number is None


def test_without_root_the_spaces_are_reported_unreadable_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root the file has 4096 bytes too, and the kernel returns 64 of them (pci_read_config)."""
    write_pci(Files(tmp_path), {"pci": {ADDRESS: ENDPOINT, "0000:02:00.0": ENDPOINT}}, [])
    real_pread = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        return real_pread(descriptor, length, offset)[: max(0, 64 - offset)]

    monkeypatch.setattr(os, "pread", pread)
    tree = Tree(str(tmp_path))
    assert {function.serial_number for function in read_functions(tree, {}, {}).values()} == {None}
    (denied,) = tree.unreadable
    assert denied == ("/sys/bus/pci/devices/[address]/config", "Permission denied", ("pci",))
