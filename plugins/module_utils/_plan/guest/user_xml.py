# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Elements that the user adds to a domain, as settings."""

from __future__ import annotations

from typing import Iterator, Sequence

from ..._machine.guest import Setting
from ..._machine.xml_element import Element, element
from .merge import covers, overlay

#: Elements that contain settings, by their path below <domain>; others are settings.
_CONTAINERS = {
    (),
    ("clock",),
    ("cpu",),
    ("cputune",),
    ("devices",),
    ("features",),
    ("features", "hyperv"),
    ("features", "kvm"),
    ("memoryBacking",),
    ("metadata",),
    ("numatune",),
    ("os",),
    ("os", "firmware"),
    ("pm",),
}
#: Attributes that identify an element among others of its name.
_KEYS = ("name", "vcpu", "iothread", "cellid")
#: This element is replaced as a whole: what the user adds to it becomes part of it.
_CPU = ("cpu",)
_CPU_SETTING = Setting((), Element(*_CPU), Element(*_CPU))


def user_settings(domain: Element) -> list[Setting]:
    """Return the settings that a `<domain>` of the user consists of."""
    return list(_settings(domain, ()))


def _settings(container: Element, path: tuple[str, ...]) -> Iterator[Setting]:
    for child in container.elements:
        below = (*path, child.name)
        if below not in _CONTAINERS:
            yield Setting(path, _key(child), child)
            continue
        if child.attributes:
            yield Setting(path, Element(child.name), child._replace(children=()))
        yield from _settings(child, below)


def _key(child: Element) -> Element:
    """Return what identifies an element: a telling attribute, the source of a host's device, or else all of it."""
    for name in _KEYS:
        value = child.get(name)
        if value is not None:
            return element(child.name, **{name: value})
    target = child.first("target")
    for name in ("dev", "name"):
        value = target.get(name) if target is not None else None
        if value is not None:
            return element(child.name, element("target", **{name: value}))
    return Element(child.name) if not child.attributes and not child.elements else child


def with_user_settings(planned: Sequence[Setting], added: Sequence[Setting]) -> tuple[Setting, ...]:
    """Return planned settings with those of the user, which replace what they contradict."""
    result = list(planned)
    for setting in added:
        in_cpu = setting.parent == _CPU
        index = _planned_at(result, _CPU_SETTING if in_cpu else setting)
        if index is None:
            result.append(setting)
        else:
            join = _in_cpu if in_cpu else overlay
            result[index] = result[index]._replace(element=join(result[index].element, setting.element))
    return tuple(result)


def _planned_at(planned: Sequence[Setting], added: Setting) -> int | None:
    """Return the position of the planned setting for the same location."""
    for index, setting in enumerate(planned):
        if setting.parent == added.parent and covers(added.element, setting.key):
            return index
    return None


def _in_cpu(cpu: Element, added: Element) -> Element:
    """Return the planned `<cpu>` with an element of the user in it."""
    kept = [child for child in cpu.elements if child.name != added.name or child.get("name") != added.get("name")]
    return cpu._replace(children=(*kept, added))
