# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From lines, a record and a request to the change that is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import (
    NORMAL,
    OTHER,
    Change,
    CmdlineRecord,
    EntryLine,
    Source,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot import cmdline_record as records
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.cmdline_change import (
    MOST_CHARACTERS,
    CmdlineDecision,
    CmdlineRequest,
    decide,
    is_active,
    retired_units,
)

FILE, ENTRY = "/etc/kernel/cmdline", "/boot/loader/entries/a.conf"


def source(text: str, ours: bool = True) -> Source:
    return Source(FILE, 1, "", text, ours)


def entry(text: str, name: str = "a", role: str = NORMAL) -> EntryLine:
    return EntryLine(name, name, "6.1.0", ENTRY, 5, role, text)


def applied(change: Change, sources: list[Source], entries: list[EntryLine]) -> tuple[list[Source], list[EntryLine]]:
    """What a boot loader's files say once a change is made."""
    of_sources = {(line.path, line.name): line.after for line in change.sources}
    of_entries = {(line.path, line.name): line.after for line in change.entries}
    return (
        [one._replace(text=of_sources.get((one.path, one.name), one.text)) for one in sources],
        [one._replace(text=of_entries.get((one.path, one.id), one.text)) for one in entries],
    )


def converge(
    request: CmdlineRequest, record: CmdlineRecord, sources: list[Source], entries: list[EntryLine]
) -> tuple[CmdlineDecision, list[Source], list[EntryLine]]:
    decision = decide(request, record, sources, entries)
    assert decision.refusals == ()
    sources, entries = applied(decision.change, sources, entries)
    again = decide(request, decision.record, sources, entries)
    assert (again.change.sources, again.change.entries, again.record) == ((), (), decision.record)
    return decision, sources, entries


IOMMU = CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt"))


def test_arguments_are_added_everywhere_and_taken_out_to_the_byte() -> None:
    before = [source("root=/dev/sda1  ro")], [entry("root=/dev/sda1 ro quiet -- x"), entry("ro", "b", OTHER)]
    decision, sources, entries = converge(IOMMU, records.EMPTY, *before)
    assert sources[0].text == "root=/dev/sda1  ro intel_iommu=on iommu=pt"
    assert [one.text for one in entries] == ["root=/dev/sda1 ro quiet intel_iommu=on iommu=pt -- x", "ro"]
    assert decision.change.fallback
    decision, sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert (sources, entries) == before
    assert decision.record == records.EMPTY
    assert not decision.change.fallback


def test_the_record_covers_the_old_and_the_new_while_lines_change() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    change = decide(CmdlineRequest("iommu", ("intel_iommu=on",)), decision.record, sources, entries)
    assert set(change.interim.provided) == {"intel_iommu=on", "iommu=pt"}
    assert change.record.provided == ("intel_iommu=on",)
    # Cut off after the first line, whichever: the next run takes the rest out.
    half = [one._replace(text="ro intel_iommu=on") for one in entries]
    _decision, sources, entries = converge(CmdlineRequest("iommu", ("intel_iommu=on",)), change.interim, sources, half)
    assert sources[0].text == entries[0].text == "ro intel_iommu=on"


def test_owners_live_side_by_side() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    pages = CmdlineRequest("hugepages", ("hugepagesz=1G hugepages=8",))
    decision, sources, entries = converge(pages, decision.record, sources, entries)
    assert entries[0].text == "ro intel_iommu=on iommu=pt hugepagesz=1G hugepages=8"
    _decision, _sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert entries[0].text == "ro hugepagesz=1G hugepages=8"


TOGETHER = IOMMU._replace(others=(("devices", ("intel_iommu=on", "gate=1")), ("hugepages", ("hugepages=8",))))


def test_owners_who_ask_at_the_same_time_come_to_the_same_as_one_after_the_other() -> None:
    decision, sources, entries = converge(TOGETHER, records.EMPTY, [source("ro")], [entry("ro")])
    assert entries[0].text == "ro intel_iommu=on iommu=pt gate=1 hugepages=8"
    record, one_source, one_entry = records.EMPTY, [source("ro")], [entry("ro")]
    for owner, units in TOGETHER.asked.items():
        alone, one_source, one_entry = converge(CmdlineRequest(owner, units), record, one_source, one_entry)
        record = alone.record
    assert (decision.record, sources, entries) == (record, one_source, one_entry)
    # An argument that another still wants stays when one of them goes; all go together.
    left, _sources, some = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert some[0].text == "ro intel_iommu=on gate=1 hugepages=8"
    nothing = CmdlineRequest("devices", (), others=(("hugepages", ()), ("iommu", ())))
    last, sources, entries = converge(nothing, left.record, _sources, some)
    assert (entries[0].text, last.record) == ("ro", records.EMPTY)


def test_two_who_ask_at_the_same_time_and_contradict_each_other_are_refused_once() -> None:
    request = CmdlineRequest("iommu", ("iommu=pt",), others=(("other", ("iommu=off",)),))
    (refusal,) = decide(request, records.EMPTY, [source("ro")], [entry("ro")]).refusals
    assert "iommu" in refusal.seen
    assert "other" in refusal.seen


def test_owners_that_contradict_each_other_are_refused_by_name() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    refusals = decide(CmdlineRequest("other", ("iommu=off",)), decision.record, sources, entries).refusals
    assert {one.code for one in refusals} == {"cmdline_conflict"}
    assert any("The owner iommu wants" in one.seen for one in refusals)


def test_what_others_give_already_is_theirs_and_stays() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro iommu=pt")], [entry("ro iommu=pt")])
    assert entries[0].text == "ro iommu=pt intel_iommu=on"
    _decision, _sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert entries[0].text == "ro iommu=pt"


def test_what_only_one_kernel_has_is_added_to_all() -> None:
    entries = [entry("ro iommu=pt"), entry("ro", "b")]
    _decision, _sources, after = converge(IOMMU, records.EMPTY, [source("ro")], entries)
    assert [one.text.count("iommu=pt") for one in after] == [1, 1]
    assert all("intel_iommu=on" in one.text for one in after)


def test_a_conflict_is_refused_with_file_line_and_argument() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("ro intel_iommu=off")], [entry("ro intel_iommu=off")]).refusals
    assert [one.code for one in refusals] == ["cmdline_conflict"]
    assert f"{FILE}, line 1 has intel_iommu=off" in refusals[0].seen


def test_a_conflict_in_an_entry_alone_is_refused_too() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("ro")], [entry("ro iommu=off")]).refusals
    assert [f"{ENTRY}, line 5, entry a has iommu=off" in one.seen for one in refusals] == [True]


def test_a_page_size_that_the_kernel_reads_as_the_requested_one_is_a_conflict() -> None:
    text = "ro quiet default_hugepagesz=1GB hugepagesz=1GB hugepages=6"
    request = CmdlineRequest("hugepages", ("hugepagesz=1G hugepages=8",))
    (refusal,) = decide(request, records.EMPTY, [source(text)], [entry(text)]).refusals
    assert refusal.code == "cmdline_conflict"
    assert "hugepagesz=1GB hugepages=6" in refusal.seen
    other_size = request._replace(units=("hugepagesz=2M hugepages=512",))
    assert decide(other_size, records.EMPTY, [source(text)], [entry(text)]).refusals == ()


def test_several_conflicts_are_told_at_once() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("intel_iommu=off iommu=nopt")], [entry("ro")]).refusals
    assert len(refusals) == 2


def test_what_is_replaced_stands_where_it_stood_once_ours_goes() -> None:
    text = "ro intel_iommu=off  quiet iommu=nopt splash"
    before = [source(text)], [entry("root=1 " + text)]
    decision, sources, entries = converge(IOMMU._replace(replace=True), records.EMPTY, *before)
    assert sources[0].text == "ro  quiet splash intel_iommu=on iommu=pt"
    # A later run that does not ask for it again leaves it as it is.
    decision, sources, entries = converge(IOMMU, decision.record, sources, entries)
    _decision, sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert (sources, entries) == before


def test_what_is_replaced_comes_back_for_a_kernel_that_came_since() -> None:
    decision, sources, entries = converge(
        IOMMU._replace(replace=True), records.EMPTY, [source("ro iommu=off")], [entry("ro iommu=off")]
    )
    entries = [*entries, entry(sources[0].text, "new")]
    _decision, _sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert [one.text for one in entries] == ["ro iommu=off", "ro iommu=off"]


def test_a_conflict_can_be_accepted_by_its_code() -> None:
    request = IOMMU._replace(accepted=frozenset({"cmdline_conflict"}))
    decision = decide(request, records.EMPTY, [source("iommu=off")], [entry("iommu=off")])
    assert decision.refusals == ()
    assert decision.change.entries[0].after == "iommu=off intel_iommu=on iommu=pt"


def test_open_quotes_are_refused_where_we_would_write() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source('a="b')], [entry("ro")]).refusals
    assert [one.code for one in refusals] == ["cmdline_unreadable"]
    assert decide(IOMMU, records.EMPTY, [source('a="b', ours=False)], [entry("ro")]).refusals == ()


def test_a_line_that_the_kernel_would_cut_is_refused() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("ro")], [entry("a=" + "b" * MOST_CHARACTERS)]).refusals
    assert [one.code for one in refusals] == ["cmdline_too_long"]


def test_a_file_of_our_own_leaves_sources_alone() -> None:
    decision = decide(IOMMU, records.EMPTY, [source("quiet", ours=False)], [entry("ro quiet")])
    assert decision.change.sources == ()
    assert decision.change.entries[0].after == "ro quiet intel_iommu=on iommu=pt"


def test_active_is_what_the_running_kernel_was_started_with() -> None:
    assert is_active(IOMMU.units, (), "BOOT_IMAGE=/vmlinuz ro intel_iommu=on iommu=pt") is True
    assert is_active(IOMMU.units, (), "ro iommu=pt") is False
    assert is_active((), ("iommu=pt",), "ro iommu=pt") is False
    assert is_active((), (), "ro") is True
    assert is_active(IOMMU.units, (), None) is None


def test_what_a_reboot_takes_away_is_remembered_until_then() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    gone = decide(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert retired_units((), gone, "ro intel_iommu=on iommu=pt") == IOMMU.units
    assert retired_units((), gone, "ro") == ()
    assert retired_units(("a",), gone, "a") == ("a",)


ARGUMENTS = st.sampled_from(["intel_iommu=on", "iommu=pt", "iommu=off", "quiet", "hugepagesz=1G hugepages=8", "ro"])
LINES = st.lists(ARGUMENTS, max_size=5).map(" ".join)
REQUESTS = st.lists(
    st.sampled_from(["intel_iommu=on", "iommu=pt", "quiet", "hugepagesz=1G hugepages=8"]), unique=True, max_size=3
).map(tuple)


@given(LINES, LINES, st.lists(st.tuples(st.sampled_from(["one", "other"]), REQUESTS), max_size=4))
def test_whatever_was_requested_for_in_between_the_end_is_as_the_beginning(
    text: str, extra: str, requests: list[tuple[str, tuple[str, ...]]]
) -> None:
    # Entries are made from the source: each has its arguments, and one may have more.
    before = [source(text)], [entry(f"{text} {extra}"), entry(text, "b")]
    record = records.EMPTY
    sources, entries = before
    for owner, units in [*requests, ("one", ()), ("other", ())]:
        decision, sources, entries = converge(CmdlineRequest(owner, units, replace=True), record, sources, entries)
        record = records.parse(records.render(decision.record))
        assert record == decision.record
    assert record == records.EMPTY
    assert sources == before[0]
    assert [sorted(one.text.split()) for one in entries] == [sorted(one.text.split()) for one in before[1]]


def test_a_file_that_is_made_for_ours_goes_with_them_unless_somebody_changed_it() -> None:
    missing = source("root=1 ro\n")._replace(is_there=False)
    decision = decide(IOMMU, records.EMPTY, [missing], [entry("root=1 ro")])
    assert decision.change.sources[0].after == "root=1 ro intel_iommu=on iommu=pt\n"
    assert [item.path for item in decision.record.created] == [FILE]
    there = [source(decision.change.sources[0].after)]
    entries = [entry(decision.change.entries[0].after)]
    again = decide(IOMMU, decision.record, there, entries)
    assert (again.change.sources, again.record) == ((), decision.record)
    gone = decide(CmdlineRequest("iommu", ()), decision.record, there, entries)
    assert (gone.change.sources[0].after, gone.record) == ("", records.EMPTY)
    theirs = [there[0]._replace(text="root=1 ro splash intel_iommu=on iommu=pt\n")]
    assert (
        decide(CmdlineRequest("iommu", ()), decision.record, theirs, entries).change.sources[0].after
        == "root=1 ro splash\n"
    )


def test_an_entry_whose_boot_went_well_is_the_same_entry() -> None:
    """systemd-boot takes the count of tries out of its name; what is others' in it stays theirs."""
    counted = [entry("ro iommu=pt intel_iommu=off")._replace(path="/efi/a+3.conf"), entry("ro", "b")]
    decision, sources, entries = converge(IOMMU._replace(replace=True), records.EMPTY, [source("ro")], counted)
    assert entries[0].text == "ro iommu=pt intel_iommu=on"
    blessed = [entries[0]._replace(path="/efi/a.conf"), entries[1]]
    _decision, _sources, after = converge(CmdlineRequest("iommu", ()), decision.record, sources, blessed)
    assert [one.text for one in after] == ["ro iommu=pt intel_iommu=off", "ro"]
