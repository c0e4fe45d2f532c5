# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that a reading of damaged files may have, compared with a reading of the undamaged files.

1. Losses (damage that adds nothing to be read) only weaken: each value stays, becomes null, or is removed from its
   list. WEAKER lists the exceptions: values for which the kernel too shows absence.
2. If a file has other content, only values that depend on that file may be more than weaker (RESTS_ON).
3. An identity (ids, class, revision, node, memory) that changed must be in the content that was added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .harm import Damaged

#: Correct results of losses besides the same value, null, or a shorter list: path, and the values.
WEAKER: list[tuple[str, tuple[Any, ...] | None]] = [
    # Reasons name the remaining evidence. None: any text.
    (r"(cpu\.virtualization|iommu|boot)\.reason", None),
    (r"cpu\.virtualization\.state", ("unknown", "module_not_loaded", "unsupported")),
    (r"iommu\.state", ("unknown", "disabled_in_kernel", "disabled_by_firmware", "absent")),
    # DMI names a guest's hypervisor if its clock is not listed.
    (r"cpu\.hypervisor", ("unknown", "qemu", "kvm", "xen")),
    # The kernel shows no `reset_method` and no `resourceN_resize` if there are none.
    (r"pci\.[^ ]*\.reset_methods", ([],)),
    (r"pci\.[^ ]*\.bars\[\d+\]\.resizable", (False,)),
    # A BIOS machine has no /sys/firmware/efi, and no Secure Boot.
    (r"boot\.firmware", ("bios",)),
    (r"boot\.secure_boot", (False,)),
    (r"boot\.loader", None),
    (r"boot\.initramfs_generator", None),
    (r"boot\.kernels\[.*\]\.(entry|cmdline|initramfs|has_vfio_pci)", None),
    # Without nodes, all memory is node 0. A single remaining node has the pools of the whole machine.
    (r"memory\.nodes\.\d+\..*", None),
    # A kernel may have been started without arguments, but it always has a release.
    (r"boot\.running\.cmdline", ("",)),
    # Without `online`, CPUs with a topology are online; without `present`, the kernel's own list has the offline ones.
    (r"cpus\.offline", None),
    (r"cpus\.online", None),
    # Without its name a keyboard is named by its node.
    (r"keyboards\[(event\d+)\]\.name", None),
]

#: The values that depend on a path: on the files at, below and above it, since a folder's files are lost with it.
RESTS_ON: list[tuple[str, str]] = [
    ("/proc/cpuinfo", r"cpu\..*|iommu\.(kind|state|reason|interrupt_remapping)|boot\..*"),
    ("/proc/cmdline", r"cpu\.virtualization\..*|iommu\.(state|reason)|boot\..*"),
    (
        "/proc/sys/kernel/osrelease",
        r"cpu\.virtualization\..*|iommu\.(state|reason)|boot\..*|pci\..*\.(reset_methods|bars.*)",
    ),
    ("/proc/meminfo", r"memory\..*"),
    ("/proc/interrupts", r"iommu\.interrupt_remapping|cpu\.virtualization\..*"),
    ("/proc/iomem", r"pci\..*\.boot_display"),
    ("/proc/xen", r"cpu\..*|iommu\..*"),
    ("/proc/", r"pci\..*\.in_use_by.*"),
    ("/sys/kernel/boot_params", r"pci\..*\.boot_display"),
    ("/sys/class/graphics", r"pci\..*\.(boot_display|in_use_by.*)"),
    ("/sys/devices/system/cpu", r"cpus\..*|memory\.nodes\..*"),
    ("/sys/devices/system/node", r"memory\..*|cpus\.cores.*"),
    ("/sys/devices/system/clocksource", r"cpu\..*|iommu\..*"),
    ("/sys/devices/cpu_core", r"cpus\.cores.*"),
    ("/sys/devices/cpu_atom", r"cpus\.cores.*"),
    ("/sys/kernel/mm", r"memory\..*"),
    ("/sys/kernel/iommu_groups", r"iommu\..*|pci\..*\.(iommu_group|in_use_by.*)|cpu\.virtualization\..*"),
    ("/sys/kernel/security", r"boot\..*"),
    ("/sys/module", r"cpu\.virtualization\..*"),
    ("/sys/hypervisor", r"cpu\..*|iommu\..*"),
    ("/sys/class/dmi", r"cpu\..*|iommu\..*"),
    ("/sys/class/misc", r"cpu\.virtualization\..*"),
    ("/sys/class/iommu", r"iommu\..*|cpu\.virtualization\..*"),
    ("/sys/devices/virtual/iommu", r"iommu\..*|cpu\.virtualization\..*"),
    ("/sys/devices/virtual/misc", r"cpu\.virtualization\..*"),
    ("/sys/devices/virtual", r"pci\..*\.in_use_by.*|keyboards.*"),
    ("/sys/devices/platform", r"iommu\..*|pci\..*\.(boot_display|in_use_by.*)|cpu\.virtualization\..*|keyboards.*"),
    ("/sys/devices/LNXSYSTM", r"keyboards.*"),
    ("/sys/devices/pci", r"iommu\..*|pci\..*\.(boot_display|in_use_by.*)|cpu\.virtualization\..*|keyboards.*"),
    ("/sys/firmware/acpi", r"iommu\..*"),
    ("/sys/firmware/efi", r"boot\..*"),
    ("/sys/class", r"pci\..*\.in_use_by.*|keyboards.*"),
    ("/sys/block", r"pci\..*\.in_use_by.*"),
    ("/sys/dev/", r"pci\..*\.in_use_by.*"),
    ("/sys/fs", r"pci\..*\.in_use_by.*"),
    ("/run", r"pci\..*\.in_use_by.*|boot\..*"),
    ("/dev/cpu", r"cpu\.virtualization\..*"),
    ("/dev/", r"pci\..*\.in_use_by.*|boot\..*"),
    ("/var/log", r"cpu\.virtualization\..*|iommu\.(state|reason)"),
    ("/boot", r"boot\..*|iommu\.(state|reason)"),
    ("/lib", r"boot\..*|iommu\.(state|reason)"),
    ("/usr", r"boot\..*|iommu\.(state|reason)|os.*|pci\..*_name"),
    ("/etc", r"boot\..*|os.*"),
]

#: Losses that add values: the link and the serial number of a suspended function are not read, and only this file
#: says that it is suspended.
ADDS_VALUES = (r".*/power(/runtime_status)?", r"pci\..*\.(link.*|serial_number|bars\[\d+\]\.resizable_to_bytes)")

#: A loss may add claims: a file that the lost one hid is read, or an option that it overrode counts. Claims depend on
#: configuration files, and on what boot entries and functions are read from.
CLAIMS = r"(pci\..*\.)?claims.*"
CLAIMS_REST_ON = (
    *("/etc", "/run", "/usr", "/lib", "/boot", "/var/lib", "/dev", "/proc/cmdline", "/proc/cpuinfo", "/proc/iomem"),
    *("/proc/sys/kernel/osrelease", "/sys/bus/pci", "/sys/devices/pci", "/sys/devices/platform", "/sys/class/graphics"),
    *("/sys/firmware/efi", "/sys/kernel/boot_params"),
)

_ADDRESS = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_IDENTITY = re.compile(
    r"pci\..*\.(vendor|device|subsystem_vendor|subsystem_device|class|revision|numa_node)|memory\..*(total_bytes|total|free|surplus)"
)


def lies(before: dict[str, Any], after: dict[str, Any], done: Sequence[Damaged]) -> list[str]:
    """Return the differences in the damaged machine's reading that no damage explains."""
    changes = [damage for damage in done if not damage.is_loss]
    unexplained = []
    expected = _with_online(before, after["cpus"]["online"])
    for value_path, old, new in _differences(expected, after, ""):
        if re.fullmatch(CLAIMS, value_path):
            if not any(_is_at(damage.path, start) for damage in done for start in CLAIMS_REST_ON):
                unexplained.append(f"{value_path}: {old!r} became {new!r}, which depends on nothing that was damaged")
            continue
        if _is_weaker(value_path, old, new) or _may_be_weaker(value_path, new) or _adds_values(value_path, done):
            continue
        if not any(_rests_on(value_path, damage.path) for damage in changes):
            unexplained.append(f"{value_path}: {old!r} became {new!r}, which depends on nothing that changed")
        elif _IDENTITY.fullmatch(value_path) and not _is_written(new, changes):
            unexplained.append(f"{value_path}: {old!r} became {new!r}, which is in no content that was added")
    return unexplained


def _with_online(before: dict[str, Any], online: list[int] | None) -> dict[str, Any]:
    """Return the reading with only these CPUs online: cores and caches consist of online CPUs."""
    cpus = before["cpus"]
    if online is None or not set(online) < set(cpus["online"] or ()):
        return before
    names: dict[str, str] = {}
    groups = {}
    for name, group in cpus["l3_groups"].items():
        left = [cpu for cpu in group["cpus"] if cpu in online]
        if left:
            names[name] = str(left[0])
            groups[names[name]] = {**group, "cpus": left}
    cores = [
        {**core, "cpus": left, "l3": names.get(core["l3"])}
        for core in cpus["cores"]
        if (left := [cpu for cpu in core["cpus"] if cpu in online])
    ]
    return {**before, "cpus": {**cpus, "online": online, "cores": cores, "l3_groups": groups}}


def _differences(before: Any, after: Any, value_path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the paths that differ, with both values: leaves, lists of scalars, and keys that only one has."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _differences(before.get(key), after.get(key), f"{value_path}.{key}".lstrip("."))
    elif (
        isinstance(before, list) and isinstance(after, list) and any(isinstance(item, dict) for item in before + after)
    ):
        old, new = _keyed(before), _keyed(after)
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key), new.get(key), f"{value_path}[{key}]")
    else:
        yield value_path, before, after


def _keyed(items: list[Any]) -> dict[str, Any]:
    """Return the items of a list by what identifies them, so that a removed item does not shift the others."""
    keyed = {}
    for item in items:
        if not isinstance(item, dict):
            keyed[str(item)] = item
        elif "cpus" in item:
            keyed[str(item["cpus"][0])] = item
        elif "effect" in item:
            keyed[" ".join(str(item[key]) for key in ("kind", "path", "line", "text", "origin"))] = item
        elif "node" in item:
            keyed[item["node"]] = item
        elif "via" in item:
            keyed[f"{item['kind']} {item['via']} {'' if item['kind'] in _NAMED_BY_FILES else item['name']}"] = item
        else:
            keyed[str(item.get("index", item.get("version", item.get("start"))))] = item
    return keyed


#: Uses whose name is read from files of the process; without these files it is the process number.
_NAMED_BY_FILES = ("process", "virtual_machine", "keyboard")


def _is_weaker(value_path: str, old: Any, new: Any) -> bool:
    if new is None:
        return True
    if isinstance(new, list) and isinstance(old, list):
        # A shorter list of the CPUs of a core or a cache is wrong: half a core does not exist.
        return all(item in old for item in new) and not re.search(r"cores\[\d+\]\.cpus|l3_groups.*\.cpus", value_path)
    if re.search(r"in_use_by\[(process|virtual_machine) .*\]\.name$", value_path):
        return bool(re.search(r"\(\d+\)$", new))
    if re.search(r"in_use_by\[keyboard .*\]\.name$", value_path):
        return bool(re.fullmatch(r"event\d+", new))
    # Without the mounts, a mounted mapping is reported as a mapping.
    return old is None and isinstance(new, dict) and new.get("kind") == "mapping"


def _may_be_weaker(value_path: str, new: Any) -> bool:
    return any(re.fullmatch(pattern, value_path) and (values is None or new in values) for pattern, values in WEAKER)


def _adds_values(value_path: str, done: Sequence[Damaged]) -> bool:
    path, values = ADDS_VALUES
    return re.fullmatch(values, value_path) is not None and any(re.fullmatch(path, damage.path) for damage in done)


def _is_at(path: str, start: str) -> bool:
    """Return whether a path is at or below another, or above it."""
    return path.startswith(start) or start.startswith(path + "/")


def _rests_on(value_path: str, path: str) -> bool:
    for start, values in RESTS_ON:
        if _is_at(path, start) and re.fullmatch(values, value_path):
            return True
    return _rests_on_function(value_path, path)


def _rests_on_function(value_path: str, path: str) -> bool:
    """Return whether a function's value depends on a path: its own folder, those above, or its entry in the devices."""
    match = re.match(rf"pci\.({_ADDRESS})(\.|$)", value_path)
    if match is None:
        return False
    if path.startswith("/sys/devices/pci"):
        # A folder determines the values of its nearest function only.
        last = re.findall(_ADDRESS, path)
        return not last or match.group(1) == last[-1] or path.rstrip("/").endswith(last[-1])
    return path.startswith("/sys/bus/pci/devices/" + match.group(1)) or "/sys/bus/pci/devices".startswith(path)


def _is_written(value: Any, changes: Sequence[Damaged]) -> bool:
    text = b"\n".join(damage.content for damage in changes).lower().decode("utf-8", "replace")
    if isinstance(value, int):
        return any(int(number) in (value, value // 1024) for number in re.findall(r"[0-9]{1,20}", text, re.ASCII))
    if any(damage.kind == "redirected" for damage in changes):
        return True  # it may lead to the whole folder of another function
    return str(value).lstrip("0") in text
