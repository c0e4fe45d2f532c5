# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals as text for people: each cause, danger and remedy is said once."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from .._machine.plan import Refusal


class Paragraph(NamedTuple):
    """Refusals with the same remedy."""

    codes: tuple[str, ...]  # of the cause, then of what it explains; empty if they are those of the paragraph before
    seen: tuple[str, ...]
    danger: str  # empty if it is that of the paragraph before
    remedy: str


def paragraphs(refusals: Sequence[Refusal]) -> list[Paragraph]:
    """Return the paragraphs of refusals, those with the same code one after the other.

    A refusal that refers to another one is a code in the paragraph of that one.
    """
    remedies: dict[str, dict[tuple[str, str], list[str]]] = {}
    for refusal in causes(refusals):
        seen = remedies.setdefault(refusal.code, {}).setdefault((refusal.danger, refusal.remedy), [])
        if refusal.seen not in seen:
            seen.append(refusal.seen)
    result = []
    for code, texts in remedies.items():
        codes, danger_before = (code, *_explained(code, refusals)), ""
        for (danger, remedy), seen in texts.items():
            result.append(Paragraph(codes, tuple(seen), danger if danger != danger_before else "", remedy))
            codes, danger_before = (), danger
    return result


def causes(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Return the refusals that have a cause of their own."""
    codes = {refusal.code for refusal in refusals}
    return [refusal for refusal in refusals if refusal.because not in codes]


def _explained(code: str, refusals: Sequence[Refusal]) -> list[str]:
    return list(dict.fromkeys(refusal.code for refusal in refusals if refusal.because == code))


def refusal_text(refusals: Sequence[Refusal]) -> str:
    """Return the message of a refused run: what was found, why it is dangerous, what to do."""
    lines = ["Refused; nothing was changed:"]
    for paragraph in paragraphs(refusals):
        head = f"[{', '.join(paragraph.codes)}] " if paragraph.codes else "  "
        lines.append(head + "\n  ".join(paragraph.seen))
        lines += [f"  Why this matters: {paragraph.danger}"] if paragraph.danger else []
        lines.append(f"  What to do: {paragraph.remedy}")
    return "\n".join(lines)
