# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images are looked into when they have changed, and only then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Kernel
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import SEEN_FILE, InitramfsRequest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.images import (
    Images,
    read_images,
    seen_text,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.store import marker
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

VERSIONS = ("6.2.0", "6.1.0")
REQUEST = InitramfsRequest((), ("vfio-pci",))
OTHER = InitramfsRequest((), ("nvme",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for version in VERSIONS:
        (tmp_path / "lib/modules" / version).mkdir(parents=True)
        (tmp_path / "lib/modules" / version / "modules.dep").write_text("kernel/vfio-pci.ko:\nkernel/nvme.ko:\n")
        (tmp_path / "boot").mkdir(exist_ok=True)
        (tmp_path / "boot" / f"initrd.img-{version}").write_text("image")
    return tmp_path


class Lister:
    """Lists images, and notes which."""

    def __init__(self, fails: bool = False) -> None:
        self.asked: list[str] = []
        self._fails = fails

    def __call__(self, path: str) -> frozenset[str] | None:
        self.asked.append(path.rpartition("-")[2])
        return None if self._fails else frozenset({"etc/passwd", marker(REQUEST) or ""})


def kernel(version: str, initramfs: bool = True) -> Kernel:
    return Kernel(version, None, None, f"/boot/initrd.img-{version}" if initramfs else None, None)


def look(root: Path, lister: Lister, request: InitramfsRequest = REQUEST) -> Images:
    """Look, and remember."""
    found = read_images(Tree(str(root)), [kernel(version) for version in VERSIONS], request, lister)
    path = root / SEEN_FILE[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(seen_text(found.seen))
    return found


def test_what_did_not_change_is_not_looked_into_again(root: Path) -> None:
    first, second = Lister(), Lister()
    found = look(root, first)
    assert first.asked == list(VERSIONS)
    again = look(root, second)
    assert second.asked == []
    assert again.images == found.images
    assert again.seen == again.seen_before == found.seen
    assert found.images[0].names == {marker(REQUEST)}
    assert found.images[0].size == len("image")


@pytest.mark.parametrize("change", ["content", "date", "rename"])
def test_what_changed_is_looked_into(root: Path, change: str) -> None:
    look(root, Lister())
    path = root / "boot/initrd.img-6.1.0"
    if change == "content":
        before = path.stat()
        path.write_text("imago2")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "date":
        os.utime(path, ns=(1, 1))
    else:
        before = path.stat()
        (root / "new").write_text("imago")
        os.utime(root / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
        (root / "new").rename(path)
    lister = Lister()
    look(root, lister)
    assert lister.asked == ["6.1.0"]


def test_another_request_looks_again(root: Path) -> None:
    look(root, Lister())
    lister = Lister()
    found = look(root, lister, OTHER)
    assert lister.asked == list(VERSIONS)
    assert found.images[0].modules == {"nvme": "loadable"}


def test_what_can_not_be_listed_is_not_remembered(root: Path) -> None:
    found = look(root, Lister(fails=True))
    assert [image.names for image in found.images] == [None, None]
    assert found.seen == {}
    lister = Lister()
    look(root, lister)
    assert lister.asked == list(VERSIONS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"/boot/initrd.img-6.1.0": 1}',
        '{"/boot/initrd.img-6.1.0": {"status": "a"}}',
        "[" * 99999,
    ],
)
def test_a_damaged_memory_is_none(root: Path, text: str) -> None:
    path = root / SEEN_FILE[1:]
    path.parent.mkdir(parents=True)
    path.write_text(text)
    lister = Lister()
    look(root, lister)
    assert lister.asked == list(VERSIONS)
    assert set(json.loads(path.read_text())) == {f"/boot/initrd.img-{version}" for version in VERSIONS}


@pytest.mark.parametrize("name", ["initramfs-0-rescue-0123456789abcdef.img", "initramfs-linux-fallback.img"])
def test_images_for_when_others_fail_stay_as_they_are(root: Path, name: str) -> None:
    (root / "boot" / name).write_text("image")
    last = kernel("6.1.0")._replace(initramfs=f"/boot/{name}")
    found = read_images(Tree(str(root)), [kernel("6.2.0"), last], REQUEST, Lister())
    assert [image.version for image in found.images] == ["6.2.0"]
    assert [(one.version, name in one.reason) for one in found.passed_over] == [("6.1.0", True)]


def test_kernels_that_are_passed_over(root: Path) -> None:
    kernels = [kernel("6.2.0"), kernel("6.1.0", initramfs=False), kernel("6.0.0"), kernel("5.9.0")]
    (root / "boot/initrd.img-6.0.0").write_text("image")
    (root / "lib/modules/5.9.0").mkdir()
    found = read_images(Tree(str(root)), kernels, REQUEST, Lister())
    assert [image.version for image in found.images] == ["6.2.0"]
    assert [(one.version, "modules" in one.reason) for one in found.passed_over] == [
        ("6.1.0", False),
        ("6.0.0", True),
        ("5.9.0", True),
    ]
