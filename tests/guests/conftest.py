# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One daemon of libvirt for all tests of a process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemon import Libvirt, running


@pytest.fixture(scope="session")
def daemon() -> Iterator[Libvirt]:
    """The daemon."""
    with tempfile.TemporaryDirectory(prefix="vw-") as directory, running(Path(directory)) as libvirt:
        yield libvirt


@pytest.fixture
def libvirt(daemon: Libvirt) -> Iterator[Libvirt]:
    """The daemon, without domains before and after the test."""
    daemon.remove_all()
    yield daemon
    daemon.remove_all()
