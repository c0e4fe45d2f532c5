# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI functions.

Source: Documentation/ABI/testing/sysfs-bus-pci and Documentation/PCI/sysfs-pci.rst. Nothing here reads the
configuration space: that would wake a sleeping GPU. For the same reason the attributes that the kernel answers by
asking the device (link, resizable sizes) are left alone while it sleeps.
"""

from __future__ import annotations

import functools
import re
from typing import Callable, Mapping, NamedTuple

from .._machine import Bar, Link, PciFunction, Use
from .display import Framebuffer, read_framebuffer
from .names import PciNames
from .parse import address_order, cpu_list, hex_digits, integer, is_pci_address, key_values
from .tree import Tree

_DEVICES = "/sys/bus/pci/devices"

# include/linux/ioport.h
_IORESOURCE_IO = 0x00000100
_IORESOURCE_MEM = 0x00000200
_IORESOURCE_PREFETCH = 0x00002000
_IORESOURCE_MEM_64 = 0x00100000

_STANDARD_BARS = 6  # the lines of `resource` after these are the expansion ROM, SR-IOV and bridge windows
_BRIDGE_CLASSES = ("0604", "0607", "0609")  # PCI-to-PCI, CardBus, semi-transparent: headers of type 1 and 2
_SPEED = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?) ?GT/s")
_HEX_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,16}")
_RESIZE = re.compile(r"[0-9a-fA-F]{1,16}")


class _Kernel(NamedTuple):
    """What this kernel would show of a function that has it: absence means something only then."""

    shows_reset_methods: bool  # Linux 5.15
    shows_resizable: bool  # Linux 6.1


class _Place(NamedTuple):
    address: str
    path: str  # canonical sysfs path
    attributes: frozenset[str]


def read_functions(
    tree: Tree, group_of: Mapping[str, str], uses: Mapping[str, tuple[Use, ...]]
) -> dict[str, PciFunction]:
    """Read every PCI function, by address in bus order.

    Args:
        tree: The machine.
        group_of: IOMMU group by member, for trees whose functions lack the link to their group.
        uses: What the host would lose with a function, by address.
    """
    with tree.reading("pci"):
        places = _places(tree)
        kernel = _kernel(tree, places)
        framebuffer = read_framebuffer(tree) if places else None
        names = PciNames(tree)
        # Hundreds of functions share a handful of lists.
        local = functools.lru_cache(maxsize=None)(cpu_list)
        functions = {place.address: _function(tree, place, kernel, names, local) for place in places}
        held = _boot_displays(tree, places, functions, framebuffer)
        return {
            address: function._replace(
                iommu_group=function.iommu_group or group_of.get(address),
                boot_display=held.get(address),
                in_use_by=uses.get(address, ()),
            )
            for address, function in functions.items()
        }


def _places(tree: Tree) -> list[_Place]:
    places = []
    for address in sorted(filter(is_pci_address, tree.names(_DEVICES)), key=address_order):
        path = tree.resolve(f"{_DEVICES}/{address}")
        if path is not None:
            places.append(_Place(address, path, frozenset(tree.names(path))))
    return places


def _kernel(tree: Tree, places: list[_Place]) -> _Kernel:
    match = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", tree.text("/proc/sys/kernel/osrelease") or "")
    if match:
        version = int(match.group(1)), int(match.group(2))
        return _Kernel(version >= (5, 15), version >= (6, 1))
    attributes = frozenset().union(*(place.attributes for place in places)) if places else frozenset()
    return _Kernel("reset_method" in attributes, any(name.endswith("_resize") for name in attributes))


def _function(
    tree: Tree,
    place: _Place,
    kernel: _Kernel,
    names: PciNames,
    local_cpus: Callable[[str | None], tuple[int, ...] | None],
) -> PciFunction:
    def attribute(name: str) -> str | None:
        return tree.text(f"{place.path}/{name}") if name in place.attributes else None

    event = key_values(attribute("uevent"))
    vendor, _colon, device = event.get("PCI_ID", "").partition(":")
    subsystem_vendor, _colon, subsystem_device = event.get("PCI_SUBSYS_ID", "").partition(":")
    vendor_id = hex_digits(vendor or attribute("vendor"), 4)
    device_id = hex_digits(device or attribute("device"), 4)
    class_code = hex_digits(event.get("PCI_CLASS") or attribute("class"), 6)
    vendor_name, device_name = names.look_up(vendor_id, device_id)
    asleep = _is_asleep(tree, place)
    return PciFunction(
        vendor=vendor_id,
        device=device_id,
        subsystem_vendor=hex_digits(subsystem_vendor or attribute("subsystem_vendor"), 4),
        subsystem_device=hex_digits(subsystem_device or attribute("subsystem_device"), 4),
        class_=class_code,
        revision=hex_digits(attribute("revision"), 2),
        vendor_name=vendor_name,
        device_name=device_name,
        driver=tree.link(place.path + "/driver") if "driver" in place.attributes else None,
        iommu_group=_group(tree, place),
        numa_node=integer(attribute("numa_node")),
        local_cpus=local_cpus(attribute("local_cpulist")),
        boot_display=None,
        parent=_parent(place.path),
        bridge=None if class_code is None else class_code[:4] in _BRIDGE_CLASSES,
        reset_methods=_reset_methods(attribute("reset_method"), place, kernel),
        bars=_bars(attribute, place, kernel, asleep),
        link=_link(attribute, place, asleep),
        in_use_by=(),
    )


def _group(tree: Tree, place: _Place) -> str | None:
    group = tree.link(place.path + "/iommu_group") if "iommu_group" in place.attributes else None
    return group if group is not None and group.isdigit() else None


def _parent(path: str) -> str | None:
    """Return the nearest function above. Below a VMD controller that is the controller, across its domain's root."""
    return next((part for part in reversed(path.split("/")[:-1]) if is_pci_address(part)), None)


def _is_asleep(tree: Tree, place: _Place) -> bool:
    if "power" not in place.attributes or "current_link_speed" not in place.attributes:
        return False
    return tree.text(place.path + "/power/runtime_status") == "suspended"


def _reset_methods(text: str | None, place: _Place, kernel: _Kernel) -> tuple[str, ...] | None:
    if text is not None:
        return tuple(text.split())
    # The kernel hides the attribute from a function that it cannot reset (pci_dev_reset_method_attr_is_visible).
    return () if kernel.shows_reset_methods and "reset_method" not in place.attributes else None


def _bars(
    attribute: Callable[[str], str | None], place: _Place, kernel: _Kernel, asleep: bool
) -> tuple[Bar, ...] | None:
    text = attribute("resource")
    if text is None:
        return None
    bars = []
    for index, line in enumerate(text.splitlines()[:_STANDARD_BARS]):
        numbers = [int(word, 16) for word in line.split() if _HEX_NUMBER.fullmatch(word)]
        if len(numbers) != 3:
            return None
        start, end, flags = numbers
        if end <= start or not flags & (_IORESOURCE_IO | _IORESOURCE_MEM):
            continue
        name = f"resource{index}_resize"
        resizable = True if name in place.attributes else (False if kernel.shows_resizable else None)
        bars.append(
            Bar(
                index_=index,
                kind="memory" if flags & _IORESOURCE_MEM else "io",
                size_bytes=end - start + 1,
                prefetchable=bool(flags & _IORESOURCE_PREFETCH),
                is_64bit=bool(flags & _IORESOURCE_MEM_64),
                resizable=resizable,
                resizable_to_bytes=_sizes(attribute(name)) if resizable and not asleep else (),
            )
        )
    return tuple(bars)


def _sizes(text: str | None) -> tuple[int, ...]:
    """Return the sizes of a mask: bit n stands for 2^n MiB (PCI Express Base Specification, Resizable BAR)."""
    if text is None or not _RESIZE.fullmatch(text):
        return ()
    mask = int(text, 16)
    return tuple(1 << (20 + bit) for bit in range(44) if mask >> bit & 1)


def _link(attribute: Callable[[str], str | None], place: _Place, asleep: bool) -> Link | None:
    if "current_link_speed" not in place.attributes and "max_link_speed" not in place.attributes:
        return None
    if asleep:
        return Link(None, None, None, None)
    return Link(
        current_speed_gts=_speed(attribute("current_link_speed")),
        current_width=_width(attribute("current_link_width")),
        max_speed_gts=_speed(attribute("max_link_speed")),
        max_width=_width(attribute("max_link_width")),
    )


def _speed(text: str | None) -> float | None:
    match = _SPEED.match(text or "")
    return float(match.group(1)) if match else None


def _width(text: str | None) -> int | None:
    # 0: no link. 63 and 255: what a device that does not answer seems to say.
    return integer(text, 1, 32)


def _boot_displays(
    tree: Tree, places: list[_Place], functions: Mapping[str, PciFunction], framebuffer: Framebuffer | None
) -> dict[str, bool]:
    """Tell which display functions show the boot console, where anything tells.

    Witnesses: the kernel's own choice (boot_vga; boot_display since Linux 6.17), and the firmware's framebuffer, which
    simpledrm, efifb or vesafb may hold while no PCI driver does.
    """
    marks: dict[str, bool] = {}
    for place in places:
        class_code = functions[place.address].class_
        if class_code is None:
            continue
        if not class_code.startswith("03"):
            marks[place.address] = False
            continue
        flags = [tree.text(f"{place.path}/{name}") for name in ("boot_vga", "boot_display") if name in place.attributes]
        if framebuffer is not None and framebuffer.is_in(tree, place.path):
            flags.append("1")
        if "1" in flags:
            marks[place.address] = True
        elif "0" in flags or (framebuffer is not None and framebuffer.conclusive):
            marks[place.address] = False
    return marks
