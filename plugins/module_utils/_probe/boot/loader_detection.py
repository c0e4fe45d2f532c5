# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot loaders, and the witnesses that tell which one boots this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, NamedTuple, Pattern

from . import efivars
from .image_headers import Sections, own_names
from .managers import find_manager

if TYPE_CHECKING:
    from ..tree import Tree


class Loader(NamedTuple):
    """A boot loader, and how it shows itself."""

    name: str
    calls_itself: str  # at the beginning of LoaderInfo, and in its SBAT data, whatever the case
    programs: Pattern[str]  # the path of its EFI program, in lower case with slashes
    files: tuple[str, ...]  # its files; {esp} is an EFI system partition, a last `*` stands for any name
    bios: bool  # whether it boots without UEFI too


class Verdict(NamedTuple):
    """Which boot loader, and why."""

    loader: str | None
    reason: str


GRUB, SYSTEMD_BOOT, UKI, EFISTUB = "grub", "systemd-boot", "uki", "efistub"

LOADERS = (
    Loader(
        GRUB,
        "grub",
        re.compile(r".*/(?:grub[^/]*|grubx64|gcd[^/]*)\.efi"),
        ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "{esp}/EFI/fedora/grub.cfg", "{esp}/EFI/redhat/grub.cfg"),
        True,
    ),
    Loader(
        SYSTEMD_BOOT,
        "systemd-boot",
        re.compile(r".*/systemd/[^/]*\.efi|.*/systemd-boot[^/]*\.efi"),
        ("{esp}/EFI/systemd/systemd-boot*", "{esp}/loader/loader.conf"),
        False,
    ),
    Loader(
        "refind",
        "refind",
        re.compile(r".*/refind[^/]*\.efi"),
        ("{esp}/EFI/refind/refind.conf", "{esp}/EFI/BOOT/refind.conf"),
        False,
    ),
    Loader(
        "limine",
        "limine",
        re.compile(r".*/limine[^/]*\.efi|.*/limine/[^/]*\.efi"),
        (
            "/boot/limine.conf",
            "/boot/limine/limine.conf",
            "/boot/limine.cfg",
            "{esp}/limine.conf",
            "{esp}/EFI/limine/limine.conf",
            "{esp}/EFI/BOOT/limine.conf",
        ),
        True,
    ),
    Loader(
        "extlinux",
        "extlinux",
        re.compile(r".*/extlinux[^/]*\.efi"),
        ("/boot/extlinux/extlinux.conf", "/extlinux/extlinux.conf", "/boot/extlinux.conf"),
        True,
    ),
    Loader(
        "syslinux",
        "syslinux",
        re.compile(r".*/syslinux[^/]*\.efi"),
        ("/boot/syslinux/syslinux.cfg", "{esp}/EFI/syslinux/syslinux.cfg", "{esp}/syslinux.cfg"),
        True,
    ),
    Loader(UKI, "systemd-stub", re.compile(r".*/efi/linux/[^/]*\.efi"), (), False),
    Loader(EFISTUB, "linux", re.compile(r".*/(?:vmlinuz|bzimage|kernel)[^/]*"), (), False),
)

NAMES = frozenset(loader.name for loader in LOADERS)
#: Those whose entries are read.
READ = (GRUB, SYSTEMD_BOOT, UKI, EFISTUB)

_SHIM = re.compile(r".*/shim[^/]*\.efi")
_FALLBACK = re.compile(r".*/efi/boot/boot[a-z0-9]+\.efi")  # the removable medium's, where anything may lie
_NAME = re.compile(r"\s+v?[0-9].*", re.DOTALL)


def find_loader(tree: Tree, firmware: str | None, esps: tuple[str, ...], cmdline: str) -> Verdict:
    """Return which boot loader boots this machine, by the most trustworthy witness that there is."""
    verdict = _by_loader_info(tree, cmdline)
    if verdict is None:
        menu = _by_firmware_menu(tree, esps)
        # A program with a vendor's name may be any boot loader in disguise: other proof counts more.
        verdict = (
            (menu if menu is not None and menu.loader in NAMES else None)
            or _by_command_line(tree, firmware, esps, cmdline)
            or menu
            or _by_files(tree, firmware, esps)
        )
    if verdict.loader is not None and verdict.loader not in READ:
        verdict = Verdict(verdict.loader, f"{verdict.reason}; its entries are not read")
    manager = find_manager(tree, esps)
    if manager is None:
        return verdict
    return Verdict(verdict.loader, f"{verdict.reason}; its entries are written by {manager.name}")


def _by_loader_info(tree: Tree, cmdline: str) -> Verdict | None:
    text = efivars.loader_text(tree, "LoaderInfo")
    if text is None:
        return None
    name = _known(text) or _NAME.sub("", text) or text
    if name not in (GRUB, "syslinux", "extlinux") and _boot_image(cmdline) is not None:
        return Verdict(GRUB, f"{name} started GRUB, which put BOOT_IMAGE= on the running command line")
    return Verdict(name, f"the EFI variable LoaderInfo says {text}")


def _by_firmware_menu(tree: Tree, esps: tuple[str, ...]) -> Verdict | None:
    option = efivars.booted_option(tree)
    if option is None or not option.path:
        stub = efivars.loader_text(tree, "StubInfo")
        return (
            Verdict(UKI, f"the EFI variable StubInfo says {stub}, and no boot loader left its name") if stub else None
        )
    path = option.path.replace("\\", "/")
    reason = f"the firmware's boot menu started {option.path}"
    if _SHIM.fullmatch(path.lower()):
        # shim starts the program it is told to, else grubx64.efi beside it.
        return Verdict(_by_program("/" + option.data.replace("\\", "/")) or GRUB, reason)
    name = _by_program(path) or _by_content(tree, esps, path)
    if name is None and _FALLBACK.fullmatch(path.lower()):
        return None
    return Verdict(name or option.description or path.rpartition("/")[2], reason)


def _by_command_line(tree: Tree, firmware: str | None, esps: tuple[str, ...], cmdline: str) -> Verdict | None:
    image = _boot_image(cmdline)
    if image is None:
        return None
    if image.startswith("("):
        return Verdict(GRUB, "BOOT_IMAGE= on the running command line names a GRUB device")
    # GRUB, extlinux and syslinux set it.
    names = {loader.name for loader, _file in _configured(tree, firmware, esps)} & {GRUB, "extlinux", "syslinux"}
    if len(names) == 1:
        return Verdict(names.pop(), "BOOT_IMAGE= on the running command line, and its configuration is there")
    return None


def _by_files(tree: Tree, firmware: str | None, esps: tuple[str, ...]) -> Verdict:
    found = tuple(_configured(tree, firmware, esps))
    names = {loader.name for loader, _file in found}
    if len(names) == 1:
        loader, file = found[0]
        return Verdict(loader.name, f"no other boot loader has files here than {loader.name}: {file}")
    if names:
        files = ", ".join(f"{loader.name} ({file})" for loader, file in found)
        return Verdict(None, f"several boot loaders have files here, and nothing tells which one boots: {files}")
    images = [partition for partition in esps if tree.names(partition + "/EFI/Linux")]
    if images:
        return Verdict(UKI, f"no boot loader has files here, but {images[0]}/EFI/Linux has images")
    hidden = next((denied.path for denied in tree.unreadable if denied.path.startswith(("/boot", "/efi"))), None)
    if hidden is not None:
        return Verdict(None, f"no boot loader's files can be seen; the rights to look into {hidden} are lacking")
    return Verdict(None, "no boot loader that is known has files in /boot or on a mounted EFI system partition")


def _configured(tree: Tree, firmware: str | None, esps: tuple[str, ...]) -> Iterator[tuple[Loader, str]]:
    """Yield each loader that has files on this machine, with the first of them."""
    for loader in LOADERS:
        if firmware == "bios" and not loader.bios:
            continue
        places = (place.format(esp=esp) for place in loader.files for esp in (esps if "{esp}" in place else ("",)))
        file = next((file for file in (_present(tree, place) for place in places) if file), None)
        if file is not None:
            yield loader, file


def _present(tree: Tree, place: str) -> str | None:
    if not place.endswith("*"):
        return place if tree.exists(place) else None
    folder, _slash, start = place[:-1].rpartition("/")
    return next((f"{folder}/{name}" for name in tree.names(folder) if name.startswith(start)), None)


def _by_program(path: str) -> str | None:
    return next((loader.name for loader in LOADERS if loader.programs.fullmatch(path.lower())), None)


def _by_content(tree: Tree, esps: tuple[str, ...], path: str) -> str | None:
    for esp in esps:
        sections = Sections(tree, esp + "/" + path.lstrip("/"))
        if ".linux" in sections:
            return UKI
        for component in own_names(sections):
            name = _known(component)
            if name is not None:
                return name
    return None


def _known(text: str) -> str | None:
    return next((loader.name for loader in LOADERS if text.lower().startswith(loader.calls_itself)), None)


def _boot_image(cmdline: str) -> str | None:
    first = cmdline.split(None, 1)[:1]
    return first[0][len("BOOT_IMAGE=") :] if first and first[0].startswith("BOOT_IMAGE=") else None
