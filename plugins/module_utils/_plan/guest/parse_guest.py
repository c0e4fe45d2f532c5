# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the options of the module `guest` into a request, or into all mistakes."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Mapping, NamedTuple

from ..._machine.guest import BIOS, LINUX, WINDOWS11, DiskRequest, GuestRequest, LookingGlassRequest
from ..._machine.guest_install import InstallRequest
from ..._machine.xml_element import Element, XmlError, parse_xml
from ..input_reader import InputReader
from ..notation import parse_numbers
from ..refusals import CODES
from ..request_spec import ABSENT
from .disk_image import disk_path
from .guest_spec import DISK, GUEST, REQUEST
from .install import media
from .parse_install import parse_install

#: libvirt names files after a domain.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_NETWORK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", re.ASCII)  # IFNAMSIZ of Linux, less the final NUL
_PATH = re.compile(r"/[^\x00-\x1f\x7f]{1,4000}")
_INPUT = re.compile(r"/dev/input/[A-Za-z0-9_.:+@/-]{1,200}", re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]*", re.ASCII)
_USB = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}|[0-9]{1,3}-[0-9]{1,3}(?:[.][0-9]{1,3}){0,6}", re.ASCII)
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}[$]?", re.ASCII)
_MOST_PIXELS = 32768
_PAGE = 4096
_SECTOR = 512
_MOST_ISOS = 6  # ports of the SATA controller
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
#: Elements that the user's XML can't set: they identify the domain.
_IDENTITY = ("name",)


class GuestOptions(NamedTuple):
    """All options of the module."""

    request: GuestRequest
    absent: bool
    uri: str
    look_inside: bool = False
    install_packages: bool = False


def parse_guest(options: Mapping[str, Any], names: Mapping[str, str] = _NO_NAMES) -> GuestOptions | list[str]:
    """Return the options of the module, or all mistakes: where, what was found, what was expected, what to do.

    Args:
        options: The options as the user wrote them. One that is missing or null is omitted.
        names: The variables that options were filled from, by the paths of these options; mistakes name them.
    """
    reader = InputReader(names)
    values = reader.options(options, GUEST)
    request = _request(reader, values)
    absent = values["state"] == ABSENT
    if not absent and options.get("os") is None:
        reader.report("os", None, f"one of {', '.join(REQUEST['os'].choices)}", "Add it.")
    if not isinstance(values["uri"], str) or not _URI.fullmatch(values["uri"]):
        reader.report("uri", values["uri"], "a connection of libvirt, such as qemu:///system", "Write it so.")
    return reader.mistakes or GuestOptions(
        request, absent, values["uri"], values["look_inside"], values["install_packages"]
    )


def _request(reader: InputReader, values: Mapping[str, Any]) -> GuestRequest:
    if values["network"] is not None and values["bridge"] is not None:
        reader.report("bridge", values["bridge"], "no bridge, because network is set", "Omit one of the two.")
    return GuestRequest(
        name=_matching(reader, "name", values["name"], _NAME, REQUEST["name"].expected) or "",
        os=values["os"] or LINUX,
        devices=_devices(reader, values["devices"]),
        memory_bytes=_memory(reader, values["memory"]),
        cpus=_cpus(reader, values["cpus"]),
        firmware=_firmware(reader, values),
        secure_boot=values["secure_boot"],
        tpm=values["tpm"],
        disk=_disk(reader, str(values["name"]), values["disk"]),
        isos=_paths(reader, "isos", values["isos"], _PATH, _MOST_ISOS),
        network=_matching(reader, "network", values["network"], _NETWORK, "the name of a network of libvirt, or none"),
        bridge=_matching(reader, "bridge", values["bridge"], _INTERFACE, "the name of a bridge, such as br0"),
        display=values["display"],
        evdev=_paths(reader, "evdev", values["evdev"], _INPUT),
        usb=_usb(reader, values["usb"]),
        looking_glass=_looking_glass(reader, values["looking_glass"]),
        virtualization_based_security=values["virtualization_based_security"],
        xml=_xml(reader, values["xml"]),
        install=_install(reader, values),
        adopt=values["adopt"],
        domain_type=values["type"],
        accepted=_accepted(reader, values["accept"]),
    )


def _firmware(reader: InputReader, values: Mapping[str, Any]) -> str | None:
    firmware: str | None = values["firmware"]
    if firmware == BIOS:
        needing = (
            ("os", values["os"] == WINDOWS11),
            ("secure_boot", bool(values["secure_boot"])),
            # Windows trusts its hypervisor only after a start that Secure Boot has checked.
            ("virtualization_based_security", values["virtualization_based_security"]),
            # The answer file partitions the disk for UEFI.
            ("install", values["install"] is not None and values["os"] not in (None, LINUX)),
        )
        for option in (option for option, needs_uefi in needing if needs_uefi):
            reader.report("firmware", BIOS, f"uefi, which {option} needs", f"Omit it, or change {option}.")
    return firmware


def _install(reader: InputReader, values: Mapping[str, Any]) -> InstallRequest | None:
    name = str(values["name"])
    install = parse_install(reader, "install", values["os"] or LINUX, name, values["install"])
    needed = len(media(name, install)) if install is not None else 0
    if needed and len(values["isos"]) + needed > _MOST_ISOS:
        expected = f"up to {_MOST_ISOS - needed}, because the installation needs {needed} more media"
        reader.report("isos", f"{len(values['isos'])} paths", expected, "Remove some of them.")
    return install


def _matching(reader: InputReader, path: str, value: Any, pattern: re.Pattern[str], expected: str) -> str | None:
    if value is None or (isinstance(value, str) and pattern.fullmatch(value)):
        return value
    reader.report(path, value, expected, "Correct it.")
    return None


def _devices(reader: InputReader, items: Any) -> tuple[str, ...]:
    names = []
    for path, value in items:
        if not isinstance(value, str) or value in names:
            reader.report(path, value, "the name of a device of the host, each once", "Correct or remove it.")
        else:
            names.append(value)
    return tuple(names)


def _memory(reader: InputReader, value: Any) -> int | None:
    size = reader.size("memory", value)
    if size is not None and (size % _PAGE or not size):
        reader.report("memory", value, "a multiple of 4 KiB", "Write a size such as 16G.")
        return None
    return size


def _cpus(reader: InputReader, value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    cpus = None if isinstance(value, bool) else parse_numbers(text)
    if not cpus:
        reader.report("cpus", value, "CPUs of the host, such as 2-7,10-15", "Write numbers and ranges, or omit it.")
    return cpus


def _disk(reader: InputReader, guest: str, values: Mapping[str, Any] | None) -> DiskRequest | None:
    if values is None:
        return None
    size = reader.size("disk.size", values["size"])
    if size is not None and (size % _SECTOR or not size):
        reader.report("disk.size", values["size"], "a multiple of 512 bytes", "Write a size such as 200G.")
    given = values["path"]
    if given is None and values["size"] is None:
        reader.report("disk.path", None, DISK["path"].expected, "Add it; or add size, to create an image.")
    if isinstance(given, str) and given.startswith("/dev/") and values["size"] is not None:
        reader.report("disk.size", values["size"], "no size, because path is a device", "Omit one of the two.")
    path = _matching(reader, "disk.path", given, _PATH, DISK["path"].expected) or disk_path(guest, values["format"])
    return DiskRequest(path, values["format"], size)


def _usb(reader: InputReader, items: Any) -> tuple[str, ...]:
    expected = REQUEST["usb"].expected
    names: dict[str, None] = {}
    for path, value in items:
        name = _matching(reader, path, value.lower() if isinstance(value, str) else value, _USB, expected)
        if name is not None:
            names[name] = None
    return tuple(names)


def _looking_glass(reader: InputReader, values: Mapping[str, Any] | None) -> LookingGlassRequest | None:
    if values is None:
        return None
    width, height = values["width"], values["height"]
    if width is None or height is None:
        return None
    for name, value in (("width", width), ("height", height)):
        if value > _MOST_PIXELS:
            reader.report(f"looking_glass.{name}", value, f"up to {_MOST_PIXELS} pixels", "Correct it.")
    user = _matching(reader, "looking_glass.user", values["user"], _USER, "the name of a user of the host")
    return LookingGlassRequest(width, height, values["hdr"], user)


def _paths(
    reader: InputReader, option: str, items: Any, pattern: re.Pattern[str], most: int | None = None
) -> tuple[str, ...]:
    paths = [_matching(reader, path, value, pattern, REQUEST[option].expected) for path, value in items]
    if most is not None and len(paths) > most:
        reader.report(option, f"{len(paths)} paths", f"up to {most}", "Remove some of them.")
    return tuple(dict.fromkeys(path for path in paths if path is not None))


def _xml(reader: InputReader, value: Any) -> Element | None:
    """Return the user's elements in a `<domain>`; they may be written with or without it."""
    if value is None:
        return None
    expected = "elements of a domain, such as <devices>...</devices>"
    text = value if isinstance(value, str) else ""
    try:
        root = parse_xml(text if text.lstrip().startswith(("<domain", "<?xml")) else f"<domain>{text}</domain>")
    except XmlError as error:
        reader.report("xml", value, expected, f"It can't be parsed: {error}.")
        return None
    if root.name != "domain" or root.text or not root.elements:
        reader.report("xml", value, expected, "Write elements, without text between them.")
        return None
    taken = [child.name for child in root.elements if child.name in _IDENTITY]
    if taken:
        reader.report("xml", f"<{taken[0]}>", "no such element", f"Set the option {taken[0]} instead.")
    return root


def _accepted(reader: InputReader, items: Any) -> frozenset[str]:
    for path, code in items:
        if not isinstance(code, str) or code not in CODES:
            reader.report(path, code, "a refusal code", f"Use one of {', '.join(sorted(CODES))}.")
    return frozenset(code for _path, code in items if isinstance(code, str))
