# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals as text: each cause, danger and remedy once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Refusal
from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusal_text import (
    causes,
    paragraphs,
    refusal_text,
)

ROOT = Refusal("iommu_absent", "a guest", "No isolation.", "Configure its host.")
SAME = Refusal("cpu_virtualization_unsupported", "no VT-x", "No KVM.", "Enable it.", "iommu_absent")


def test_what_a_cause_explains_is_only_a_code() -> None:
    assert refusal_text((ROOT, SAME)) == (
        "Refused; nothing was changed:\n"
        "[iommu_absent, cpu_virtualization_unsupported] a guest\n"
        "  Why this matters: No isolation.\n"
        "  What to do: Configure its host."
    )
    # Without its cause, it is said in full.
    assert "[cpu_virtualization_unsupported] no VT-x\n  Why this matters: No KVM." in refusal_text((SAME,))


def test_a_danger_and_a_remedy_are_said_once() -> None:
    claims = [Refusal("claimed_by_others", place, "It is lost.", f"Edit {place[0]}.") for place in ("a1", "a2", "b1")]
    assert refusal_text((claims[0], ROOT, *claims[1:], claims[0])) == (
        "Refused; nothing was changed:\n"
        "[claimed_by_others] a1\n  a2\n  Why this matters: It is lost.\n  What to do: Edit a.\n"
        "  b1\n  What to do: Edit b.\n"
        "[iommu_absent] a guest\n  Why this matters: No isolation.\n  What to do: Configure its host."
    )


_WORDS = st.sampled_from(("a", "b", "c"))
_REFUSALS = st.lists(st.builds(Refusal, _WORDS, _WORDS, _WORDS, _WORDS, st.none() | _WORDS), max_size=8)


@given(_REFUSALS)
def test_nothing_that_has_a_cause_of_its_own_is_left_out(refusals: list[Refusal]) -> None:
    said = paragraphs(refusals)
    for refusal in causes(refusals):
        assert any(refusal.seen in paragraph.seen and refusal.remedy == paragraph.remedy for paragraph in said)
        assert any(refusal.code in paragraph.codes for paragraph in said)
        assert any(refusal.danger == paragraph.danger for paragraph in said)
