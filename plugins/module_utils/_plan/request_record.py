# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what is requested of a host: the requests as they were written, as the text of a JSON file.

With it, the host can be judged without a controller. A run that requests some sections updates these alone.
"""

from __future__ import annotations

import json
from typing import Any, Collection, Mapping, NamedTuple

from .._machine.desired import AccessRequest, Desired, KvmRequest
from .record_text import DamagedRecord, record_values
from .request_spec import REFUSE, REPLACE, SECTION_OPTIONS

#: Stores the requests.
REQUEST_FILE = "/etc/vfio-workstation/request.json"
_FORMAT = 1
_ABOUT = "What the Ansible collection vfio.workstation was requested to configure; vfio-workstation status compares."
_OF_HUGEPAGES = "memory_for_host"

#: By section: `request`, `accept`, `conflicts`, and for huge pages `memory_for_host`.
Requests = Mapping[str, Mapping[str, Any]]


class RecordedRequest(NamedTuple):
    """The requests of all runs together, as options of the module `host`."""

    options: dict[str, Any]
    replace: bool  # whether conflicting arguments of others are set aside


def update_requests(before: Requests, options: Mapping[str, Any], desired: Desired) -> Requests:
    """Return the requests after a run. A section whose request is empty is no longer requested.

    Args:
        before: The requests before the run.
        options: The options of the run as they were written.
        desired: The same options, parsed.
    """
    requests = {section: values for section, values in before.items() if options.get(section) is None}
    for section in SECTION_OPTIONS:
        if options.get(section) is None or not is_requested(desired, section):
            continue
        values = {
            "request": options[section],
            "accept": sorted(desired.accepted),
            "conflicts": options.get("conflicts") or REFUSE,
        }
        if section == "hugepages" and options.get(_OF_HUGEPAGES) is not None:
            values[_OF_HUGEPAGES] = options[_OF_HUGEPAGES]
        requests[section] = values
    return {section: requests[section] for section in SECTION_OPTIONS if section in requests}


def without_sections(before: Requests, sections: Collection[str]) -> Requests:
    """Return the requests after a run that removes sections."""
    return {section: values for section, values in before.items() if section not in sections}


def is_requested(desired: Desired, section: str) -> bool:
    """Return whether a section requests anything. An empty one removes what an earlier run configured."""
    request = getattr(desired, section)
    if section == "cpu_isolation":
        return request is not None and request.cpus != ()
    return request not in (None, (), AccessRequest(), KvmRequest())


def recorded_request(requests: Requests) -> RecordedRequest:
    """Return all requests as one. A refusal that one run overrode, and arguments that it set aside, count for all."""
    options: dict[str, Any] = {section: values["request"] for section, values in requests.items()}
    options["accept"] = sorted({code for values in requests.values() for code in values["accept"]})
    for values in requests.values():
        if _OF_HUGEPAGES in values:
            options[_OF_HUGEPAGES] = values[_OF_HUGEPAGES]
    return RecordedRequest(options, any(values["conflicts"] == REPLACE for values in requests.values()))


def render_requests(requests: Requests) -> str:
    """Return the text of the file."""
    document = {"about": _ABOUT, "format": _FORMAT, "sections": requests}
    return json.dumps(document, indent=2, sort_keys=True, default=str) + "\n"


def parse_requests(text: str | None) -> Requests:
    """Return the requests that a file's text contains; none where there is no file.

    The requests themselves are checked by `parse_desired`, as options are.

    Raises:
        DamagedRecord: The text is no record.
    """
    if text is None:
        return {}
    raw = record_values(text, _FORMAT)
    sections = raw.get("sections")
    if not isinstance(sections, dict):
        raise DamagedRecord(f"its sections are {type(sections).__name__}, expected a mapping")
    for section, values in sections.items():
        _check(section, values)
    return sections


def _check(section: str, values: Any) -> None:
    if section not in SECTION_OPTIONS:
        raise DamagedRecord(f"{section!r} is no section")
    if not isinstance(values, dict) or values.get("request") is None:
        raise DamagedRecord(f"the section {section} has no request")
    accept = values.get("accept")
    if not isinstance(accept, list) or not all(isinstance(code, str) for code in accept):
        raise DamagedRecord(f"accept of the section {section} is {accept!r}, expected a list of codes")
    if values.get("conflicts") not in (REFUSE, REPLACE):
        raise DamagedRecord(f"conflicts of the section {section} is {values.get('conflicts')!r}")
