# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook parity on this computer: its noise, and the whole protocol with the computer in place of the guest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = f"ansible_connection=local ansible_become=false ansible_python_interpreter={sys.executable}"
SHORT = {
    "parity_seconds": 1,
    "parity_warm_up": 0,
    "parity_noise_blocks": 2,
    "parity_kinds": "integer_one",
    "parity_seed": "7",
}


def play(folder: Path, **variables: Any) -> tuple[int, str]:
    inventory = folder / "inventory"
    inventory.write_text(f"ws1 {HERE}\nguest1 {HERE}\n", encoding="ascii")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "COLUMNS": "200",
        "LC_ALL": "C.UTF-8",
        "PWD": str(folder),
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), "-l", "ws1"]
    done = subprocess.run(
        [*command, "-e", json.dumps({**SHORT, **variables}), "vfio.workstation.parity"],
        cwd=folder,
        env={**clean, **settings},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_the_noise_of_this_computer_is_saved_and_can_be_shown_again(tmp_path: Path) -> None:
    status, output = play(tmp_path, parity_dir="results")
    assert status == 0, output
    assert "ws1: noise between two native sides; no guest was measured" in output
    result = json.loads((tmp_path / "results/ws1.parity.json").read_text(encoding="utf-8"))
    assert [len(turn["samples"]) for turn in result["turns"]] == [1, 2, 1] * 2
    assert result["seed"] == "7"
    assert "<svg" in (tmp_path / "results/parity.html").read_text(encoding="utf-8")
    status, again = play(tmp_path, parity_files="results/ws1.parity.json,results/ws1.parity.json")
    assert status == 0, again
    (row,) = {line for line in output.splitlines() if line.startswith("  integers, one CPU")}
    assert again.count(row) == 2
    assert "All hosts" in again


def test_mistakes_are_reported_at_once_and_nothing_is_measured(tmp_path: Path) -> None:
    status, output = play(tmp_path, parity_kinds="chess", parity_noise_blocks=1, parity_percent="much", parity_gest="a")
    assert status != 0
    assert "parity_kinds[0]: found 'chess', expected one of integer_one," in output
    assert "parity_noise_blocks: found 1, expected a whole number, 2 or more" in output
    assert "parity_percent: found 'much'" in output
    assert "parity_gest: unknown variable. Did you mean parity_guest?" in output
    assert "Measure the noise" not in output


@pytest.mark.slow
def test_this_computer_compared_with_itself_is_never_different(tmp_path: Path) -> None:
    status, output = play(
        tmp_path,
        parity_guest="guest1",
        parity_kinds="integer_one,memory_random,float_one,wake_up",
        parity_noise_blocks=4,
        parity_dir="results",
        parity_max_minutes=2,
    )
    assert status == 0, output
    result = json.loads((tmp_path / "results/ws1.parity.json").read_text(encoding="utf-8"))
    assert {turn["side"] for turn in result["turns"]} == {"native", "guest"}
    assert "comparing with the guest takes about" in output
    verdicts = [line for line in output.splitlines() if line.startswith("ws1: guest guest1")]
    assert verdicts[0] in ("ws1: guest guest1 is equivalent", "ws1: guest guest1: too noisy to say")
