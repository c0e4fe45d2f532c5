# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new grub.cfg is looked at for, before it takes the place of the one in use."""

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
CONFIG, DRAFTED = "/boot/grub/grub.cfg", "/boot/grub/.grub.cfg.vfio-workstation~"


def entry(name: str, version: str, arguments: str = "root=UUID=0d9c ro quiet", initrd: str = "initrd.img-{}") -> str:
    return (
        f"menuentry 'Debian, {name}' --class os $menuentry_id_option '{name}' {{\n"
        f"\tlinux\t/boot/vmlinuz-{version} {arguments}\n"
        f"\tinitrd\t/boot/{initrd.format(version)}\n}}\n"
    )


def submenu(title: str, name: str, inside: str) -> str:
    return f"submenu '{title}' $menuentry_id_option '{name}' {{\n{inside}}}\n"


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
    files.update({path: text for path, text in ((CONFIG, menu), (DRAFTED, draft)) if text is not None})
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name not in without:
            path.write_text(text, "utf-8")
    return Tree(str(root))


GOOD = {
    "as it was": MENU,
    "with a fallback": SIMPLE + ADVANCED + FALLBACK + CUSTOM,
    "without what is not ours": SIMPLE + ADVANCED,
    "other arguments": MENU.replace("quiet", "quiet intel_iommu=on iommu=pt"),
    "another kernel first": entry("gnulinux-simple-0d9c", OLD) + ADVANCED,
    "no submenu": SIMPLE + entry(f"gnulinux-{OLD}-advanced-0d9c", OLD),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_draft_that_boots_every_kernel_passes(tmp_path: Path, name: str) -> None:
    assert check_grub_config(plant(tmp_path, GOOD[name]), DRAFTED) == []


BAD = {
    "empty": ("", ["it has no entry for a kernel of this system"]),
    "no menu": ("set timeout=5\n", ["it has no entry for a kernel of this system"]),
    "of others only": (CUSTOM, ["it has no entry for a kernel of this system"]),
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
            "the entry 'Debian, gnulinux-9.9.7-advanced-0d9c' names /boot/vmlinuz-9.9.7, which is not there",
            "the entry 'Debian, gnulinux-9.9.7-advanced-0d9c' names /boot/initrd.img-9.9.7, which is not there",
        ],
    ),
    "another initramfs": (
        MENU.replace("initrd.img-" + OLD, "initramfs-6.1.0.img"),
        [f"the entry 'Debian, gnulinux-{OLD}-advanced-0d9c' names /boot/initramfs-6.1.0.img, which is not there"],
    ),
    "an initramfs less": (
        MENU.replace(f"\tinitrd\t/boot/initrd.img-{OLD}\n", ""),
        [f"the entry 'Debian, gnulinux-{OLD}-advanced-0d9c' names no initramfs, and the one in use does"],
    ),
    "a script without end": (
        f"### BEGIN /etc/grub.d/10_linux ###\n{MENU}",
        ["what /etc/grub.d/10_linux printed has no end"],
    ),
    "a kernel less": (SIMPLE, [f"the kernel {OLD} has no entry any more"]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_draft_is_named(tmp_path: Path, name: str) -> None:
    draft, problems = BAD[name]
    found = check_grub_config(plant(tmp_path, draft), DRAFTED)
    assert [one for one in problems if one not in found] == [], found


def test_a_draft_that_is_not_there_does_not_pass(tmp_path: Path) -> None:
    assert check_grub_config(plant(tmp_path, None), DRAFTED) == ["it can't be read"]


WHOLE = f"### BEGIN /etc/grub.d/10_linux ###\n{SIMPLE}{ADVANCED}### END /etc/grub.d/10_linux ###\n"


@given(st.integers(min_value=0, max_value=WHOLE.index("### END")))
def test_a_draft_that_was_cut_off_does_not_pass(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    assert check_grub_config(plant(tmp_path_factory.mktemp("cut"), WHOLE[:length], WHOLE), DRAFTED) != []


def test_a_draft_of_which_nothing_is_missing_passes(tmp_path: Path) -> None:
    assert check_grub_config(plant(tmp_path, WHOLE, WHOLE), DRAFTED) == []


def test_files_that_are_missing_now_are_missing(tmp_path: Path) -> None:
    found = check_grub_config(plant(tmp_path, MENU, without=(f"/boot/initrd.img-{NEW}",)), DRAFTED)
    assert len(found) == 2  # of the recovery entry it is none of our business
    assert all(f"names /boot/initrd.img-{NEW}, which is not there" in one for one in found)


def test_a_kernel_that_is_gone_need_not_keep_its_entry(tmp_path: Path) -> None:
    tree = plant(tmp_path, SIMPLE, without=(f"/boot/vmlinuz-{OLD}", f"/boot/initrd.img-{OLD}"))
    assert check_grub_config(tree, DRAFTED) == []


def test_where_there_was_no_menu_a_root_is_enough(tmp_path: Path) -> None:
    assert check_grub_config(plant(tmp_path, MENU, menu=None), DRAFTED) == []
    bare = MENU.replace("root=UUID=0d9c ", "")
    assert check_grub_config(plant(tmp_path, bare, menu=None), DRAFTED) != []


def test_a_root_that_the_initramfs_knows_need_not_be_named(tmp_path: Path) -> None:
    bare = (SIMPLE + ADVANCED).replace("root=UUID=0d9c ", "")
    assert check_grub_config(plant(tmp_path, bare, bare), DRAFTED) == []
    found = check_grub_config(plant(tmp_path, SIMPLE + ADVANCED, bare), DRAFTED)
    assert any("root=UUID=0d9c" in one for one in found)


def test_every_tool_is_given_the_draft() -> None:
    assert set(TOOL_CHECKS) <= set(CHECKS)
    assert all(DRAFT in argv for tools in TOOL_CHECKS.values() for argv in tools)
