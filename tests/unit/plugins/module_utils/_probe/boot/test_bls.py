# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of the Boot Loader Specification."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot import bls, grub, systemd_boot
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

# As Fedora's kernel-install writes them; the first is that of an older release, and of RHEL 8.
FEDORA_30 = """\
title Fedora (5.3.7-301.fc31.x86_64) 31 (Workstation Edition)
version 5.3.7-301.fc31.x86_64
linux /vmlinuz-5.3.7-301.fc31.x86_64
initrd /initramfs-5.3.7-301.fc31.x86_64.img $tuned_initrd
options $kernelopts $tuned_params
id fedora-20191023231215-5.3.7-301.fc31.x86_64
grub_users $grub_users
grub_arg --unrestricted
grub_class kernel
"""
FEDORA_40 = FEDORA_30.replace("options $kernelopts", 'options root=UUID=a ro dyndbg="file x +p" rhgb quiet')
SYSTEMD_BOOT = """\
# Boot Loader Specification type#1 entry
title      Debian GNU/Linux 12 (bookworm)
version    6.1.0-28-amd64
machine-id 0123456789abcdef0123456789abcdef
sort-key   debian
options    root=UUID=b ro
options    quiet "a b"
linux      /0123456789abcdef0123456789abcdef/6.1.0-28-amd64/linux
initrd     /ucode.img
initrd     /0123456789abcdef0123456789abcdef/6.1.0-28-amd64/initrd.img-6.1.0-28-amd64
"""


def write(root: Path, files: dict[str, str]) -> Tree:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Tree(str(root))


def test_an_entry_of_systemd_boot(tmp_path: Path) -> None:
    tree = write(tmp_path, {"efi/loader/entries/0123-6.1.0-28-amd64+2-1.conf": SYSTEMD_BOOT, "efi/EFI/x": ""})
    assert systemd_boot.esp_mount_points(tree) == ("/efi",)
    (entry,) = systemd_boot.read_entries(tree, ("/efi",))
    assert entry.id == "0123-6.1.0-28-amd64"
    assert entry.file == "/efi/loader/entries/0123-6.1.0-28-amd64+2-1.conf"
    assert (entry.title, entry.version) == ("Debian GNU/Linux 12 (bookworm)", "6.1.0-28-amd64")
    assert entry.cmdline == 'root=UUID=b ro quiet "a b"'
    assert entry.initrds[0] == "/ucode.img"
    assert len(entry.initrds) == 2


@pytest.mark.parametrize(
    ("entry", "environment", "cmdline", "initrds"),
    [
        (FEDORA_30, "kernelopts=root=/dev/a ro quiet\n", "root=/dev/a ro quiet", 1),
        (FEDORA_30, "kernelopts=root=/dev/a\ntuned_params=x=1 y=2\n", "root=/dev/a x=1 y=2", 1),
        (FEDORA_30, "tuned_initrd=/tuned.img\n", "root=/dev/default ro", 2),
        (FEDORA_40, "", 'root=UUID=a ro "dyndbg=file x +p" rhgb quiet', 1),
        ("title a\nlinux /vmlinuz-5.3.7\n", "default_kernelopts=root=/dev/d\n", "root=/dev/d", 0),
    ],
)
def test_an_entry_of_grub(tmp_path: Path, entry: str, environment: str, cmdline: str, initrds: int) -> None:
    config = 'if [ -z "${kernelopts}" ]; then\n  set kernelopts="root=/dev/default ro "\nfi\ninsmod blscfg\nblscfg\n'
    tree = write(
        tmp_path,
        {
            "boot/grub2/grub.cfg": config,
            "boot/grub2/grubenv": "# GRUB Environment Block\n" + environment + "#" * 900,
            "boot/loader/entries/0123-5.3.7.conf": entry,
        },
    )
    (grub_entry,) = grub.read_entries(tree, ())
    assert grub_entry.id == "0123-5.3.7"
    assert grub_entry.cmdline == cmdline
    assert len(grub_entry.initrds) == initrds


def test_grub_without_blscfg_ignores_entry_files(tmp_path: Path) -> None:
    files = {"boot/grub/grub.cfg": "menuentry a { linux /b }", "boot/loader/entries/c.conf": "linux /d"}
    assert [entry.id for entry in grub.read_entries(write(tmp_path, files), ())] == ["a"]


def test_a_menu_on_the_efi_system_partition(tmp_path: Path) -> None:
    files = {"boot/efi/EFI/redhat/grub.cfg": "menuentry a { linux /b }", "boot/grub2/grub.cfg": "# moved\n"}
    assert [entry.id for entry in grub.read_entries(write(tmp_path, files), ("/boot/efi",))] == ["a"]


def test_without_grub_cfg_the_defaults_enable_blscfg(tmp_path: Path) -> None:
    files = {
        "etc/default/grub": 'GRUB_TIMEOUT=5\nGRUB_ENABLE_BLSCFG="true"\n',
        "boot/loader/entries/c.conf": "linux /d",
    }
    assert [entry.id for entry in grub.read_entries(write(tmp_path, files), ())] == ["c"]


def test_substitution_is_bounded(tmp_path: Path) -> None:
    tree = write(
        tmp_path,
        {
            "boot/grub/grub.cfg": "blscfg",
            "boot/grub/grubenv": "a=" + "x" * 60_000,
            "boot/loader/entries/c.conf": "linux /d\noptions " + "$a" * 30_000,
        },
    )
    assert len(grub.read_entries(tree, ())[0].cmdline) <= 16 << 20


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.from_regex(r"[!-~ ]{0,20}", fullmatch=True)))
def test_an_environment_block_is_parsed(values: dict[str, str]) -> None:
    text = "# GRUB Environment Block\n" + "".join(
        "{}={}\n".format(name, value.replace("\\", "\\\\")) for name, value in values.items()
    )
    assert grub.parse_environment(text + "#" * 100) == values


@given(st.text())
def test_any_text_is_parsed(text: str) -> None:
    bls.parse(text)
    grub.parse_environment(text)
    assert bls.identifier(text) in text


def test_grub_uses_the_first_line_of_options(tmp_path: Path) -> None:
    files = {"boot/grub2/grub.cfg": "blscfg", "boot/loader/entries/a.conf": "linux /b\noptions c\noptions d\n"}
    assert [entry.cmdline for entry in grub.read_entries(write(tmp_path, files), ())] == ["c"]
