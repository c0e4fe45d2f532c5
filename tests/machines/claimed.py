# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The claims on a desktop with certain files, for tests of their readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Boot, PciFunction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import Claim
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.entry import Entry
from ansible_collections.vfio.workstation.plugins.module_utils._probe.claims import read_claims
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

from .files import write_files
from .values import DESKTOP, machine


def claims_of(
    root: Path,
    files: Mapping[str, str | bytes],
    functions: Mapping[str, PciFunction] | None = None,
    entries: Sequence[Entry] = (),
    boot: Boot | None = None,
) -> list[Claim]:
    """Return every claim once, in the order of the readers; on the functions of the desktop unless others are given."""
    write_files(root, files)
    found = read_claims(Tree(str(root)), DESKTOP if functions is None else functions, boot or machine().boot, entries)
    on_functions = (claim for claims in found.of_functions.values() for claim in claims)
    return list(dict.fromkeys([*on_functions, *found.others]))


def only(claims: Sequence[Claim], **values: Any) -> Claim:
    """Return the one claim that has these values."""
    (claim,) = (one for one in claims if all(getattr(one, name) == value for name, value in values.items()))
    return claim
