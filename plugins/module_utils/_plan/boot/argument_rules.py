# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which kernel arguments contradict each other: a table, each row with where the kernel says so.

KP is Documentation/admin-guide/kernel-parameters.txt, HUGETLB Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from ..._machine.cmdline import Argument, parse

LAST, FIRST, ADDS, WORDS = "last", "first", "adds", "words"


class Kind(NamedTuple):
    """What the kernel makes of a parameter that is given more than once."""

    kind: str
    source: str


#: Whatever is not named here: the last one counts, as for every early_param() and module_param() that stores a value.
KINDS = {
    # Each adds to those before it.
    **{
        name: Kind(ADDS, source)
        for source, names in (
            ("KP, console=: can be used multiple times", ("console", "earlycon", "netconsole")),
            ("kmod, libkmod-config.c: each adds a name", ("modprobe.blacklist", "rd.driver.blacklist")),
            ("dracut.cmdline(7)", ("rd.driver.pre", "rd.driver.post", "rd.luks.uuid", "rd.lvm.lv", "rd.md.uuid", "ip")),
            ("systemd(1), KERNEL COMMAND LINE", ("systemd.mask", "systemd.wants", "systemd.setenv")),
            ("KP, memmap=: a region each", ("memmap", "memtest_region", "efi_fake_mem")),
            ("KP, acpi_osi=: a string each", ("acpi_osi",)),
            ("initrd=: the EFI stub loads each", ("initrd",)),
            ("KP, dyndbg=", ("dyndbg",)),
        )
        for name in names
    },
    # Each word sets one thing, and an occurrence leaves alone what others set; see CONTRADICTORY.
    "intel_iommu": Kind(WORDS, "drivers/iommu/intel/iommu.c, intel_iommu_setup()"),
    "amd_iommu": Kind(WORDS, "drivers/iommu/amd/init.c, parse_amd_iommu_options()"),
    "iommu": Kind(WORDS, "arch/x86/kernel/pci-dma.c, iommu_setup()"),
    "pci": Kind(WORDS, "drivers/pci/pci.c, pci_setup()"),
    "intremap": Kind(WORDS, "drivers/iommu/irq_remapping.c, setup_irqremap()"),
    # The first one counts, and the others are complained of.
    "default_hugepagesz": Kind(FIRST, "HUGETLB: can only be specified once"),
    "isolcpus": Kind(FIRST, "kernel/sched/isolation.c, housekeeping_setup(): later ones must match"),
    "nohz_full": Kind(FIRST, "kernel/sched/isolation.c, housekeeping_setup(): later ones must match"),
}

#: Words that can't both hold. `*` is every other word of that parameter.
CONTRADICTORY = (
    (("intel_iommu", "on"), ("intel_iommu", "off"), "KP, intel_iommu="),
    (("intel_iommu", "on"), ("iommu", "off"), "KP, iommu=off: no IOMMU at all"),
    (("intel_iommu", "sm_on"), ("intel_iommu", "sm_off"), "KP, intel_iommu="),
    (("amd_iommu", "*"), ("amd_iommu", "off"), "KP, amd_iommu=off: no AMD IOMMU"),
    (("amd_iommu", "*"), ("iommu", "off"), "KP, iommu=off: no IOMMU at all"),
    (("iommu", "pt"), ("iommu", "nopt"), "KP, iommu=pt and nopt"),
    (("iommu", "pt"), ("iommu", "off"), "KP, iommu=off: no IOMMU at all"),
    (("iommu", "force"), ("iommu", "off"), "KP, iommu="),
    (("iommu", "pt"), ("iommu.passthrough", "0"), "KP, iommu.passthrough="),
    (("iommu.passthrough", "1"), ("iommu", "nopt"), "KP, iommu.passthrough="),
    (("vfio_workstation", "*"), ("intel_iommu", "off"), "KP, intel_iommu=off: no group, no passthrough"),
    (("vfio_workstation", "*"), ("amd_iommu", "off"), "KP, amd_iommu=off: no group, no passthrough"),
    (("vfio_workstation", "*"), ("iommu", "off"), "KP, iommu=off: no group, no passthrough"),
    (("intremap", "on"), ("intremap", "off"), "KP, intremap="),
    (("nohz_full", "*"), ("nohz", "off"), "KP, nohz_full= needs nohz="),
)

_HUGE = ("hugepagesz", "hugepages")

#: Arguments that do not do what people take them to do: said, not refused.
MISTAKEN = (
    ("amd_iommu", "on", "amd_iommu=on is no option of the kernel's; AMD's IOMMU is on unless it is switched off"),
    (
        "pcie_acs_override",
        "*",
        "pcie_acs_override= is of a patch outside of Linux, which makes groups look isolated that are not",
    ),
    (
        "vfio_iommu_type1.allow_unsafe_interrupts",
        "*",
        "allow_unsafe_interrupts lets a guest with a device raise any interrupt of the host",
    ),
    ("video", "efifb:off", "video=efifb:off has no effect on simpledrm, which holds the framebuffer on newer kernels"),
)


def contradiction(ours: str, theirs: str) -> str | None:
    """Return why two units can't stand on one command line, with the source of the rule; None where they can.

    Args:
        ours: A unit: one argument, or a page size with its count.
        theirs: Another.
    """
    mine, other = parse(ours).arguments, parse(theirs).arguments
    if not mine or not other or [one.meaning for one in mine] == [one.meaning for one in other]:
        return None
    if mine[0].name in _HUGE or other[0].name in _HUGE:
        return _huge_pages(mine, other)
    for one, another in ((mine[0], other[0]), (other[0], mine[0])):
        for left, right, source in CONTRADICTORY:
            if _holds(one, left, right) and _holds(another, right, left):
                return f"they contradict each other ({source})"
    if mine[0].name != other[0].name:
        return None
    kind = KINDS.get(mine[0].name, Kind(LAST, "the kernel's parser stores each in turn"))
    return None if kind.kind in (ADDS, WORDS) else f"only the {kind.kind} one counts ({kind.source})"


def mistakes(units: Sequence[str]) -> tuple[str, ...]:
    """Return what a person should know of arguments that do not do what their name promises."""
    found = [argument for unit in units for argument in parse(unit).arguments]
    return tuple(
        text
        for name, word, text in MISTAKEN
        if any(argument.name == name and (word == "*" or word == argument.value) for argument in found)
    )


def _holds(argument: Argument, wanted: tuple[str, str], against: tuple[str, str]) -> bool:
    name, word = wanted
    if argument.name != name:
        return False
    words = (argument.value or "").split(",")
    if word != "*":
        return word in words
    # Every word but the one that it contradicts, when that is of the same parameter.
    return against[0] != name or against[1] not in words


def _huge_pages(mine: Sequence[Argument], other: Sequence[Argument]) -> str | None:
    """Judge page sizes and counts (HUGETLB, "hugepages", "hugepagesz")."""
    names = {mine[0].name, other[0].name}
    if not names <= {*_HUGE, "default_hugepagesz"}:
        return None
    if names == {"hugepagesz"}:
        same = _size(mine[0].value) == _size(other[0].value)
        return "a page size can be given once (HUGETLB)" if same else None
    if "default_hugepagesz" in names and "hugepages" not in names:
        return None  # a default size goes with pages of any size
    return "hugepages= without hugepagesz= before it counts pages of the default size, whichever that is (HUGETLB)"


def _size(text: str | None) -> int | str | None:
    """Return a size in bytes as memparse() of lib/cmdline.c reads it, or the text that is none."""
    match = re.fullmatch(r"([0-9]+)([KMGTkmgt]?)", text or "")
    if match is None:
        return text
    power = 1 + "kmgt".index(match.group(2).lower()) if match.group(2) else 0
    return int(match.group(1)) << (10 * power)
