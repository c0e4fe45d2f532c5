# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a boot loader would start, from files that need no disk."""

from __future__ import annotations

import pathlib
import typing

import pytest

from tests.power.spans import Spans
from tests.power.starts import COMMAND_LINE, GrubChain, SystemdBootChain, Unbootable
from tests.power.traced import Run
from tests.power.views import Files

IMAGE = pathlib.Path("image")
MENU = """\
set default="{default}"
insmod ext2
menuentry 'One' --id one {{
    linux /boot/vmlinuz-1 root=/dev/sda1 ro
    initrd /boot/initrd-1
}}
menuentry 'Two' --id two {{
    linux /boot/vmlinuz-1 root=/dev/sda1 ro trial=1
    initrd /boot/initrd-1
}}
"""
TRIAL = """\
submenu 'Stock' --id vfio-workstation-fallback {
    menuentry 'Three' --id three {
        linux /boot/vmlinuz-1 root=/dev/sda1 ro stock=1
        initrd /boot/initrd-1
    }
}
if [ "${vfio_workstation_trial}" != "final" ]; then
        set default="vfio-workstation-fallback>three"
fi
"""
GRUB = {
    "/boot/grub/grub.cfg": MENU.format(default="0"),
    "/boot/grub/grubenv": "# GRUB Environment Block\n",
    "/boot/grub/x86_64-efi/normal.mod": "normal",
    "/boot/grub/x86_64-efi/ext2.mod": "ext2",
    "/boot/vmlinuz-1": "kernel",
    "/boot/initrd-1": "initrd",
}
ESP = {
    "/EFI/BOOT/BOOTX64.EFI": "program",
    "/EFI/systemd/systemd-bootx64.efi": "program",
    "/loader/loader.conf": "timeout 3\n",
    "/loader/entries/old.conf": "version 6.1\nlinux /k\ninitrd /i\noptions root=/dev/sda1 old=1\n",
    "/loader/entries/new.conf": "version 6.12\nlinux /k\ninitrd /i\noptions root=/dev/sda1 new=1\n",
    "/k": "kernel",
    "/i": "initrd",
}


class View:
    """Files of a dictionary. A configuration with `bad` in it is not accepted."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def content(self, _image: pathlib.Path, path: str) -> Run:
        found = self._files.get(path)
        return _run(1 if found is None else 0, (found or "").encode())

    def names(self, _image: pathlib.Path, directory: str) -> Run:
        names = {
            path.removeprefix(directory + "/").partition("/")[0]
            for path in self._files
            if path.startswith(directory + "/")
        }
        return _run(0 if names else 1, "\n".join(sorted(names)).encode())

    def check_script(self, path: pathlib.Path) -> Run:
        return _run(int("bad" in path.read_text(encoding="utf-8")), b"")


def _run(status: int, output: bytes) -> Run:
    return Run(status, output, "not found" if status else "", Spans(), Spans())


@pytest.mark.parametrize(
    ("default", "environment", "line"),
    [
        ("0", "", "root=/dev/sda1 ro"),
        ("two", "", "root=/dev/sda1 ro trial=1"),
        ("0", "next_entry=two\n", "root=/dev/sda1 ro trial=1"),
        ("${saved_entry}", "saved_entry=two\n", "root=/dev/sda1 ro trial=1"),
        ("${saved_entry}", "", "root=/dev/sda1 ro"),
    ],
)
def test_the_default_entry_of_grub(default: str, environment: str, line: str) -> None:
    files = {**GRUB, "/boot/grub/grub.cfg": MENU.format(default=default), "/boot/grub/grubenv": environment}
    assert GrubChain(View(files), IMAGE, "/boot/grub").facts()[COMMAND_LINE] == line


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ("vfio_workstation_trial=armed\n", "root=/dev/sda1 ro"),
        ("vfio_workstation_trial=final\n", "root=/dev/sda1 ro"),
        ("vfio_workstation_trial=stock\n", "root=/dev/sda1 ro stock=1"),
        ("vfio_workstation_trial=arm", "root=/dev/sda1 ro stock=1"),
        (None, "root=/dev/sda1 ro stock=1"),
    ],
)
def test_the_default_entry_of_grub_with_a_trial(block: str | None, line: str) -> None:
    files = {**GRUB, "/boot/grub/grub.cfg": MENU.format(default="0") + TRIAL}
    if block is not None:
        files["/boot/grub/vfio-workstation.env"] = "# GRUB Environment Block\n" + block
    assert GrubChain(View(files), IMAGE, "/boot/grub").facts()[COMMAND_LINE] == line


@pytest.mark.parametrize(
    ("lost", "text", "message"),
    [
        ("/boot/grub/grub.cfg", None, "grub.cfg can't be read: not found"),
        ("/boot/grub/grub.cfg", "bad", "GRUB can't parse"),
        ("/boot/grub/grub.cfg", "set default=0\n", "no entry"),
        ("/boot/grub/grub.cfg", MENU.format(default="three"), "'three' is not in the menu"),
        ("/boot/grub/x86_64-efi/normal.mod", None, "normal.mod can't be read"),
        ("/boot/vmlinuz-1", None, "vmlinuz-1 can't be read"),
        ("/boot/initrd-1", None, "initrd-1 can't be read"),
    ],
)
def test_what_grub_does_not_start_from(lost: str, text: str | None, message: str) -> None:
    files = {path: content for path, content in {**GRUB, lost: text}.items() if content is not None}
    with pytest.raises(Unbootable, match=message):
        GrubChain(View(files), IMAGE, "/boot/grub").facts()


def test_torn_files_are_other_facts() -> None:
    whole = GrubChain(View(GRUB), IMAGE, "/boot/grub").facts()
    for path in ("/boot/vmlinuz-1", "/boot/initrd-1", "/boot/grub/x86_64-efi/ext2.mod"):
        assert GrubChain(View({**GRUB, path: "torn"}), IMAGE, "/boot/grub").facts() != whole


@pytest.mark.parametrize(
    ("setting", "line"), [("", "new=1"), ("default old\n", "old=1"), ("default old.conf\n", "old=1")]
)
def test_the_default_entry_of_systemd_boot(setting: str, line: str) -> None:
    files = {**ESP, "/loader/loader.conf": setting}
    assert SystemdBootChain(Files(View(files), IMAGE)).facts()[COMMAND_LINE].split()[-1] == line


@pytest.mark.parametrize("lost", sorted(set(ESP) - {"/loader/entries/old.conf", "/loader/entries/new.conf"}))
def test_what_systemd_boot_does_not_start_from(lost: str) -> None:
    files: dict[str, typing.Any] = {path: text for path, text in ESP.items() if path != lost}
    with pytest.raises(Unbootable, match="can't be read"):
        SystemdBootChain(Files(View(files), IMAGE)).facts()
