# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command and the record of requests come with the first section, and go with the last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._engine.host import HostRun
from ansible_collections.vfio.workstation.plugins.module_utils._engine.local_files import LocalRequest
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome, with_file_diffs
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import RECORD, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import SECTIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.local_files import (
    COMMAND_FILE,
    STATE_FILES,
    UNIT_FILE,
    WANTS_FILE,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_record import REQUEST_FILE
from tests.machines import build

START = "#!/bin/sh\n# Made by the Ansible collection vfio.workstation: the command.\n# Version 1.\n"
OURS = f"{START}PK\0\udc80\udcff"


class Command:
    """A command that is current if it is OURS."""

    def is_current(self, content: bytes) -> bool:
        return content == OURS.encode("utf-8", "surrogateescape")

    def content(self) -> str:
        return OURS


@pytest.fixture(name="root")
def desktop(tmp_path: Path) -> str:
    root = build("amd-desktop", tmp_path)
    Path(root, "etc").mkdir(exist_ok=True)
    Path(root, "etc/group").write_text("kvm:x:102:\n", "utf-8")
    Path(root, "usr/local/bin").mkdir(parents=True)
    return str(root)


def run(root: str, *, command: bool = True, absent: Any = None, **options: Any) -> HostRun:
    desired = parse_desired(options)
    assert isinstance(desired, Desired), desired
    return HostRun(desired, absent, root=root, local=LocalRequest(options, Command() if command else None))


def carried_out(root: str, **options: Any) -> list[str]:
    """Carry out a run; return the paths of its steps. Nothing is due afterwards."""
    this = run(root, **options)
    outcome = this.observe()
    assert not outcome.refusals
    with Transaction({}, root=root) as transaction:
        transaction.apply(outcome.steps)
    assert [step.reason for step in this.observe().steps] == []
    return [step.path for step in outcome.steps if isinstance(step, (WriteFile, RemoveFile))]


def files(root: str) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for top in ("etc", "usr") for path in Path(root, top).rglob("*") if path.is_file()
    }


def recorded(root: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(root + REQUEST_FILE).read_text("utf-8"))
    return document["sections"]


def test_nothing_is_written_where_nothing_is_requested(root: str) -> None:
    assert carried_out(root) == []
    assert carried_out(root, hugepages=[], devices=[], access={}) == []
    assert carried_out(root, absent=SECTIONS) == []


def test_they_come_with_the_first_section_and_go_with_the_last(root: str) -> None:
    before = files(root)
    first = carried_out(root, access={"group": "kvm"})
    assert first[0] == REQUEST_FILE
    assert first[-1] == COMMAND_FILE
    assert Path(root + COMMAND_FILE).read_bytes() == OURS.encode("utf-8", "surrogateescape")
    assert Path(root + COMMAND_FILE).stat().st_mode & 0o777 == 0o755
    assert carried_out(root, kvm={"ignore_msrs": True}, accept=["kvm_option_unsupported"])[0] == REQUEST_FILE
    assert list(recorded(root)) == ["access", "kvm"]
    assert REQUEST_FILE in carried_out(root, absent=["kvm"])
    assert list(recorded(root)) == ["access"]
    assert Path(root + COMMAND_FILE).exists()
    last = carried_out(root, absent=SECTIONS)
    assert last[-1] == REQUEST_FILE
    assert files(root) == before
    assert not Path(root, "etc/vfio-workstation").exists()


def test_an_empty_section_is_no_longer_requested(root: str) -> None:
    carried_out(root, access={"group": "kvm"})
    assert COMMAND_FILE in carried_out(root, access={})
    assert not Path(root + REQUEST_FILE).exists()


def test_without_the_command_the_request_is_recorded(root: str) -> None:
    assert COMMAND_FILE not in carried_out(root, access={"group": "kvm"}, command=False)
    assert list(recorded(root)) == ["access"]
    assert carried_out(root, access={"group": "kvm"}) == [COMMAND_FILE]
    assert carried_out(root, access={"group": "kvm"}, command=False) == [COMMAND_FILE]
    assert not Path(root + COMMAND_FILE).exists()


@pytest.mark.parametrize("damage", [b"", b"damaged", None])
def test_an_outdated_or_damaged_command_is_replaced(root: str, damage: bytes | None) -> None:
    carried_out(root, access={"group": "kvm"})
    path = Path(root + COMMAND_FILE)
    path.chmod(0o644) if damage is None else path.write_bytes(START.encode() + damage)
    assert carried_out(root, access={"group": "kvm"}) == [COMMAND_FILE]
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_foreign_file_is_neither_overwritten_nor_removed(root: str) -> None:
    Path(root + COMMAND_FILE).write_text("#!/bin/sh\necho mine\n", "utf-8")
    (refusal,) = run(root, access={"group": "kvm"}).observe().refusals
    assert refusal.code == "file_is_not_ours"
    assert COMMAND_FILE in refusal.seen
    assert "workstation_local_command" in refusal.remedy
    assert COMMAND_FILE not in carried_out(root, access={"group": "kvm"}, command=False)
    assert COMMAND_FILE not in carried_out(root, absent=SECTIONS)


def test_a_damaged_record_is_refused_and_a_rollback_removes_it(root: str) -> None:
    carried_out(root, access={"group": "kvm"})
    Path(root + REQUEST_FILE).write_text("{", "utf-8")
    for outcome in (run(root, kvm={"ignore_msrs": True}).observe(), run(root, absent=["kvm"]).observe()):
        assert [refusal.code for refusal in outcome.refusals] == ["record_damaged"]
    assert REQUEST_FILE in carried_out(root, absent=SECTIONS)


def test_the_states_of_the_request_do_not_depend_on_them(root: str) -> None:
    carried_out(root, access={"group": "kvm"})
    Path(root + COMMAND_FILE).unlink()
    outcome = run(root, access={"group": "kvm"}).observe()
    assert [step.effect for step in outcome.steps] == [RECORD]
    assert outcome.states.configured
    assert outcome.states.staged


def test_the_diff_shows_the_version_and_no_bytes(root: str) -> None:
    def diff(outcome: Outcome) -> dict[str, str]:
        (one,) = [diff for diff in with_file_diffs(outcome).diffs if diff["after_header"] == COMMAND_FILE]
        return one

    after = f"{START}(binary, {len(START) + 5} bytes)\n"
    change = diff(run(root, access={"group": "kvm"}).observe())
    assert (change["before"], change["after"]) == ("", after)
    carried_out(root, access={"group": "kvm"})
    Path(root + COMMAND_FILE).write_bytes(START.replace("1.", "0.").encode() + b"PK\0")
    change = diff(run(root, access={"group": "kvm"}).observe())
    assert change["before"] == f"{START.replace('1.', '0.')}(binary, {len(START) + 3} bytes)\n"
    assert change["after"] == after


def test_the_unit_comes_and_goes_with_the_command_and_with_what_it_wrote(root: str) -> None:
    Path(root, "usr/lib/systemd/system").mkdir(parents=True)
    before = files(root)
    assert carried_out(root, access={"group": "kvm"})[-3:] == [COMMAND_FILE, UNIT_FILE, WANTS_FILE]
    for path in STATE_FILES:
        Path(root + path).parent.mkdir(parents=True, exist_ok=True)
        Path(root + path).write_text("{}", "utf-8")
    assert carried_out(root, access={"group": "kvm"}) == []
    removed = carried_out(root, access={"group": "kvm"}, command=False)
    assert removed == [COMMAND_FILE, UNIT_FILE, WANTS_FILE, *STATE_FILES]
    carried_out(root, access={"group": "kvm"})
    carried_out(root, absent=SECTIONS)
    assert files(root) == before
    assert not Path(root, "etc/systemd/system/multi-user.target.d").exists()
    assert not Path(root, "var/lib/vfio-workstation").exists()


def test_a_foreign_unit_is_refused(root: str) -> None:
    Path(root + UNIT_FILE).parent.mkdir(parents=True)
    Path(root + UNIT_FILE).write_text("[Unit]\n", "utf-8")
    (refusal,) = run(root, access={"group": "kvm"}).observe().refusals
    assert (refusal.code, UNIT_FILE in refusal.seen) == ("file_is_not_ours", True)
