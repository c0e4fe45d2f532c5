# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request is refused if the host would have no keyboard left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Keyboard, Machine, Use
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostContext, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Refusal
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.keyboards import passphrase_mappings
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from tests.machines.values import DESKTOP, function, machine

LEFT, RIGHT = "0000:0d:00.3", "0000:0d:00.4"
ON_LEFT = Keyboard("Logitech K120", "event5", LEFT)
ALSO_ON_LEFT = Keyboard("Keypad", "event6", LEFT)
ON_RIGHT = Keyboard("Keychron K2", "event7", RIGHT)
PS2 = Keyboard("AT Translated Set 2 keyboard", "event0", None)


def host_with(*keyboards: Keyboard, **changes: Any) -> Machine:
    """Return a desktop with two USB controllers and these keyboards."""
    controllers = {
        address: function(
            "1022:15b6",
            "0c0330",
            "xhci_hcd",
            group,
            in_use_by=tuple(
                Use("keyboard", keyboard.name, keyboard.node) for keyboard in keyboards if keyboard.function == address
            ),
        )
        for address, group in ((LEFT, "16"), (RIGHT, "17"))
    }
    return machine({**DESKTOP, **controllers}, keyboards=keyboards, **changes)


def refusals(host: Machine, addresses: Sequence[str], crypttab: str | None = None) -> tuple[Refusal, ...]:
    devices = [
        {"name": f"usb{number}", "select": {"address": address}, "functions": "selected"}
        for number, address in enumerate(addresses)
    ]
    desired = parse_desired({"devices": devices})
    assert isinstance(desired, Desired), desired
    plan = plan_host(host, desired, HostRecord(), HostContext(crypttab=crypttab))
    return plan if isinstance(plan, tuple) and all(isinstance(item, Refusal) for item in plan) else ()


@pytest.mark.parametrize(
    ("keyboards", "addresses", "refused"),
    [
        ((ON_LEFT,), [LEFT], [LEFT]),
        ((ON_LEFT,), [RIGHT], []),
        ((ON_LEFT, ALSO_ON_LEFT), [LEFT], [LEFT]),
        ((ON_LEFT, ON_RIGHT), [LEFT], []),
        ((ON_LEFT, ON_RIGHT), [RIGHT], []),
        ((ON_LEFT, ON_RIGHT), [LEFT, RIGHT], [LEFT, RIGHT]),
        ((ON_LEFT, PS2), [LEFT], []),
        ((ON_LEFT, ON_RIGHT, PS2), [LEFT, RIGHT], []),
        ((PS2,), [LEFT], []),
        ((), [LEFT, RIGHT], []),
    ],
)
def test_only_the_last_keyboards_are_refused(
    keyboards: tuple[Keyboard, ...], addresses: list[str], refused: list[str]
) -> None:
    result = refusals(host_with(*keyboards), addresses)
    assert {refusal.code for refusal in result} <= {"device_in_use"}
    assert len(result) == len(refused)
    for refusal, address in zip(result, refused, strict=True):
        assert address in refusal.seen
        assert "no other keyboard" in refusal.seen


def test_the_refusal_names_the_keyboard_and_the_request() -> None:
    (refusal,) = refusals(host_with(ON_LEFT), [LEFT])
    assert refusal.seen.startswith(f"usb0: {LEFT}")
    assert "keyboard Logitech K120 (by event5)" in refusal.seen
    assert "passphrase" not in refusal.seen + refusal.danger
    assert "accept: [device_in_use]" in refusal.remedy


def test_another_use_is_refused_with_any_number_of_keyboards() -> None:
    host = host_with(ON_LEFT, ON_RIGHT)
    stick = Use("mount", "/", "sda1")
    uses = (*host.pci[LEFT].in_use_by, stick)
    host = host._replace(pci={**host.pci, LEFT: host.pci[LEFT]._replace(in_use_by=uses)})
    (refusal,) = refusals(host, [LEFT])
    assert refusal.code == "device_in_use"
    assert "mount / (by sda1)" in refusal.seen
    assert "no other keyboard" not in refusal.seen


def test_a_passphrase_at_boot_is_named() -> None:
    crypttab = "# name device key options\nroot_crypt UUID=5e0f none luks,discard\nswap /dev/sda3 /dev/urandom swap\n"
    (refusal,) = refusals(host_with(ON_LEFT), [LEFT], crypttab)
    assert "/etc/crypttab" in refusal.seen
    assert "passphrase" in refusal.seen
    assert "root_crypt" in refusal.seen
    assert "swap" not in refusal.seen


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("root UUID=5e0f none luks", True),
        ("root UUID=5e0f - luks", True),
        ("root UUID=5e0f", True),
        ("root\tUUID=5e0f\tnone", True),
        ("  root UUID=5e0f none luks,discard,timeout=0", True),
        ("# root UUID=5e0f none luks", False),
        ("", False),
        ("root", False),
        ("root UUID=5e0f /etc/keys/root luks", False),
        ("swap /dev/sda3 /dev/urandom swap,cipher=aes-xts-plain64", False),
        ("root UUID=5e0f none luks,tpm2-device=auto", False),
        ("root UUID=5e0f - fido2-device=auto", False),
        ("root UUID=5e0f - pkcs11-uri=auto", False),
        ("backup UUID=77aa none luks,noauto", False),
    ],
)
def test_entries_without_a_key_ask_for_a_passphrase(line: str, asks: bool) -> None:
    assert passphrase_mappings(line + "\n") == ([line.split(maxsplit=1)[0]] if asks else [])


def test_without_a_crypttab_nothing_asks() -> None:
    assert passphrase_mappings(None) == []
