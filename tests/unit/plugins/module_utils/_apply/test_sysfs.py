# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of the kernel behind which a driver may hang. A FIFO that nobody reads hangs as well as one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ToolFailed, locked
from ansible_collections.vfio.workstation.plugins.module_utils._apply.sysfs import (
    LEFT_BEHIND,
    AttributeFailed,
    Hangs,
    answers,
    load,
    write_in_time,
)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """An attribute whose driver hangs until somebody else opens it."""
    path = tmp_path / "unbind"
    os.mkfifo(path)
    yield path
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def is_over(hangs: Hangs) -> int:
    return hangs.process.wait(timeout=60)


@pytest.mark.parametrize("value", ["0000:41:00.0", "", "vfio-pci"])
def test_the_value_arrives_with_an_end_of_line(tmp_path: Path, value: str) -> None:
    attribute = tmp_path / "driver_override"
    attribute.write_text("")
    write_in_time(str(attribute), value, 60)
    assert attribute.read_text() == value + "\n"


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file or directory"), (".", "Is a directory")])
def test_the_kernels_reason_is_told_and_nothing_is_made(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(AttributeFailed, match=f"writing 'x' to .*: {reason}$"):
        write_in_time(str(tmp_path / name), "x", 60)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_write_itself_is_told() -> None:
    with pytest.raises(AttributeFailed, match="No space left on device"):
        write_in_time("/dev/full", "x", 60)


def test_a_write_that_hangs_is_left_behind(fifo: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Hangs, match=r"writing '0000:41:00.0' to .*/unbind did not come back within 1 s") as caught:
        write_in_time(str(fifo), "0000:41:00.0", 1)
    assert time.monotonic() - began < 30
    assert caught.value.process.poll() is None
    # It goes on when it can.
    descriptor = os.open(fifo, os.O_RDONLY)
    assert os.read(descriptor, 100) == b"0000:41:00.0\n"
    os.close(descriptor)
    assert is_over(caught.value) == 0


def test_what_is_left_behind_holds_nothing_of_ours(fifo: Path, tmp_path: Path) -> None:
    """Neither the lock, nor the pipe at whose end somebody waits for our output to be over."""
    lock = str(tmp_path / "lock")
    reader, writer = os.pipe()
    with locked(lock), pytest.raises(Hangs) as caught:
        write_in_time(str(fifo), "x", 1)
    with locked(lock, wait=0):
        pass
    process = caught.value.process
    opened = {os.readlink(f"/proc/{process.pid}/fd/{name}") for name in os.listdir(f"/proc/{process.pid}/fd")}
    assert opened.isdisjoint({os.readlink(f"/proc/self/fd/{number}") for number in (reader, writer)})
    assert lock not in opened
    # A process of its own: what is sent to our group when we end does not concern it.
    assert os.getsid(process.pid) == process.pid
    os.close(reader)
    os.close(writer)
    os.close(os.open(fifo, os.O_RDONLY))
    is_over(caught.value)


def test_answers(fifo: Path, tmp_path: Path) -> None:
    (tmp_path / "driver_override").write_text("(null)\n")
    assert answers(str(tmp_path / "driver_override"), 60)
    assert answers(str(tmp_path / "missing"), 60)
    assert not answers(str(fifo), 1)
    assert LEFT_BEHIND[-1].wait(timeout=60) < 0


def test_loading() -> None:
    load(["true"], 60)
    with pytest.raises(ToolFailed, match=r"exit status 3\nit is not there$"):
        load(["sh", "-c", "echo it is not there; exit 3"], 60)
    with pytest.raises(ToolFailed, match="no-such-tool"):
        load(["/no-such-tool"], 60)
    with pytest.raises(Hangs, match="sleep 2 did not come back within 1 s") as caught:
        load(["sleep", "2"], 1)
    assert is_over(caught.value) == 0
