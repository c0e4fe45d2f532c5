# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that block for as long as a driver hangs. A FIFO without a reader blocks in the same way."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ToolFailed, locked
from ansible_collections.vfio.workstation.plugins.module_utils._apply.sysfs import (
    ABANDONED,
    AttributeFailed,
    KernelHang,
    is_responsive,
    load_modules,
    write_with_limit,
)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """An attribute whose driver hangs until another process opens it."""
    path = tmp_path / "unbind"
    os.mkfifo(path)
    yield path
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def exit_status(hang: KernelHang) -> int:
    return hang.process.wait(timeout=60)


@pytest.mark.parametrize("value", ["0000:41:00.0", "", "vfio-pci"])
def test_the_value_is_written_with_a_newline(tmp_path: Path, value: str) -> None:
    attribute = tmp_path / "driver_override"
    attribute.write_text("")
    write_with_limit(str(attribute), value, 60)
    assert attribute.read_text() == value + "\n"


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file or directory"), (".", "Is a directory")])
def test_the_kernels_reason_is_reported_and_no_file_is_created(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(AttributeFailed, match=f"writing 'x' to .*: {reason}$"):
        write_with_limit(str(tmp_path / name), "x", 60)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_write_is_reported() -> None:
    with pytest.raises(AttributeFailed, match="No space left on device"):
        write_with_limit("/dev/full", "x", 60)


def test_a_write_that_hangs_is_abandoned(fifo: Path) -> None:
    began = time.monotonic()
    with pytest.raises(KernelHang, match=r"writing '0000:41:00.0' to .*/unbind did not return within 1 s") as caught:
        write_with_limit(str(fifo), "0000:41:00.0", 1)
    assert time.monotonic() - began < 30
    assert caught.value.process.poll() is None
    # It continues when it can.
    descriptor = os.open(fifo, os.O_RDONLY)
    assert os.read(descriptor, 100) == b"0000:41:00.0\n"
    os.close(descriptor)
    assert exit_status(caught.value) == 0


def test_an_abandoned_process_holds_no_open_file_of_ours(fifo: Path, tmp_path: Path) -> None:
    """Neither the lock, nor the pipe whose reader waits for the end of our output."""
    lock = str(tmp_path / "lock")
    reader, writer = os.pipe()
    with locked(lock), pytest.raises(KernelHang) as caught:
        write_with_limit(str(fifo), "x", 1)
    with locked(lock, limit=0):
        pass
    process = caught.value.process
    open_files = {os.readlink(f"/proc/{process.pid}/fd/{name}") for name in os.listdir(f"/proc/{process.pid}/fd")}
    assert open_files.isdisjoint({os.readlink(f"/proc/self/fd/{number}") for number in (reader, writer)})
    assert lock not in open_files
    # In a session of its own: a signal to our process group does not reach it.
    assert os.getsid(process.pid) == process.pid
    os.close(reader)
    os.close(writer)
    os.close(os.open(fifo, os.O_RDONLY))
    exit_status(caught.value)


def test_responsiveness(fifo: Path, tmp_path: Path) -> None:
    (tmp_path / "driver_override").write_text("(null)\n")
    assert is_responsive(str(tmp_path / "driver_override"), 60)
    assert is_responsive(str(tmp_path / "missing"), 60)
    assert not is_responsive(str(fifo), 1)
    assert ABANDONED[-1].wait(timeout=60) < 0


def test_load_modules() -> None:
    load_modules(["true"], 60)
    with pytest.raises(ToolFailed, match=r"exit status 3\nit is not there$"):
        load_modules(["sh", "-c", "echo it is not there; exit 3"], 60)
    with pytest.raises(ToolFailed, match="no-such-tool"):
        load_modules(["/no-such-tool"], 60)
    with pytest.raises(KernelHang, match="sleep 2 did not return within 1 s") as caught:
        load_modules(["sleep", "2"], 1)
    assert exit_status(caught.value) == 0
