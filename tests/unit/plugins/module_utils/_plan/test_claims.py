# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign claims: refused where they take what the host keeps, noted where they agree, found where they have it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import (
    EACH_BOOT,
    GUEST_START,
    NEW_ENTRIES,
    NEW_IMAGES,
    NOTED,
    ORDERS,
    RECOGNISED,
    RUNNING,
    TAKES,
    WITHHOLDS,
    Claim,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import CpuPlan
from ansible_collections.vfio.workstation.plugins.module_utils._plan.claims import (
    claim_notes,
    claim_refusals,
    host_findings,
)
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, machine

GPU, AUDIO, TWIN, TWIN_AUDIO, DISPLAY = (
    "0000:41:00.0",
    "0000:41:00.1",
    "0000:01:00.0",
    "0000:01:00.1",
    "0000:0d:00.0",
)
BOUND = frozenset({GPU, AUDIO})
MODPROBE = Claim(
    kind="modprobe_options",
    path="/etc/modprobe.d/vfio.conf",
    line=2,
    text="options vfio-pci ids=10de:2684",
    origin=None,
    driver="vfio-pci",
    effect=TAKES,
    addresses=(TWIN, GPU),
    applies_to=(EACH_BOOT, NEW_IMAGES),
    managed=False,
)


def claimed(*claims: Claim, drivers: dict[str, str] | None = None) -> Machine:
    """The desktop, with claims on the functions that they name."""
    pci = {}
    for address, function in DESKTOP.items():
        own = tuple(claim for claim in claims if address in claim.addresses)
        pci[address] = function._replace(claims=own, driver=(drivers or {}).get(address, function.driver))
    return machine(pci=pci)._replace(claims=tuple(claim for claim in claims if not claim.addresses))


def test_a_claim_on_what_the_host_keeps_is_refused_by_file_and_line() -> None:
    (refusal,) = claim_refusals(claimed(MODPROBE), BOUND)
    assert refusal.code == "claimed_by_others"
    where = "/etc/modprobe.d/vfio.conf, line 2: `options vfio-pci ids=10de:2684`"
    assert refusal.seen.startswith(f"{where} takes these functions, which the host keeps:")
    assert TWIN in refusal.seen
    assert GPU not in refusal.seen
    assert "rebuild the initramfs images" in refusal.remedy


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, True),
        ({"addresses": (GPU,)}, False),  # as requested
        ({"managed": True}, False),
        ({"effect": ORDERS}, False),
        ({"applies_to": ()}, False),  # nothing reads it
        ({"applies_to": (RUNNING,)}, False),  # typed into the boot menu: gone with the next boot
        ({"applies_to": (GUEST_START,)}, False),
        ({"applies_to": (RUNNING, NEW_ENTRIES)}, True),
        ({"addresses": (DISPLAY,), "kind": "driverctl", "path": f"/etc/driverctl.d/{DISPLAY}", "line": 1}, True),
        ({"addresses": (DISPLAY,), "kind": "driverctl", "driver": "amdgpu"}, False),  # the host's own
        ({"addresses": (GPU,), "kind": "cmdline", "driver": "pci-stub"}, False),  # the initramfs takes it from there
        ({"addresses": (GPU,), "kind": "driverctl", "driver": "mlx5_vfio_pci"}, False),
        ({"addresses": (GPU,), "kind": "driverctl", "driver": "nvidia"}, True),
        ({"addresses": (GPU,), "kind": "udev_rule", "driver": "pci-stub"}, True),
        ({"addresses": (GPU,), "kind": "modprobe_install", "driver": "nvidia"}, False),
    ],
)
def test_which_claims_are_refused(change: dict[str, Any], refused: bool) -> None:
    assert bool(list(claim_refusals(claimed(MODPROBE._replace(**change)), BOUND))) == refused


def test_a_claim_that_would_undo_the_request_is_refused_with_its_own_danger() -> None:
    claim = MODPROBE._replace(
        kind="driverctl", path=f"/etc/driverctl.d/{GPU}", line=1, text="nvidia", driver="nvidia", addresses=(GPU,)
    )
    (refusal,) = claim_refusals(claimed(claim), BOUND)
    assert f"/etc/driverctl.d/{GPU}, line 1: `nvidia` gives these functions, which are requested, to nvidia:" in (
        refusal.seen
    )
    assert "no guest could use them" in refusal.danger
    assert refusal.remedy == "Remove it there (`driverctl unset-override` does that)."


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"kind": "cmdline"}, "Remove it there (then regenerate the boot menu). "),
        ({"kind": "systemd_unit"}, "Remove it there (or `systemctl disable` the unit). "),
        ({"kind": "boot_script"}, "Remove it there. "),
        ({"kind": "udev_rule"}, "Remove it there (then rebuild the initramfs images, which hold copies). "),
        (
            {"kind": "cmdline", "origin": "tuned_params, written by TuneD"},
            "Remove it there (in TuneD's profile, then apply that again with `tuned-adm profile`). ",
        ),
    ],
)
def test_remedies(change: dict[str, Any], remedy: str) -> None:
    (refusal,) = claim_refusals(claimed(MODPROBE._replace(**change)), BOUND)
    assert refusal.remedy.startswith(remedy)


def test_a_word_and_its_copies_are_one_refusal_that_names_what_to_edit() -> None:
    word = MODPROBE._replace(kind="cmdline", text="vfio-pci.ids=10de:2684", line=1, path="/proc/cmdline")
    copies = (
        word._replace(applies_to=(RUNNING,)),
        word._replace(path="/etc/default/grub", line=6, origin="GRUB_CMDLINE_LINUX", applies_to=(NEW_ENTRIES,)),
        word._replace(path="/boot/grub/grub.cfg", line=40, applies_to=("gnulinux-simple",)),
    )
    (refusal,) = claim_refusals(claimed(*copies), BOUND)
    assert refusal.seen.startswith("/etc/default/grub, line 6 (GRUB_CMDLINE_LINUX): `vfio-pci.ids=10de:2684` takes")


def test_what_agrees_is_a_note() -> None:
    (note,) = claim_notes(claimed(MODPROBE._replace(addresses=(GPU,))), BOUND, None)
    assert note.endswith(f"takes {GPU} too, as requested; it is not needed any more")
    assert list(claim_notes(claimed(MODPROBE), BOUND, None)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"effect": RECOGNISED, "addresses": (TWIN,)}, f"may take {TWIN}. Make sure"),
        ({"effect": RECOGNISED, "addresses": ()}, "may take functions, unknown which. Make sure"),
        ({"effect": RECOGNISED, "addresses": (GPU,)}, None),
        ({"effect": RECOGNISED, "addresses": (TWIN,), "applies_to": (GUEST_START,)}, None),
        (
            {"effect": WITHHOLDS, "driver": None, "addresses": (TWIN, GPU)},
            f"keeps the host's driver from {TWIN}, which",
        ),
        ({"effect": WITHHOLDS, "driver": None, "addresses": (GPU,)}, None),
        ({"effect": NOTED, "addresses": ()}, "keeps vfio-pci from being loaded"),
        ({"effect": NOTED, "addresses": (), "driver": "pci-stub"}, None),
        ({"driver": "nvidia", "addresses": (GPU,)}, None),
        ({"addresses": (TWIN,), "applies_to": (GUEST_START,)}, f"a guest takes {TWIN} from the host's driver"),
    ],
)
def test_what_may_concern_the_host_is_a_note(change: dict[str, Any], words: str | None) -> None:
    notes = list(claim_notes(claimed(MODPROBE._replace(**change)), BOUND, None))
    assert len(notes) == (words is not None)
    assert all((words or "") in note for note in notes)


def test_a_driver_that_nobody_requests_may_stay_away() -> None:
    claim = MODPROBE._replace(effect=NOTED, addresses=(), text="blacklist vfio-pci")
    assert list(claim_notes(claimed(claim), frozenset(), None)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pcie_acs_override=downstream,multifunction", "smaller than the hardware isolates"),
        ("isolcpus=domain,managed_irq,1", "none of these is for guests"),
        ("isolcpus=2-5", "CPUs 4-5 of these are for guests"),
        ("vfio_virqfd", "part of vfio since Linux 6.2"),
        ("options vfio_iommu_type1 allow_unsafe_interrupts=1", "can inject interrupts into the host"),
    ],
)
def test_words_that_matter_are_noted(text: str, words: str) -> None:
    claim = MODPROBE._replace(text=text, effect=NOTED, addresses=(), driver=None)
    (note,) = claim_notes(claimed(claim), BOUND, CpuPlan((4, 5), (0, 1, 2, 3), (), "dynamic", ""))
    assert words in note


def test_a_boot_display_that_is_gone_is_found_with_who_took_it() -> None:
    claim = MODPROBE._replace(addresses=(DISPLAY, TWIN))
    host = claimed(claim, drivers={DISPLAY: "vfio-pci", TWIN: "vfio-pci", GPU: "vfio-pci", AUDIO: "vfio-pci"})
    findings = list(host_findings(host, BOUND, all_functions=True))
    assert [finding.code for finding in findings] == ["host_device_taken"] * 2
    assert [finding.seen.split()[0].rstrip(",") for finding in findings] == [TWIN, DISPLAY]
    assert all("claimed by /etc/modprobe.d/vfio.conf, line 2" in finding.seen for finding in findings)
    # Where the request says nothing of devices, others may pass through what they like, but not the screen.
    (finding,) = host_findings(host, BOUND, all_functions=False)
    assert finding.seen.startswith(DISPLAY)


def test_a_device_that_nobody_claims_is_found_too() -> None:
    host = claimed(drivers={TWIN_AUDIO: "vfio-pci"})
    (finding,) = host_findings(host, BOUND, all_functions=True)
    assert "No configuration claims it: a program or a user bound it" in finding.seen
    # As after a run that set aside what claims it.
    (finding,) = host_findings(host, BOUND, all_functions=True, is_changed=True)
    assert "a reboot returns it to the host" in finding.seen


def test_a_healthy_host_has_no_findings() -> None:
    host = claimed(MODPROBE, drivers={GPU: "vfio-pci", AUDIO: "vfio-pci"})
    assert list(host_findings(host, BOUND, all_functions=True)) == []
