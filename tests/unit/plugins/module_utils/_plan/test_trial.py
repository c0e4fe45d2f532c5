# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is next for a trial boot, in every situation; the record; panic=."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.trial import (
    ARMED,
    CONFIRMED,
    FINAL,
    PHASES,
    RETURNED,
    STAGED,
    STARTED,
    STOCK,
    TrialRecord,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.record_text import DamagedRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.trial import (
    TrialSituation,
    configuration_digest,
    decide_trial,
    panic_arguments,
    parse_trial,
    render_trial,
)

BEFORE = TrialSituation(
    record=None,
    choice=None,
    configuration="new",
    kernel="6.1.0",
    boot="this",
    timeout=600,
    is_routed=True,
    is_running=False,
    is_active=False,
    is_changed=True,
    is_accepted=False,
)


def record(phase: str, boot: str = "earlier", configuration: str = "new", **values: Any) -> TrialRecord:
    return TrialRecord(phase, configuration, "6.1.0", boot, **values)


def decided(**values: Any) -> tuple[str | None, str | None]:
    decision = decide_trial(BEFORE._replace(**values))
    assert not decision.refusals
    return decision.choice, decision.record.phase if decision.record else None


def test_a_new_configuration_is_tried() -> None:
    decision = decide_trial(BEFORE)
    assert decision.choice == ARMED
    assert decision.record == TrialRecord(STAGED, "new", "6.1.0", "this", 600, routed=True)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("choice", [ARMED, STOCK, FINAL, None])
def test_another_configuration_than_the_last_is_tried(phase: str, choice: str | None) -> None:
    assert decided(record=record(phase, configuration="old"), choice=choice) == (ARMED, STAGED)


def test_a_configuration_that_is_active_already_is_not_tried() -> None:
    assert decided(is_active=True, is_running=True, is_changed=False) == (FINAL, CONFIRMED)
    assert decided(is_active=True, is_running=True) == (ARMED, STAGED)


def test_a_staged_trial_stays_armed() -> None:
    staged = record(STAGED, "this")
    assert decide_trial(BEFORE._replace(record=staged, choice=ARMED)).record == staged
    assert decided(record=staged, choice=STOCK) == (ARMED, STAGED)  # the run that staged it was killed


def test_a_trial_boot_is_confirmed_when_all_is_active() -> None:
    running = {"record": record(STARTED, "this"), "choice": STOCK, "is_running": True}
    assert decided(**running) == (STOCK, STARTED)
    assert decided(**running, is_active=True) == (FINAL, CONFIRMED)
    # Its unit has not started yet.
    running["record"] = record(STAGED)
    assert decided(**running) == (STOCK, STAGED)
    assert decided(**running, is_active=True) == (FINAL, CONFIRMED)


@pytest.mark.parametrize("choice", [FINAL, STOCK, None])
def test_what_was_confirmed_stays_so(choice: str | None) -> None:
    for is_running in (True, False):
        assert decided(record=record(CONFIRMED), choice=choice, is_running=is_running) == (FINAL, CONFIRMED)


@pytest.mark.parametrize("phase", PHASES)
def test_a_boot_loader_that_boots_it_has_confirmed_it(phase: str) -> None:
    """A power cut between the confirmation and its record."""
    assert decided(record=record(phase), choice=FINAL) == (FINAL, CONFIRMED)


@pytest.mark.parametrize("phase", [STAGED, STARTED, RETURNED])
def test_a_trial_that_returned_is_refused_with_its_reason(phase: str) -> None:
    returned = record(phase, reason="2M: 3 pages", journal=("kernel: no memory",))
    decision = decide_trial(BEFORE._replace(record=returned, choice=STOCK))
    (refusal,) = decision.refusals
    assert (refusal.code, decision.choice) == ("trial_returned", STOCK)
    assert "2M: 3 pages" in refusal.seen
    assert "kernel: no memory" in refusal.seen
    assert decided(record=returned, choice=STOCK, is_accepted=True) == (ARMED, STAGED)


def test_a_boot_that_was_not_the_trial_leaves_it_armed() -> None:
    """A person chose another entry for one boot, or GRUB could not write."""
    assert decided(record=record(STAGED), choice=ARMED) == (ARMED, STAGED)


def test_a_trial_that_was_unmanaged_keeps_its_timeout() -> None:
    staged = record(STAGED, "this", timeout=90)
    assert decide_trial(BEFORE._replace(record=staged, choice=ARMED, timeout=None)).record == staged
    changed = decide_trial(BEFORE._replace(record=staged, choice=ARMED, timeout=300)).record
    assert changed == staged._replace(timeout=300)


@given(
    st.builds(
        TrialRecord,
        st.sampled_from(PHASES),
        st.text(),
        st.text(),
        st.text(),
        st.integers(),
        st.booleans(),
        st.booleans(),
        st.text(),
        st.lists(st.text()).map(tuple),
    )
)
def test_a_record_is_read_as_it_was_written(written: TrialRecord) -> None:
    assert parse_trial(render_trial(written)) == written


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "phase": "other"}'),
        render_trial(record(STAGED)).replace("600", '"600"'),
        render_trial(record(STAGED)).replace("600", "true"),
        render_trial(record(STAGED)).replace("[]", "[1]"),
        render_trial(record(STAGED)).replace('"boot"', '"bool"'),
    ],
)
def test_a_damaged_record_is_an_error(text: str) -> None:
    with pytest.raises(DamagedRecord):
        parse_trial(text)


def test_there_may_be_no_record() -> None:
    assert parse_trial(None) is None


def test_the_digest_is_of_arguments_and_functions() -> None:
    digest = configuration_digest({"iommu": ("iommu=pt",), "devices": ("a", "b")}, ("0000:01:00.0",))
    assert digest == configuration_digest({"devices": ("a", "b"), "iommu": ("iommu=pt",)}, ("0000:01:00.0",))
    assert digest != configuration_digest({"iommu": ("iommu=pt",), "devices": ("b", "a")}, ("0000:01:00.0",))
    assert digest != configuration_digest({"iommu": ("iommu=pt",), "devices": ("a", "b")}, ())


@pytest.mark.parametrize(
    ("managed", "lines", "expected"),
    [
        (["iommu=pt"], ["ro quiet", None], ("panic=30",)),
        (["iommu=pt"], ["ro iommu=pt panic=30"], ("panic=30",)),
        (["iommu=pt"], ["ro panic=10"], ()),
        (["iommu=pt"], ["ro", "ro panic=0"], ()),
        (["iommu=pt", "panic=5"], ["ro"], ()),
        ([], ["ro"], ()),
    ],
)
def test_panic_is_left_to_others_that_set_it(
    managed: list[str], lines: list[str | None], expected: tuple[str, ...]
) -> None:
    assert panic_arguments(managed, lines) == expected
