# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of disks, made and written by the real QEMU: whether an installation would erase something."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.disk_content import is_blank
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

CREATE = {
    "raw": ["-f", "raw"],
    "qcow2": ["-f", "qcow2"],
    "old qcow2": ["-f", "qcow2", "-o", "compat=0.10"],
    "qcow2 with small clusters": ["-f", "qcow2", "-o", "cluster_size=4k"],
    "qcow2 with allocated metadata": ["-f", "qcow2", "-o", "preallocation=off,lazy_refcounts=on"],
}


def create(directory: Path, options: list[str], size: str = "3G") -> Path:
    path = directory / "disk"
    subprocess.run(["qemu-img", "create", "-q", *options, path, size], check=True)
    return path


def blank(path: Path) -> bool | None:
    return is_blank(Tree(str(path.parent)), f"/{path.name}")


@pytest.mark.parametrize("kind", CREATE)
def test_a_new_image_is_blank(kind: str, tmp_path: Path) -> None:
    assert blank(create(tmp_path, CREATE[kind])) is True


@pytest.mark.parametrize("kind", CREATE)
def test_an_image_that_was_written_to_is_not(kind: str, tmp_path: Path) -> None:
    path = create(tmp_path, CREATE[kind])
    subprocess.run(["qemu-io", "-f", CREATE[kind][1], "-c", "write 64k 4k", path], check=True, capture_output=True)
    assert blank(path) is False


def test_what_is_written_far_behind_in_a_qcow2_counts(tmp_path: Path) -> None:
    path = create(tmp_path, CREATE["qcow2"])
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 2G 4k", path], check=True, capture_output=True)
    assert blank(path) is False


def test_an_overlay_has_the_content_below_it(tmp_path: Path) -> None:
    create(tmp_path, CREATE["qcow2"]).rename(tmp_path / "below")
    path = create(tmp_path, ["-f", "qcow2", "-b", str(tmp_path / "below"), "-F", "qcow2"])
    assert blank(path) is False


def test_a_file_system_is_content(tmp_path: Path) -> None:
    path = create(tmp_path, CREATE["raw"], "64M")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", path], check=True)
    assert blank(path) is False


def test_what_is_no_file_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    assert blank(tmp_path / "directory") is None
    assert blank(tmp_path / "absent") is None


@given(st.binary(max_size=200))
def test_a_damaged_image_is_never_blank(tmp_path_factory: pytest.TempPathFactory, rest: bytes) -> None:
    path = tmp_path_factory.mktemp("image") / "disk"
    path.write_bytes(b"QFI\xfb" + rest)
    assert blank(path) in (None, False) or not any(path.read_bytes()[24:])
