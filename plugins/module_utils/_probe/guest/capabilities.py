# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt offers for a domain, as `virsh domcapabilities` prints it (libvirt, formatdomaincaps)."""

from __future__ import annotations

from ..._machine.guest import Capabilities
from ..._machine.xml_element import Element, XmlError, parse_xml

_TLBFLUSH = ("direct", "extended")


def read_capabilities(text: str) -> Capabilities | None:
    """Return what libvirt offers; None where the text is not a `<domainCapabilities>`."""
    try:
        root = parse_xml(text)
    except XmlError:
        return None
    if root.name != "domainCapabilities":
        return None
    machine = root.first("machine")
    hyperv = root.first("features", "hyperv")
    defaults = root.first("features", "hyperv", "defaults")
    return Capabilities(
        machine=machine.text if machine else "",
        firmware=_values(root.first("os"), "firmware"),
        secure_boot="yes" in _values(root.first("os", "loader"), "secure"),
        cpu_modes=frozenset(mode.get("name") or "" for mode in root.all("cpu", "mode") if _is_supported(mode)),
        hyperv=_values(hyperv, "features") if hyperv is not None else None,
        tlbflush=frozenset(way for way in _TLBFLUSH if _text(defaults, f"tlbflush_{way}") == "on"),
        tpm_backends=_values(root.first("devices", "tpm"), "backendModel"),
        graphics=_values(root.first("devices", "graphics"), "type"),
        video=_values(root.first("devices", "video"), "modelType"),
    )


def _is_supported(part: Element) -> bool:
    return part.get("supported") == "yes"


def _values(part: Element | None, name: str) -> frozenset[str]:
    """Return the values of an enumeration; none where the part is missing or not supported."""
    if part is None or not _is_supported(part):
        return frozenset()
    return frozenset(value.text for enum in part.all("enum") if enum.get("name") == name for value in enum.all("value"))


def _text(part: Element | None, name: str) -> str:
    child = part.first(name) if part is not None else None
    return child.text if child is not None else ""
