# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of the documentation: all are in the table of contents, and cover what they promise to cover."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
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


def test_the_guest_of_the_example_is_well_formed_and_pins_each_of_its_cpus() -> None:
    (block,) = re.findall(r"^\.\. code-block:: xml\n\n((?:    .*\n)+)", PAGES["guests"], re.MULTILINE)
    domain = ElementTree.fromstring(block.strip())
    topology = domain.find("cpu/topology")
    assert topology is not None
    threads = int(topology.attrib["cores"]) * int(topology.attrib["threads"])
    assert domain.findtext("vcpu") == str(threads)
    assert [pin.get("vcpu") for pin in domain.iter("vcpupin")] == [str(number) for number in range(threads)]
    assert len({pin.get("cpuset") for pin in domain.iter("vcpupin")}) == threads
    assert [device.get("managed") for device in domain.iter("hostdev")] == ["no", "no"]


PICTURES = sorted((DOCSITE / "rst").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


def test_every_picture_is_on_a_page_with_a_text_in_its_place() -> None:
    shown = re.findall(r"^\.\. figure:: (\S+)\n    :alt: \S", "".join(PAGES.values()), re.MULTILINE)
    assert sorted(shown) == [path.name for path in PICTURES]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: str(path.stem))
def test_a_picture_is_readable_by_everybody(path: Path) -> None:
    picture = ElementTree.parse(path).getroot()
    title, description = picture.find(f"{SVG}title"), picture.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert picture.get("role") == "img"
    assert str(picture.get("aria-labelledby")).split() == [title.get("id"), description.get("id")]
    # Both color schemes, on a background of its own. Variables of CSS are unknown to most programs but browsers.
    style = picture.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme: dark" in style
    assert "var(" not in style
    classes = {name for element in picture.iter() for name in str(element.get("class", "")).split()}
    assert classes == set(re.findall(r"^    \.(\w+) \{", style, re.MULTILINE)) | ({"tip"} & classes)
