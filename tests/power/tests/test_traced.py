# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strace prints is followed to the bytes of the image."""

from __future__ import annotations

import pathlib
import sys

import pytest

from tests.power import traced

pytestmark = [pytest.mark.lab]

PROGRAM = """
import os, sys
other = os.open(sys.executable, os.O_RDONLY)
image = os.open(sys.argv[1], os.O_RDWR)
os.read(other, 100)
os.lseek(image, 1000, os.SEEK_SET)
os.read(image, 24)
os.read(image, 8)
os.pread(image, 50, 2000)
os.pread(image, 50, 1 << 20)
os.pwrite(image, b"x" * 10, 3000)
os.lseek(image, 16, os.SEEK_SET)
os.write(image, b"y" * 4)
os.fsync(image)
os.close(image)
print("done")
sys.exit(3)
"""


def test_reads_and_writes_of_the_image_alone(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(4096))
    done = traced.run([sys.executable, "-c", PROGRAM, image], image)
    assert (done.status, done.output) == (3, b"done\n"), done.error
    assert list(done.reads) == [(1000, 1032), (2000, 2050)]
    assert list(done.writes) == [(16, 20), (3000, 3010)]
