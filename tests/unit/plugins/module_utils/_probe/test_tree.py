# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading below a root: bounded, never blocking, and never outside the root."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import (
    ATTRIBUTE_LIMIT,
    FILE_LIMIT,
    Folder,
    Tree,
)
from ansible_collections.vfio.workstation.tests.machines.files import Files

_NOBODY = 65534


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return an empty root; a file beside it must never be read."""
    (tmp_path / "outside").write_text("secret\n", encoding="ascii")
    return Files(tmp_path / "root")


@pytest.fixture
def tree(files: Files) -> Tree:
    """Return the tree that the files are written into."""
    return Tree(files.root)


@contextlib.contextmanager
def _ordinary_user(root: Path) -> Iterator[None]:
    """Drop root's permission to read everything, if we have it; pytest's folders are closed to other users."""
    if os.geteuid():
        yield
        return
    for folder in (root, *root.parents):
        if "pytest-of" in str(folder):
            folder.chmod(0o755)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def _opened(tree: Tree, path: str) -> Iterator[Folder]:
    """Open a folder."""
    parent, _slash, name = path.rpartition("/")
    for _name, folder in tree.folders(parent, [name]):
        yield folder


def test_text_has_no_surrounding_white_space(files: Files, tree: Tree) -> None:
    files.write("/sys/a", " one two \n\n")
    assert tree.text("/sys/a") == "one two"
    assert tree.data("/sys/a") == b" one two \n\n"


def test_bytes_that_are_not_utf8_are_replaced(files: Files, tree: Tree) -> None:
    files.write("/sys/a", b"caf\xe9\n")
    assert tree.text("/sys/a") == "caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "path", ["/none", "/sys", "/sys/a/b", "/", "", "/sys/a\0b", "/" + "n" * 300, "/" + "n/" * 3000]
)
def test_a_path_that_is_not_a_file_is_none(files: Files, tree: Tree, path: str) -> None:
    files.write("/sys/a", "1")
    assert tree.data(path) is None
    assert tree.text(path) is None
    assert tree.section(path, 0, 8) is None
    assert tree.unreadable == ()


def test_special_files_do_not_block_and_are_not_read(files: Files, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    files.folder("/sys")
    os.mkfifo(files.here("/sys/fifo"))
    monkeypatch.chdir(files.here("/sys"))  # a socket's name is at most 107 bytes long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    for name in ("fifo", "socket"):
        assert tree.data(f"/sys/{name}") is None
        assert tree.names(f"/sys/{name}") == ()
        with _opened(tree, "/sys") as folder:
            assert folder.text(name) is None


def test_a_file_beyond_the_limit_is_none_and_not_truncated(files: Files, tree: Tree) -> None:
    files.write("/sys/a", b"1" * (ATTRIBUTE_LIMIT + 1))
    files.write("/sys/b", b"1" * ATTRIBUTE_LIMIT)
    with _opened(tree, "/sys") as folder:
        assert folder.text("a") is None
        assert folder.text("b") == "1" * ATTRIBUTE_LIMIT
    assert tree.data("/sys/a") is None
    assert tree.data("/sys/a", head=True) == b"1" * ATTRIBUTE_LIMIT
    assert tree.data("/sys/a", ATTRIBUTE_LIMIT + 1) == b"1" * (ATTRIBUTE_LIMIT + 1)


def test_a_huge_file_is_read_up_to_the_limit_only(files: Files, tree: Tree) -> None:
    files.sparse("/huge", {}, 1 << 40)
    assert tree.data("/huge", FILE_LIMIT) is None
    assert tree.data("/huge", 16, head=True) == bytes(16)


def test_sections(files: Files, tree: Tree) -> None:
    files.sparse("/dev/cpu/0/msr", {0x3A: (5).to_bytes(8, "little")})
    assert tree.section("/dev/cpu/0/msr", 0x3A, 8) == b"\5\0\0\0\0\0\0\0"
    assert tree.section("/dev/cpu/0/msr", 0x3E, 8) == bytes(4)
    assert tree.section("/dev/cpu/0/msr", 2**70, 8) is None
    assert tree.section("/dev/cpu/0/msr", -1, 8) is None


def test_sections_of_an_open_file(files: Files, tree: Tree) -> None:
    files.write("/sys/config", bytes(range(16)))
    files.folder("/sys/folder")
    files.raw_link("/sys/link", "config")
    os.mkfifo(files.here("/sys/fifo"))
    with _opened(tree, "/sys") as folder:
        with folder.sections("config") as read:
            assert read(0, 4) == bytes(range(4))
            assert read(14, 4) == bytes([14, 15])
            assert read(16, 4) == read(2**70, 4) == b""
        for name in ("folder", "link", "fifo", "none"):
            with folder.sections(name) as read:
                assert read(0, 4) == b""
    assert tree.unreadable == ()


@pytest.mark.parametrize(
    "target", ["/etc/real", "real", "../etc/real", "../../../../etc/real", "/../../etc/./real", "//etc///real"]
)
def test_links_resolve_as_on_the_machine(files: Files, tree: Tree, target: str) -> None:
    files.write("/etc/real", "here")
    files.raw_link("/etc/link", target)
    assert tree.text("/etc/link") == "here"
    assert tree.resolve("/etc/link") == "/etc/real"
    with _opened(tree, "/etc") as folder:
        assert folder.text("link") == "here"


def test_links_do_not_lead_outside(files: Files, tree: Tree, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    for index, target in enumerate(
        (outside, "../outside", "../" * 30 + outside.lstrip("/"), str(tmp_path), "../../outside")
    ):
        files.raw_link(f"/sys/{index}", target)
        assert tree.text(f"/sys/{index}") is None
        assert tree.text(f"/sys/{index}/outside") is None
        assert tree.names(f"/sys/{index}") == ()


def test_dots_in_a_path_do_not_lead_outside(files: Files, tree: Tree) -> None:
    files.folder("/sys")
    assert tree.text("/../outside") is None
    assert tree.text("/sys/../../outside") is None


@pytest.mark.parametrize("links", [{"/a": "a"}, {"/a": "b", "/b": "a"}, {"/a": "a/a"}, {"/a": "./././a/../a"}])
def test_loops_end(files: Files, tree: Tree, links: dict[str, str]) -> None:
    for path, target in links.items():
        files.raw_link(path, target)
    assert tree.text("/a") is None
    assert tree.resolve("/a/b/c") is None
    assert tree.names("/a") == ()
    assert not tree.exists("/a")


def test_as_many_links_are_resolved_as_by_the_kernel(files: Files, tree: Tree) -> None:
    files.write("/0", "end")
    for number in range(1, 42):
        files.raw_link(f"/{number}", str(number - 1))
    assert tree.text("/40") == "end"
    assert tree.text("/41") is None


def test_a_dangling_link_still_names_its_target(files: Files, tree: Tree) -> None:
    files.raw_link("/sys/driver", "../../bus/pci/drivers/vfio-pci/")
    files.write("/sys/file", "1")
    with _opened(tree, "/sys") as folder:
        assert folder.link("driver") == "vfio-pci"
        assert folder.link("file") is None
        assert folder.link("none") is None
    assert tree.link("/sys/driver") == "vfio-pci"
    assert tree.link("/sys/file") is None
    assert tree.link("/sys/none") is None
    assert tree.targets("/sys") == {"driver": "../../bus/pci/drivers/vfio-pci/"}


def test_names_that_are_not_utf8_are_printable(files: Files, tree: Tree) -> None:
    files.folder("/sys")
    os.symlink(b"/bus/caf\xe9", os.fsencode(files.here("/sys/")) + b"n\xe9")
    for name in (*tree.names("/sys"), *(tree.targets("/sys") or {}).values()):
        name.encode("utf-8")
    files.raw_link("/sys/driver", os.fsdecode(b"/bus/caf\xe9"))
    assert tree.link("/sys/driver") == "caf\N{REPLACEMENT CHARACTER}"


def test_folders_are_open_one_at_a_time(files: Files, tree: Tree) -> None:
    for name in ("a", "b", "c"):
        files.write(f"/sys/{name}/name", name)
    files.write("/sys/file", "1")
    files.raw_link("/sys/link", "a")
    files.raw_link("/sys/out", "../../..")
    before = os.listdir("/proc/self/fd")
    held = []
    for name, folder in tree.folders("/sys", ("b", "none", "file", "link", "a", "out", "c")):
        held.append((name, folder.path, folder.text("name")))
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1
        if name == "out":
            break
    assert held == [("b", "/sys/b", "b"), ("link", "/sys/a", "a"), ("a", "/sys/a", "a"), ("out", "", None)]
    assert os.listdir("/proc/self/fd") == before


def test_a_folder_has_its_entries(files: Files, tree: Tree) -> None:
    files.write("/sys/file", "")
    files.folder("/sys/below")
    files.raw_link("/sys/dangling", "none")
    with _opened(tree, "/sys") as folder:
        assert folder.has("file")
        assert folder.has("below")
        assert folder.has("dangling")
        assert not folder.has("none")
        assert folder.text("file") == ""
        assert folder.text("below") is None
        assert folder.text("dangling") is None
        assert folder.text("none") is None


@pytest.mark.parametrize("target", ["/", "..", "../..", "/..", "../../", "{outside}", "../../../../../../../../"])
def test_a_folder_that_is_a_link_does_not_lead_outside(files: Files, tree: Tree, tmp_path: Path, target: str) -> None:
    files.write("/sys/power/a", "here")
    files.raw_link("/sys/link", "power")
    files.raw_link("/sys/out", target.format(outside=tmp_path))
    with _opened(tree, "/sys") as folder:
        assert folder.text_below("power", "a") == "here"
        assert folder.text_below("link", "a") == "here"
        assert folder.text_below("power", "none") is None
        assert folder.text_below("none", "a") is None
        assert folder.text_below("out", "outside") is None
        assert folder.text_below("out", "etc/os-release") is None


def test_names_are_sorted(files: Files, tree: Tree) -> None:
    for name in ("b", "a", "C"):
        files.write(f"/sys/{name}", "1")
    assert tree.names("/sys") == ("C", "a", "b")
    assert tree.names("/sys/a") == ()


def test_denied_files_are_recorded_with_the_values_that_depend_on_them(files: Files, tree: Tree) -> None:
    for path in ("/closed/file", "/sys/secret", "/sys/other"):
        files.write(path, "1")
    for path in ("/sys/secret", "/sys/other", "/closed"):
        os.chmod(files.here(path), 0)
    with _ordinary_user(Path(files.root)):
        with tree.reading("cpu"):
            assert tree.text("/sys/secret") is None
            with tree.reading("iommu.groups"):
                assert tree.text("/sys/secret") is None
                assert tree.names("/closed") == ()
            assert tree.text("/sys/secret") is None
        with _opened(tree, "/sys") as folder:
            assert folder.text("other") is None
            assert folder.has("other")
        assert [name for name, _folder in tree.folders("", ("closed", "sys"))] == ["sys"]
    os.chmod(files.here("/closed"), 0o755)  # so that other users can remove it
    assert [(unreadable.path, unreadable.values) for unreadable in tree.unreadable] == [
        ("/closed", ("iommu.groups",)),
        ("/sys/other", ()),
        ("/sys/secret", ("cpu", "iommu.groups")),
    ]
    assert {unreadable.error for unreadable in tree.unreadable} == {"Permission denied"}


def test_a_missing_file_is_not_unreadable(tree: Tree) -> None:
    with tree.reading("cpu"):
        assert tree.text("/none") is None
    assert tree.unreadable == ()


def test_only_the_running_machine_is_live(tree: Tree, tmp_path: Path) -> None:
    assert not tree.live
    assert Tree("/").live
    assert not Tree(str(tmp_path / "none")).live
    assert Tree(str(tmp_path / "none")).text("/etc/os-release") is None
    assert Tree("/").text("/proc/sys/kernel/ostype") == "Linux"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "", "a", "b", "link", "up", "out"]), max_size=12))
def test_any_path_ends_within_the_root(files: Files, parts: list[str]) -> None:
    files.write("/a/b/file", "1")
    files.raw_link("/a/link", "/a/b")
    files.raw_link("/a/b/up", "../..")
    files.raw_link("/a/b/out", files.root + "/../outside")
    resolved = Tree(files.root).resolve("/" + "/".join(parts))
    if resolved is not None:
        assert os.path.realpath(files.root + resolved) == (files.root + resolved).rstrip("/")
        assert ".." not in resolved.split("/")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.sampled_from(["..", ".", "", "a", "b", "link", "up", "file"]), max_size=6), max_size=9))
def test_the_caches_of_a_tree_change_no_result(files: Files, tree: Tree, paths: list[list[str]]) -> None:
    files.write("/a/b/file", "1")
    files.write("/b/file", "another")  # the target of /a/link, relative to another folder
    files.raw_link("/a/link", "b/file")
    files.raw_link("/a/b/up", "../../a/..")
    files.raw_link("/a/b/link", "up/../a/b/")
    files.raw_link("/up", "../../a/./b")
    for parts in paths:
        path = "/" + "/".join(parts)
        assert tree.resolve(path) == Tree(files.root).resolve(path)


def test_status(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345")
    (tmp_path / "link").symlink_to("/file")
    (tmp_path / "out").symlink_to("/../../etc")
    tree = Tree(str(tmp_path))
    for path in ("/file", "/link"):
        status = tree.status(path)
        assert status is not None
        assert status.st_size == 5
    assert tree.status("/") is not None
    assert tree.status("/out") is None
    assert tree.status("/none") is None
    assert tree.status("/a\0b") is None
