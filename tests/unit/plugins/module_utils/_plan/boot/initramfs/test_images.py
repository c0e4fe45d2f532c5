# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image is listed again after it or the request has changed, and only then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Kernel
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import LISTINGS_FILE, InitramfsRequest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.images import (
    ImageInventory,
    cache_text,
    read_images,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.store import marker_path
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
    """Lists images, and keeps the versions of their kernels."""

    def __init__(self, fails: bool = False) -> None:
        self.listed: list[str] = []
        self._fails = fails

    def __call__(self, path: str) -> frozenset[str] | None:
        self.listed.append(path.rpartition("-")[2])
        return None if self._fails else frozenset({"etc/passwd", marker_path(REQUEST) or ""})


def kernel(version: str, initramfs: bool = True) -> Kernel:
    return Kernel(version, None, None, f"/boot/initrd.img-{version}" if initramfs else None, None)


def read(root: Path, lister: Lister, request: InitramfsRequest = REQUEST) -> ImageInventory:
    """Read the images and write the cache."""
    inventory = read_images(Tree(str(root)), [kernel(version) for version in VERSIONS], request, lister)
    path = root / LISTINGS_FILE[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(cache_text(inventory.listings))
    return inventory


def test_an_unchanged_image_is_not_listed_again(root: Path) -> None:
    first_lister, second_lister = Lister(), Lister()
    first = read(root, first_lister)
    assert first_lister.listed == list(VERSIONS)
    second = read(root, second_lister)
    assert second_lister.listed == []
    assert second.images == first.images
    assert second.listings == second.cached == first.listings
    assert first.images[0].names == {marker_path(REQUEST)}
    assert first.images[0].size == len("image")


@pytest.mark.parametrize("change", ["content", "date", "rename"])
def test_a_changed_image_is_listed_again(root: Path, change: str) -> None:
    read(root, Lister())
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
    read(root, lister)
    assert lister.listed == ["6.1.0"]


def test_images_are_listed_again_for_another_request(root: Path) -> None:
    read(root, Lister())
    lister = Lister()
    inventory = read(root, lister, OTHER)
    assert lister.listed == list(VERSIONS)
    assert inventory.images[0].modules == {"nvme": "loadable"}


def test_an_image_that_can_not_be_listed_is_not_cached(root: Path) -> None:
    inventory = read(root, Lister(fails=True))
    assert [image.names for image in inventory.images] == [None, None]
    assert inventory.listings == {}
    lister = Lister()
    read(root, lister)
    assert lister.listed == list(VERSIONS)


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
def test_a_damaged_cache_counts_as_empty(root: Path, text: str) -> None:
    path = root / LISTINGS_FILE[1:]
    path.parent.mkdir(parents=True)
    path.write_text(text)
    lister = Lister()
    read(root, lister)
    assert lister.listed == list(VERSIONS)
    assert set(json.loads(path.read_text())) == {f"/boot/initrd.img-{version}" for version in VERSIONS}


@pytest.mark.parametrize("name", ["initramfs-0-rescue-0123456789abcdef.img", "initramfs-linux-fallback.img"])
def test_rescue_images_are_skipped(root: Path, name: str) -> None:
    (root / "boot" / name).write_text("image")
    last = kernel("6.1.0")._replace(initramfs=f"/boot/{name}")
    inventory = read_images(Tree(str(root)), [kernel("6.2.0"), last], REQUEST, Lister())
    assert [image.version for image in inventory.images] == ["6.2.0"]
    assert [(skipped.version, name in skipped.reason) for skipped in inventory.skipped] == [("6.1.0", True)]


def test_skipped_kernels(root: Path) -> None:
    kernels = [kernel("6.2.0"), kernel("6.1.0", initramfs=False), kernel("6.0.0"), kernel("5.9.0")]
    (root / "boot/initrd.img-6.0.0").write_text("image")
    (root / "lib/modules/5.9.0").mkdir()
    inventory = read_images(Tree(str(root)), kernels, REQUEST, Lister())
    assert [image.version for image in inventory.images] == ["6.2.0"]
    assert [(skipped.version, "modules" in skipped.reason) for skipped in inventory.skipped] == [
        ("6.1.0", False),
        ("6.0.0", True),
        ("5.9.0", True),
    ]
