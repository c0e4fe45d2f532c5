# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of images, and EFI variables."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot import efivars, uki
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.image_headers import (
    Sections,
    kernel_release,
    program_names,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree


def pe_image(sections: list[tuple[str, bytes]], optional_header: int = 240) -> bytes:
    """Return a PE file by the specification of the PE format, with sections padded to 512 bytes."""
    dos_header = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64)
    header = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, optional_header, 0x22E)
    offset = (len(dos_header) + len(header) + optional_header + 40 * len(sections) + 511) // 512 * 512
    table, body = b"", b""
    for name, content in sections:
        padded = content + bytes(-len(content) % 512)
        table += struct.pack("<8sIIII16x", name.encode(), len(content), 0x1000, len(padded), offset + len(body))
        body += padded
    head = dos_header + header + bytes(optional_header) + table
    return head + bytes(offset - len(head)) + body


def tree_with(root: Path, files: dict[str, bytes]) -> Tree:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Tree(str(root))


def test_a_unified_kernel_image(tmp_path: Path) -> None:
    image = pe_image(
        [
            (".uname", b"6.12.9-arch1-1"),
            (".cmdline", b"root=/dev/a ro\nquiet \n\0"),
            (".initrd", b"cpio"),
            (".linux", b"MZ"),
            (".profile", b"ID=other"),
            (".cmdline", b"other"),
        ]
    )
    addon = pe_image([(".cmdline", b"from.addon=1")])
    tree = tree_with(
        tmp_path,
        {
            "efi/EFI/Linux/arch+3.efi": image,
            "efi/EFI/Linux/arch+3.efi.extra.d/a.addon.efi": addon,
            "efi/EFI/Linux/other.efi": pe_image([(".text", b"")]),
            "efi/EFI/Linux/readme.txt": image,
            "efi/loader/addons/b.addon.efi": addon,
        },
    )
    (entry,) = uki.read_entries(tree, ("/efi", "/boot"))
    assert (entry.id, entry.version) == ("arch.efi", "6.12.9-arch1-1")
    assert entry.cmdline == "root=/dev/a ro quiet from.addon=1 from.addon=1"
    assert entry.initrds == ("/efi/EFI/Linux/arch+3.efi",)


@given(data=st.data())
def test_a_damaged_image_is_tolerated(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    image = bytearray(pe_image([(".cmdline", b"a"), (".linux", b"b")]))
    for _change in range(data.draw(st.integers(1, 8))):
        image[data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(image[: data.draw(st.integers(0, len(image)))])
    sections = Sections(Tree(str(path.parent)), "/damaged")
    assert all(isinstance(name, str) for name in program_names(sections))
    assert sections.text(".cmdline") is None or len(sections.text(".cmdline") or "") <= 65536


def test_names_of_an_efi_program(tmp_path: Path) -> None:
    boot = pe_image(
        [(".sdmagic", b"#### LoaderInfo: systemd-boot 252.39 ####\0"), (".sbat", b"sbat,1,x\nsystemd,1,y\n")]
    )
    tree = tree_with(tmp_path, {"a.efi": boot, "b.efi": b"MZ"})
    assert program_names(Sections(tree, "/a.efi"))[0].startswith("systemd-boot 252.39")
    assert program_names(Sections(tree, "/b.efi")) == ("",)


def bzimage(version: bytes) -> bytes:
    """Return the beginning of a kernel image, by Documentation/arch/x86/boot.rst."""
    image = bytearray(0x1000)
    image[0x202:0x206] = b"HdrS"
    image[0x20E:0x210] = struct.pack("<H", 0x3C0)
    image[0x5C0 : 0x5C0 + len(version)] = version
    return bytes(image)


@pytest.mark.parametrize(
    ("image", "release"),
    [
        (bzimage(b"6.12.9-arch1-1 (linux@archlinux) #1 SMP\0"), "6.12.9-arch1-1"),
        (bzimage(b""), None),
        (bzimage(b"\xff\xfe/../etc \0"), None),
        (bzimage(b"6.12.9")[:0x210], None),
        (b"MZ" * 400, None),
        (b"", None),
    ],
)
def test_the_version_in_a_kernel_image(tmp_path: Path, image: bytes, release: str | None) -> None:
    assert kernel_release(tree_with(tmp_path, {"vmlinuz": image}), "/vmlinuz") == release


def load_option(description: str, path: str, data: bytes = b"") -> bytes:
    """Return an EFI_LOAD_OPTION with a hard drive and a file path, by the UEFI specification."""
    name = path.encode("utf-16-le") + b"\0\0"
    paths = struct.pack("<BBH", 4, 1, 42) + bytes(38) + struct.pack("<BBH", 4, 4, 4 + len(name)) + name
    paths += struct.pack("<BBH", 0x7F, 0xFF, 4)
    return struct.pack("<IH", 1, len(paths)) + description.encode("utf-16-le") + b"\0\0" + paths + data


def test_a_load_option() -> None:
    option = efivars.load_option(load_option("debian", "\\EFI\\debian\\shimx64.efi", "a.efi".encode("utf-16-le")))
    assert option == ("debian", "\\EFI\\debian\\shimx64.efi", "a.efi")


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: load_option("a", "b")[:40] + tail))
def test_any_bytes_are_a_load_option_or_none(value: bytes) -> None:
    option = efivars.load_option(value)
    assert option is None or (option.description + option.path + option.data).isprintable()
