# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a reading of damaged files may say, given what the undamaged ones said: the rules against lies.

1. Losses alone (nothing new to be read) only weaken: each value stays, becomes null, or leaves its list; beyond that
   only what WEAKER lists, since there absence itself is what the kernel would show.
2. Where a file says something else, only values that rest on that file may be other than weaker (RESTS_ON).
3. An identity (ids, class, revision, node, memory) that changed must be written in what was put there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .harm import Damaged

#: What may come of losses beside the same value, null, or a shorter list: place, and values that are honest there.
WEAKER: list[tuple[str, tuple[Any, ...] | None]] = [
    # Verdicts name the witnesses that are left. None: any text.
    (r"(cpu\.virtualization|iommu|boot)\.reason", None),
    (r"cpu\.virtualization\.state", ("unknown", "module_not_loaded", "unsupported")),
    (r"iommu\.state", ("unknown", "disabled_in_kernel", "disabled_by_firmware", "absent")),
    # DMI names a guest's hypervisor when its clock is not listed.
    (r"cpu\.hypervisor", ("unknown", "qemu", "kvm", "xen")),
    # No `reset_method`, no `resourceN_resize`: that is how the kernel says that there are none.
    (r"pci\.[^ ]*\.reset_methods", ([],)),
    (r"pci\.[^ ]*\.bars\[\d+\]\.resizable", (False,)),
    # No /sys/firmware/efi is what a BIOS machine shows, and that has no Secure Boot.
    (r"boot\.firmware", ("bios",)),
    (r"boot\.secure_boot", (False,)),
    (r"boot\.loader", None),
    (r"boot\.initramfs_generator", None),
    (r"boot\.kernels\[.*\]\.(entry|cmdline|initramfs|has_vfio_pci)", None),
    # A kernel without nodes shows none: then all memory is node 0. One node left has what the whole machine has.
    (r"memory\.nodes\.\d+\..*", None),
    # A kernel may have been started without arguments; there is always a release.
    (r"boot\.running\.cmdline", ("",)),
    # Without `online` those with a topology are online; without `present` the kernel's own list tells who is offline.
    (r"cpus\.offline", None),
    (r"cpus\.online", None),
]

#: Which values rest on what lies at or below a path, or above it: a folder takes all below with it.
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
    ("/sys/devices/virtual", r"pci\..*\.in_use_by.*"),
    ("/sys/devices/platform", r"iommu\..*|pci\..*\.(boot_display|in_use_by.*)|cpu\.virtualization\..*"),
    ("/sys/devices/pci", r"iommu\..*|pci\..*\.(boot_display|in_use_by.*)|cpu\.virtualization\..*"),
    ("/sys/firmware/acpi", r"iommu\..*"),
    ("/sys/firmware/efi", r"boot\..*"),
    ("/sys/class", r"pci\..*\.in_use_by.*"),
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

#: Losses that let more be told: what sleeps is not asked for its link, nor for its serial number, and only this file
#: tells that it sleeps.
TELLS_MORE = (r".*/power(/runtime_status)?", r"pci\..*\.(link.*|serial_number|bars\[\d+\]\.resizable_to_bytes)")

_ADDRESS = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_IDENTITY = re.compile(
    r"pci\..*\.(vendor|device|subsystem_vendor|subsystem_device|class|revision|numa_node)|memory\..*(total_bytes|total|free|surplus)"
)


def lies(before: dict[str, Any], after: dict[str, Any], done: Sequence[Damaged]) -> list[str]:
    """Return what the damaged machine's reading says without a reason."""
    changes = [damage for damage in done if not damage.is_loss]
    found = []
    expected = _with_online(before, after["cpus"]["online"])
    for place, old, new in _differences(expected, after, ""):
        if _is_weaker(place, old, new) or _may_be_weaker(place, new) or _tells_more(place, done):
            continue
        if not any(_rests_on(place, damage.path) for damage in changes):
            found.append(f"{place}: {old!r} became {new!r}, which rests on nothing that changed")
        elif _IDENTITY.fullmatch(place) and not _is_written(new, changes):
            found.append(f"{place}: {old!r} became {new!r}, which is written nowhere")
    return found


def _with_online(before: dict[str, Any], online: list[int] | None) -> dict[str, Any]:
    """Return the reading as it would be with these CPUs online: cores and caches are told by those that are."""
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


def _differences(before: Any, after: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the places that differ, with both values: leaves, lists of plain values, and what only one has."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _differences(before.get(key), after.get(key), f"{place}.{key}".lstrip("."))
    elif (
        isinstance(before, list) and isinstance(after, list) and any(isinstance(item, dict) for item in before + after)
    ):
        old, new = _keyed(before), _keyed(after)
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key), new.get(key), f"{place}[{key}]")
    else:
        yield place, before, after


def _keyed(items: list[Any]) -> dict[str, Any]:
    """Name the members of a list by what they are about, so that one that is gone does not shift the others."""
    keyed = {}
    for item in items:
        if not isinstance(item, dict):
            keyed[str(item)] = item
        elif "cpus" in item:
            keyed[str(item["cpus"][0])] = item
        elif "via" in item:
            keyed[f"{item['kind']} {item['via']} {'' if item['kind'] in _NAMED_BY_FILES else item['name']}"] = item
        else:
            keyed[str(item.get("index", item.get("version", item.get("start"))))] = item
    return keyed


#: These are named by files of the process, and by its number without them.
_NAMED_BY_FILES = ("process", "virtual_machine")


def _is_weaker(place: str, old: Any, new: Any) -> bool:
    if new is None:
        return True
    if isinstance(new, list) and isinstance(old, list):
        # Not so the sharers of a core or a cache: half a core is a lie.
        return all(item in old for item in new) and not re.search(r"cores\[\d+\]\.cpus|l3_groups.*\.cpus", place)
    if re.search(r"in_use_by\[(process|virtual_machine) .*\]\.name$", place):
        return bool(re.search(r"\(\d+\)$", new))
    # A mapping that is mounted nowhere is told as such when the mounts cannot be read.
    return old is None and isinstance(new, dict) and new.get("kind") == "mapping"


def _may_be_weaker(place: str, new: Any) -> bool:
    return any(re.fullmatch(pattern, place) and (values is None or new in values) for pattern, values in WEAKER)


def _tells_more(place: str, done: Sequence[Damaged]) -> bool:
    path, values = TELLS_MORE
    return re.fullmatch(values, place) is not None and any(re.fullmatch(path, damage.path) for damage in done)


def _rests_on(place: str, path: str) -> bool:
    for start, values in RESTS_ON:
        if (path.startswith(start) or start.startswith(path + "/")) and re.fullmatch(values, place):
            return True
    return _rests_on_function(place, path)


def _rests_on_function(place: str, path: str) -> bool:
    """A function's values rest on its own folder, on those above it, and on its name in the list of devices."""
    match = re.match(rf"pci\.({_ADDRESS})(\.|$)", place)
    if match is None:
        return False
    if path.startswith("/sys/devices/pci"):
        # Below other functions' folders only what hangs there is told.
        last = re.findall(_ADDRESS, path)
        return not last or match.group(1) == last[-1] or path.rstrip("/").endswith(last[-1])
    return path.startswith("/sys/bus/pci/devices/" + match.group(1)) or "/sys/bus/pci/devices".startswith(path)


def _is_written(value: Any, changes: Sequence[Damaged]) -> bool:
    text = b"\n".join(damage.content for damage in changes).lower().decode("utf-8", "replace")
    if isinstance(value, int):
        return any(int(number) in (value, value // 1024) for number in re.findall(r"[0-9]{1,20}", text, re.ASCII))
    if any(damage.kind == "redirected" for damage in changes):
        return True  # then the whole folder of another function may be there
    return str(value).lstrip("0") in text
