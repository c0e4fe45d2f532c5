# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of foreign files as marked comments, and back to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._plan.marked_lines import (
    MARK,
    joined,
    line_at,
    module_list_at,
    only_vfio,
    put_back,
    set_aside,
)

OPTIONS = "options vfio-pci ids=10de:2684,10de:22ba"


@pytest.mark.parametrize(
    ("text", "number", "block"),
    [
        ("a\nb\nc", 2, [1]),
        ("a\nb\\\nc\nd", 2, [1, 2]),
        ("a\\\n", 1, [0, 1]),  # continued by the empty rest of the file
        ("a\\", 1, [0]),
        ("a\\\r\nb", 1, [0]),  # to kmod, the backslash is before a carriage return
        ("", 1, [0]),
        ("a", 2, None),
        ("a", 0, None),
    ],
)
def test_a_line_with_those_that_continue_it(text: str, number: int, block: list[int] | None) -> None:
    found = line_at(text, number, continued=True)
    assert (None if found is None else list(found)) == block


def test_lists_of_modules_have_no_continuation() -> None:
    assert line_at("a\nb", 1, continued=False) == range(1)
    assert line_at("a\\\nb", 1, continued=False) is None


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (f"{OPTIONS}\n", f"{MARK}{OPTIONS}\n"),
        (OPTIONS, f"{MARK}{OPTIONS}"),
        (f"{OPTIONS} \\\n", f"{MARK}{OPTIONS} \\\n{MARK}"),
        # Other options apply to the devices of all requests.
        (f"{OPTIONS} disable_vga=1\r\n", f"options vfio-pci disable_vga=1\r\n{MARK}{OPTIONS} disable_vga=1\r\n"),
        (
            'options vfio-pci disable_idle_d3=1 \\\n\tids="10de:2684" disable_vga=1',
            (
                "options vfio-pci disable_idle_d3=1 disable_vga=1\n"
                f'{MARK}options vfio-pci disable_idle_d3=1 \\\n{MARK}\tids="10de:2684" disable_vga=1'
            ),
        ),
        (
            "vfio-pci ids=10de:2684 disable_vga=1\n",
            f"vfio-pci disable_vga=1\n{MARK}vfio-pci ids=10de:2684 disable_vga=1\n",
        ),
        ("options xen-pciback hide=(01:00.0)\n", f"{MARK}options xen-pciback hide=(01:00.0)\n"),
        ("softdep drm pre: vfio-pci\n", f"{MARK}softdep drm pre: vfio-pci\n"),
    ],
)
def test_lines_become_comments_and_come_back(text: str, after: str) -> None:
    block = line_at(text, 1, continued=True)
    assert block is not None
    assert set_aside(text, [block]) == after
    assert put_back(after) == text


def test_what_others_change_meanwhile_is_kept() -> None:
    text = f"# mine\n{OPTIONS} disable_vga=1\nsoftdep drm pre: vfio-pci\n"
    aside = set_aside(text, [range(1, 2), range(2, 3)])
    # Lines above, the remaining options, the line that is set aside, and lines below.
    edited = aside.replace("# mine\n", "options kvm ignore_msrs=1\n").replace(
        "\noptions vfio-pci disable_vga=1", "\noptions vfio-pci disable_vga=0"
    )
    edited = edited.replace(f"{MARK}softdep drm pre: vfio-pci\n", "") + "blacklist pcspkr"
    assert put_back(edited) == (
        f"options kvm ignore_msrs=1\noptions vfio-pci disable_vga=0\n{OPTIONS} disable_vga=1\nblacklist pcspkr"
    )


#: Pieces of modprobe.d and shell files, with what makes them hard.
_PIECES = st.sampled_from(
    [
        OPTIONS,
        f"{OPTIONS} disable_vga=1",
        "options vfio-pci disable_vga=1",
        "options vfio-pci \\",
        " ids=10de:2684 disable_vga=1 \\",
        "softdep drm pre: vfio-pci",
        "# a comment \\",
        "",
        " ",
        "MODULES=(vfio_pci)",
        'force_drivers+=" vfio_pci "',
        "\udcff\udc80",
    ]
)


@given(
    st.lists(st.tuples(_PIECES | st.text(max_size=8), st.sampled_from(["\n", "\r\n"])), max_size=8),
    st.booleans(),
    st.sets(st.integers(1, 12), max_size=4),
    st.booleans(),
)
def test_any_lines_come_back_to_the_byte(
    pieces: list[tuple[str, str]], ends_in_newline: bool, numbers: set[int], continued: bool
) -> None:
    text = "".join(piece + end for piece, end in pieces)
    text = text if ends_in_newline else text.rstrip("\r\n")
    blocks = [line_at(text, number, continued) for number in numbers]
    aside = set_aside(text, [block for block in blocks if block is not None])
    assert put_back(aside) == text
    assert put_back(put_back(aside)) == text


@given(st.text(alphabet="ab \\\n\r#=", max_size=40), st.integers(1, 6))
def test_no_line_that_was_set_aside_is_read_any_more(text: str, number: int) -> None:
    """A comment that ends in a backslash continues on the next line: that must be a part of the same line."""
    block = line_at(text, number, continued=True)
    aside = set_aside(text, [] if block is None else [block]).split("\n")
    before = text.split("\n")
    assert len(aside) == len(before)
    for index, line in enumerate(before):
        assert aside[index] == (MARK + line if block is not None and index in block else line)


@pytest.mark.parametrize(
    ("text", "number", "block"),
    [
        ("MODULES=(vfio_pci vfio vfio_iommu_type1)\n", 1, [0]),
        ("A=b\nMODULES=(vfio_pci\n  vfio-pci)  # for the GPU\nHOOKS=(base)\n", 2, [1, 2]),
        ('force_drivers+=" vfio-pci vfio_virqfd "\n', 1, [0]),
        ("  add_drivers+=' vfio_pci '\r\n", 1, [0]),
        ("add_drivers+=vfio_pci\n", 1, [0]),
        ("MODULES=(btrfs vfio_pci)\n", 1, None),  # others are loaded, too
        ("MODULES=(vfio_pci) HOOKS=(base)\n", 1, None),
        ("MODULES=(vfio_pci); HOOKS=(base)\n", 1, None),
        ("MODULES=(vfio_pci # btrfs)\n)\n", 1, None),
        ('force_drivers+=" $MINE vfio_pci "\n', 1, None),
        ('drivers=" vfio_pci "\n', 1, None),  # all other drivers would be in images
        ("MODULES=(vfio_pci)", 1, None),  # mkinitcpio appends the next file
        ("export \\\nMODULES=(vfio_pci)\n", 2, None),
        ("if true; then\nMODULES=(vfio_pci)\nfi\n", 2, None),
        ("true &&\nMODULES=(vfio_pci)\n", 2, None),
        ("add() {\nMODULES=(vfio_pci)\n}\n", 2, None),
        ("MODULES=(vfio_pci)\n", 3, None),
    ],
)
def test_assignments_that_can_be_set_aside_alone(text: str, number: int, block: list[int] | None) -> None:
    found = module_list_at(text, number)
    assert (None if found is None else list(found)) == block


def test_words_of_vfio() -> None:
    assert only_vfio(["vfio-pci", "vfio_pci", "vfio", "vfio_iommu_type1", "vfio_virqfd"])
    assert not only_vfio(["vfio", "nouveau"])


def test_lines_are_joined_as_kmod_does() -> None:
    assert joined(" a \\\n\tb \nc", range(2)) == "a \tb"
