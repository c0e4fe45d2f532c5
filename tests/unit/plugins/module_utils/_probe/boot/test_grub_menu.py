# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu entries in grub.cfg."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.entry import (
    FOREIGN,
    NORMAL,
    RECOVERY,
    SIMPLE,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.grub_menu import (
    MAX_ENTRIES,
    Menu,
    kernel_arguments,
    read_menu,
    without_device,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.grub_script import Variables

FIXTURES = Path(__file__).resolve().parents[5] / "fixtures" / "boot"


def menu(text: str, sourced: dict[str, str] | None = None, **values: str) -> Menu:
    variables = Variables({"menuentry_id_option": "--id", **values})
    return read_menu(text, "/boot/grub/grub.cfg", variables, (sourced or {}).get)


def test_a_menu_of_grub_mkconfig() -> None:
    entries = menu((FIXTURES / "debian-12-grub.cfg").read_text(encoding="utf-8")).entries
    assert [(entry.id, entry.role) for entry in entries] == [
        ("gnulinux-simple-/dev/vda", SIMPLE),
        ("gnulinux-6.12.9+bpo-amd64-advanced-/dev/vda", NORMAL),
        ("gnulinux-6.12.9+bpo-amd64-recovery-/dev/vda", RECOVERY),
        ("gnulinux-6.1.0-28-amd64-advanced-/dev/vda", NORMAL),
        ("gnulinux-6.1.0-28-amd64-recovery-/dev/vda", RECOVERY),
        ("gnulinux-6.1.0-9-amd64-advanced-/dev/vda", NORMAL),
        ("gnulinux-6.1.0-9-amd64-recovery-/dev/vda", RECOVERY),
    ]
    advanced = entries[1]
    assert advanced.title == "Debian GNU/Linux, with Linux 6.12.9+bpo-amd64"
    assert advanced.linux == "/@rootfs/boot/vmlinuz-6.12.9+bpo-amd64"
    assert advanced.initrds == ("/@rootfs/boot/intel-ucode.img", "/@rootfs/boot/initrd.img-6.12.9+bpo-amd64")
    # GRUB's shell removes the quotes, then its loader quotes the whole argument.
    assert advanced.cmdline == (
        'root=/dev/vda ro intel_iommu=on "dyndbg=file drivers/vfio/* +p" console=ttyS0,115200 '
        "hugepagesz=1G hugepages=0:1,1:1 quiet"
    )
    assert advanced.parents == ("gnulinux-advanced-/dev/vda",)
    assert entries[0].parents == ()


@pytest.mark.parametrize("command", ["linux", "linux16", "linuxefi"])
def test_each_command_that_boots_linux(command: str) -> None:
    (entry,) = menu(f"menuentry a {{ {command} ($root)/vmlinuz x }}").entries
    assert (entry.linux, entry.cmdline) == ("/vmlinuz", "x")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("menuentry 'A title' --class debian { linux /v }", ["A title"]),
        ("menuentry --class x --id=b 'A' --unrestricted { linux /v }", ["b"]),
        ("menuentry --users '' A --hotkey k --id c { linux /v }", ["c"]),
        ("menuentry A { chainloader /EFI/x.efi }", []),
        ("menuentry A { multiboot2 /xen.gz\nmodule2 /vmlinuz-6.1 }", []),
        ("if [ x$a = xb ]; then\nmenuentry A { linux /v }\nelse\nmenuentry B { linux /w }\nfi", ["A", "B"]),
        ("function f { menuentry A { linux /v } }\nmenuentry B { linux /w }", ["B"]),
        ("menuentry A { if true; then linux /v; fi }", ["A"]),
        ("menuentry A {\n  linux /v", ["A"]),
        ("linux /v", []),
        ("} } fi done menuentry A { linux /v }", ["A"]),
        ("submenu S { submenu T { menuentry A { linux /v } } }", ["A"]),
    ],
)
def test_entries(text: str, ids: list[str]) -> None:
    assert [entry.id for entry in menu(text).entries] == ids


def test_entries_of_other_systems_and_recovery_entries_are_recognized() -> None:
    entries = menu(
        "menuentry A --id osprober-gnulinux-6.1-x { linux /boot/vmlinuz-6.1 }\n"
        "menuentry B { linux /vmlinuz-0-rescue-0123 }\n"
        "menuentry C { linux /vmlinuz-linux\ninitrd /initramfs-linux-fallback.img }\n"
        "menuentry D { linux /vmlinuz-6.1 ro systemd.unit=rescue.target }\n"
        "menuentry E { linux /vmlinuz-6.1 ro recovery.not=1 singleton }\n"
    ).entries
    assert [entry.role for entry in entries] == [FOREIGN, RECOVERY, RECOVERY, RECOVERY, NORMAL]


def test_entries_see_the_variables_as_they_are_when_selected() -> None:
    text = "menuentry A { linux /v $late $never ${early} }\nset early=2\nset late='3 4'"
    assert menu("early=1\n" + text).entries[0].cmdline == "3 4 2"


def test_a_condition_ends_with_the_block_it_began_in() -> None:
    text = "set a=1\nmenuentry A { linux /v $a; if broken }\nset a=2"
    assert menu(text).entries[0].cmdline == "2"


def test_grubenv_takes_precedence_over_a_default() -> None:
    text = 'if [ -z "${kernelopts}" ]; then\n  set kernelopts="root=/a ro "\nfi\nmenuentry A { linux /v $kernelopts }'
    assert menu(text).entries[0].cmdline == "root=/a ro"
    assert menu(text, kernelopts="root=/b ro quiet").entries[0].cmdline == "root=/b ro quiet"


def test_the_first_branch_that_boots_linux_is_used() -> None:
    (entry,) = menu("menuentry A { if a; then linux /v 1\nelse linux /v 2\nfi\ninitrd /a /b }").entries
    assert (entry.cmdline, entry.initrds) == ("1", ("/a", "/b"))


def test_sourced_files_are_read_and_a_loop_of_them_terminates() -> None:
    files = {"/boot/grub/custom.cfg": "menuentry B { linux /v }\nsource $prefix/custom.cfg"}
    entries = menu(
        "menuentry A { linux /v }\nsource ${prefix}/custom.cfg\nsource /x", files, prefix="/boot/grub"
    ).entries
    assert entries[0].id == "A"
    assert {entry.id for entry in entries[1:]} == {"B"}


def test_blscfg_counts_only_as_a_command() -> None:
    assert menu("insmod blscfg\nblscfg").blscfg
    assert not menu("insmod blscfg\nfunction f { blscfg }\necho blscfg").blscfg


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "b=c"], "a b=c"),
        (["dyndbg=file x +p", "b"], '"dyndbg=file x +p" b'),
        (['a"b', "c\\d", "e'f"], "a\\\"b c\\\\d e\\'f"),
        ([], ""),
    ],
)
def test_arguments_are_quoted_as_grub_passes_them(arguments: list[str], expected: str) -> None:
    assert kernel_arguments(arguments) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("(hd0,gpt2)/vmlinuz", "/vmlinuz"), ("()/vmlinuz", "/vmlinuz"), ("/a(b)/c", "/a(b)/c"), ("(a", "(a")],
)
def test_the_device_before_a_path_is_removed(path: str, expected: str) -> None:
    assert without_device(path) == expected


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'-"), min_size=1)


@given(st.lists(st.tuples(NAMES, NAMES, st.lists(NAMES)), max_size=8))
def test_entries_are_parsed(entries: list[tuple[str, str, list[str]]]) -> None:
    text = "\n".join(
        "menuentry 'T' --id '{}' {{\n\tlinux '/{}' {}\n}}".format(name, image, " ".join(f"'{word}'" for word in words))
        for name, image, words in entries
    )
    parsed = [(entry.id, entry.linux, entry.cmdline) for entry in menu(text).entries]
    assert parsed == [(name, "/" + image, kernel_arguments(words)) for name, image, words in entries]


WORDS = [
    *("menuentry", "submenu", "function", "if", "then", "else", "fi", "for", "do", "done", "linux", "initrd"),
    *("set", "a=b", "{", "}", ";", "\n", "'", '"', "$a", "--id", "source", "blscfg", "#", "\\"),
]


@given(st.lists(st.sampled_from(WORDS) | st.text()).map(" ".join))
def test_any_text_is_parsed(text: str) -> None:
    assert isinstance(menu(text, {"a": text}).entries, tuple)


def test_nesting_and_counts_are_bounded() -> None:
    assert menu("submenu a { " * 20_000 + "menuentry b { linux c }").entries == ()
    assert menu("x { y\n" * 50_000 + "}\n" * 50_000 + "menuentry a { linux b }").entries[0].id == "a"
    assert len(menu("menuentry a { linux b }\n" * (MAX_ENTRIES + 10)).entries) == MAX_ENTRIES
