# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of a serial log mean that nothing will follow, and which only mention the words."""

from __future__ import annotations

import pathlib

import pytest

from tests.lab.serial import SerialLog


def log_of(tmp_path: pathlib.Path, text: str) -> SerialLog:
    path = tmp_path / "serial.log"
    path.write_bytes(text.encode())
    return SerialLog(path)


@pytest.mark.parametrize(
    "line",
    [
        "[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "ALERT!  UUID=6c616276 does not exist.  Dropping to a shell!",
        "\x1b[0m\x1b[37m\x1b[40mgrub rescue> ",
        "You are in emergency mode. After logging in, type ...",
    ],
)
def test_an_end_is_recognised(tmp_path: pathlib.Path, line: str) -> None:
    assert log_of(tmp_path, f"early line\r\n{line}\r\n").fatal() is not None


@pytest.mark.parametrize(
    "line",
    [
        "[    0.000000] Command line: root=/dev/sda1 panic=10",
        "[    1.0] pci 0000:00:00.0: if necessary, use pci=nocrs and report a bug",
        "[  OK  ] Reached target sysinit.target, no Kernel panic - not syncing here",
    ],
)
def test_a_mention_is_no_end(tmp_path: pathlib.Path, line: str) -> None:
    log = log_of(tmp_path, line + "\r\n")
    assert log.fatal() is None
    assert log.faults() == []


def test_an_end_of_an_earlier_boot_is_past(tmp_path: pathlib.Path) -> None:
    log = log_of(tmp_path, "[    1.0] Kernel panic - not syncing: earlier\n")
    log.mark()
    with log.path.open("a", encoding="utf-8") as file:
        file.write("[    0.000000] Linux version 6.12\n")
    assert log.fatal() is None
    assert "earlier" in log.tail()


def test_the_tail_has_the_last_lines_that_say_something(tmp_path: pathlib.Path) -> None:
    log = log_of(tmp_path, "".join(f"line {number}\r\n\r\n" for number in range(100)))
    assert log.tail(2) == "line 98\nline 99"
