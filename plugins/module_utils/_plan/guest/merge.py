# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Merge settings into a domain, and take them out again.

This collection owns the elements, attributes and texts that it sets in a domain, and no others. What somebody else adds
beside them stays, also what libvirt fills in. For each location that it owns, it keeps what was there before, so that a
domain that it did not create can be returned as it was.
"""

from __future__ import annotations

from typing import Sequence

from ..._machine.guest import PriorSetting, Setting
from ..._machine.xml_element import Element, render

#: A child that says where something comes from. Its attributes depend on each other: it is replaced as a whole.
_WHOLE = ("source",)
#: Children that only some types of an element have: those of another type go with it.
_OF_TYPE = ("source", "backend")
_NAMESPACE = "xmlns"


def location(setting: Setting | PriorSetting) -> tuple[tuple[str, ...], str]:
    """Return what identifies the location of a setting in a domain."""
    return setting.parent, render(setting.key)


def covers(current: Element, requested: Element, exclusive: bool = False) -> bool:
    """Tell whether an element has all that is requested.

    Args:
        current: The element.
        requested: Attributes, text and children.
        exclusive: Whether it must have no other children. Other attributes are allowed: libvirt adds some.
    """
    if current.name != requested.name or (requested.text and current.text != requested.text):
        return False
    attributes = dict(current.attributes)
    if any(attributes.get(name) != value for name, value in requested.attributes if not name.startswith(_NAMESPACE)):
        return False
    unused = list(current.elements)
    for child in requested.elements:
        match = next((other for other in unused if covers(other, child, exclusive)), None)
        if match is None:
            return False
        unused.remove(match)
    return not (exclusive and unused)


def merge(domain: Element, settings: Sequence[Setting]) -> Element:
    """Return a domain with settings; where it has them, it is returned unchanged."""
    for setting in settings:
        domain = _at(domain, setting.parent, setting)
    return domain


def _at(element: Element, path: Sequence[str], setting: Setting) -> Element:
    if not path:
        return _set(element, setting)
    names = [child.name if isinstance(child, Element) else None for child in element.children]
    if path[0] not in names:
        return element._replace(children=(*element.children, _at(Element(path[0]), path[1:], setting)))
    index = names.index(path[0])
    child = _element_at(element, index)
    return _with_child(element, index, _at(child, path[1:], setting))


def _set(parent: Element, setting: Setting) -> Element:
    index = _find(parent, setting.key)
    if index is None:
        return parent._replace(children=(*parent.children, setting.element))
    current = _element_at(parent, index)
    if covers(current, setting.element, setting.exclusive):
        return parent
    return _with_child(parent, index, setting.element if setting.exclusive else overlay(current, setting.element))


def _find(parent: Element, key: Element) -> int | None:
    for index, child in enumerate(parent.children):
        if isinstance(child, Element) and covers(child, key):
            return index
    return None


def _element_at(parent: Element, index: int) -> Element:
    child = parent.children[index]
    if not isinstance(child, Element):
        raise AssertionError(f"child {index} of <{parent.name}> is no element")
    return child


def _with_child(parent: Element, index: int, child: Element | None) -> Element:
    children = parent.children[:index] + (() if child is None else (child,)) + parent.children[index + 1 :]
    return parent._replace(children=children)


def overlay(current: Element, requested: Element) -> Element:
    """Return an element with all that is requested, in place of what contradicts it."""
    attributes = {**dict(current.attributes), **dict(requested.attributes)}
    result = current._replace(attributes=tuple(attributes.items()))
    if _differ_in_type(current, requested):
        result = _with_children_of_type(result, requested)
    if requested.text:
        result = _with_text(result, requested)
    matched: set[int] = set()
    for child in requested.elements:
        index = _same_name(result, child.name, matched)
        if index is None:
            result = result._replace(children=(*result.children, child))
            matched.add(len(result.children) - 1)
            continue
        matched.add(index)
        other = _element_at(result, index)
        result = _with_child(result, index, child if child.name in _WHOLE else overlay(other, child))
    return result


def _differ_in_type(current: Element, requested: Element) -> bool:
    return None not in (current.get("type"), requested.get("type")) and current.get("type") != requested.get("type")


def _with_children_of_type(element: Element, source: Element) -> Element:
    """Return an element with those children of another one that depend on the type, where its own were."""
    own = [_is_of_type(child) for child in element.children]
    position = own.index(True) if True in own else 0
    others = [child for child, is_of_type in zip(element.children, own) if not is_of_type]
    others[position:position] = [child for child in source.elements if _is_of_type(child)]
    return element._replace(children=tuple(others))


def _is_of_type(child: Element | str) -> bool:
    return isinstance(child, Element) and child.name in _OF_TYPE


def _with_text(element: Element, source: Element) -> Element:
    """Return an element with the texts of another one in place of its own."""
    texts = tuple(child for child in source.children if isinstance(child, str))
    return element._replace(children=(*texts, *element.elements))


def _same_name(parent: Element, name: str, matched: set[int]) -> int | None:
    for index, child in enumerate(parent.children):
        if isinstance(child, Element) and child.name == name and index not in matched:
            return index
    return None


def take_ownership(domain: Element, settings: Sequence[Setting], owned: Sequence[PriorSetting]) -> list[PriorSetting]:
    """Return the locations of settings with what a domain has there before they are merged into it.

    Args:
        domain: The domain.
        settings: The settings.
        owned: The locations that are owned already: of these, what was there before is known.
    """
    known = {location(prior): prior for prior in owned}
    result: dict[object, PriorSetting] = {}
    for setting in settings:
        for position in range(len(setting.parent)):
            container = Element(setting.parent[position])
            prior = PriorSetting(setting.parent[:position], container, None, exclusive=False, prior=None)
            where = location(prior)
            if where in known or domain.first(*setting.parent[: position + 1]) is None:
                result.setdefault(where, known.get(where, prior))
        where = location(setting)
        before = known.get(where)
        if before is None:
            before = PriorSetting(*setting, prior=_current(domain, setting))
        # Attributes that an earlier run set and this one does not are restored as well.
        earlier = before.element if before.prior is not None and before.element is not None else setting.element
        result[where] = before._replace(element=overlay(earlier, setting.element))
    return list(result.values())


def _current(domain: Element, setting: Setting) -> Element | None:
    parent = domain.first(*setting.parent)
    index = None if parent is None else _find(parent, setting.key)
    child = parent.children[index] if parent is not None and index is not None else None
    return child if isinstance(child, Element) else None


def restore(domain: Element, owned: Sequence[PriorSetting]) -> Element:
    """Return a domain with what owned locations had before, the last one first."""
    for prior in reversed(owned):
        domain = _restored(domain, prior.parent, prior)
    return domain


def _restored(element: Element, path: Sequence[str], prior: PriorSetting) -> Element:
    if path:
        index = _same_name(element, path[0], set())
        if index is None:
            return element if prior.prior is None else _at(element, path, Setting(*prior[:2], prior.prior, True))
        child = _element_at(element, index)
        return _with_child(element, index, _restored(child, path[1:], prior))
    index = _find(element, prior.key)
    if index is None:
        return element if prior.prior is None else element._replace(children=(*element.children, prior.prior))
    current = _element_at(element, index)
    if prior.prior is None:
        # A container stays as long as it contains something of others.
        is_used_container = prior.element is None and bool(current.children)
        return element if is_used_container else _with_child(element, index, None)
    whole = prior.exclusive or prior.element is None
    before = prior.prior if whole or prior.element is None else _undone(current, prior.element, prior.prior)
    return _with_child(element, index, before)


def _undone(current: Element, requested: Element, prior: Element) -> Element:
    """Return an element with what `requested` set in it as it was in `prior`."""
    attributes, before = dict(current.attributes), dict(prior.attributes)
    for name, _value in requested.attributes:
        attributes.pop(name, None)
        if name in before:
            attributes[name] = before[name]
    ordered = {name: attributes[name] for name in (*before, *attributes) if name in attributes}
    result = current._replace(attributes=tuple(ordered.items()))
    if _differ_in_type(prior, requested):
        result = _with_children_of_type(result, prior)
    if requested.text:
        result = _with_text(result, prior)
    for child in requested.elements:
        index, earlier = _same_name(result, child.name, set()), prior.first(child.name)
        if index is None:
            result = result._replace(children=(*result.children, *([earlier] if earlier else [])))
            continue
        other = _element_at(result, index)
        whole = earlier is None or child.name in _WHOLE
        result = _with_child(result, index, earlier if whole or earlier is None else _undone(other, child, earlier))
    return result
