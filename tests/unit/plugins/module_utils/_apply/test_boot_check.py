# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal's socket, the message of the day, and metrics."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.boot_check import (
    write_journal,
    write_metrics,
    write_motd,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.local_files import METRICS_FILES, MOTD_FILE


def test_an_entry_is_sent_as_the_protocol_has_it(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        assert write_journal([("MESSAGE", "two\nlines"), ("PRIORITY", "4")], path)
        received = journal.recv(4096)
    assert received == b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nPRIORITY\n\x01\0\0\0\0\0\0\x004\n"


def test_without_a_journal_it_says_so(tmp_path: Path) -> None:
    assert not write_journal([("MESSAGE", "a")], str(tmp_path / "nowhere"))
    assert write_journal([], str(tmp_path / "nowhere"))


@pytest.mark.parametrize("folder", ["etc/motd.d", "run/motd.d"])
def test_the_message_of_the_day_comes_and_goes(folder: str, tmp_path: Path) -> None:
    path = Path(f"{tmp_path}{MOTD_FILE}")
    write_motd("lost\n", str(tmp_path))
    assert not path.exists()
    (tmp_path / folder).mkdir(parents=True)
    write_motd("lost\n", str(tmp_path))
    assert path.read_text() == "lost\n"
    assert path.stat().st_mode & 0o777 == 0o644
    write_motd("", str(tmp_path))
    assert not path.exists()
    assert (tmp_path / folder).is_dir()
    write_motd("", str(tmp_path))


@pytest.mark.parametrize("name", METRICS_FILES)
def test_metrics_are_written_where_they_are_collected(name: str, tmp_path: Path) -> None:
    path = Path(f"{tmp_path}{name}")
    write_metrics("a 1\n", str(tmp_path))
    assert not path.exists()
    path.parent.mkdir(parents=True)
    write_metrics("a 1\n", str(tmp_path))
    write_metrics("a 2\n", str(tmp_path))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "a 2\n"
