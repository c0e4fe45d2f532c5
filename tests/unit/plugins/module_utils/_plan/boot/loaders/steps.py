# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applies the steps of a plan to a directory, without the transaction around them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import RemoveFile, Step, WriteFile


def apply(root: Path, steps: Iterable[Step]) -> None:
    """Write and remove the files that the steps name."""
    for step in steps:
        assert isinstance(step, WriteFile | RemoveFile)
        path = root / step.path.lstrip("/")
        if isinstance(step, RemoveFile):
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(step.content.encode("utf-8", "surrogateescape"))
            path.chmod(step.mode or 0o644)


def snapshot(root: Path) -> dict[str, bytes]:
    """Return the content of all files below a directory."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
