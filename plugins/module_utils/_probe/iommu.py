# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the IOMMU, and its groups.

Source: Documentation/ABI/testing/sysfs-kernel-iommu_groups, Documentation/arch/x86/iommu.rst,
Documentation/admin-guide/kernel-parameters.txt.
"""

from __future__ import annotations

import re
from typing import Mapping, Tuple

from .._machine import Iommu, IommuGroup, PciFunction, ReservedRegion
from .cpu import has_virtualization_by_age
from .evidence import Evidence
from .parse import address_order, is_pci_address
from .tree import Folder, Tree

_GROUPS = "/sys/kernel/iommu_groups"
_TABLES = "/sys/firmware/acpi/tables"
_REGION = re.compile(r"(0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16}) ([a-z-]{1,32})")
_KIND_OF_UNIT = (("dmar", "intel"), ("ivhd", "amd"), ("smmu", "smmu"), ("arm-smmu", "smmu"), ("virtio", "virtio"))
#: ACPI tables that describe an IOMMU. IORT is not among them: it may describe interrupt controllers only.
_KIND_OF_TABLE = (("DMAR", "intel"), ("IVRS", "amd"), ("VIOT", "virtio"))
_SETTINGS = {"intel": "VT-d (Intel VT for Directed I/O)", "amd": "IOMMU (AMD-Vi, under AMD CBS or NBIO)"}

_Verdict = Tuple[str, str]  # state, reason


def read_groups(tree: Tree) -> dict[str, IommuGroup]:
    """Return the IOMMU groups, by number, without the groups that VFIO creates in no-IOMMU mode."""
    with tree.reading("iommu.groups"):
        numbers = sorted((name for name in tree.names(_GROUPS) if name.isascii() and name.isdigit()), key=int)
        return {
            number: _group(tree, folder)
            for number, folder in tree.folders(_GROUPS, numbers)
            # The name that enable_unsafe_noiommu_mode gives its groups (drivers/vfio/group.c).
            if folder.text("name") != "vfio-noiommu"
        }


def _group(tree: Tree, folder: Folder) -> IommuGroup:
    regions = _REGION.findall(folder.text("reserved_regions") or "")
    return IommuGroup(
        type=folder.text("type") or None,
        members=_in_order(tree.names(folder.path + "/devices")),
        reserved_regions=tuple(ReservedRegion(*region) for region in regions),
    )


def _in_order(members: tuple[str, ...]) -> tuple[str, ...]:
    if len(members) < 2:  # as nearly all groups are
        return members
    functions = sorted(filter(is_pci_address, members), key=address_order)
    return tuple(functions) + tuple(sorted(member for member in members if not is_pci_address(member)))


def with_functions(groups: Mapping[str, IommuGroup], functions: Mapping[str, PciFunction]) -> dict[str, IommuGroup]:
    """Return the groups with the functions whose own link names a group, as in captures without the groups' folders."""
    empty = IommuGroup(None, (), ())
    missing: dict[str, list[str]] = {}
    for address, function in functions.items():
        number = function.iommu_group
        if number is not None and address not in groups.get(number, empty).members:
            missing.setdefault(number, []).append(address)
    complete = dict(groups)
    for number, addresses in missing.items():
        group = groups.get(number, empty)
        complete[number] = group._replace(members=_in_order((*group.members, *addresses)))
    return {number: complete[number] for number in sorted(complete, key=int)}


def read_interrupt_remapping(evidence: Evidence) -> bool | None:
    """Return whether interrupts are remapped: on x86 the chip names in /proc/interrupts then contain `IR-`."""
    with evidence.tree.reading("iommu.interrupt_remapping"):
        text = evidence.tree.text("/proc/interrupts", 4 << 20)
    if not text or evidence.processor.vendor not in ("intel", "amd"):
        return None
    return " IR-" in text


def read_iommu(evidence: Evidence, groups: Mapping[str, IommuGroup], remapping: bool | None) -> Iommu:
    """Return the IOMMU, from its groups, the ACPI tables, the command line, the kernel's configuration and log."""
    with evidence.tree.reading("iommu.state"):
        tables = frozenset(evidence.tree.names(_TABLES))
        kind = _kind(evidence, groups, tables)
        state, reason = _verdict(evidence, groups, tables)
        return Iommu(kind, state, reason, remapping, dict(groups))


def _kind(evidence: Evidence, groups: Mapping[str, IommuGroup], tables: frozenset[str]) -> str | None:
    units = evidence.tree.names("/sys/class/iommu")
    for prefix, kind in _KIND_OF_UNIT:
        if any(unit.startswith(prefix) for unit in units):
            return kind
    for table, kind in _KIND_OF_TABLE:
        if table in tables:
            return kind
    vendor = evidence.processor.vendor
    # On a PC the IOMMU is from the processor's vendor; in a guest it may be of any kind.
    return vendor if groups and vendor in ("intel", "amd") and not evidence.hypervisor else None


def _verdict(evidence: Evidence, groups: Mapping[str, IommuGroup], tables: frozenset[str]) -> _Verdict:
    if groups:
        return "enabled", f"{len(groups)} group" + ("" if len(groups) == 1 else "s")
    if evidence.xen_control_domain:
        return "unknown", "this is Xen's control domain: Xen itself owns the IOMMU (see `xl dmesg`)"
    table = next((table for table, _kind in _KIND_OF_TABLE if table in tables), None)
    if table is not None:
        return (
            "disabled_in_kernel",
            f"the firmware describes an IOMMU (ACPI table {table}), {_why_off(evidence, table)}",
        )
    if not tables:
        return "unknown", "there are no IOMMU groups, and no ACPI tables: insufficient evidence for or against an IOMMU"
    if evidence.hypervisor:
        return "absent", f"this machine is a guest ({evidence.hypervisor}) whose hypervisor does not provide an IOMMU"
    return _without_table(evidence)


def _why_off(evidence: Evidence, table: str) -> str:
    for argument in ("iommu", "intel_iommu" if table == "DMAR" else "amd_iommu"):
        if "off" in evidence.argument(argument):
            return f"but the kernel argument {argument}=off disables it: remove the argument"
    option = {"DMAR": "CONFIG_INTEL_IOMMU", "IVRS": "CONFIG_AMD_IOMMU"}.get(table)
    if option and evidence.config(option) == "":
        return f"but this kernel has no driver for it: it is built without {option}"
    if table == "DMAR" and "on" not in evidence.argument("intel_iommu"):
        default = evidence.config("CONFIG_INTEL_IOMMU_DEFAULT_ON")
        if default is None:
            return "but most kernels do not enable it by default: add intel_iommu=on to the kernel command line"
        if default != "y":
            return "but this kernel does not enable it by default: add intel_iommu=on to the kernel command line"
    line = evidence.log(r"DMAR: .*(?:[Ff]ail|[Ee]rror|[Dd]isabl)", r"AMD-Vi: .*(?:[Ff]ail|[Ee]rror|[Dd]isabl)")
    log = f"its log says: {line}" if line else "its log may say why: dmesg | grep -e DMAR -e AMD-Vi"
    return f"but the kernel has not put any device into a group; {log}"


def _without_table(evidence: Evidence) -> _Verdict:
    setting = _SETTINGS.get(evidence.processor.vendor or "")
    if setting is None:
        return "unknown", "there are no IOMMU groups: insufficient evidence for or against an IOMMU"
    if has_virtualization_by_age(evidence):
        reason = (
            f"the IOMMU is disabled in firmware: enable {setting} in the firmware setup "
            "(this processor has an IOMMU, but the firmware describes none)"
        )
        return "disabled_by_firmware", reason
    reason = (
        f"the firmware describes no IOMMU: either it is disabled there (enable {setting}), or this machine has none"
    )
    return "unknown", reason
