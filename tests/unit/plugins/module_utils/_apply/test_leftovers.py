# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drafts of a killed run are found in each directory that we write to, and no other file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import Transaction, files
from ansible_collections.vfio.workstation.plugins.module_utils._apply.leftovers import leftover_removals
from ansible_collections.vfio.workstation.plugins.module_utils._apply.storage import MARGIN, storage_refusals
from ansible_collections.vfio.workstation.plugins.module_utils._engine.kernel_cmdline import RETIRED_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import RECORD_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import RECORD_FILE as INITRAMFS_RECORD
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import STORE
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import RECORD, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.dracut import MODULE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.initramfs_tools import (
    HOOK as TOOLS_HOOK,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.mkinitcpio import (
    DROP_IN as MKINITCPIO_DROP_IN,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.mkinitcpio import (
    HOOK as MKINITCPIO_HOOK,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_files import DROP_IN, SCRIPT
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.kernel_install import (
    CMDLINE,
    EARLY_PLUGIN,
    PLUGIN,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

OURS = [RECORD_FILE, RETIRED_FILE, DROP_IN, SCRIPT, CMDLINE, PLUGIN, EARLY_PLUGIN, INITRAMFS_RECORD, f"{STORE}/0-file"]
OURS += [MODULE, TOOLS_HOOK, MKINITCPIO_DROP_IN, MKINITCPIO_HOOK, "/etc/default/grub"]
BOOT = [
    "/boot/grub/grub.cfg",
    "/boot/grub2/grubenv",
    "/boot/initrd.img-6.1.0",
    "/boot/loader/entries/a.conf",
    "/boot/efi/EFI/Linux/a.efi",
    "/boot/efi/loader/entries/a.conf",
    "/efi/0123/6.1.0/initrd",
]


def plant(root: Path, path: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("half")


@pytest.mark.parametrize("path", [*OURS, *BOOT])
def test_each_draft_is_found(tmp_path: Path, path: str) -> None:
    for partition in ("efi", "boot/efi"):
        (tmp_path / partition / "EFI/BOOT").mkdir(parents=True)
    draft = files.draft_path(path)
    for file in (path, draft, draft + ".new", path + "~", path + ".new"):
        plant(tmp_path, file)
    assert [step.path for step in leftover_removals(Tree(str(tmp_path)))] == [draft, draft + ".new"]


def test_without_drafts_there_are_no_steps(tmp_path: Path) -> None:
    plant(tmp_path, "/boot/grub/grub.cfg")
    assert leftover_removals(Tree(str(tmp_path))) == ()


def test_a_draft_is_not_restored(tmp_path: Path) -> None:
    draft = files.draft_path(RECORD_FILE)
    plant(tmp_path, draft)
    with pytest.raises(RuntimeError, match="later"), Transaction({}, str(tmp_path)) as transaction:
        transaction.apply([RemoveFile(draft, RECORD, "")])
        raise RuntimeError("later")
    assert list((tmp_path / "etc").iterdir()) == []


def test_the_space_that_a_draft_takes_counts_as_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    draft = tmp_path / files.draft_path("/image")[1:]
    draft.write_bytes(b"a" * MARGIN)
    write = WriteFile(str(tmp_path / "new"), "", RECORD, "")
    free = type("Status", (), {"f_bavail": MARGIN // 4096, "f_frsize": 4096, "f_flag": 0})
    monkeypatch.setattr("os.statvfs", lambda _path: free)
    assert [refusal.code for refusal in storage_refusals(Tree("/"), [write])] == ["boot_space_exhausted"]
    assert storage_refusals(Tree("/"), [RemoveFile(str(draft), RECORD, ""), write]) == ()
