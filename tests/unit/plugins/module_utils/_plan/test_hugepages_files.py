# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huge pages of the running system: the files, as tmpfiles.d(5) describes them and as systemd's tools read them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import HugePages, Machine, Memory, MemoryNode
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HugePagesPlan, RuntimePages
from ansible_collections.vfio.workstation.plugins.module_utils._plan.hugepages_files import (
    RELOAD_TOOL,
    TMPFILES_FILE,
    WANTS_FILE,
    count_path,
    hugepages_files,
    mount_point,
    mount_unit_path,
    mounted_sizes,
    shortfall,
    start_tool,
    stop_tool,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.own_files import is_ours
from ansible_collections.vfio.workstation.tests.machines.values import machine

BIG, SMALL = 1 << 20, 2048
SYSTEMD = "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
TOOLS = "/usr/bin:/bin"
# How systemd-tmpfiles runs at boot. Without --boot it ignores lines with `!`: the installation of a package must not
# change the counts while guests run.
AT_BOOT = ("--create", "--boot")


def plan(*runtime: RuntimePages, at_boot: tuple[RuntimePages, ...] = ()) -> HugePagesPlan:
    return HugePagesPlan((), at_boot, runtime)


def contents(pages: HugePagesPlan, mounts: str | None = SYSTEMD, ours: tuple[int, ...] = ()) -> dict[str, str]:
    files = hugepages_files(pages, mounts, ours)
    assert all(is_ours(file.content) and file.mode == 0o644 for file in files)
    assert len({file.path for file in files}) == len(files)
    return {file.path: file.content for file in files}


def unit(text: str) -> dict[str, dict[str, str]]:
    """Return the settings of a unit file by section; each must be set once."""
    settings_: dict[str, dict[str, str]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            settings_[section] = {}
        elif line and not line.startswith("#"):
            name, _equals, value = line.partition("=")
            assert settings_[section].setdefault(name, value) == value or name == "Documentation"
    return settings_


def by_rule(text: str, root: Path) -> None:
    """Apply lines of type w as systemd-tmpfiles --boot does: write the argument to a file if it exists."""
    for line in text.splitlines():
        if not line.startswith("#"):
            kind, path, mode, user, group, age, argument = line.split()
            assert (kind, mode, user, group, age) == ("w!", "-", "-", "-", "-")
            if (root / path[1:]).exists():
                (root / path[1:]).write_text(argument)


def by_tool(text: str, root: Path, *options: str) -> None:
    """Have systemd-tmpfiles apply the lines, if it is installed."""
    tool = shutil.which("systemd-tmpfiles", path=TOOLS)
    if tool is None:
        by_rule(text, root)
        return
    file = root / TMPFILES_FILE[1:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    done = subprocess.run([tool, *options, f"--root={root}", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


NODE_0, NODE_1, ANYWHERE = RuntimePages(0, SMALL, 512), RuntimePages(1, SMALL, 8), RuntimePages(None, BIG, 3)


@pytest.mark.parametrize("write", [by_rule, lambda text, root: by_tool(text, root, *AT_BOOT)])
def test_counts_are_written_where_the_kernel_reads_them(write: Callable[[str, Path], None], tmp_path: Path) -> None:
    paths = {
        "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages": "512",
        "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages": "0",
        "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "3",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "0",
    }
    for path in paths:
        (tmp_path / path[1:]).parent.mkdir(parents=True)
        (tmp_path / path[1:]).write_text("0")
    # A node that does not exist is skipped.
    text = contents(plan(NODE_0, RuntimePages(7, SMALL, 8), ANYWHERE))[TMPFILES_FILE]
    write(text, tmp_path)
    assert {path: (tmp_path / path[1:]).read_text() for path in paths} == paths
    assert not (tmp_path / "sys/devices/system/node/node7").exists()


def test_counts_are_only_written_at_boot(tmp_path: Path) -> None:
    path = tmp_path / count_path(NODE_0)[1:]
    path.parent.mkdir(parents=True)
    path.write_text("600")
    if shutil.which("systemd-tmpfiles", path=TOOLS):
        by_tool(contents(plan(NODE_0))[TMPFILES_FILE], tmp_path, "--create")
    assert path.read_text() == "600"
    by_tool(contents(plan(NODE_0))[TMPFILES_FILE], tmp_path, *AT_BOOT)
    assert path.read_text() == "512"


def test_the_largest_pages_come_first() -> None:
    lines = contents(plan(NODE_1, NODE_0, ANYWHERE, RuntimePages(0, BIG, 1)))[TMPFILES_FILE].splitlines()[1:]
    paths = [line.split()[1] for line in lines]
    assert paths == [count_path(pages) for pages in (ANYWHERE, RuntimePages(0, BIG, 1), NODE_0, NODE_1)]


@pytest.mark.parametrize(
    ("pages", "mounts", "ours", "sizes"),
    [
        (plan(NODE_0), SYSTEMD, (), []),
        (plan(ANYWHERE), SYSTEMD, (), [BIG]),
        (plan(at_boot=(RuntimePages(0, BIG, 16),)), SYSTEMD, (), [BIG]),
        (plan(at_boot=(RuntimePages(0, BIG, 16), RuntimePages(1, BIG, 16))), SYSTEMD, (), [BIG]),
        (plan(NODE_0, ANYWHERE), "", (), [SMALL, BIG]),
        (plan(NODE_0, ANYWHERE), None, (), [SMALL, BIG]),
        (plan(ANYWHERE), "none /mnt/huge hugetlbfs rw,pagesize=1024M 0 0", (), []),
        (plan(ANYWHERE), "none /dev/hugepages1G hugetlbfs rw,pagesize=1G 0 0", (), []),  # a foreign mount
        (plan(ANYWHERE), "none /dev/hugepages1G hugetlbfs rw,pagesize=1G 0 0", (BIG,), [BIG]),  # our own mount is kept
        (plan(NODE_0), SYSTEMD, (BIG,), []),  # our own mount, not requested any more
        (plan(), "", (), []),
    ],
)
def test_mounts(pages: HugePagesPlan, mounts: str | None, ours: tuple[int, ...], sizes: list[int]) -> None:
    files = contents(pages, mounts, ours)
    units = [path for path in files if path.endswith(".mount")]
    assert units == [mount_unit_path(size) for size in sizes]
    assert (WANTS_FILE in files) == bool(sizes)
    assert (TMPFILES_FILE in files) == bool(pages.runtime)
    for size, path in zip(sizes, units, strict=True):
        name = path.rpartition("/")[2]
        assert (
            unit(files[path])["Mount"]["Where"] == mount_point(size) == "/" + name[: -len(".mount")].replace("-", "/")
        )
        assert f"\nWants={name}\n" in files[WANTS_FILE]
        assert start_tool(size)[-1] == stop_tool(size)[-1] == name
    assert RELOAD_TOOL == ("systemctl", "daemon-reload")


def test_our_own_mount_does_not_count_as_a_foreign_one() -> None:
    """The second run reads the mount of the first one in /proc/mounts."""
    first = contents(plan(ANYWHERE))
    mounts = SYSTEMD + "hugetlbfs /dev/hugepages1G hugetlbfs rw,relatime,pagesize=1G 0 0\n"
    ours = tuple(size for size in (SMALL, BIG) if mount_unit_path(size) in first)
    assert contents(plan(ANYWHERE), mounts, ours) == first


def test_systemd_accepts_the_mount_units(tmp_path: Path) -> None:
    files = contents(plan(ANYWHERE, RuntimePages(0, 64, 1)))
    assert {path for path in files if path.endswith(".mount")} == {
        "/etc/systemd/system/dev-hugepages1G.mount",
        "/etc/systemd/system/dev-hugepages64K.mount",
    }
    tool = shutil.which("systemd-analyze", path=TOOLS)
    for path, text in files.items():
        if path.endswith(".mount"):
            assert unit(text)["Mount"]["Type"] == "hugetlbfs"
            assert unit(text)["Unit"]["DefaultDependencies"] == "no"
            file = tmp_path / path.rpartition("/")[2]
            file.write_text(text)
            if tool is not None:
                done = subprocess.run([tool, "verify", str(file)], capture_output=True, text=True, check=False)
                assert file.name not in done.stderr  # other units of this machine may have errors


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        (SYSTEMD, [2048]),
        ("a /b hugetlbfs rw,pagesize=64K 0 0\na /c hugetlbfs rw,mode=1770,pagesize=16G,size=1 0 0", [64, 16 << 20]),
        ("a /b tmpfs rw,pagesize=2M 0 0\nshort line\n\na /b hugetlbfs rw 0 0", []),
        ("a /b hugetlbfs rw,pagesize=lots,pagesize= 0 0", []),
    ],
)
def test_mounted_sizes(text: str, sizes: list[int]) -> None:
    assert list(mounted_sizes(text)) == sizes


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from([*SYSTEMD.split(), "\n", ",", " ", "pagesize=1G"])).map(" ".join))
def test_any_text_is_read(text: str) -> None:
    assert set(contents(plan(ANYWHERE, NODE_0), text)) >= {TMPFILES_FILE}


def host(*nodes: dict[int, HugePages]) -> Machine:
    memory_nodes = {
        str(number): MemoryNode(32 << 30, (number,), {str(size): pool for size, pool in node.items()})
        for number, node in enumerate(nodes)
    }
    return machine(memory=Memory(32 << 30, memory_nodes))


def pool(total: int | None, surplus: int | None = 0) -> HugePages:
    return HugePages(total, total, surplus)


@pytest.mark.parametrize(
    ("pages", "machine_", "words"),
    [
        (plan(NODE_0), host({SMALL: pool(512)}), []),
        (plan(NODE_0), host({SMALL: pool(600)}), []),
        (
            plan(NODE_0),
            host({SMALL: pool(500)}),
            [("512 huge pages of 2M", "node 0", "500 are allocated", "24 MiB", "boot")],
        ),
        (plan(NODE_0), host({SMALL: pool(512, 2)}), [("510 are allocated",)]),  # surplus pages do not count
        (plan(NODE_0), host({SMALL: pool(512, None)}), []),
        (plan(NODE_0), host({SMALL: pool(None)}), [("is unknown",)]),
        (plan(NODE_0), host({}), [("is unknown",)]),
        (plan(NODE_1), host({SMALL: pool(9)}), [("node 1", "is unknown")]),
        (plan(NODE_0, NODE_1), host({SMALL: pool(0)}, {SMALL: pool(0)}), [("node 0",), ("node 1",)]),
        (plan(ANYWHERE), host({BIG: pool(1)}, {BIG: pool(2)}), []),
        (
            plan(ANYWHERE),
            host({BIG: pool(1)}, {BIG: pool(1)}),
            [("3 huge pages of 1G are requested, but only 2", "1 GiB")],
        ),
        (plan(ANYWHERE), host({BIG: pool(3)}, {}), []),  # a node without pages of that size
        (plan(ANYWHERE), host({BIG: pool(3)}, {BIG: pool(None)}), [("is unknown",)]),
        (plan(at_boot=(RuntimePages(0, BIG, 16),)), host({BIG: pool(14)}), [("14 are allocated", "2 GiB", "reboot")]),
        (plan(), host({}), []),
    ],
)
def test_shortfall(pages: HugePagesPlan, machine_: Machine, words: list[tuple[str, ...]]) -> None:
    texts = shortfall(pages, machine_)
    assert len(texts) == len(words)
    assert all(word in text for text, expected in zip(texts, words, strict=True) for word in expected)
