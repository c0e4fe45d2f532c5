# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What foreign configuration does to devices: claims that contradict a request, and functions that the host lost.

A claim that takes a function which the request leaves to the host is refused: after the next boot the host would be
without its screen, or a guest would have the wrong one of two identical cards. So is one that gives a requested
function to another driver once the host has booted.
"""

from __future__ import annotations

from typing import AbstractSet, Iterable, Iterator, Sequence

from .._machine import Machine
from .._machine.claims import (
    GUEST_START,
    NOTED,
    RECOGNISED,
    RUNNING,
    TAKES,
    WITHHOLDS,
    Claim,
)
from .._machine.guest_drivers import driver_of, is_guest_driver
from .._machine.host_plan import CpuPlan
from .._machine.plan import Refusal
from .foreign_lines import NO_LINES, ForeignLines, foreign_claims
from .notation import numbers_text, parse_numbers
from .refusals import refuse
from .select import describe, is_endpoint, listed

#: Words that are of interest by themselves, with what to say of them.
_ACS_OVERRIDE = "pcie_acs_override"
_ISOLATED = "isolcpus"
_GONE_MODULE = "vfio_virqfd"
_UNSAFE_INTERRUPTS = "allow_unsafe_interrupts"
_VFIO = "vfio-pci"
#: Claims that act after the initramfs has bound what is requested, and so undo it.
_LATE = ("driverctl", "udev_rule", "systemd_unit", "boot_script")
#: What to do besides removing a claim, by its kind.
_ALSO = {
    "cmdline": "then regenerate the boot menu",
    "driverctl": "`driverctl unset-override` does that",
    "libvirt": "`virsh edit` does that",
    "systemd_unit": "or `systemctl disable` the unit",
    "boot_script": "",
    "modules_load": "",
}
_REBUILD = "then rebuild the initramfs images, which hold copies"


def claim_refusals(machine: Machine, bound: AbstractSet[str], lines: ForeignLines = NO_LINES) -> Iterator[Refusal]:
    """Yield a refusal for each line or word that takes functions which the host keeps.

    Args:
        machine: The machine.
        bound: Addresses of the functions that the request takes.
        lines: The lines that `conflicts: replace` sets aside.
    """
    for places in _by_text(machine):
        claim = places[0]
        if claim.effect != TAKES or not _lasts(places):
            continue
        where = f"{_where(places)}: `{claim.text}`"
        if is_guest_driver(claim.driver):
            kept = [address for address in claim.addresses if address not in bound]
            if kept:
                seen = f"{where} takes these functions, which the host keeps:{listed(machine, kept)}"
                yield refuse("claimed_by_others", seen, remedy=_remedy(places, lines))
        requested = [address for address in claim.addresses if address in bound]
        if requested and _undoes_request(claim):
            seen = f"{where} gives these functions, which are requested, to {claim.driver}:{listed(machine, requested)}"
            danger = "Once the host has booted, they would be on that driver, and no guest could use them."
            remedy = f"Remove it there{_also(places)}{_or_replace(places, lines)}."
            yield refuse("claimed_by_others", seen, danger=danger, remedy=remedy)


def claim_notes(
    machine: Machine, bound: AbstractSet[str], cpus: CpuPlan | None, lines: ForeignLines = NO_LINES
) -> Iterator[str]:
    """Yield what a person should know of foreign configuration.

    Args:
        machine: The machine.
        bound: Addresses of the functions that the request takes.
        cpus: The CPUs for guests; None where the request leaves them alone.
        lines: The lines that `conflicts: replace` sets aside.
    """
    for places in _by_text(machine):
        claim = places[0]
        where = f"{_where(places)}: `{claim.text}`"
        if claim.effect == TAKES:
            yield from _taking_notes(places, bound, lines)
        elif claim.effect == NOTED and not is_guest_driver(claim.driver):
            yield from _word_notes(claim, where, cpus)
        else:
            note = _note(claim, bound, lasts=_lasts(places))
            if note or _can_be_replaced(places, lines):
                yield f"{where} {note or 'is not needed any more'}{_offer(places, lines)}"


def _taking_notes(places: Sequence[Claim], bound: AbstractSet[str], lines: ForeignLines) -> Iterator[str]:
    claim = places[0]
    if not is_guest_driver(claim.driver) or not claim.addresses:
        return
    functions = ", ".join(claim.addresses)
    if bound >= set(claim.addresses):
        agrees = f"takes {functions} too, as requested; it is not needed any more"
        yield f"{_where(places)}: `{claim.text}` {agrees}{_offer(places, lines)}"
    elif not _lasts(places) and GUEST_START in claim.applies_to:
        yield f"{_where(places)}: a guest takes {functions} from the host's driver whenever it starts"


def _note(claim: Claim, bound: AbstractSet[str], *, lasts: bool) -> str | None:
    """Return what a claim may do besides the request, as a predicate; None for nothing."""
    kept = [address for address in claim.addresses if address not in bound]
    if claim.effect == RECOGNISED and lasts and (kept or not claim.addresses):
        which = f"take {', '.join(claim.addresses)}" if claim.addresses else "take functions, unknown which"
        return f"may {which}. Make sure that it leaves to the host what is not requested"
    if claim.effect == WITHHOLDS and kept and lasts:
        return f"keeps the host's driver from {', '.join(kept)}, which the host keeps"
    if claim.effect == NOTED and bound and driver_of(claim.driver or "") == _VFIO:
        return f"keeps {_VFIO} from being loaded: requested functions would be without any driver"
    return None


def replaced_notes(lines: ForeignLines) -> Iterator[str]:
    """Yield which lines are set aside."""
    for places in _grouped(lines.claims):
        yield f"{_where(places)}: `{places[0].text}` is set aside; a rollback of the devices puts it back"


def host_findings(
    machine: Machine, bound: AbstractSet[str], *, all_functions: bool, is_changed: bool = False
) -> Iterator[Refusal]:
    """Yield the functions that the host should have and that a driver for guests has now, each with who claimed it.

    Args:
        machine: The machine as it runs.
        bound: Addresses of the functions that are requested, or were until the last boot.
        all_functions: Whether the request says which functions guests get; else only the boot display is judged.
        is_changed: Whether the configuration was changed since the boot.
    """
    unknown = (
        "\n  No configuration claims it any more. It was changed since the boot: a reboot returns it to the host."
        if is_changed
        else "\n  No configuration claims it: a program or a user bound it to that driver since the boot."
    )
    for address, function in machine.pci.items():
        is_taken = address not in bound and is_endpoint(function) and is_guest_driver(function.driver)
        if not is_taken or not (all_functions or function.boot_display):
            continue
        claims = [claim for claim in function.claims if claim.effect == TAKES and not claim.managed]
        lines = [f"\n  claimed by {_where([claim])}: `{claim.text}`" for claim in claims]
        yield refuse("host_device_taken", describe(machine, address) + ("".join(dict.fromkeys(lines)) or unknown))


def _by_text(machine: Machine) -> list[list[Claim]]:
    """Return the foreign claims, those of a command line and its copies (the same text in several places) together."""
    return _grouped(claim for claim in foreign_claims(machine) if claim.applies_to)


def _grouped(claims: Iterable[Claim]) -> list[list[Claim]]:
    groups: dict[tuple[str, str, tuple[str, ...]], list[Claim]] = {}
    for claim in claims:
        groups.setdefault((claim.kind, claim.text, claim.addresses), []).append(claim)
    return list(groups.values())


def _lasts(places: Sequence[Claim]) -> bool:
    """Return whether a claim acts at the next boot: more than typed into the boot menu, or done when a guest starts."""
    return any(set(claim.applies_to) - {RUNNING, GUEST_START} for claim in places)


def _where(places: Sequence[Claim]) -> str:
    """Return the places of a claim: those that a person edits before those that are made from them."""
    edited = [claim for claim in places if claim.path.startswith("/etc/")] or list(places)
    texts = dict.fromkeys(
        claim.path
        + (f", line {claim.line}" if claim.line is not None else "")
        + (f" ({claim.origin})" if claim.origin else "")
        for claim in edited
    )
    return " and ".join(texts)


def _undoes_request(claim: Claim) -> bool:
    """Return whether a claim gives its functions to a driver other than VFIO's after the initramfs is done."""
    return claim.kind in _LATE and not (claim.driver or "").replace("_", "-").endswith(_VFIO)


def _remedy(places: Sequence[Claim], lines: ForeignLines) -> str:
    lost = dict.fromkeys(address for claim in places for address in lines.lost.get(claim, ()))
    if lost:
        return (
            f"Request {', '.join(lost)} in `devices` too, or remove it from the line{_also(places)}. It is on a driver "
            "for guests now, so that `conflicts: replace` does not return it to the host."
        )
    return (
        f"Remove it there{_also(places)}{_or_replace(places, lines)}. Functions that guests are to have are requested "
        "in `devices`, by address and identity, so that identical devices stay with the host."
    )


def _can_be_replaced(places: Sequence[Claim], lines: ForeignLines) -> bool:
    return set(lines.claims).issuperset(places)


def _or_replace(places: Sequence[Claim], lines: ForeignLines) -> str:
    return ", or set `conflicts: replace` to set it aside" if _can_be_replaced(places, lines) else ""


def _offer(places: Sequence[Claim], lines: ForeignLines) -> str:
    return ", and `conflicts: replace` sets it aside" if _can_be_replaced(places, lines) else ""


def _also(places: Sequence[Claim]) -> str:
    """Return what to do besides, in parentheses; "" if that is nothing."""
    if any("TuneD" in (claim.origin or "") for claim in places):
        return " (in TuneD's profile, then apply that again with `tuned-adm profile`)"
    also = _ALSO.get(places[0].kind, _REBUILD)
    return f" ({also})" if also else ""


def _word_notes(claim: Claim, where: str, cpus: CpuPlan | None) -> Iterator[str]:
    if _ACS_OVERRIDE in claim.text:
        yield (
            f"{where} makes IOMMU groups look smaller than the hardware isolates (a patch outside of "
            "Linux): a guest with a device may reach devices of the host"
        )
    elif _GONE_MODULE in claim.text:
        yield f"{where}: the module {_GONE_MODULE} is part of vfio since Linux 6.2; remove the line"
    elif _UNSAFE_INTERRUPTS in claim.text:
        yield (
            f"{where} has VFIO accept an IOMMU without interrupt remapping: a guest with a device can inject "
            "interrupts into the host, and so take it over"
        )
    elif claim.text.startswith(_ISOLATED + "=") and cpus is not None:
        words = claim.text.partition("=")[2].split(",")
        lists = [parse_numbers(word) for word in words]
        isolated = {cpu for numbers in lists if numbers is not None for cpu in numbers}
        if isolated:
            shared = isolated.intersection(cpus.guests)
            which = f"CPUs {numbers_text(shared)} of these are for guests" if shared else "none of these is for guests"
            yield f"{where} isolates CPUs from boot; {which} by this request"
