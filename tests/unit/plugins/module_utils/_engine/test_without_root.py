# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run without root: no false alarm, and no false all-clear."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._engine.converge import predict
from ansible_collections.vfio.workstation.plugins.module_utils._engine.host import HostRun
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome
from ansible_collections.vfio.workstation.plugins.module_utils._engine.without_root import without_root
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.tests.machines.builder import build
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.test_kernel_cmdline import (
    machine as with_grub,
)

_NOBODY = 65534
_GRUB_CFG = "boot/grub/grub.cfg"


@pytest.fixture(name="root")
def public_desktop() -> Iterator[Path]:
    # tmp_path is readable by its owner only.
    root = Path(tempfile.mkdtemp(prefix="machine-"))
    build("intel-desktop", root)
    with_grub(root)
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    yield root
    shutil.rmtree(root)


def predicted(root: Path) -> Outcome:
    """Return what a run without root says; modules that are imported late may be readable by root only."""
    desired = parse_desired({"iommu": {"pass_through": True}})
    assert isinstance(desired, Desired)
    observe = HostRun(desired, root=str(root)).observe
    observe()
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(_NOBODY)
        return without_root(predict(observe))
    finally:
        os.seteuid(user)


def test_what_everybody_may_read_is_complete(root: Path) -> None:
    outcome = predicted(root)
    assert not outcome.refusals
    assert outcome.steps
    assert not outcome.refusals
    assert not outcome.tree.unreadable
    assert not any("without root" in warning for warning in outcome.warnings)


@pytest.mark.parametrize("path", [_GRUB_CFG, "boot/grub", "boot"])
def test_an_unreadable_menu_is_neither_broken_nor_done(root: Path, path: str) -> None:
    (root / path).chmod(0)
    outcome = predicted(root)
    assert not outcome.refusals
    assert any(item.path.startswith("/boot") for item in outcome.tree.unreadable)
    assert not outcome.states.staged
    assert any("Could not be checked without root: [bootloader_" in warning for warning in outcome.warnings)
    assert "the result is incomplete" in outcome.warnings[-1]


def test_a_refusal_that_rests_on_nothing_unreadable_stays(root: Path) -> None:
    shutil.rmtree(root / "boot/grub")
    (root / "sys/firmware/acpi/tables").chmod(0)
    outcome = predicted(root)
    assert {refusal.code for refusal in outcome.refusals} >= {"bootloader_unsupported"}
    assert {item.path for item in outcome.tree.unreadable} == {"/sys/firmware/acpi/tables"}
