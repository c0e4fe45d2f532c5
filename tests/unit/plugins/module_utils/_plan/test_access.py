# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use devices of guests: the files, held against readers that follow udev(7) and limits.conf(5)."""

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
# What the kernel calls the nodes: SUBSYSTEM, KERNEL.
NODES = {
    "/dev/vfio/12": ("vfio", "12"),
    "/dev/vfio/devices/vfio0": ("vfio-dev", "vfio0"),
    "/dev/iommu": ("misc", "iommu"),
    "/dev/vfio/vfio": ("misc", "vfio"),
    "/dev/kvm": ("misc", "kvm"),
}


def contents(wanted: AccessRequest) -> dict[str, str]:
    files = access_files(wanted)
    assert all(is_ours(file.content) and file.mode == 0o644 and file.content.endswith("\n") for file in files)
    assert {file.path for file in files} <= set(ACCESS_FILES)
    return {file.path: file.content for file in files}


def opened(rules: str) -> dict[str, tuple[str, str]]:
    """Run the rules for every node; group and mode by node, of those that get any."""
    found = {}
    for node, (subsystem, kernel) in NODES.items():
        event = {"SUBSYSTEM": subsystem, "KERNEL": kernel}
        for line in rules.splitlines():
            if line.startswith("#"):
                continue
            assert KEY.sub("", line).strip(", ") == "", line
            keys = KEY.findall(line)
            if all(event[name] == value for name, operator, value in keys if operator == "=="):
                values = {name: value for name, operator, value in keys if operator == "="}
                found[node] = (values["GROUP"], values["MODE"])
    return found


def limits(text: str) -> dict[str, str]:
    """Read lines of limits.conf: who, and how much may be locked."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert all(len(fields) == 4 and fields[1:3] == ["-", "memlock"] for fields in lines)
    return {fields[0]: fields[3] for fields in lines}


def test_nobody() -> None:
    assert access_files(AccessRequest()) == ()
    assert list(access_refusals(AccessRequest(), "")) == []
    assert list(access_notes(AccessRequest(), "", "")) == []


def test_a_group_opens_the_nodes_of_devices_and_no_others() -> None:
    files = contents(AccessRequest("kvm"))
    assert list(files) == [ACCESS_RULE_FILE]
    devices = ("/dev/vfio/12", "/dev/vfio/devices/vfio0", "/dev/iommu")
    assert opened(files[ACCESS_RULE_FILE]) == dict.fromkeys(devices, ("kvm", "0660"))


def test_the_tools_reach_every_node_of_the_rule() -> None:
    # udevadm(8): a device must match one of the subsystems and, where one is given, one of the names too.
    reached = set()
    for argv in ACCESS_TOOLS[1:]:
        options = [option.partition("=") for option in argv[2:]]
        subsystems = {value for name, _equals, value in options if name == "--subsystem-match"}
        names = {value for name, _equals, value in options if name == "--sysname-match"}
        reached |= {node for node, (one, name) in NODES.items() if one in subsystems and (not names or name in names)}
    assert reached == set(opened(contents(AccessRequest("kvm"))[ACCESS_RULE_FILE]))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AccessRequest(memlock_users=("alice",)), {"alice": "unlimited"}),
        (
            AccessRequest(memlock_users=("alice", "bob"), memlock_bytes=64 << 30),
            {"alice": "67108864", "bob": "67108864"},
        ),
        (AccessRequest(memlock_users=("a",), memlock_groups=("vfio",)), {"a": "unlimited", "@vfio": "unlimited"}),
    ],
)
def test_limits(wanted: AccessRequest, found: dict[str, str]) -> None:
    files = contents(wanted)
    assert list(files) == [MEMLOCK_FILE]
    assert limits(files[MEMLOCK_FILE]) == found


@pytest.mark.parametrize("name", ['a"', "a\nb", "a b", "", "@a", "a$", "%p", "a:b", "é", "a#", "-a", "a\x00"])
@pytest.mark.parametrize("make", [AccessRequest, lambda name: AccessRequest(memlock_users=(name,))])
def test_names_that_mean_something_to_the_files_go_into_none(make: Callable[[str], AccessRequest], name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a user or group"):
        access_files(make(name))


@settings(deadline=None)
@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=2), st.sampled_from(["64M", "3G", "unlimited"]))
def test_whatever_is_let_through_can_be_written(group: str, users: list[str], limit: str) -> None:
    found = parse_desired({"access": {"group": group, "memlock": {"users": [*users, "alice"], "limit": limit}}})
    if isinstance(found, list):
        assert any("access.group" in one or "access.memlock.users" in one for one in found)
        return
    assert found.access is not None
    files = contents(found.access)
    assert set(limits(files[MEMLOCK_FILE])) == {*users, "alice"}
    assert {name for name, _mode in opened(files[ACCESS_RULE_FILE]).values()} == {group}


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
def test_udev_must_know_the_group(group: str | None, text: str | None, codes: list[str]) -> None:
    refusals = list(access_refusals(AccessRequest(group), text))
    assert [refusal.code for refusal in refusals] == codes
    assert all(group and group in refusal.seen and "groupadd" in refusal.remedy for refusal in refusals)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (AccessRequest("kvm"), []),
        (AccessRequest("vfio"), [("vfio", "1001", "258")]),
        (AccessRequest(memlock_users=("alice",)), [("sessions", "LimitMEMLOCK", "libvirt")]),
        (AccessRequest(memlock_users=("alice", "eve")), [("eve", "/etc/passwd"), ("sessions",)]),
        (AccessRequest(memlock_groups=("kvm", "games")), [("games", "/etc/group"), ("sessions",)]),
    ],
)
def test_what_a_person_is_told(wanted: AccessRequest, words: list[tuple[str, ...]]) -> None:
    notes = list(access_notes(wanted, GROUPS, USERS))
    assert len(notes) == len(words)
    assert all(word in note for note, expected in zip(notes, words, strict=True) for word in expected)
    assert all("alice" not in note for note in notes)
