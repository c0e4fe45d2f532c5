# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision which images to rebuild, the validation of requests, and the record of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import (
    MARKERS,
    File,
    Image,
    InitramfsRecord,
    InitramfsRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.kernel_module import BUILT_IN, LOADABLE, MISSING
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs import decide as rule
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.record import (
    parse_record,
    record_text,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.store import marker_path

RULE = File("/etc/udev/rules.d/10-a.rules", "# a\n", 0o644)
MERGED = File("/lib/udev/b", "b", 0o755)
REQUEST = InitramfsRequest((RULE, MERGED), ("vfio-pci",))
RECORD = InitramfsRecord({"devices": REQUEST})
MARKER = f"{MARKERS}/0123456789abcdef"
OBJECT = "usr/lib/modules/6.1.0/kernel/drivers/vfio/pci/vfio-pci.ko.xz"
PRESENT = {MARKER, "etc/udev/rules.d/10-a.rules", "usr/lib/udev/b", OBJECT}


def image(names: set[str] | None, kind: str = LOADABLE) -> Image:
    content = None if names is None else frozenset(names)
    return Image("6.1.0", "/boot/initrd.img-6.1.0", 1000, {"vfio_pci": kind}, content)


def test_an_image_that_matches_the_request_is_kept() -> None:
    decision = rule.decide(RECORD, "devices", MARKER, [image(PRESENT)])
    assert (decision.refusals, decision.rebuild, decision.differences) == ((), (), {"6.1.0": ()})


@pytest.mark.parametrize("missing", sorted(PRESENT))
def test_an_image_that_lacks_anything_is_rebuilt(missing: str) -> None:
    decision = rule.decide(
        RECORD, "devices", MARKER, [image(PRESENT - {missing}), image(PRESENT)._replace(version="6.2.0")]
    )
    assert decision.rebuild[0] == image(PRESENT - {missing})


def test_a_module_of_another_kernel_does_not_count() -> None:
    names = PRESENT - {OBJECT} | {OBJECT.replace("6.1.0", "6.2.0")}
    assert rule.decide(RECORD, "devices", MARKER, [image(names)]).differences == {"6.1.0": ("it lacks vfio-pci",)}


def test_an_image_built_from_another_request_is_rebuilt() -> None:
    names = PRESENT | {f"{MARKERS}/fedcba9876543210"}
    assert rule.decide(RECORD, "devices", MARKER, [image(names)]).rebuild
    assert rule.decide(InitramfsRecord({}), "devices", None, [image({f"{MARKERS}/fedcba9876543210"})]).rebuild
    assert not rule.decide(InitramfsRecord({}), "devices", None, [image({"etc/passwd"})]).rebuild


def test_an_image_that_can_not_be_listed_is_rebuilt_only_if_something_is_requested() -> None:
    assert rule.decide(RECORD, "devices", MARKER, [image(None)]).rebuild
    assert not rule.decide(InitramfsRecord({}), "devices", None, [image(None)]).rebuild


def test_a_built_in_module_is_not_expected_in_the_image() -> None:
    decision = rule.decide(RECORD, "devices", MARKER, [image(PRESENT - {OBJECT}, BUILT_IN)])
    assert (decision.refusals, decision.rebuild) == ((), ())


def test_a_module_that_a_kernel_lacks_is_refused() -> None:
    (refusal,) = rule.decide(RECORD, "devices", MARKER, [image(PRESENT, MISSING)]).refusals
    assert refusal.code == "kernel_lacks_module"
    assert "6.1.0" in refusal.seen
    assert "vfio-pci" in refusal.seen
    assert rule.decide(InitramfsRecord({}), "devices", None, [image(PRESENT, MISSING)]).refusals == ()


def test_a_request_without_any_image_is_refused() -> None:
    (refusal,) = rule.decide(RECORD, "devices", MARKER, []).refusals
    assert refusal.code == "initramfs_unsupported"
    assert rule.decide(InitramfsRecord({}), "devices", None, []).refusals == ()


def test_two_owners_that_request_different_files_at_one_path() -> None:
    record = rule.with_request(RECORD, "other", InitramfsRequest((RULE._replace(content="# b\n"),)))
    (refusal,) = rule.decide(record, "other", MARKER, [image(PRESENT)]).refusals
    assert refusal.code == "initramfs_conflict"
    assert RULE.path in refusal.seen
    same = rule.with_request(RECORD, "other", InitramfsRequest((RULE,)))
    assert rule.decide(same, "other", MARKER, [image(PRESENT)]).refusals == ()


def test_requests_of_all_owners_are_merged() -> None:
    record = rule.with_request(RECORD, "another", InitramfsRequest((RULE,), ("nvme", "vfio_pci")))
    merged = rule.merged_request(record)
    assert merged.files == (RULE, MERGED)
    assert len(merged.modules) == 2
    assert rule.merged_request(rule.with_request(record, "another", InitramfsRequest())) == rule.merged_request(RECORD)
    assert rule.with_request(RECORD, "devices", InitramfsRequest()) == InitramfsRecord({})


def test_another_revision_is_another_request() -> None:
    """Foreign configuration in images was changed: all images are rebuilt, though they hold the same."""
    record = rule.with_request(RECORD, "devices", REQUEST._replace(revision=1))
    merged = rule.merged_request(record)
    assert merged == rule.merged_request(RECORD)._replace(revision=1)
    assert marker_path(merged) != marker_path(rule.merged_request(RECORD))
    assert rule.decide(record, "devices", marker_path(merged), [image(PRESENT)]).rebuild


def test_a_revision_alone_is_a_request() -> None:
    revision = InitramfsRequest(revision=2)
    assert not revision.is_empty
    assert marker_path(revision) is not None
    assert rule.with_request(InitramfsRecord({}), "devices", revision).owners == {"devices": revision}


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("./etc/a", "etc/a"),
        ("/etc/a", "etc/a"),
        ("etc/a", "etc/a"),
        ("lib/modules/a", "usr/lib/modules/a"),
        ("./sbin/a", "usr/sbin/a"),
        ("library/a", "library/a"),
        ("lib", "lib"),
        (".", "."),
    ],
)
def test_plain_names(name: str, plain: str) -> None:
    assert rule.plain_name(name) == plain


def test_relevant_names() -> None:
    names = {"lib/modules/6.1.0/kernel/drivers/vfio/pci/vfio-pci.ko.xz", "./etc/udev/rules.d/10-a.rules", "etc/passwd"}
    names |= {"lib/udev/b", MARKER, "lib/modules/6.1.0/kernel/fs/vfat.ko", "etc/vfio-pci.ko"}
    assert rule.relevant_names(names, REQUEST) == PRESENT
    configuration = {"etc/modprobe.d/vfio.conf", "usr/lib/modprobe.d/a.conf", "usr/lib/udev/rules.d/10-vfio.rules"}
    assert rule.relevant_names({*names, *configuration}, REQUEST) == PRESENT | configuration


@pytest.mark.parametrize(
    "invalid",
    [
        InitramfsRequest((RULE._replace(path="etc/a"),)),
        InitramfsRequest((RULE._replace(path="/etc/../a"),)),
        InitramfsRequest((RULE._replace(path="/etc//a"),)),
        InitramfsRequest((RULE._replace(path="/etc/a/"),)),
        InitramfsRequest((RULE._replace(path="/etc/a b"),)),
        InitramfsRequest((RULE._replace(path="/etc/$(a)"),)),
        InitramfsRequest((RULE._replace(path="/etc/a\n"),)),
        InitramfsRequest((RULE._replace(path="/lib/vfio-workstation/a"),)),
        InitramfsRequest((RULE._replace(mode=0o4755),)),
        InitramfsRequest((RULE, RULE._replace(content="b"))),
        InitramfsRequest((), ("vfio-pci.ko",)),
        InitramfsRequest((), ("-m",)),
        InitramfsRequest((), ("a b",)),
        InitramfsRequest((), ("",)),
        InitramfsRequest((), ("a\n",)),
    ],
)
def test_invalid_requests(invalid: InitramfsRequest) -> None:
    assert len(rule.request_problems(invalid)) == 1


def test_a_valid_request() -> None:
    assert rule.request_problems(REQUEST) == []


texts = st.text()
requests = st.builds(
    InitramfsRequest,
    st.lists(
        st.builds(File, st.from_regex(r"\A/[a-z]{1,9}\Z"), texts, st.integers(0, 0o777)), unique_by=lambda f: f.path
    ).map(tuple),
    st.lists(st.from_regex(r"\A[a-z]{1,9}\Z")).map(tuple),
    st.integers(0, 9),
)


@given(st.dictionaries(texts, requests))
def test_records_are_read_as_they_were_written(owners: dict[str, InitramfsRequest]) -> None:
    assert parse_record(record_text(InitramfsRecord(owners))) == InitramfsRecord(owners)


@given(st.one_of(texts, st.recursive(st.none() | st.integers() | texts, st.lists).map(str)))
def test_no_text_breaks_the_reader_of_records(text: str) -> None:
    assert parse_record(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        '{"format": 2, "owners": {}}',
        '{"format": 1}',
        '{"format": 1, "owners": []}',
        '{"format": 1, "owners": {"a": {"files": [], "modules": [1]}}}',
        '{"format": 1, "owners": {"a": {"files": [{"path": "a", "content": "", "mode": 420}], "modules": []}}}',
        '{"format": 1, "owners": {"a": {"files": [{"path": "/a", "content": "", "mode": true}], "modules": []}}}',
        '{"format": 1, "owners": {"a": {"files": [], "modules": ["$(reboot)"]}}}',
        "[" * 100000,
    ],
)
def test_texts_that_are_not_a_valid_record(text: str) -> None:
    assert parse_record(text) is None
