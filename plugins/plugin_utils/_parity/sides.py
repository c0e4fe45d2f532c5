# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether both sides can be compared at all: the tools that they lack, and their numbers of CPUs. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._plan.benchmarks import KINDS, TOOLS

Side = t.Mapping[str, t.Any]


def mistakes(native: Side, guest: Side | None, kinds: t.Iterable[str]) -> list[str]:
    """Return what prevents a comparison, in words.

    Args:
        native: What the module `benchmark` returned for the host without a kind, with its `name`.
        guest: The same for the guest; None if there is none.
        kinds: The kinds of work to measure.
    """
    needed = list(dict.fromkeys(KINDS[kind].tool for kind in kinds))
    texts = [_missing(side, needed) for side in (native, guest) if side]
    return [*filter(None, texts), *(_counts(native, guest) if guest else ())]


def _missing(side: Side, needed: t.Sequence[str]) -> str:
    versions = side.get("tools") or {}
    tools = [TOOLS[name] for name in needed if versions.get(name) is None]
    if not tools:
        return ""
    names = ", ".join(tool.name for tool in tools)
    debian, fedora = " ".join(tool.debian for tool in tools), " ".join(tool.fedora for tool in tools)
    return (
        f"{side['name']} has no {names}. Install {debian} (Debian, Ubuntu) or {fedora} (Fedora), "
        "or leave out kinds with parity_kinds."
    )


def _counts(native: Side, guest: Side) -> t.Iterator[str]:
    counts = len(native.get("cpus") or ()), len(guest.get("cpus") or ())
    if counts[0] != counts[1]:
        yield (
            f"parity_cpus: {counts[0]} CPUs of {native['name']} would be compared with the {counts[1]} of "
            f"{guest['name']}. Set parity_cpus to the CPUs that the guest runs on."
        )
