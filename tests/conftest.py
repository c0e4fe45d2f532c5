# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable as ansible_collections.vfio.workstation, whatever the checkout's folder is called."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".cache" / "collections"


def _link_collection() -> None:
    """Link .cache/collections/ansible_collections/vfio/workstation to the checkout; two runs may do so at once."""
    link = COLLECTIONS / "ansible_collections" / "vfio" / "workstation"
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to("../../../..")


def _under_collections_root() -> bool:
    """True in a tree that already is .../ansible_collections/vfio/workstation, as ansible-test arranges it."""
    return ROOT.parts[-3:] == ("ansible_collections", "vfio", "workstation")


if not _under_collections_root():
    _link_collection()
    sys.path.insert(0, str(COLLECTIONS))
    os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(COLLECTIONS))
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / ".cache" / "hypothesis"))

# Tests assert nothing on time: a machine that tests is busy with other things too.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
