# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which functions ids, addresses and modules mean, as the drivers that read them understand them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.claims.functions import Functions, modalias
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, function

FUNCTIONS = Functions(DESKTOP)
TWINS = ("0000:01:00.0", "0000:41:00.0")


@pytest.mark.parametrize(
    ("ids", "addresses"),
    [
        ("10de:2684", TWINS),
        ("10DE:2684", TWINS),
        ("0x10de:0x2684", TWINS),
        ("1002:164e,10de:2684", (*sorted((*TWINS, "0000:0d:00.0")),)),
        (",,10de:2684,", TWINS),
        ("10de:2684:1043", TWINS),
        ("10de:2684:1043:88e2", TWINS),
        ("10de:2684:1458", ()),
        ("10de:2684:1043:88e3", ()),
        ("10de:2684:ffffffff:88e2", TWINS),  # PCI_ANY_ID
        ("10de:ffffffff", ("0000:01:00.0", "0000:01:00.1", "0000:41:00.0", "0000:41:00.1")),
        ("10de:ffffffff:ffffffff:ffffffff:30000:ffff00", TWINS),
        ("10de:ffffffff:ffffffff:ffffffff:40300:ffff00", ("0000:01:00.1", "0000:41:00.1")),
        ("10de:2684 and more", TWINS),  # sscanf() has two numbers by then
        ("10de:2684:zz", TWINS),
        ("10de", ()),
        ("10de-2684", ()),
        ("nonsense", ()),
        ("", ()),
        # A bridge is refused by vfio-pci, whatever its ids.
        ("1022:14db", ()),
    ],
)
def test_ids(ids: str, addresses: tuple[str, ...]) -> None:
    assert FUNCTIONS.with_ids(ids) == addresses


def test_ids_that_are_longer_than_the_drivers_buffer_are_refused_as_a_whole() -> None:
    fill = "1:1," * 253 + "1:"  # 1014 characters
    assert FUNCTIONS.with_ids(fill + "1,10de:2684"[:9]) == ()
    assert FUNCTIONS.with_ids("10de:2684," + "1:1," * 253) == TWINS  # 1022 and the final NUL
    assert FUNCTIONS.with_ids("10de:2684,," + "1:1," * 253) == TWINS  # 1023 and the final NUL
    assert FUNCTIONS.with_ids("10de:2684,,," + "1:1," * 253) == ()


@pytest.mark.parametrize(
    ("hide", "addresses"),
    [
        ("(0000:41:00.0)", ("0000:41:00.0",)),
        ("(0000:41:00.0)(0000:01:00.1)", ("0000:01:00.1", "0000:41:00.0")),
        ("(41:00.0)", ("0000:41:00.0",)),
        ("(0000:41:00.*)", ("0000:41:00.0", "0000:41:00.1")),
        ("(41:*.*)", ("0000:41:00.0", "0000:41:00.1")),
        ("(0000:0D:*.*)", ("0000:0d:00.0",)),
        (" (41:0.1) ", ("0000:41:00.1",)),
        ("(0001:41:00.0)", ()),
        # The driver gives up on all when one does not parse.
        ("(41:00.0)(nonsense)", ()),
        ("41:00.0", ()),
        ("", ()),
    ],
)
def test_hidden_from_xens_control_domain(hide: str, addresses: tuple[str, ...]) -> None:
    assert FUNCTIONS.hidden(hide) == addresses


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("echo 0000:41:00.0 > /sys/x", ("0000:41:00.0",)),
        ("DEVS='41:00.0 41:00.1'", ("0000:41:00.0", "0000:41:00.1")),
        ("/sys/bus/pci/devices/0000:0D:00.0/driver", ("0000:0d:00.0",)),
        (r"/sys/bus/pci/devices/0000\:41\:00.0/driver", ("0000:41:00.0",)),
        ("virsh nodedev-detach pci_0000_41_00_1", ("0000:41:00.1",)),
        ("10:41:00.0", ()),
        ("0000:41:00.01", ()),
        ("0000:42:00.0", ()),
    ],
)
def test_addresses_in_text(text: str, addresses: tuple[str, ...]) -> None:
    assert FUNCTIONS.mentioned(text) == addresses


@pytest.mark.parametrize(
    ("modules", "addresses"),
    [
        (["nvidia"], TWINS),
        (["amdgpu"], ("0000:0d:00.0",)),
        # The maker's other driver has them: it loses nothing.
        (["nouveau"], ()),
        (["r8169", "nvme"], ("0000:02:00.0", "0000:03:00.0")),
        (["pcspkr"], ()),
    ],
)
def test_functions_of_host_drivers(modules: list[str], addresses: tuple[str, ...]) -> None:
    assert FUNCTIONS.of_host_drivers(modules) == addresses


@pytest.mark.parametrize("driver", [None, "vfio-pci", "pci-stub"])
def test_what_a_host_driver_is_kept_away_from_is_known_by_maker_and_class(driver: str | None) -> None:
    functions = Functions({"0000:41:00.0": function("10de:2684", "030000", driver, None)})
    assert functions.of_host_drivers(["nouveau"]) == ("0000:41:00.0",)
    assert functions.of_host_drivers(["amdgpu"]) == ()


def test_an_alias_is_the_kernels() -> None:
    assert modalias(DESKTOP["0000:41:00.0"]) == "pci:v000010DEd00002684sv00001043sd000088E2bc03sc00i00"
    assert FUNCTIONS.like("pci:v000010DEd00002684sv*sd*bc*sc*i*") == TWINS


@given(st.text() | st.text("0123456789abcdef:,.()*x "))
def test_no_text_is_too_odd(text: str) -> None:
    for addresses in (FUNCTIONS.with_ids(text), FUNCTIONS.hidden(text), FUNCTIONS.mentioned(text)):
        assert set(addresses) <= set(DESKTOP)
