# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XML elements as immutable values: parsed and written without changing what libvirt would read from them.

Names keep their prefix as written, and namespace declarations are ordinary attributes: a document with foreign
namespaces, as libvirt's `<metadata>` has them, is written back with the same prefixes. Comments, processing
instructions, and texts of white space alone are dropped, as libvirt drops them when a domain is defined.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence
from xml.parsers import expat

#: No element of libvirt is nested as deep.
_DEEPEST = 64

_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
# A parser normalizes these in attributes (and a carriage return everywhere) unless they are written as references.
_ATTRIBUTE_ESCAPES = (*_ESCAPES, ("'", "&apos;"), ("\t", "&#9;"), ("\n", "&#10;"), ("\r", "&#13;"))


class XmlError(Exception):
    """A text is not XML; the message says where and why."""


class Element(NamedTuple):
    """An element. Its children are elements and texts, in their order."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Element | str, ...] = ()

    def get(self, name: str) -> str | None:
        """Return the value of an attribute."""
        return dict(self.attributes).get(name)

    @property
    def elements(self) -> tuple[Element, ...]:
        """The children that are elements."""
        return tuple(child for child in self.children if isinstance(child, Element))

    @property
    def text(self) -> str:
        """The text directly in the element, without surrounding white space."""
        return "".join(child for child in self.children if isinstance(child, str)).strip()

    def all(self, *path: str) -> Iterator[Element]:
        """Yield the descendants at a path of names."""
        if not path:
            yield self
            return
        for child in self.elements:
            if child.name == path[0]:
                yield from child.all(*path[1:])

    def first(self, *path: str) -> Element | None:
        """Return the first descendant at a path of names."""
        return next(self.all(*path), None)


def element(tag: str, /, *children: Element | str | None, **attributes: object) -> Element:
    """Return an element; attributes that are None are omitted, and a trailing underscore of a name is dropped."""
    return Element(
        tag,
        tuple((key.rstrip("_"), str(value)) for key, value in attributes.items() if value is not None),
        tuple(child for child in children if child is not None),
    )


def parse_xml(text: str) -> Element:
    """Return the root element of a document.

    Raises:
        XmlError: The text is not well-formed, or declares entities.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.EntityDeclHandler = builder.entity
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise XmlError(str(error)) from error
    return builder.root


class _Builder:
    """Collects the events of the parser."""

    def __init__(self) -> None:
        self._open: list[tuple[str, list[str], list[Element | str]]] = [("", [], [])]

    @property
    def root(self) -> Element:
        (root,) = (child for child in self._open[0][2] if isinstance(child, Element))
        return root

    def start(self, name: str, attributes: list[str]) -> None:
        if len(self._open) > _DEEPEST:
            raise XmlError(f"its elements are nested more than {_DEEPEST} deep")
        self._open.append((name, attributes, []))

    def end(self, _name: str) -> None:
        name, attributes, children = self._open.pop()
        kept = tuple(child for child in children if isinstance(child, Element) or child.strip())
        self._open[-1][2].append(Element(name, tuple(zip(attributes[::2], attributes[1::2])), kept))

    def text(self, text: str) -> None:
        siblings = self._open[-1][2]
        previous = siblings[-1] if siblings else None
        if isinstance(previous, str):  # a comment was between them
            siblings[-1] = previous + text
        else:
            siblings.append(text)

    def entity(self, name: str, *_rest: object) -> None:
        # libvirt's documents have none, and nested entities can expand to more than the memory holds.
        raise XmlError(f"it declares the entity {name}")


def render(root: Element) -> str:
    """Return the text of an element, indented as libvirt does it."""
    return "".join(_lines(root, ""))


def _lines(root: Element, indent: str) -> Iterator[str]:
    opening = f"{indent}<{root.name}{_attributes_text(root.attributes)}"
    if not root.children:
        yield f"{opening}/>\n"
    elif any(isinstance(child, str) for child in root.children):
        yield f"{opening}>{''.join(map(_inline, root.children))}</{root.name}>\n"
    else:
        yield f"{opening}>\n"
        for child in root.elements:
            yield from _lines(child, indent + "  ")
        yield f"{indent}</{root.name}>\n"


def _inline(child: Element | str) -> str:
    if isinstance(child, str):
        return _escaped(child, (*_ESCAPES, ("\r", "&#13;")))
    inner = "".join(map(_inline, child.children))
    opening = f"<{child.name}{_attributes_text(child.attributes)}"
    return f"{opening}>{inner}</{child.name}>" if inner else f"{opening}/>"


def _attributes_text(attributes: Sequence[tuple[str, str]]) -> str:
    return "".join(f" {name}='{_escaped(value, _ATTRIBUTE_ESCAPES)}'" for name, value in attributes)


def _escaped(text: str, escapes: Sequence[tuple[str, str]]) -> str:
    for character, escape in escapes:
        text = text.replace(character, escape)
    return text
