# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mark of this collection in a domain's `<metadata>`: whose the domain is, and what was there before.

<vfio-workstation:guest xmlns:vfio-workstation='urn:vfio-workstation:guest' format='1' created='no'>
  <port use='gpu 0' index='5'/>
  <own in='cputune' container='yes'/>       a container that was not there before
  <own in='cputune'>                        elements that were not there before, by what identifies them
    <vcpupin vcpu='0'/>
    <vcpupin vcpu='1'/>
  </own>
  <own in=''>
    <memory/>
    <before><memory unit='KiB'>4194304</memory></before>
    <set><memory unit='KiB'>16777216</memory></set>
  </own>
</vfio-workstation:guest>
"""

from __future__ import annotations

import itertools
from typing import Iterator

from ..._machine.guest import Mark, PriorSetting
from ..._machine.xml_element import Element, element

_PREFIX = "vfio-workstation"
#: Identifies the mark: the text of every domain of ours has it.
NAMESPACE = "urn:vfio-workstation:guest"
_FORMAT = "1"
_METADATA = "metadata"
_YES, _NO = "yes", "no"
_BEFORE, _SET = "before", "set"


class DamagedMark(Exception):
    """The content of a mark is not what this collection writes; the message says why."""


def read_mark(domain: Element) -> Mark | None:
    """Return the mark of a domain; None where it has none.

    Raises:
        DamagedMark: It has one that can't be read.
    """
    marked = _find(domain)
    if marked is None:
        return None
    if marked.get("format") != _FORMAT:
        raise DamagedMark(f"its format is {marked.get('format')}, and expected is {_FORMAT}")
    return Mark(
        created=_attribute(marked, "created") == _YES,
        owned=tuple(prior for own in marked.all("own") for prior in _priors(own)),
        ports=tuple((_attribute(port, "use"), _number(port, "index")) for port in marked.all("port")),
    )


def has_mark(definition: str) -> bool:
    """Tell whether the text of a domain has a mark, readable or not."""
    return NAMESPACE in definition


def _find(domain: Element) -> Element | None:
    # A prefix is arbitrary: the namespace identifies the element.
    for child in (other for metadata in domain.all(_METADATA) for other in metadata.elements):
        if NAMESPACE in dict(child.attributes).values() and child.name.endswith(":guest"):
            return child
    return None


def _priors(own: Element) -> Iterator[PriorSetting]:
    path = _attribute(own, "in")
    parent = tuple(path.split("/")) if path else ()
    if own.get("container") == _YES:
        if not parent:
            raise DamagedMark("a container has no name")
        yield PriorSetting(parent[:-1], Element(parent[-1]), None, exclusive=False, prior=None)
        return
    before, applied = own.first(_BEFORE), own.first(_SET)
    keys = [child for child in own.elements if child not in (before, applied)]
    if before is not None and (len(keys) != 1 or len(before.elements) != 1):
        raise DamagedMark(f"what was before at {path} is not one element")
    for key in keys:
        yield PriorSetting(
            parent,
            key,
            applied.elements[0] if applied is not None and applied.elements else key,
            exclusive=own.get("exclusive") == _YES,
            prior=before.elements[0] if before is not None else None,
        )


def _attribute(part: Element, name: str) -> str:
    value = part.get(name)
    if value is None:
        raise DamagedMark(f"<{part.name}> has no {name}")
    return value


def _number(part: Element, name: str) -> int:
    value = _attribute(part, name)
    if not (value.isascii() and value.isdigit() and len(value) < 9):
        raise DamagedMark(f"{name} of <{part.name}> is {value!r}, and no number")
    return int(value)


def with_mark(domain: Element, mark: Mark | None) -> Element:
    """Return a domain with a mark in place of the one that it has; with None, without one."""
    marked = _find(domain)
    metadata = domain.first(_METADATA)
    others = [child for child in metadata.elements if child is not marked] if metadata else []
    if mark is not None:
        others.append(_element(mark))
    rest = [child for child in domain.children if child is not metadata]
    if not others:
        return domain._replace(children=tuple(rest))
    position = domain.children.index(metadata) if metadata else min(1, len(rest))
    rest.insert(position, element(_METADATA, *others))
    return domain._replace(children=tuple(rest))


def _element(mark: Mark) -> Element:
    attributes = (
        (f"xmlns:{_PREFIX}", NAMESPACE),
        ("format", _FORMAT),
        ("created", _YES if mark.created else _NO),
    )
    ports = (element("port", use=use, index=index) for use, index in mark.ports)
    groups = itertools.groupby(mark.owned, key=lambda prior: (prior.parent, prior.exclusive, _alone(prior)))
    own = (part for _key, priors in groups for part in _own(list(priors)))
    return Element(f"{_PREFIX}:guest", attributes, (*ports, *own))


def _alone(prior: PriorSetting) -> bool:
    """Tell whether a location needs an <own> of its own."""
    return prior.element is None or prior.prior is not None


def _own(priors: list[PriorSetting]) -> Iterator[Element]:
    """Yield the elements for locations in the same parent."""
    first = priors[0]
    exclusive = _YES if first.exclusive else None
    if not _alone(first):
        keys = (prior.key for prior in priors)
        yield Element("own", _attributes(first.parent, exclusive), tuple(keys))
        return
    for prior in priors:
        if prior.element is None:
            yield element("own", **{"in": "/".join((*prior.parent, prior.key.name)), "container": _YES})
            continue
        parts = [prior.key, *([element(_BEFORE, prior.prior)] if prior.prior is not None else [])]
        if not prior.exclusive:  # an exclusive one is restored as a whole
            parts.append(element(_SET, prior.element))
        yield Element("own", _attributes(prior.parent, exclusive), tuple(parts))


def _attributes(parent: tuple[str, ...], exclusive: str | None) -> tuple[tuple[str, str], ...]:
    return (("in", "/".join(parent)), *((("exclusive", exclusive),) if exclusive else ()))
