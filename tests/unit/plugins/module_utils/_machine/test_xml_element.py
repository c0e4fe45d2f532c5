# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML elements: parsed and written without changing what they say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import (
    Element,
    XmlError,
    element,
    parse_xml,
    render,
)

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))
ATTRIBUTES = st.dictionaries(NAMES, st.one_of(TEXTS, st.just("a\t\n'\"&<>")), max_size=3).map(
    lambda items: tuple(items.items())
)


def with_children(children: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
    texts = TEXTS.filter(str.strip).map(lambda text: (text,))
    parts = st.tuples(NAMES, ATTRIBUTES, st.one_of(texts, st.lists(children, max_size=4).map(tuple)))
    return parts.map(lambda values: Element(*values))


LEAVES = st.tuples(NAMES, ATTRIBUTES).map(lambda values: Element(*values))
ELEMENTS = st.recursive(LEAVES, with_children, max_leaves=12)


@given(ELEMENTS)
def test_what_is_written_is_read_again(root: Element) -> None:
    assert parse_xml(render(root)) == root


@given(ELEMENTS)
def test_another_parser_reads_the_same(root: Element) -> None:
    def same(ours: Element, theirs: ET.Element) -> bool:
        return (
            ours.name == theirs.tag
            and dict(ours.attributes) == theirs.attrib
            and ours.text == (theirs.text or "").strip()
            and len(ours.elements) == len(theirs)
            and all(map(same, ours.elements, theirs))
        )

    assert same(root, ET.fromstring(render(root)))


@given(st.text())
def test_no_text_raises_another_error(text: str) -> None:
    try:
        parse_xml(text)
    except XmlError as error:
        assert str(error)


def test_prefixes_and_namespaces_are_kept() -> None:
    text = (
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
        "  <qemu:commandline>\n    <qemu:arg value='-s'/>\n  </qemu:commandline>\n</domain>\n"
    )
    assert render(parse_xml(text)) == text


def test_comments_and_blank_texts_are_dropped() -> None:
    assert parse_xml("<a> <!-- b --> <c/>\n<d>e<!-- f -->g</d></a>") == element("a", element("c"), element("d", "eg"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no element found"),
        ("<a>", "no element found"),
        ("<a></b>", "mismatched tag"),
        ("<a/><b/>", "junk after document element"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "declares the entity b"),
        ("<a>" * 100 + "</a>" * 100, "nested more than 64 deep"),
        ("<a>\udc80</a>" * 2, "junk"),
    ],
)
def test_what_is_not_xml(text: str, reason: str) -> None:
    with pytest.raises(XmlError, match=reason):
        parse_xml(text)


def test_children_by_path() -> None:
    domain = parse_xml("<domain><devices><disk n='1'/><nic/><disk n='2'>x</disk></devices></domain>")
    assert [disk.get("n") for disk in domain.all("devices", "disk")] == ["1", "2"]
    assert domain.first("devices", "hostdev") is None
    nic = domain.first("devices", "nic")
    assert nic is not None
    assert (nic.get("n"), nic.text) == (None, "")
