# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host keeps a keyboard, for its console and for passphrases at boot.

A keyboard is a use of its USB controller that does not count while another keyboard stays with the host.
"""

from __future__ import annotations

from typing import Collection, Iterator, Sequence

from .._machine import Machine, PciFunction
from .._machine.host_plan import Binding
from .._machine.plan import Refusal
from .refusals import refuse
from .select import KEYBOARD, describe

NO_OTHER_KEYBOARD = "\n  The host would have no other keyboard."
#: Options of crypttab(5) by which an entry without a key file needs no passphrase, or is not opened at boot.
_WITHOUT_PASSPHRASE = ("tpm2-device", "fido2-device", "pkcs11-uri", "noauto")


def other_uses(function: PciFunction) -> bool:
    """Return whether a function has uses besides keyboards."""
    return any(use.kind != KEYBOARD for use in function.in_use_by)


def takes_last_keyboard(machine: Machine, addresses: Collection[str]) -> bool:
    """Return whether these functions have keyboards, and the host no other."""
    return bool(machine.keyboards) and all(keyboard.function in addresses for keyboard in machine.keyboards)


def keyboard_refusals(machine: Machine, bindings: Sequence[Binding], crypttab: str | None) -> Iterator[Refusal]:
    """Yield a refusal for each function with a keyboard if the host would have none left.

    Args:
        machine: The machine.
        bindings: The functions to be bound.
        crypttab: The content of /etc/crypttab.
    """
    bound = {binding.address: binding for binding in bindings}
    if not takes_last_keyboard(machine, bound):
        return
    danger = "Nobody could type at the host's console from the next boot on."
    evidence = NO_OTHER_KEYBOARD
    mappings = passphrase_mappings(crypttab)
    if mappings:
        danger = "Nobody could type the passphrase at the next boot: the host would not come up."
        evidence += f"\n  /etc/crypttab has a passphrase asked for at boot: {', '.join(mappings)}."
    remedy = (
        "Connect a keyboard to another controller, or select another one. "
        "For a host that needs no keyboard, accept: [device_in_use]."
    )
    for address in dict.fromkeys(keyboard.function for keyboard in machine.keyboards):
        if address is not None:
            seen = f"{bound[address].name}: {describe(machine, address)}{evidence}"
            yield refuse("device_in_use", seen, danger, remedy)


def passphrase_mappings(crypttab: str | None) -> list[str]:
    """Return the names of the mappings that crypttab(5) opens at boot with a passphrase."""
    names = []
    for line in (crypttab or "").splitlines():
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#"):
            continue
        key = fields[2] if len(fields) > 2 else "none"
        options = {option.partition("=")[0] for option in (fields[3] if len(fields) > 3 else "").split(",")}
        if key in ("none", "-") and not options.intersection(_WITHOUT_PASSPHRASE):
            names.append(fields[0])
    return names
