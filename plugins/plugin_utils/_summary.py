# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statistics of a run, for programs that start it: hosts by verdict, and which are not done. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._text import verdict as _verdict

#: Their hosts are not listed: of a thousand hosts, most are done.
_DONE = (_verdict.ACTIVE, _verdict.UNMANAGED)


def summary(results: t.Mapping[str, t.Mapping[str, t.Any]], predicted: bool) -> dict[str, t.Any]:
    """Return the number of hosts by verdict, worst first, and the names of those that are not done.

    Args:
        results: What the module host returned, by host name.
        predicted: Whether the module ran in check mode, so that its steps were not executed.
    """
    names: dict[str, list[str]] = {word: [] for word in _verdict.VERDICTS}
    for name, result in results.items():
        names[_verdict.verdict(result, predicted)].append(name)
    return {
        "hosts": len(results),
        "verdicts": {word: len(hosts) for word, hosts in names.items() if hosts},
        "unfinished": {word: sorted(hosts) for word, hosts in names.items() if hosts and word not in _DONE},
    }
