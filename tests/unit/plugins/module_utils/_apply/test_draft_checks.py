# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new grub.cfg is checked for before it replaces the one in use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._apply.draft_checks import (
    CHECKS,
    TOOL_CHECKS,
    check_grub_config,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import DRAFT
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

OLD, NEW = "6.1.0-27-amd64", "6.1.0-28-amd64"
CONFIG, DRAFT_CONFIG = "/boot/grub/grub.cfg", "/boot/grub/.grub.cfg.vfio-workstation~"


def entry(name: str, version: str, arguments: str = "root=UUID=0d9c ro quiet", initrd: str = "initrd.img-{}") -> str:
    return (
        f"menuentry 'Debian, {name}' --class os $menuentry_id_option '{name}' {{\n"
        f"\tlinux\t/boot/vmlinuz-{version} {arguments}\n"
        f"\tinitrd\t/boot/{initrd.format(version)}\n}}\n"
    )


def submenu(title: str, name: str, entries: str) -> str:
    return f"submenu '{title}' $menuentry_id_option '{name}' {{\n{entries}}}\n"


SIMPLE = entry("gnulinux-simple-0d9c", NEW)
ADVANCED = submenu(
    "Advanced",
    "gnulinux-advanced-0d9c",
    entry(f"gnulinux-{NEW}-advanced-0d9c", NEW)
    + entry(f"gnulinux-{NEW}-recovery-0d9c", NEW, "root=UUID=0d9c ro single")
    + entry(f"gnulinux-{OLD}-advanced-0d9c", OLD),
)
FALLBACK = submenu(
    "Debian without VFIO",
    "vfio-workstation-fallback",
    entry(f"vfio-workstation-fallback-gnulinux-{NEW}-advanced-0d9c", NEW, "root=UUID=0d9c ro"),
)
CUSTOM = entry("mine", "9.9.9", "root=/dev/sdz1") + entry("osprober-gnulinux-/boot/x", "9.9.8", "root=/dev/sdz2")
MENU = SIMPLE + ADVANCED + CUSTOM


def plant(root: Path, draft: str | None, menu: str | None = MENU, without: tuple[str, ...] = ()) -> Tree:
    files = {f"/boot/{name}-{version}": "" for name in ("vmlinuz", "initrd.img") for version in (OLD, NEW)}
    files.update({path: text for path, text in ((CONFIG, menu), (DRAFT_CONFIG, draft)) if text is not None})
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name not in without:
            path.write_text(text, "utf-8")
    return Tree(str(root))


GOOD = {
    "unchanged": MENU,
    "with a fallback": SIMPLE + ADVANCED + FALLBACK + CUSTOM,
    "without custom entries": SIMPLE + ADVANCED,
    "other arguments": MENU.replace("quiet", "quiet intel_iommu=on iommu=pt"),
    "another kernel first": entry("gnulinux-simple-0d9c", OLD) + ADVANCED,
    "no submenu": SIMPLE + entry(f"gnulinux-{OLD}-advanced-0d9c", OLD),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_draft_that_boots_every_kernel_passes(tmp_path: Path, name: str) -> None:
    assert check_grub_config(plant(tmp_path, GOOD[name]), DRAFT_CONFIG) == []


BAD = {
    "empty": ("", ["it has no entry for a kernel of this system"]),
    "no menu": ("set timeout=5\n", ["it has no entry for a kernel of this system"]),
    "custom entries only": (CUSTOM, ["it has no entry for a kernel of this system"]),
    "a fallback only": (FALLBACK, ["it has no entry for a kernel of this system"]),
    "no root": (
        MENU.replace("root=UUID=0d9c ro quiet", "ro quiet"),
        ["the entry 'Debian, gnulinux-simple-0d9c' has no root="],
    ),
    "no root in the fallback": (
        MENU + FALLBACK.replace("root=UUID=0d9c ", ""),
        [f"the entry 'Debian, vfio-workstation-fallback-gnulinux-{NEW}-advanced-0d9c' has no root="],
    ),
    "another root": (
        SIMPLE.replace("root=UUID=0d9c", "root=/dev/loop0") + ADVANCED,
        ["the entry 'Debian, gnulinux-simple-0d9c' has root=/dev/loop0, and those in use have UUID=0d9c"],
    ),
    "another kernel": (
        MENU + entry("gnulinux-9.9.7-advanced-0d9c", "9.9.7"),
        [
            "the entry 'Debian, gnulinux-9.9.7-advanced-0d9c' names /boot/vmlinuz-9.9.7, which does not exist",
            "the entry 'Debian, gnulinux-9.9.7-advanced-0d9c' names /boot/initrd.img-9.9.7, which does not exist",
        ],
    ),
    "another initramfs": (
        MENU.replace("initrd.img-" + OLD, "initramfs-6.1.0.img"),
        [f"the entry 'Debian, gnulinux-{OLD}-advanced-0d9c' names /boot/initramfs-6.1.0.img, which does not exist"],
    ),
    "a lost initramfs": (
        MENU.replace(f"\tinitrd\t/boot/initrd.img-{OLD}\n", ""),
        [f"the entry 'Debian, gnulinux-{OLD}-advanced-0d9c' names no initramfs, and the one in use does"],
    ),
    "truncated output of a script": (
        f"### BEGIN /etc/grub.d/10_linux ###\n{MENU}",
        ["the output of /etc/grub.d/10_linux is truncated"],
    ),
    "a lost kernel": (SIMPLE, [f"the kernel {OLD} no longer has an entry"]),
}


@pytest.mark.parametrize("name", BAD)
def test_each_problem_of_a_draft_is_named(tmp_path: Path, name: str) -> None:
    draft, expected = BAD[name]
    problems = check_grub_config(plant(tmp_path, draft), DRAFT_CONFIG)
    assert [problem for problem in expected if problem not in problems] == [], problems


def test_a_missing_draft_does_not_pass(tmp_path: Path) -> None:
    assert check_grub_config(plant(tmp_path, None), DRAFT_CONFIG) == ["it can't be read"]


COMPLETE = f"### BEGIN /etc/grub.d/10_linux ###\n{SIMPLE}{ADVANCED}### END /etc/grub.d/10_linux ###\n"


@given(st.integers(min_value=0, max_value=COMPLETE.index("### END")))
def test_a_truncated_draft_does_not_pass(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    assert (
        check_grub_config(plant(tmp_path_factory.mktemp("truncated"), COMPLETE[:length], COMPLETE), DRAFT_CONFIG) != []
    )


def test_a_complete_draft_passes(tmp_path: Path) -> None:
    assert check_grub_config(plant(tmp_path, COMPLETE, COMPLETE), DRAFT_CONFIG) == []


def test_a_missing_initramfs_is_named_for_each_entry(tmp_path: Path) -> None:
    problems = check_grub_config(plant(tmp_path, MENU, without=(f"/boot/initrd.img-{NEW}",)), DRAFT_CONFIG)
    assert len(problems) == 2  # recovery entries are not checked
    assert all(f"names /boot/initrd.img-{NEW}, which does not exist" in problem for problem in problems)


def test_a_kernel_that_was_removed_needs_no_entry(tmp_path: Path) -> None:
    tree = plant(tmp_path, SIMPLE, without=(f"/boot/vmlinuz-{OLD}", f"/boot/initrd.img-{OLD}"))
    assert check_grub_config(tree, DRAFT_CONFIG) == []


def test_without_a_menu_in_use_any_root_passes(tmp_path: Path) -> None:
    assert check_grub_config(plant(tmp_path, MENU, menu=None), DRAFT_CONFIG) == []
    without_root = MENU.replace("root=UUID=0d9c ", "")
    assert check_grub_config(plant(tmp_path, without_root, menu=None), DRAFT_CONFIG) != []


def test_root_may_be_missing_where_it_was_missing_before(tmp_path: Path) -> None:
    without_root = (SIMPLE + ADVANCED).replace("root=UUID=0d9c ", "")
    assert check_grub_config(plant(tmp_path, without_root, without_root), DRAFT_CONFIG) == []
    problems = check_grub_config(plant(tmp_path, SIMPLE + ADVANCED, without_root), DRAFT_CONFIG)
    assert any("root=UUID=0d9c" in problem for problem in problems)


def test_every_checker_gets_the_draft() -> None:
    assert set(TOOL_CHECKS) <= set(CHECKS)
    assert all(DRAFT in argv for tools in TOOL_CHECKS.values() for argv in tools)
