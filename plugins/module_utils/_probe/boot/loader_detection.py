# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Detect which boot loader boots this machine: EFI variables, the kernel's command line, installed files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, NamedTuple, Pattern

from . import efivars
from .image_headers import Sections, program_names
from .managers import find_manager

if TYPE_CHECKING:
    from ..tree import Tree


class Loader(NamedTuple):
    """A boot loader, and how to recognize it."""

    name: str
    product: str  # how LoaderInfo and the components in its SBAT data begin, in lower case
    programs: Pattern[str]  # path of its EFI program, in lower case and with slashes
    files: tuple[str, ...]  # that it installs; {esp} is the mount point of an ESP, a final `*` any suffix
    bios: bool  # whether it also boots without UEFI


class Detection(NamedTuple):
    """The detected boot loader, and the evidence for it."""

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

_NAMES = frozenset(loader.name for loader in LOADERS)
#: Boot loaders that have a reader of entries here.
_WITH_READER = (GRUB, SYSTEMD_BOOT, UKI, EFISTUB)

_SHIM = re.compile(r".*/shim[^/]*\.efi")
_FALLBACK = re.compile(r".*/efi/boot/boot[a-z0-9]+\.efi")  # default path for removable media, which any loader may use
_VERSION = re.compile(r"\s+v?[0-9].*", re.DOTALL)


def detect_loader(tree: Tree, firmware: str | None, esps: tuple[str, ...], cmdline: str) -> Detection:
    """Return which boot loader boots this machine, by the most reliable evidence that exists.

    Args:
        tree: The machine's files.
        firmware: "uefi", "bios", or None if unknown.
        esps: Mount points of EFI system partitions.
        cmdline: The running kernel's command line.
    """
    detection = _by_loader_info(tree, cmdline)
    if detection is None:
        by_firmware = _by_firmware_menu(tree, esps)
        # The name of an unknown program proves little: it may be any boot loader under a vendor's name.
        detection = (
            (by_firmware if by_firmware is not None and by_firmware.loader in _NAMES else None)
            or _by_command_line(tree, firmware, esps, cmdline)
            or by_firmware
            or _by_files(tree, firmware, esps)
        )
    if detection.loader is not None and detection.loader not in _WITH_READER:
        detection = Detection(detection.loader, f"{detection.reason}; its entries are not read")
    manager = find_manager(tree, esps)
    if manager is None:
        return detection
    return Detection(detection.loader, f"{detection.reason}; its entries are written by {manager.name}")


def _by_loader_info(tree: Tree, cmdline: str) -> Detection | None:
    text = efivars.loader_variable(tree, "LoaderInfo")
    if text is None:
        return None
    name = _by_product(text) or _VERSION.sub("", text) or text
    if name not in (GRUB, "syslinux", "extlinux") and _boot_image(cmdline) is not None:
        return Detection(GRUB, f"{name} started GRUB, which put BOOT_IMAGE= on the running command line")
    return Detection(name, f"the EFI variable LoaderInfo says {text}")


def _by_firmware_menu(tree: Tree, esps: tuple[str, ...]) -> Detection | None:
    option = efivars.booted_option(tree)
    if option is None or not option.path:
        stub = efivars.loader_variable(tree, "StubInfo")
        if stub is None:
            return None
        return Detection(UKI, f"the EFI variable StubInfo says {stub}, and there is no LoaderInfo of a boot loader")
    path = option.path.replace("\\", "/")
    reason = f"the firmware's boot menu started {option.path}"
    if _SHIM.fullmatch(path.lower()):
        # shim starts the program in its load option's data, or else grubx64.efi beside it.
        return Detection(_by_program("/" + option.data.replace("\\", "/")) or GRUB, reason)
    name = _by_program(path) or _by_content(tree, esps, path)
    if name is None and _FALLBACK.fullmatch(path.lower()):
        return None
    return Detection(name or option.description or path.rpartition("/")[2], reason)


def _by_command_line(tree: Tree, firmware: str | None, esps: tuple[str, ...], cmdline: str) -> Detection | None:
    image = _boot_image(cmdline)
    if image is None:
        return None
    if image.startswith("("):
        return Detection(GRUB, "BOOT_IMAGE= on the running command line names a GRUB device")
    # GRUB, extlinux and syslinux set it.
    names = {loader.name for loader, _file in _installed(tree, firmware, esps)} & {GRUB, "extlinux", "syslinux"}
    if len(names) == 1:
        name = names.pop()
        return Detection(name, f"BOOT_IMAGE= is on the running command line, and {name} has a configuration file")
    return None


def _by_files(tree: Tree, firmware: str | None, esps: tuple[str, ...]) -> Detection:
    installed = tuple(_installed(tree, firmware, esps))
    names = {loader.name for loader, _file in installed}
    if len(names) == 1:
        loader, file = installed[0]
        return Detection(loader.name, f"only {loader.name} has files here: {file}")
    if names:
        files = ", ".join(f"{loader.name} ({file})" for loader, file in installed)
        return Detection(None, f"several boot loaders have files here, and nothing shows which one boots: {files}")
    images = [partition for partition in esps if tree.names(partition + "/EFI/Linux")]
    if images:
        return Detection(UKI, f"no boot loader has files here, but {images[0]}/EFI/Linux has images")
    denied = next((file.path for file in tree.unreadable if file.path.startswith(("/boot", "/efi"))), None)
    if denied is not None:
        return Detection(None, f"no boot loader's files were found, and {denied} can't be read with this user's rights")
    return Detection(None, "no known boot loader has files in /boot or on a mounted EFI system partition")


def _installed(tree: Tree, firmware: str | None, esps: tuple[str, ...]) -> Iterator[tuple[Loader, str]]:
    """Yield each boot loader that has files on this machine, with the first of them."""
    for loader in LOADERS:
        if firmware == "bios" and not loader.bios:
            continue
        patterns = (
            pattern.format(esp=esp) for pattern in loader.files for esp in (esps if "{esp}" in pattern else ("",))
        )
        file = next((file for file in (_matching_file(tree, pattern) for pattern in patterns) if file), None)
        if file is not None:
            yield loader, file


def _matching_file(tree: Tree, pattern: str) -> str | None:
    if not pattern.endswith("*"):
        return pattern if tree.exists(pattern) else None
    directory, _slash, prefix = pattern[:-1].rpartition("/")
    return next((f"{directory}/{name}" for name in tree.names(directory) if name.startswith(prefix)), None)


def _by_program(path: str) -> str | None:
    """Return the boot loader whose EFI program has such a path."""
    return next((loader.name for loader in LOADERS if loader.programs.fullmatch(path.lower())), None)


def _by_content(tree: Tree, esps: tuple[str, ...], path: str) -> str | None:
    """Return the boot loader that an EFI program contains."""
    for esp in esps:
        sections = Sections(tree, esp + "/" + path.lstrip("/"))
        if ".linux" in sections:
            return UKI
        for program_name in program_names(sections):
            name = _by_product(program_name)
            if name is not None:
                return name
    return None


def _by_product(text: str) -> str | None:
    """Return the boot loader whose name a text begins with."""
    return next((loader.name for loader in LOADERS if text.lower().startswith(loader.product)), None)


def _boot_image(cmdline: str) -> str | None:
    """Return the value of BOOT_IMAGE=, which is the first argument where a boot loader sets it."""
    first = cmdline.split(None, 1)[:1]
    return first[0][len("BOOT_IMAGE=") :] if first and first[0].startswith("BOOT_IMAGE=") else None
