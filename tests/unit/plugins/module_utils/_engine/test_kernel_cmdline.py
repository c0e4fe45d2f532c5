# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome for command lines of captured machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._engine.kernel_cmdline import (
    RETIRED_FILE,
    observe,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import RECORD_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.cmdline_change import CmdlineRequest
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

CONFIG = """\
menuentry 'Debian' $menuentry_id_option 'gnulinux-simple-a' {
\tlinux\t/boot/vmlinuz-6.1.0 root=UUID=a ro quiet
}
"""
REQUEST = CmdlineRequest("iommu", ("iommu=pt",))


def machine(root: Path, cmdline: str = "BOOT_IMAGE=/boot/vmlinuz-6.1.0 root=UUID=a ro quiet") -> Tree:
    for name, text in {
        "/boot/grub/grub.cfg": CONFIG,
        "/boot/vmlinuz-6.1.0": "",
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
        "/etc/grub.d/10_linux": "#!/bin/sh\n",
        "/usr/sbin/grub-mkconfig": "# default/grub.d\n",
        "/proc/cmdline": cmdline + "\n",
        "/proc/sys/kernel/osrelease": "6.1.0\n",
    }.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (root / "etc/grub.d/10_linux").chmod(0o755)
    return Tree(str(root))


def test_a_capture_can_be_planned_for(tmp_path: Path) -> None:
    outcome = observe(machine(tmp_path), REQUEST)
    assert outcome.refusals == ()
    assert [step.path for step in outcome.steps if hasattr(step, "path")] == [
        RECORD_FILE,
        "/etc/default/grub.d/zz-vfio-workstation.cfg",
        "/etc/grub.d/zz_vfio_workstation",
        "/boot/grub/grub.cfg",
    ]
    assert outcome.states == (False, False, False)
    shown = [(entry["role"], entry["before"], entry["after"]) for entry in outcome.values["entries"]]
    assert shown == [
        ("normal", "root=UUID=a ro quiet", "root=UUID=a ro quiet iommu=pt"),
        ("fallback", None, "root=UUID=a ro quiet"),
    ]
    assert outcome.diffs[0]["after"] == "root=UUID=a\nro\nquiet\niommu=pt\n"


@pytest.mark.parametrize("value", ['"quiet iommu=off $(cat /etc/more)"', '"quiet $MORE"'])
def test_a_value_that_a_shell_would_expand_is_refused_at_once(tmp_path: Path, value: str) -> None:
    machine(tmp_path)
    (tmp_path / "etc/default/grub").write_text(f"GRUB_CMDLINE_LINUX_DEFAULT={value}\n")
    (tmp_path / "boot/grub/grub.cfg").write_text(CONFIG.replace("quiet", "quiet iommu=off"))
    outcome = observe(Tree(str(tmp_path)), REQUEST._replace(replace=True))
    (refusal,) = outcome.refusals
    assert (refusal.code, outcome.steps) == ("cmdline_conflict", ())
    assert "/etc/default/grub, line 1" in refusal.seen
    assert "iommu=off" in refusal.seen
    assert "conflicts=replace" in refusal.remedy


FALLBACKS = """\
menuentry 'Debian without VFIO' $menuentry_id_option 'vfio-workstation-fallback-gnulinux-a' {
\tlinux\t/boot/vmlinuz-6.1.0 root=UUID=a %s
}
menuentry 'Gone without VFIO' $menuentry_id_option 'vfio-workstation-fallback-gnulinux-b' {
\tlinux\t/boot/vmlinuz-6.0.0 root=UUID=a ro
}
"""


@pytest.mark.parametrize(
    ("units", "has", "after"),
    [
        (("iommu=pt",), "ro quiet", "root=UUID=a ro quiet"),
        (("iommu=pt",), "quiet ro", "root=UUID=a quiet ro"),
        (("iommu=pt",), "ro console=ttyS0", "root=UUID=a ro quiet"),
        ((), "ro quiet", None),
    ],
)
def test_fallback_entries_are_predicted(tmp_path: Path, units: tuple[str, ...], has: str, after: str | None) -> None:
    tree = machine(tmp_path)
    (tmp_path / "boot/grub/grub.cfg").write_text(CONFIG + FALLBACKS % has)
    entries = observe(tree, CmdlineRequest("iommu", units)).values["entries"]
    shown = [(entry["kernel"], entry["before"], entry["after"]) for entry in entries if entry["role"] == "fallback"]
    assert shown == [("6.1.0", f"root=UUID=a {has}", after), ("6.0.0", "root=UUID=a ro", None)]


def test_without_arguments_and_request_a_broken_boot_loader_is_not_refused(tmp_path: Path) -> None:
    tree = machine(tmp_path)
    (tmp_path / "usr/sbin/grub-mkconfig").unlink()
    gone = observe(tree, CmdlineRequest("iommu", ()))
    assert (gone.refusals, gone.steps) == ((), ())
    assert [refusal.code for refusal in observe(tree, REQUEST).refusals] == ["bootloader_broken"]
    accepted = REQUEST._replace(accepted=frozenset({"bootloader_broken"}))
    assert observe(tree, accepted).refusals == ()


def test_an_unknown_boot_loader_is_refused_unless_nothing_is_to_be_done(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "boot/grub/grub.cfg").unlink()
    assert [refusal.code for refusal in observe(Tree(str(tmp_path)), REQUEST).refusals] == ["bootloader_unsupported"]
    assert observe(Tree(str(tmp_path)), CmdlineRequest("iommu", ())).refusals == ()


def test_arguments_that_the_running_kernel_still_has_are_recorded(tmp_path: Path) -> None:
    running = "root=UUID=a ro quiet iommu=pt"
    record = '{"format": 1, "owners": {"iommu": ["iommu=pt"]}, "provided": ["iommu=pt"], "shared": [], "replaced": [], '
    machine(tmp_path, running)
    (tmp_path / "etc/vfio-workstation").mkdir(parents=True)
    (tmp_path / RECORD_FILE.lstrip("/")).write_text(record + '"created": []}')
    outcome = observe(Tree(str(tmp_path)), CmdlineRequest("iommu", ()))
    assert outcome.states.active is False
    assert RETIRED_FILE in [getattr(step, "path", None) for step in outcome.steps]
    assert observe(Tree(str(tmp_path)), REQUEST).states.active is True


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    tree = machine(tmp_path)
    (tmp_path / "etc/vfio-workstation").mkdir(parents=True)
    for text in ("", "{", '{"format": 3}', '{"format": 1, "owners": {"a": "b"}}', "\0"):
        (tmp_path / RECORD_FILE.lstrip("/")).write_text(text)
        assert [refusal.code for refusal in observe(tree, REQUEST).refusals] == ["record_damaged"]
