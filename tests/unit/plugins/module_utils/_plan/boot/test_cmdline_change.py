# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of command lines that a request needs."""

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


def source(text: str, managed: bool = True) -> Source:
    return Source(FILE, 1, "", text, managed)


def entry(text: str, name: str = "a", role: str = NORMAL) -> EntryLine:
    return EntryLine(name, name, "6.1.0", ENTRY, 5, role, text)


def applied(change: Change, sources: list[Source], entries: list[EntryLine]) -> tuple[list[Source], list[EntryLine]]:
    """Return the lines of a boot loader's files after a change."""
    of_sources = {(line.path, line.name): line.after for line in change.sources}
    of_entries = {(line.path, line.name): line.after for line in change.entries}
    return (
        [source._replace(text=of_sources.get((source.path, source.name), source.text)) for source in sources],
        [entry._replace(text=of_entries.get((entry.path, entry.id), entry.text)) for entry in entries],
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


def test_arguments_are_added_everywhere_and_removed_byte_for_byte() -> None:
    before = [source("root=/dev/sda1  ro")], [entry("root=/dev/sda1 ro quiet -- x"), entry("ro", "b", OTHER)]
    decision, sources, entries = converge(IOMMU, records.EMPTY, *before)
    assert sources[0].text == "root=/dev/sda1  ro intel_iommu=on iommu=pt"
    assert [line.text for line in entries] == ["root=/dev/sda1 ro quiet intel_iommu=on iommu=pt -- x", "ro"]
    assert decision.change.fallback
    decision, sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert (sources, entries) == before
    assert decision.record == records.EMPTY
    assert not decision.change.fallback


def test_the_interim_record_covers_old_and_new_units() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    change = decide(CmdlineRequest("iommu", ("intel_iommu=on",)), decision.record, sources, entries)
    assert set(change.interim.provided) == {"intel_iommu=on", "iommu=pt"}
    assert change.record.provided == ("intel_iommu=on",)
    # Interrupted after any of the lines, the next run removes the rest.
    half = [line._replace(text="ro intel_iommu=on") for line in entries]
    _decision, sources, entries = converge(CmdlineRequest("iommu", ("intel_iommu=on",)), change.interim, sources, half)
    assert sources[0].text == entries[0].text == "ro intel_iommu=on"


def test_owners_do_not_affect_each_other() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    pages = CmdlineRequest("hugepages", ("hugepagesz=1G hugepages=8",))
    decision, sources, entries = converge(pages, decision.record, sources, entries)
    assert entries[0].text == "ro intel_iommu=on iommu=pt hugepagesz=1G hugepages=8"
    _decision, _sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert entries[0].text == "ro hugepagesz=1G hugepages=8"


TOGETHER = IOMMU._replace(others=(("devices", ("intel_iommu=on", "gate=1")), ("hugepages", ("hugepages=8",))))


def test_owners_in_one_request_result_in_the_same_as_one_after_the_other() -> None:
    decision, sources, entries = converge(TOGETHER, records.EMPTY, [source("ro")], [entry("ro")])
    assert entries[0].text == "ro intel_iommu=on iommu=pt gate=1 hugepages=8"
    record, own_sources, own_entries = records.EMPTY, [source("ro")], [entry("ro")]
    for owner, units in TOGETHER.units_by_owner.items():
        alone, own_sources, own_entries = converge(CmdlineRequest(owner, units), record, own_sources, own_entries)
        record = alone.record
    assert (decision.record, sources, entries) == (record, own_sources, own_entries)
    # A unit that another owner requests too stays when one of them removes it; one request can remove all.
    left, left_sources, left_entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert left_entries[0].text == "ro intel_iommu=on gate=1 hugepages=8"
    nothing = CmdlineRequest("devices", (), others=(("hugepages", ()), ("iommu", ())))
    last, sources, entries = converge(nothing, left.record, left_sources, left_entries)
    assert (entries[0].text, last.record) == ("ro", records.EMPTY)


def test_contradicting_owners_in_one_request_are_refused_once() -> None:
    request = CmdlineRequest("iommu", ("iommu=pt",), others=(("other", ("iommu=off",)),))
    (refusal,) = decide(request, records.EMPTY, [source("ro")], [entry("ro")]).refusals
    assert "iommu" in refusal.seen
    assert "other" in refusal.seen


def test_an_owner_that_contradicts_an_earlier_one_is_refused_by_name() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    refusals = decide(CmdlineRequest("other", ("iommu=off",)), decision.record, sources, entries).refusals
    assert {refusal.code for refusal in refusals} == {"cmdline_conflict"}
    assert any("The owner iommu requests" in refusal.seen for refusal in refusals)


def test_foreign_units_that_are_requested_too_stay_after_removal() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro iommu=pt")], [entry("ro iommu=pt")])
    assert entries[0].text == "ro iommu=pt intel_iommu=on"
    _decision, _sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert entries[0].text == "ro iommu=pt"


def test_a_unit_that_only_one_kernel_has_is_added_to_all() -> None:
    entries = [entry("ro iommu=pt"), entry("ro", "b")]
    _decision, _sources, after = converge(IOMMU, records.EMPTY, [source("ro")], entries)
    assert [line.text.count("iommu=pt") for line in after] == [1, 1]
    assert all("intel_iommu=on" in line.text for line in after)


def test_a_conflict_is_refused_with_file_line_and_argument() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("ro intel_iommu=off")], [entry("ro intel_iommu=off")]).refusals
    assert [refusal.code for refusal in refusals] == ["cmdline_conflict"]
    assert f"{FILE}, line 1 has intel_iommu=off" in refusals[0].seen


def test_a_conflict_in_an_entry_alone_is_refused_too() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("ro")], [entry("ro iommu=off")]).refusals
    assert [f"{ENTRY}, line 5, entry a has iommu=off" in refusal.seen for refusal in refusals] == [True]


def test_a_page_size_that_the_kernel_reads_as_the_requested_one_is_a_conflict() -> None:
    text = "ro quiet default_hugepagesz=1GB hugepagesz=1GB hugepages=6"
    request = CmdlineRequest("hugepages", ("hugepagesz=1G hugepages=8",))
    (refusal,) = decide(request, records.EMPTY, [source(text)], [entry(text)]).refusals
    assert refusal.code == "cmdline_conflict"
    assert "hugepagesz=1GB hugepages=6" in refusal.seen
    other_size = request._replace(units=("hugepagesz=2M hugepages=512",))
    assert decide(other_size, records.EMPTY, [source(text)], [entry(text)]).refusals == ()


def test_all_conflicts_are_reported_at_once() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("intel_iommu=off iommu=nopt")], [entry("ro")]).refusals
    assert len(refusals) == 2


def test_replaced_arguments_return_to_their_position_after_removal() -> None:
    text = "ro intel_iommu=off  quiet iommu=nopt splash"
    before = [source(text)], [entry("root=1 " + text)]
    decision, sources, entries = converge(IOMMU._replace(replace=True), records.EMPTY, *before)
    assert sources[0].text == "ro  quiet splash intel_iommu=on iommu=pt"
    # A later run without replace leaves the line as it is.
    decision, sources, entries = converge(IOMMU, decision.record, sources, entries)
    _decision, sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert (sources, entries) == before


def test_arguments_that_take_functions_are_replaced_while_the_unit_is_requested() -> None:
    text = "ro vfio-pci.ids=10de:2684,10de:22ba quiet"
    before = [source(text)], [entry("root=1 " + text)]
    gate = CmdlineRequest(
        "devices",
        ("vfio_workstation=1",),
        True,
        replaced=("vfio-pci.ids=10de:2684,10de:22ba",),
        replaced_by="vfio_workstation=1",
    )
    decision, sources, entries = converge(gate, records.EMPTY, *before)
    assert [line.text for line in (*sources, *entries)] == [
        "ro quiet vfio_workstation=1",
        "root=1 ro quiet vfio_workstation=1",
    ]
    # Later runs find nothing to replace: not for the devices, and not for another owner.
    decision, sources, entries = converge(gate._replace(replaced=()), decision.record, sources, entries)
    decision, sources, entries = converge(IOMMU, decision.record, sources, entries)
    assert "vfio-pci.ids" not in sources[0].text
    decision, sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    _decision, sources, entries = converge(CmdlineRequest("devices", ()), decision.record, sources, entries)
    assert (sources, entries) == before


def test_replaced_arguments_return_for_a_kernel_installed_since_then() -> None:
    decision, sources, entries = converge(
        IOMMU._replace(replace=True), records.EMPTY, [source("ro iommu=off")], [entry("ro iommu=off")]
    )
    entries = [*entries, entry(sources[0].text, "new")]
    _decision, _sources, entries = converge(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert [line.text for line in entries] == ["ro iommu=off", "ro iommu=off"]


def test_a_conflict_can_be_accepted_by_its_code() -> None:
    request = IOMMU._replace(accepted=frozenset({"cmdline_conflict"}))
    decision = decide(request, records.EMPTY, [source("iommu=off")], [entry("iommu=off")])
    assert decision.refusals == ()
    assert decision.change.entries[0].after == "iommu=off intel_iommu=on iommu=pt"


def test_unclosed_quotes_are_refused_in_lines_that_change() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source('a="b')], [entry("ro")]).refusals
    assert [refusal.code for refusal in refusals] == ["cmdline_unreadable"]
    assert decide(IOMMU, records.EMPTY, [source('a="b', managed=False)], [entry("ro")]).refusals == ()


def test_a_line_that_the_kernel_would_cut_is_refused() -> None:
    refusals = decide(IOMMU, records.EMPTY, [source("ro")], [entry("a=" + "b" * MOST_CHARACTERS)]).refusals
    assert [refusal.code for refusal in refusals] == ["cmdline_too_long"]


def test_with_a_drop_in_sources_are_not_changed() -> None:
    decision = decide(IOMMU, records.EMPTY, [source("quiet", managed=False)], [entry("ro quiet")])
    assert decision.change.sources == ()
    assert decision.change.entries[0].after == "ro quiet intel_iommu=on iommu=pt"


def test_active_compares_with_the_running_kernel() -> None:
    assert is_active(IOMMU.units, (), "BOOT_IMAGE=/vmlinuz ro intel_iommu=on iommu=pt") is True
    assert is_active(IOMMU.units, (), "ro iommu=pt") is False
    assert is_active((), ("iommu=pt",), "ro iommu=pt") is False
    assert is_active((), (), "ro") is True
    assert is_active(IOMMU.units, (), None) is None


def test_removed_units_are_retired_until_the_reboot() -> None:
    decision, sources, entries = converge(IOMMU, records.EMPTY, [source("ro")], [entry("ro")])
    removal = decide(CmdlineRequest("iommu", ()), decision.record, sources, entries)
    assert retired_units((), removal, "ro intel_iommu=on iommu=pt") == IOMMU.units
    assert retired_units((), removal, "ro") == ()
    assert retired_units(("a",), removal, "a") == ("a",)


ARGUMENTS = st.sampled_from(["intel_iommu=on", "iommu=pt", "iommu=off", "quiet", "hugepagesz=1G hugepages=8", "ro"])
LINES = st.lists(ARGUMENTS, max_size=5).map(" ".join)
REQUESTS = st.lists(
    st.sampled_from(["intel_iommu=on", "iommu=pt", "quiet", "hugepagesz=1G hugepages=8"]), unique=True, max_size=3
).map(tuple)


@given(LINES, LINES, st.lists(st.tuples(st.sampled_from(["first", "second"]), REQUESTS), max_size=4))
def test_removing_all_units_restores_the_lines(
    text: str, extra: str, requests: list[tuple[str, tuple[str, ...]]]
) -> None:
    # Entries are generated from the source: each has its arguments, and one may have more.
    before = [source(text)], [entry(f"{text} {extra}"), entry(text, "b")]
    record = records.EMPTY
    sources, entries = before
    for owner, units in [*requests, ("first", ()), ("second", ())]:
        decision, sources, entries = converge(CmdlineRequest(owner, units, replace=True), record, sources, entries)
        record = records.parse(records.render(decision.record))
        assert record == decision.record
    assert record == records.EMPTY
    assert sources == before[0]
    assert [sorted(line.text.split()) for line in entries] == [sorted(line.text.split()) for line in before[1]]


def test_a_created_file_is_removed_unless_somebody_changed_it() -> None:
    missing = source("root=1 ro\n")._replace(exists=False)
    decision = decide(IOMMU, records.EMPTY, [missing], [entry("root=1 ro")])
    assert decision.change.sources[0].after == "root=1 ro intel_iommu=on iommu=pt\n"
    assert [item.path for item in decision.record.created] == [FILE]
    written = [source(decision.change.sources[0].after)]
    entries = [entry(decision.change.entries[0].after)]
    again = decide(IOMMU, decision.record, written, entries)
    assert (again.change.sources, again.record) == ((), decision.record)
    removal = decide(CmdlineRequest("iommu", ()), decision.record, written, entries)
    assert (removal.change.sources[0].after, removal.record) == ("", records.EMPTY)
    edited = [written[0]._replace(text="root=1 ro splash intel_iommu=on iommu=pt\n")]
    removal = decide(CmdlineRequest("iommu", ()), decision.record, edited, entries)
    assert removal.change.sources[0].after == "root=1 ro splash\n"


def test_an_entry_without_its_boot_counter_is_the_same_entry() -> None:
    """systemd-boot removes the counter from the file name after a good boot; foreign arguments are still recognised."""
    counted = [entry("ro iommu=pt intel_iommu=off")._replace(path="/efi/a+3.conf"), entry("ro", "b")]
    decision, sources, entries = converge(IOMMU._replace(replace=True), records.EMPTY, [source("ro")], counted)
    assert entries[0].text == "ro iommu=pt intel_iommu=on"
    blessed = [entries[0]._replace(path="/efi/a.conf"), entries[1]]
    _decision, _sources, after = converge(CmdlineRequest("iommu", ()), decision.record, sources, blessed)
    assert [line.text for line in after] == ["ro iommu=pt intel_iommu=off", "ro"]
