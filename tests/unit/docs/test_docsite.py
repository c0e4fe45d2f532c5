# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of the documentation: all are in the table of contents, and cover what they promise to cover."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusals import CODES

DOCSITE = Path(__file__).resolve().parents[3] / "docs" / "docsite"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (DOCSITE / "rst").glob("*.rst")}


def test_every_page_is_in_the_table_of_contents() -> None:
    sections = yaml.safe_load((DOCSITE / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    listed = [name for section in sections for name in section["toctree"]]
    assert sorted(listed) == sorted(PAGES)


def test_every_refusal_has_an_entry_and_nothing_else_has() -> None:
    _before, _label, refusals = PAGES["troubleshooting"].partition("\nRefusals\n--------\n")
    entries = re.findall(r"^``(\w+)``\n    \S.*\n\n    \*What to do:\* \S", refusals, re.MULTILINE)
    terms = re.findall(r"^``(\w+)``$", refusals, re.MULTILINE)
    assert entries == terms
    assert sorted(entries) == sorted(CODES)
