# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boots of a described machine, one after another: what is recorded, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._local.boot_check import record_boot
from ansible_collections.vfio.workstation.plugins.module_utils._local.look import look
from ansible_collections.vfio.workstation.plugins.module_utils._local.main import main
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import (
    FIRMWARE,
    GOOD_BOOT_FILE,
    IOMMU,
    LAST_CHECK_FILE,
    BootCheck,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import AccessRequest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.access import access_files
from ansible_collections.vfio.workstation.plugins.module_utils._plan.local_files import METRICS_FILES, MOTD_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_record import REQUEST_FILE, render_requests
from tests.machines import build


def put(root: str, path: str, text: str) -> None:
    file = Path(f"{root}{path}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def boot(root: str, number: int, *, firmware: str = "1.20") -> BootCheck:
    """Boot the machine and check it."""
    put(root, "/proc/sys/kernel/random/boot_id", f"boot-{number}\n")
    put(root, "/sys/class/dmi/id/bios_version", f"{firmware}\n")
    return record_boot(look(root), root)


@pytest.fixture(name="root")
def active(tmp_path: Path) -> str:
    """A machine on which everything requested is active: a group has access."""
    root = str(build("amd-desktop", tmp_path / "desk"))
    put(root, "/etc/group", "kvm:x:102:\n")
    request: dict[str, Any] = {"request": {"group": "kvm"}, "accept": [], "conflicts": "refuse"}
    put(root, REQUEST_FILE, render_requests({"access": request}))
    for file in access_files(AccessRequest(group="kvm")):
        put(root, file.path, file.content)
        Path(f"{root}{file.path}").chmod(file.mode)
    Path(root, "etc/motd.d").mkdir()
    Path(f"{root}{METRICS_FILES[0]}").parent.mkdir(parents=True)
    return root


def lose(root: str) -> None:
    for file in access_files(AccessRequest(group="kvm")):
        Path(f"{root}{file.path}").unlink()


def test_the_first_good_boot_has_nothing_to_compare_with(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    check = boot(root, 1)
    assert (check.active, check.changes, check.good_boot) == (True, (), None)
    assert Path(f"{root}{GOOD_BOOT_FILE}").exists()
    assert not Path(f"{root}{MOTD_FILE}").exists()
    assert "vfio_workstation_active 1\n" in Path(f"{root}{METRICS_FILES[0]}").read_text()
    assert capsys.readouterr() == ("", "")


def test_a_change_is_found_once(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = boot(root, 1)
    second = boot(root, 2, firmware="1.21")
    assert [change.kind for change in second.changes] == [FIRMWARE]
    assert second.good_boot == first.time
    assert "1.20 before" in capsys.readouterr().err  # there is no journal
    again = boot(root, 2, firmware="1.21")
    assert again.changes == second.changes
    assert capsys.readouterr().err == ""
    assert boot(root, 3, firmware="1.21").changes == ()


def test_what_is_not_active_is_said_until_it_is_repaired(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    boot(root, 1)
    good = Path(f"{root}{GOOD_BOOT_FILE}").read_text()
    lose(root)
    check = boot(root, 2, firmware="1.21")
    assert not check.active
    assert "not active: access access (not set)" in check.reason
    message = Path(f"{root}{MOTD_FILE}").read_text()
    assert message.startswith("vfio-workstation: not everything requested is active: ")
    assert "1.20 before, 1.21 now" in message.replace("AMI ", "")
    assert "vfio_workstation_active 0\n" in Path(f"{root}{METRICS_FILES[0]}").read_text()
    assert Path(f"{root}{GOOD_BOOT_FILE}").read_text() == good
    assert main(["verify", "--root", root]) == 1
    assert "1.20 before" in capsys.readouterr().out
    for file in access_files(AccessRequest(group="kvm")):
        put(root, file.path, file.content)
    assert boot(root, 3, firmware="1.21").changes == check.changes
    assert not Path(f"{root}{MOTD_FILE}").exists()
    assert boot(root, 4, firmware="1.21").changes == ()


def test_the_iommu_is_compared(root: str) -> None:
    boot(root, 1)
    facts = json.loads(Path(f"{root}{GOOD_BOOT_FILE}").read_text())
    put(root, GOOD_BOOT_FILE, json.dumps({**facts, "iommu": "disabled_by_firmware"}))
    assert [change.kind for change in boot(root, 2).changes] == [IOMMU]


@pytest.mark.parametrize("path", [GOOD_BOOT_FILE, LAST_CHECK_FILE])
def test_a_damaged_record_is_written_again(root: str, path: str) -> None:
    boot(root, 1)
    put(root, path, "{")
    assert boot(root, 2).changes == ()
    assert json.loads(Path(f"{root}{path}").read_text())["format"] == 1


def test_a_captured_tree_is_not_written_to(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path(root).rglob("*"))
    assert main(["verify", "--record", "--root", root]) == 3
    assert "--record records boots of this host" in capsys.readouterr().err
    assert sorted(Path(root).rglob("*")) == before


def test_verify_without_record_writes_nothing(root: str) -> None:
    before = sorted(Path(root).rglob("*"))
    assert main(["verify", "--root", root]) == 0
    assert sorted(Path(root).rglob("*")) == before
