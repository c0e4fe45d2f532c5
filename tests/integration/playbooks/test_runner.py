# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""provision run by ansible-runner, as AWX does: its events, its artifacts, its statistics, and the fact cache."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .conftest import EVERYWHERE, STAND_INS, Fleet
from .test_provision import IN_USE, PROVISION, SUMMARY

SUMMARY_OF_RUN = {
    "hosts": 2,
    "verdicts": {"refused": 1, "staged": 1},
    "unfinished": {"refused": ["ws2"], "staged": ["ws1"]},
}


def run(folder: Path, collections: Path, hosts: dict[str, Any]) -> tuple[int, list[dict[str, Any]], Path]:
    """Run the playbook; return the exit status, the events, and the folder of the artifacts."""
    private = folder / "private"
    for name, content in {
        "env/envvars": {
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_CONNECTION_PLUGINS": str(STAND_INS / "connection"),
            "ANSIBLE_HOME": str(folder / "home"),
            "LC_ALL": "C.UTF-8",
        },
        "inventory/hosts.json": {"all": {"vars": {**EVERYWHERE, "ansible_connection": "machine"}, "hosts": hosts}},
    }.items():
        (private / name).parent.mkdir(parents=True, exist_ok=True)
        (private / name).write_text(json.dumps(content), "utf-8")
    (private / "project").mkdir()
    command = [Path(sys.executable).parent / "ansible-runner", "run", private, "--ident", "it", "--playbook", PROVISION]
    done = subprocess.run(
        command,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    artifacts = private / "artifacts" / "it"
    events = [json.loads(path.read_text("utf-8")) for path in (artifacts / "job_events").glob("*.json")]
    assert events, done.stdout + done.stderr
    return done.returncode, sorted(events, key=lambda event: event["counter"]), artifacts


def test_events_artifacts_and_statistics(fleet: Fleet, collections: Path, tmp_path: Path) -> None:
    fleet.add("ws1")
    fleet.add("ws2", refusals=[IN_USE])
    status, events, artifacts = run(tmp_path, collections, fleet.hosts)
    assert status == 2
    assert (artifacts / "rc").read_text() == "2"
    assert (artifacts / "status").read_text() == "failed"

    data = [(event["event"], event["event_data"]) for event in events]
    results = {(kind, one["host"]): one["res"] for kind, one in data if one.get("task") == SUMMARY and "res" in one}
    lines = results["runner_on_ok", "ws1"]["msg"]
    assert "ws1: configured and staged; reboot to activate" in lines  # whole lines, and not on the terminal
    assert "2 hosts: 1 refused, 1 staged" in lines
    failed = [one for kind, one in data if kind == "runner_on_failed" and not one.get("ignore_errors")]
    assert [one["host"] for one in failed] == ["ws2"]
    assert "[device_in_use]" in failed[0]["res"]["msg"]
    (stats,) = [one for kind, one in data if kind == "playbook_on_stats"]
    assert stats["artifact_data"] == {"workstation_summary": SUMMARY_OF_RUN}
    assert (stats["failures"], stats["dark"]) == ({"ws2": 1}, {})

    # ansible-runner keeps facts in files. Results of one run are no facts for the next.
    cached = [json.loads(path.read_text("utf-8")) for path in (artifacts / "fact_cache").glob("*")]
    assert [name for facts in cached for name in facts if "workstation" in name] == []
