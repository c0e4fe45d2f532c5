# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trial boots with systemd-boot: where they are possible, and which entry is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Step, WriteFile, WriteVariable
from ansible_collections.vfio.workstation.plugins.module_utils._machine.trial import ARMED, FINAL, STOCK
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.protocol import LoaderContext
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.systemd_boot import SystemdBoot
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.systemd_boot_trial import (
    DEFAULT,
    ONE_SHOT,
    RECORD_FILE,
    SystemdBootTrial,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.stand_ins import systemd_boot

NEW, OLD = "6.12.48", "6.12.43"
FALLBACK = f"debian-0-vfio-workstation-fallback-{OLD}.conf"
EFIVARFS = "30 25 0:31 / /sys/firmware/efi/efivars {} - efivarfs efivarfs {}\n"


@pytest.fixture(name="root")
def host(tmp_path: Path) -> Path:
    for version in (NEW, OLD):
        image = f"/debian/{version}/linux"
        entry = f"title Debian\nversion {version}\nsort-key debian\noptions ro\nlinux {image}\n"
        plant(tmp_path, {f"/boot/efi{image}": "", f"/boot/efi/loader/entries/debian-{version}.conf": entry})
        plant(tmp_path, {f"/lib/modules/{version}/modules.dep": ""})
    systemd_boot.introduce(tmp_path)
    return tmp_path


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def trial(root: Path) -> SystemdBootTrial:
    loader = SystemdBoot(Tree(str(root)), LoaderContext(("/boot/efi",), (NEW, OLD), None))
    assert isinstance(loader.trial, SystemdBootTrial)
    return loader.trial


def tried(root: Path) -> str | None:
    """Return the entry that a trial would boot."""
    steps = [step for step in trial(root).steps(ARMED, STOCK, OLD) if isinstance(step, WriteVariable)]
    systemd_boot.write(root, "LoaderEntryOneShot", steps[-1].value or "")
    return systemd_boot.boot(root).id


@pytest.mark.parametrize(
    ("mountinfo", "reason"),
    [
        (EFIVARFS.format("ro,nosuid", "rw"), "is mounted read-only"),
        (EFIVARFS.format("rw,nosuid", "ro"), "is mounted read-only"),
    ],
)
def test_variables_that_can_not_be_written_are_refused(root: Path, mountinfo: str, reason: str) -> None:
    plant(root, {"/proc/self/mountinfo": mountinfo})
    (refusal,) = trial(root).refusals()
    assert (refusal.code, reason in refusal.seen) == ("trial_unsupported", True)


def test_variables_that_can_be_written_are_supported(root: Path) -> None:
    plant(root, {"/proc/self/mountinfo": EFIVARFS.format("rw,nosuid", "rw")})
    assert trial(root).refusals() == ()


@pytest.mark.parametrize("version", ["249.11", "systemd", ""])
def test_a_version_that_knows_no_patterns_is_refused(root: Path, version: str) -> None:
    systemd_boot.introduce(root, version)
    (refusal,) = trial(root).refusals()
    assert "know no patterns" in refusal.seen


def test_a_kernel_without_variables_is_refused(root: Path) -> None:
    systemd_boot.variable(root, "LoaderInfo").unlink()
    (refusal,) = trial(root).refusals()
    assert "LoaderInfo is missing" in refusal.seen


@pytest.mark.parametrize(("features", "name"), [(1 << 2, "LoaderEntryOneShot"), (1 << 3, "LoaderEntryDefault")])
def test_a_feature_that_is_missing_is_named(root: Path, features: int, name: str) -> None:
    systemd_boot.introduce(root, features=features)
    (refusal,) = trial(root).refusals()
    assert f"it does not support {name}" in refusal.seen


def test_what_comes_before_the_default_is_refused(root: Path) -> None:
    systemd_boot.write(root, "LoaderEntryPreferred", "debian-*")
    plant(root, {"/boot/efi/loader/loader.conf": "preferred debian-*\n"})
    (refusal,) = trial(root).refusals()
    assert "LoaderEntryPreferred (debian-*)" in refusal.seen
    assert "in loader.conf" in refusal.seen


@pytest.mark.parametrize(
    ("setting", "variable", "saved", "version"),
    [
        (None, None, None, NEW),
        (f"debian-{OLD}.conf", None, None, OLD),
        ("debian-*", None, None, NEW),
        (f"debian-{NEW}.conf", f"debian-{OLD}.conf", None, OLD),
        ("@saved", None, f"debian-{OLD}.conf", OLD),
        ("@saved", None, FALLBACK, NEW),
        ("windows.conf", "other-*", None, NEW),
        (f"DEBIAN-{OLD}.conf", None, None, OLD),
    ],
)
def test_what_is_the_default_is_tried(
    root: Path, setting: str | None, variable: str | None, saved: str | None, version: str
) -> None:
    plant(root, {"/boot/efi/loader/loader.conf": f"timeout 3\n#default none\ndefault {setting}\n" if setting else ""})
    for name, value in (("LoaderEntryDefault", variable), ("LoaderEntryLastBooted", saved)):
        if value is not None:
            systemd_boot.write(root, name, value)
    assert tried(root) == f"debian-{version}.conf"


def test_an_entry_without_tries_left_is_not_tried(root: Path) -> None:
    entries = root / "boot/efi/loader/entries"
    (entries / f"debian-{NEW}.conf").rename(entries / f"debian-{NEW}+0-3.conf")
    assert tried(root) == f"debian-{OLD}.conf"


def test_an_entry_with_a_counter_is_found(root: Path) -> None:
    entries = root / "boot/efi/loader/entries"
    (entries / f"debian-{NEW}.conf").rename(entries / f"debian-{NEW}+2-1.conf")
    assert tried(root) == f"debian-{NEW}.conf"


def described(steps: list[Step]) -> list[object]:
    return [(step.path, step.value) if isinstance(step, WriteVariable) else type(step) for step in steps]


def carry_out(root: Path, steps: list[Step]) -> None:
    for step in steps:
        if isinstance(step, WriteFile):
            plant(root, {step.path: step.content})
        elif isinstance(step, WriteVariable):
            path = root / step.path.lstrip("/")
            path.unlink(missing_ok=True)
            if step.value is not None:
                path.write_bytes(bytes([7, 0, 0, 0]) + (step.value + "\0").encode("utf-16-le"))


@pytest.mark.parametrize("before", [None, "debian-*"])
def test_the_default_is_recorded_before_it_is_changed(root: Path, before: str | None) -> None:
    if before is not None:
        systemd_boot.write(root, "LoaderEntryDefault", before)
    first = list(trial(root).steps(STOCK, None, OLD))
    assert described(first) == [WriteFile, (DEFAULT, FALLBACK)]
    # What follows in the same run: the files are as before it.
    (last,) = trial(root).steps(ARMED, STOCK, OLD)
    assert described([last]) == [(ONE_SHOT, f"debian-{NEW}[.+]*")]
    carry_out(root, [*first, last])
    assert trial(root).choice == ARMED
    assert trial(root).steps(ARMED, ARMED, OLD) == []
    assert described(list(trial(root).steps(STOCK, ARMED, OLD))) == [(ONE_SHOT, None)]
    assert described(list(trial(root).steps(FINAL, ARMED, OLD))) == [(ONE_SHOT, None), (DEFAULT, before)]
    carry_out(root, [WriteVariable(ONE_SHOT, None, "", "")])
    assert trial(root).choice == STOCK
    assert described(list(trial(root).steps(FINAL, STOCK, OLD))) == [(DEFAULT, before)]


def test_another_kernel_is_the_way_back_of_the_next_trial(root: Path) -> None:
    carry_out(root, list(trial(root).steps(ARMED, None, OLD)))
    steps = list(trial(root).steps(ARMED, ARMED, NEW))
    fallback = FALLBACK.replace(OLD, NEW)
    assert described(steps) == [(ONE_SHOT, None), WriteFile, (DEFAULT, fallback), (ONE_SHOT, f"debian-{NEW}[.+]*")]
    carry_out(root, steps)
    assert (trial(root).choice, trial(root).kernel) == (ARMED, NEW)
    assert described(list(trial(root).steps(FINAL, ARMED, NEW))) == [(ONE_SHOT, None), (DEFAULT, None)]


def test_a_default_that_a_person_chose_is_not_ours(root: Path) -> None:
    """An entry without VFIO can be made the default in the menu, on a host without trial boots."""
    systemd_boot.write(root, "LoaderEntryDefault", FALLBACK)
    assert trial(root).choice is None
    assert list(trial(root).steps(None, None, "")) == []


def test_entries_out_of_reach_change_nothing(root: Path) -> None:
    """The EFI system partition is not mounted, or not yet."""
    systemd_boot.write(root, "LoaderEntryDefault", "debian-*")
    carry_out(root, list(trial(root).steps(STOCK, None, OLD)))
    (root / "boot").rename(root / "unmounted")
    assert trial(root).choice == STOCK
    assert list(trial(root).steps(STOCK, STOCK, OLD)) == []
    assert list(trial(root).steps(STOCK, None, OLD)) == []
    assert described(list(trial(root).steps(FINAL, STOCK, OLD))) == [(DEFAULT, "debian-*")]


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1}', '{"format": 1, "kernel": 1, "default": null}'])
def test_a_damaged_record_claims_no_default(root: Path, text: str) -> None:
    systemd_boot.write(root, "LoaderEntryDefault", FALLBACK)
    plant(root, {RECORD_FILE: text})
    assert (trial(root).choice, trial(root).kernel) == (None, None)
