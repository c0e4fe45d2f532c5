# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the measurements."""

from __future__ import annotations

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.schedule import GUEST, NOISE, turns

BLOCKS = {"integer_one": 3, "syscalls": 2, "wake_up": 3}


def test_a_block_is_native_guest_guest_native() -> None:
    sides = [(turn["side"], turn["runs"]) for turn in turns({"syscalls": 1}, GUEST, "1")]
    assert sides == [("native", 1), ("guest", 2), ("native", 1)]


def test_the_noise_is_measured_in_the_same_blocks_on_the_host_alone() -> None:
    sides = [(turn["side"], turn["runs"]) for turn in turns({"syscalls": 1}, NOISE, "1")]
    assert sides == [("native", 1), ("native", 2), ("native", 1)]


def test_each_kind_has_its_blocks_and_no_block_is_interrupted() -> None:
    items = turns(BLOCKS, GUEST, "1")
    assert len(items) == 3 * sum(BLOCKS.values())
    for start in range(0, len(items), 3):
        block = items[start : start + 3]
        assert {(turn["kind"], turn["block"]) for turn in block} == {(block[0]["kind"], block[0]["block"])}
        assert [turn["order"] for turn in block] == [0, 1, 2]


def test_the_order_depends_on_the_seed_only_and_differs_between_rounds() -> None:
    kinds = {f"kind{number}": 2 for number in range(8)}
    orders = {seed: [turn["kind"] for turn in turns(kinds, GUEST, seed)] for seed in ("1", "2")}
    assert orders["1"] == [turn["kind"] for turn in turns(dict(reversed(kinds.items())), GUEST, "1")]
    assert orders["1"] != orders["2"]
    half = len(orders["1"]) // 2
    assert orders["1"][:half] != orders["1"][half:]
