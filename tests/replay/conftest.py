# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captured machines, each unpacked once a session."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

CAPTURED = Path(__file__).resolve().parents[3] / "shared" / "machines"


def captured_names() -> list[str]:
    """Return the names of all captured machines; an empty list if they are not beside the repository."""
    return sorted(path.name.removesuffix(".tar.xz") for path in CAPTURED.glob("*.tar.xz"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that takes `captured` once for every captured machine."""
    if "captured" in metafunc.fixturenames:
        metafunc.parametrize("captured", captured_names() or [None], indirect=True, ids=captured_names() or ["none"])


@pytest.fixture(scope="session")
def captured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a captured machine."""
    if request.param is None:
        message = f"there are no captured machines in {CAPTURED}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    root = tmp_path_factory.mktemp(request.param)
    with tarfile.open(CAPTURED / f"{request.param}.tar.xz") as archive:
        archive.extractall(root, filter="fully_trusted")  # its absolute links are those of the machine: /sys/bus/...
    return root
