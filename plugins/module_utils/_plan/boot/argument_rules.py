# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which kernel arguments contradict each other: tables, with the source of each rule in the kernel.

A source that begins with a parameter is that parameter's paragraph in Documentation/admin-guide/kernel-parameters.txt;
hugetlbpage.rst is Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from ..._machine.cmdline import Argument, parse
from ..._probe.claims.arguments import LAST_COUNTS

LAST, FIRST, ADDS, WORDS = "last", "first", "adds", "words"


class Repetition(NamedTuple):
    """How the kernel treats a parameter that is given more than once."""

    rule: str  # LAST or FIRST: that occurrence takes effect; ADDS: all do; WORDS: see CONTRADICTORY
    source: str


#: For any other parameter the last occurrence takes effect, as for each early_param() and module_param() that stores a
#: value.
REPETITIONS = {
    # Each occurrence adds to the earlier ones.
    **{
        name: Repetition(ADDS, source)
        for source, names in (
            ("console=: can be used multiple times", ("console", "earlycon", "netconsole")),
            ("kmod, libkmod-config.c: each adds a name", ("modprobe.blacklist", "rd.driver.blacklist")),
            ("dracut.cmdline(7)", ("rd.driver.pre", "rd.driver.post", "rd.luks.uuid", "rd.lvm.lv", "rd.md.uuid", "ip")),
            ("systemd(1), KERNEL COMMAND LINE", ("systemd.mask", "systemd.wants", "systemd.setenv")),
            ("memmap=: a region each", ("memmap", "memtest_region", "efi_fake_mem")),
            ("acpi_osi=: a string each", ("acpi_osi",)),
            ("initrd=: the EFI stub loads each", ("initrd",)),
            ("dyndbg=", ("dyndbg",)),
        )
        for name in names
    },
    # Each word of the value sets one option, and an occurrence leaves the options of the others alone.
    "intel_iommu": Repetition(WORDS, "drivers/iommu/intel/iommu.c, intel_iommu_setup()"),
    "amd_iommu": Repetition(WORDS, "drivers/iommu/amd/init.c, parse_amd_iommu_options()"),
    "iommu": Repetition(WORDS, "arch/x86/kernel/pci-dma.c, iommu_setup()"),
    "pci": Repetition(WORDS, "drivers/pci/pci.c, pci_setup()"),
    "intremap": Repetition(WORDS, "drivers/iommu/irq_remapping.c, setup_irqremap()"),
    # The first occurrence takes effect, and the kernel logs a warning for the others.
    "default_hugepagesz": Repetition(FIRST, "hugetlbpage.rst: can only be specified once"),
    "isolcpus": Repetition(FIRST, "kernel/sched/isolation.c, housekeeping_setup(): later values must match"),
    "nohz_full": Repetition(FIRST, "kernel/sched/isolation.c, housekeeping_setup(): later values must match"),
}

#: Pairs of (parameter, word) that can't both take effect, and the source. `*` is every other word of that parameter.
CONTRADICTORY = (
    (("intel_iommu", "on"), ("intel_iommu", "off"), "intel_iommu="),
    (("intel_iommu", "on"), ("iommu", "off"), "iommu=off: no IOMMU at all"),
    (("intel_iommu", "sm_on"), ("intel_iommu", "sm_off"), "intel_iommu="),
    (("amd_iommu", "*"), ("amd_iommu", "off"), "amd_iommu=off: no AMD IOMMU"),
    (("amd_iommu", "*"), ("iommu", "off"), "iommu=off: no IOMMU at all"),
    (("iommu", "pt"), ("iommu", "nopt"), "iommu=pt, iommu=nopt"),
    (("iommu", "pt"), ("iommu", "off"), "iommu=off: no IOMMU at all"),
    (("iommu", "force"), ("iommu", "off"), "iommu="),
    (("iommu", "pt"), ("iommu.passthrough", "0"), "iommu.passthrough="),
    (("iommu.passthrough", "1"), ("iommu", "nopt"), "iommu.passthrough="),
    (("vfio_workstation", "*"), ("intel_iommu", "off"), "intel_iommu=off: no group, no passthrough"),
    (("vfio_workstation", "*"), ("amd_iommu", "off"), "amd_iommu=off: no group, no passthrough"),
    (("vfio_workstation", "*"), ("iommu", "off"), "iommu=off: no group, no passthrough"),
    (("intremap", "on"), ("intremap", "off"), "intremap="),
    (("nohz_full", "*"), ("nohz", "off"), "nohz_full= needs nohz="),
)

_HUGE = ("hugepagesz", "hugepages")
#: A hexadecimal, octal or decimal number, and its suffix. It matches any text: without digits the number is 0.
_SIZE = re.compile(r"(?:0x([0-9a-f]+)|(0[0-7]*)|([0-9]*))([kmgtpe]?)", re.IGNORECASE | re.ASCII)
_OVERFLOW = 1 << 64  # sizes are unsigned long long

#: Arguments that do not do what their names suggest, or weaken isolation: reported in a note, not refused.
CAVEATS = (
    (
        "amd_iommu",
        "on",
        "amd_iommu=on has no effect: the kernel knows no such option. AMD's IOMMU is on unless it is switched off",
    ),
    (
        "pcie_acs_override",
        "*",
        "pcie_acs_override= comes from a patch outside mainline Linux, and reports devices as isolated that are not",
    ),
    (
        "vfio_iommu_type1.allow_unsafe_interrupts",
        "*",
        "allow_unsafe_interrupts lets a guest that has a device trigger any interrupt of the host",
    ),
    (
        "video",
        "efifb:off",
        "video=efifb:off has no effect on simpledrm, the driver that holds the firmware's framebuffer on newer kernels",
    ),
)


def contradiction(unit: str, other_unit: str) -> str | None:
    """Return why two argument units can't be on one command line, with the source of the rule; None if they can.

    Args:
        unit: An argument unit (see `_machine.cmdline`).
        other_unit: Another one; the order of the two does not matter.
    """
    arguments, others = parse(unit).arguments, parse(other_unit).arguments
    if (
        not arguments
        or not others
        or [argument.meaning for argument in arguments] == [argument.meaning for argument in others]
    ):
        return None
    first, other = arguments[0], others[0]
    if first.name in _HUGE or other.name in _HUGE:
        return _huge_pages(first, other)
    for argument, counterpart in ((first, other), (other, first)):
        for left, right, source in CONTRADICTORY:
            if _holds(argument, left, right) and _holds(counterpart, right, left):
                return f"they contradict each other (kernel-parameters.txt, {source})"
    if first.name != other.name:
        return None
    repetition = REPETITIONS.get(first.name, Repetition(LAST, "the kernel's parser stores each value in turn"))
    if repetition.rule in (ADDS, WORDS):
        return None
    return f"only the {repetition.rule} one takes effect ({repetition.source})"


def argument_notes(units: Sequence[str]) -> tuple[str, ...]:
    """Return a note for each argument that does not do what its name suggests, or that weakens isolation."""
    arguments = [argument for unit in units for argument in parse(unit).arguments]
    return tuple(
        text
        for name, word, text in CAVEATS
        if any(argument.name == name and word in ("*", argument.value) for argument in arguments)
    )


def _holds(argument: Argument, term: tuple[str, str], counterterm: tuple[str, str]) -> bool:
    """Tell whether an argument matches one side of a row of CONTRADICTORY."""
    name, word = term
    if argument.name != name:
        return False
    words = (argument.value or "").split(",")
    if word != "*":
        return word in words
    # Any word matches, unless the argument also has the word that contradicts it.
    return counterterm[0] != name or counterterm[1] not in words


def _huge_pages(argument: Argument, other: Argument) -> str | None:
    """Return why two arguments about huge pages contradict each other (hugetlbpage.rst, "hugepages", "hugepagesz")."""
    names = {argument.name, other.name}
    if not names <= {*_HUGE, "default_hugepagesz"}:
        return None
    if names == {"hugepagesz"}:
        same = _page_size(argument.value) == _page_size(other.value)
        return "each page size can be given only once (hugetlbpage.rst)" if same else None
    if "default_hugepagesz" in names and "hugepages" not in names:
        return None  # a default size can be combined with pages of any size
    return "hugepages= without a hugepagesz= before it sets the count for the default page size (hugetlbpage.rst)"


def _page_size(text: str | None) -> int | None:
    """Return a size in bytes as the kernel reads it; None where there is no value.

    hugepagesz_setup() of mm/hugetlb.c calls memparse() of lib/cmdline.c, which takes a number (decimal, octal after 0,
    hexadecimal after 0x) and one letter, and ignores the rest: 1G, 1GB and 1GiB are the same size.
    """
    match = _SIZE.match(text or "")
    if text is None or match is None:
        return None
    *numbers, suffix = match.groups()
    base, digits = next((base, digits) for base, digits in zip((16, 8, 10), numbers) if digits is not None)
    size = 0
    for digit in digits:
        size = (size * base + int(digit, 16)) % _OVERFLOW
    return (size << 10 * " kmgtpe".index(suffix.lower())) % _OVERFLOW


def takes_functions(argument: str) -> bool:
    """Tell whether an argument takes PCI functions for a driver for guests, such as vfio-pci.ids=10de:2684."""
    return any(parsed.name in LAST_COUNTS for parsed in parse(argument).arguments)
