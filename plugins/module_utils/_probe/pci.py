# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI functions.

Source: Documentation/ABI/testing/sysfs-bus-pci and sysfs-devices-removable, Documentation/PCI/sysfs-pci.rst. The
configuration space is left alone while a function is suspended, since reading it would wake a GPU
(pci_config_pm_runtime_get), and so are the attributes for which the kernel asks the device (link, resizable sizes).
Otherwise only the serial number is read there.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import Iterable, Iterator, Mapping, NamedTuple

from .._machine import Bar, Link, PciFunction, Use
from .display import read_framebuffer
from .names import PciNames
from .parse import address_order, cpu_list, cpu_mask, hex_digits, integer, is_pci_address, key_values
from .serial_number import serial_number
from .tree import Folder, Tree

_DEVICES = "/sys/bus/pci/devices"

# include/linux/ioport.h
_IORESOURCE_IO = 0x00000100
_IORESOURCE_MEM = 0x00000200
_IORESOURCE_PREFETCH = 0x00002000
_IORESOURCE_MEM_64 = 0x00100000

_STANDARD_BARS = 6  # the lines of `resource` after these are the expansion ROM, SR-IOV and bridge windows
_BRIDGE_CLASSES = ("0604", "0607", "0609")  # PCI-to-PCI, CardBus, semi-transparent: headers of type 1 and 2
_ALL_BRIDGES = "06"  # host bridges and others too: none of them can be passed through
_SPEED = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?) ?GT/s")
_RESOURCE = re.compile(r"0x([0-9a-fA-F]{1,16}) 0x([0-9a-fA-F]{1,16}) 0x([0-9a-fA-F]{1,16})")
_UNUSED = " ".join(["0x" + "0" * 16] * 3)
_REMOVABLE = {"fixed": "fixed", "removable": "removable"}  # the third value is "unknown"
_RESIZE = re.compile(r"[0-9a-fA-F]{1,16}")


class _Kernel(NamedTuple):
    """Which optional attributes this kernel has: only then does the absence of one mean something."""

    shows_reset_methods: bool  # Linux 5.15
    shows_resizable: bool  # Linux 6.1


class _Context(NamedTuple):
    """Values of a function that are not read from its own folder, or that many functions share."""

    iommu_group: str | None
    local_cpus: tuple[int, ...] | None
    in_use_by: tuple[Use, ...]


def read_functions(
    tree: Tree, group_of: Mapping[str, str], uses: Mapping[str, tuple[Use, ...]]
) -> dict[str, PciFunction]:
    """Return every PCI function, by address in bus order.

    Args:
        tree: The machine.
        group_of: IOMMU group by member, for trees whose functions lack the link to their group.
        uses: What the host would lose with a function, by address.
    """
    with tree.reading("pci"):
        addresses = sorted(filter(is_pci_address, tree.names(_DEVICES)), key=address_order)
        kernel = _kernel(tree, addresses)
        names = PciNames(tree)
        # Hundreds of functions have the same few lists.
        local_cpus = functools.lru_cache(maxsize=None)(cpu_list)
        functions = {}
        for address, folder in tree.folders(_DEVICES, addresses):
            cpus = local_cpus(folder.text("local_cpulist"))
            if cpus is None:
                cpus = cpu_mask(folder.text("local_cpus"))
            context = _Context(group_of.get(address), cpus, uses.get(address, ()))
            functions[address] = _function(folder, kernel, names, context)
        functions.update(_displays(tree, functions))
        return functions


def _kernel(tree: Tree, addresses: Iterable[str]) -> _Kernel:
    match = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", tree.text("/proc/sys/kernel/osrelease") or "")
    if match:
        version = int(match.group(1)), int(match.group(2))
        return _Kernel(version >= (5, 15), version >= (6, 1))
    names = {name for address in addresses for name in tree.names(f"{_DEVICES}/{address}")}
    return _Kernel("reset_method" in names, any(name.endswith("_resize") for name in names))


def _function(folder: Folder, kernel: _Kernel, names: PciNames, context: _Context) -> PciFunction:
    """Return a function from its own folder and its context."""
    # uevent has most of the ids. Captures may lack it, or have nothing else.
    event = key_values(folder.text("uevent"))
    vendor, _colon, device = event.get("PCI_ID", "").partition(":")
    subsystem_vendor, _colon, subsystem_device = event.get("PCI_SUBSYS_ID", "").partition(":")
    class_code = hex_digits(event.get("PCI_CLASS"), 6) or hex_digits(folder.text("class"), 6)
    vendor_id = hex_digits(vendor, 4) or hex_digits(folder.text("vendor"), 4)
    device_id = hex_digits(device, 4) or hex_digits(folder.text("device"), 4)
    vendor_name, device_name = names.look_up(vendor_id, device_id)
    status = folder.text_below("power", "runtime_status")
    asleep = status == "suspended" and folder.has("current_link_speed")
    link = _link(folder, asleep)
    return PciFunction(
        vendor=vendor_id,
        device=device_id,
        subsystem_vendor=hex_digits(subsystem_vendor, 4) or hex_digits(folder.text("subsystem_vendor"), 4),
        subsystem_device=hex_digits(subsystem_device, 4) or hex_digits(folder.text("subsystem_device"), 4),
        class_=class_code,
        revision=hex_digits(folder.text("revision"), 2),
        vendor_name=vendor_name,
        device_name=device_name,
        driver=folder.link("driver"),
        iommu_group=_group(folder.link("iommu_group")) or context.iommu_group,
        numa_node=integer(folder.text("numa_node")),
        local_cpus=context.local_cpus,
        # Decided for displays in _displays, when all functions are known.
        boot_display=None if class_code is None or class_code.startswith("03") else False,
        parent=_parent(folder.path),
        bridge=None if class_code is None else class_code[:4] in _BRIDGE_CLASSES,
        physical_function=_linked_function(folder, "physfn"),
        virtual_functions=tuple(_virtual_functions(folder)),
        removable=_REMOVABLE.get(folder.text("removable") or ""),
        reset_methods=_reset_methods(folder, kernel),
        bars=_bars(folder, kernel, asleep),
        link=link,
        serial_number=_serial_number(folder, status) if link and _may_be_passed_through(class_code) else None,
        in_use_by=context.in_use_by,
    )


def _group(name: str | None) -> str | None:
    return name if name is not None and name.isascii() and name.isdigit() else None


def _parent(path: str) -> str | None:
    """Return the nearest function above. For a root bus of a VMD domain, that is the VMD controller."""
    return next((part for part in reversed(path.split("/")[:-1]) if is_pci_address(part)), None)


def _linked_function(folder: Folder, name: str) -> str | None:
    target = folder.link(name)
    return target if target is not None and is_pci_address(target) else None


def _virtual_functions(folder: Folder) -> Iterator[str]:
    """Yield the addresses of the links virtfn0, virtfn1 and so on, which the kernel numbers without gaps."""
    for number in itertools.count():
        address = _linked_function(folder, f"virtfn{number}")
        if address is None:
            return
        yield address


def _reset_methods(folder: Folder, kernel: _Kernel) -> tuple[str, ...] | None:
    text = folder.text("reset_method")
    if text is not None:
        return tuple(text.split())
    # The kernel hides the attribute of a function that it cannot reset (pci_dev_reset_method_attr_is_visible).
    return () if kernel.shows_reset_methods and not folder.has("reset_method") else None


def _bars(folder: Folder, kernel: _Kernel, asleep: bool) -> tuple[Bar, ...] | None:
    text = folder.text("resource")
    if text is None:
        return None
    bars = []
    for index, line in enumerate(text.splitlines()[:_STANDARD_BARS]):
        if line == _UNUSED:
            continue
        match = _RESOURCE.fullmatch(line)
        if match is None:
            return None
        start, end, flags = (int(number, 16) for number in match.groups())
        if end > start and flags & (_IORESOURCE_IO | _IORESOURCE_MEM):
            name = f"resource{index}_resize"
            resizable = True if folder.has(name) else (False if kernel.shows_resizable else None)
            sizes = _sizes(folder.text(name)) if resizable and not asleep else ()
            bars.append(_bar(index, end - start + 1, flags, resizable, sizes))
    return tuple(bars)


def _bar(index: int, size: int, flags: int, resizable: bool | None, sizes: tuple[int, ...]) -> Bar:
    return Bar(
        index_=index,
        kind="memory" if flags & _IORESOURCE_MEM else "io",
        size_bytes=size,
        prefetchable=bool(flags & _IORESOURCE_PREFETCH),
        is_64bit=bool(flags & _IORESOURCE_MEM_64),
        resizable=resizable,
        resizable_to_bytes=sizes,
    )


def _sizes(text: str | None) -> tuple[int, ...]:
    """Return the sizes in a mask: bit n is 2^n MiB (PCI Express Base Specification, Resizable BAR)."""
    if text is None or not _RESIZE.fullmatch(text):
        return ()
    mask = int(text, 16)
    return tuple(1 << (20 + bit) for bit in range(44) if mask >> bit & 1)


def _link(folder: Folder, asleep: bool) -> Link | None:
    if asleep:
        return Link(None, None, None, None)
    current_speed = folder.text("current_link_speed")
    if current_speed is None and not folder.has("current_link_speed") and not folder.has("max_link_speed"):
        return None
    return Link(
        current_speed_gts=_speed(current_speed),
        current_width=_width(folder.text("current_link_width")),
        max_speed_gts=_speed(folder.text("max_link_speed")),
        max_width=_width(folder.text("max_link_width")),
    )


def _may_be_passed_through(class_code: str | None) -> bool:
    return class_code is not None and not class_code.startswith(_ALL_BRIDGES)


def _serial_number(folder: Folder, status: str | None) -> str | None:
    """Return the serial number of a PCI Express function, or None while it is suspended or suspending."""
    if status in ("suspended", "suspending"):
        return None
    with folder.sections("config") as read:
        return serial_number(read)


@functools.lru_cache(maxsize=64)
def _speed(text: str | None) -> float | None:
    match = _SPEED.match(text or "")
    return float(match.group(1)) if match else None


def _width(text: str | None) -> int | None:
    # 0: no link. 63 and 255: read from a device that does not answer.
    return integer(text, 1, 32)


def _displays(tree: Tree, functions: Mapping[str, PciFunction]) -> dict[str, PciFunction]:
    """Return the displays for which it is known whether they show the boot console, with boot_display set.

    The evidence is the kernel's own choice (boot_vga; boot_display since Linux 6.17), and the firmware's framebuffer,
    which simpledrm, efifb or vesafb may use while no PCI driver is bound.
    """
    displays = [address for address, function in functions.items() if (function.class_ or "").startswith("03")]
    marked = {}
    framebuffer = read_framebuffer(tree) if displays else None
    for address, folder in tree.folders(_DEVICES, displays):
        flags = [folder.text("boot_vga"), folder.text("boot_display")]
        if framebuffer is not None and framebuffer.is_in(folder):
            flags.append("1")
        if "1" in flags:
            marked[address] = functions[address]._replace(boot_display=True)
        elif "0" in flags or (framebuffer is not None and framebuffer.conclusive):
            marked[address] = functions[address]._replace(boot_display=False)
    if any(function.boot_display for function in marked.values()):
        # A GPU that is not a VGA device has no flag: it is not the boot display if another one is.
        for address in displays:
            marked.setdefault(address, functions[address]._replace(boot_display=False))
    return marked
