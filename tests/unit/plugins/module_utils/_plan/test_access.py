# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access without root: the files, read by parsers that follow udev(7) and limits.conf(5)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import AccessRequest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.access import (
    ACCESS_FILES,
    ACCESS_RULE_FILE,
    ACCESS_TOOLS,
    MEMLOCK_FILE,
    access_files,
    access_notes,
    access_refusals,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.own_files import is_ours
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired

KEY = re.compile(r'([A-Z]+)(==|=)"([^"]*)"')
GROUPS = "root:x:0:\nkvm:x:106:alice\nvfio:x:1001:\nodd:x:a number:\n\nshort\n"
USERS = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
# The SUBSYSTEM and KERNEL names of device nodes.
NODES = {
    "/dev/vfio/12": ("vfio", "12"),
    "/dev/vfio/devices/vfio0": ("vfio-dev", "vfio0"),
    "/dev/iommu": ("misc", "iommu"),
    "/dev/vfio/vfio": ("misc", "vfio"),
    "/dev/kvm": ("misc", "kvm"),
}


def contents(request: AccessRequest) -> dict[str, str]:
    files = access_files(request)
    assert all(is_ours(file.content) and file.mode == 0o644 and file.content.endswith("\n") for file in files)
    assert {file.path for file in files} <= set(ACCESS_FILES)
    return {file.path: file.content for file in files}


def access_by_node(rules: str) -> dict[str, tuple[str, str]]:
    """Apply the rules to every node, and return group and mode of the nodes that get any."""
    granted = {}
    for node, (subsystem, kernel) in NODES.items():
        event = {"SUBSYSTEM": subsystem, "KERNEL": kernel}
        for line in rules.splitlines():
            if line.startswith("#"):
                continue
            assert KEY.sub("", line).strip(", ") == "", line
            keys = KEY.findall(line)
            if all(event[name] == value for name, operator, value in keys if operator == "=="):
                values = {name: value for name, operator, value in keys if operator == "="}
                granted[node] = (values["GROUP"], values["MODE"])
    return granted


def limits(text: str) -> dict[str, str]:
    """Return the limit of locked memory by user and group, from lines of limits.conf."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert all(len(fields) == 4 and fields[1:3] == ["-", "memlock"] for fields in lines)
    return {fields[0]: fields[3] for fields in lines}


def test_an_empty_request_needs_no_files() -> None:
    assert access_files(AccessRequest()) == ()
    assert list(access_refusals(AccessRequest(), "")) == []
    assert list(access_notes(AccessRequest(), "", "")) == []


def test_a_group_opens_the_nodes_of_devices_and_no_others() -> None:
    files = contents(AccessRequest("kvm"))
    assert list(files) == [ACCESS_RULE_FILE]
    devices = ("/dev/vfio/12", "/dev/vfio/devices/vfio0", "/dev/iommu")
    assert access_by_node(files[ACCESS_RULE_FILE]) == dict.fromkeys(devices, ("kvm", "0660"))


def test_the_tools_trigger_every_node_of_the_rule() -> None:
    # udevadm(8): a device must match one of the subsystems and, where one is given, one of the names too.
    triggered = set()
    for argv in ACCESS_TOOLS[1:]:
        options = [option.partition("=") for option in argv[2:]]
        subsystems = {value for name, _equals, value in options if name == "--subsystem-match"}
        names = {value for name, _equals, value in options if name == "--sysname-match"}
        triggered |= {node for node, (own, name) in NODES.items() if own in subsystems and (not names or name in names)}
    assert triggered == set(access_by_node(contents(AccessRequest("kvm"))[ACCESS_RULE_FILE]))


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (AccessRequest(memlock_users=("alice",)), {"alice": "unlimited"}),
        (
            AccessRequest(memlock_users=("alice", "bob"), memlock_bytes=64 << 30),
            {"alice": "67108864", "bob": "67108864"},
        ),
        (AccessRequest(memlock_users=("a",), memlock_groups=("vfio",)), {"a": "unlimited", "@vfio": "unlimited"}),
    ],
)
def test_limits(access: AccessRequest, expected: dict[str, str]) -> None:
    files = contents(access)
    assert list(files) == [MEMLOCK_FILE]
    assert limits(files[MEMLOCK_FILE]) == expected


@pytest.mark.parametrize("name", ['a"', "a\nb", "a b", "", "@a", "a$", "%p", "a:b", "é", "a#", "-a", "a\x00"])
@pytest.mark.parametrize("make", [AccessRequest, lambda name: AccessRequest(memlock_users=(name,))])
def test_names_with_special_characters_are_not_written(make: Callable[[str], AccessRequest], name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid user or group name"):
        access_files(make(name))


@settings(deadline=None)
@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=2), st.sampled_from(["64M", "3G", "unlimited"]))
def test_any_accepted_request_can_be_written(group: str, users: list[str], limit: str) -> None:
    desired = parse_desired({"access": {"group": group, "memlock": {"users": [*users, "alice"], "limit": limit}}})
    if isinstance(desired, list):
        assert any("access.group" in mistake or "access.memlock.users" in mistake for mistake in desired)
        return
    assert desired.access is not None
    files = contents(desired.access)
    assert set(limits(files[MEMLOCK_FILE])) == {*users, "alice"}
    assert {name for name, _mode in access_by_node(files[ACCESS_RULE_FILE]).values()} == {group}


@pytest.mark.parametrize(
    ("group", "text", "codes"),
    [
        ("kvm", GROUPS, []),
        ("vfio", GROUPS, []),
        ("odd", GROUPS, []),
        ("libvirt", GROUPS, ["group_unknown"]),
        ("short", GROUPS, ["group_unknown"]),
        ("libvirt", None, []),
        (None, GROUPS, []),
    ],
)
def test_a_group_that_does_not_exist_is_refused(group: str | None, text: str | None, codes: list[str]) -> None:
    refusals = list(access_refusals(AccessRequest(group), text))
    assert [refusal.code for refusal in refusals] == codes
    assert all(group and group in refusal.seen and "groupadd" in refusal.remedy for refusal in refusals)


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (AccessRequest("kvm"), []),
        (AccessRequest("vfio"), [("vfio", "1001", "258")]),
        (AccessRequest(memlock_users=("alice",)), [("sessions", "LimitMEMLOCK", "libvirt")]),
        (AccessRequest(memlock_users=("alice", "eve")), [("eve", "/etc/passwd"), ("sessions",)]),
        (AccessRequest(memlock_groups=("kvm", "games")), [("games", "/etc/group"), ("sessions",)]),
    ],
)
def test_notes(access: AccessRequest, words: list[tuple[str, ...]]) -> None:
    notes = list(access_notes(access, GROUPS, USERS))
    assert len(notes) == len(words)
    assert all(word in note for note, expected in zip(notes, words, strict=True) for word in expected)
    assert all("alice" not in note for note in notes)
