# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every boot loader: arguments added, changed, removed, foretold, beside those of others, and through kernels' coming.

Each test begins with a machine as it was, and ends so, to the byte (conftest.py). The modules are carried into the
container once and run there by its own Python; converge has shown them by Ansible.
"""

from __future__ import annotations

from tests.containers.boot_machine import FOREIGN, NEW, TOOLS, BootMachine

IOMMU = {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt"]}
PAGES = {"owner": "hugepages", "args": ["hugepagesz=2M hugepages=16"]}


def test_add_change_and_remove(host: BootMachine) -> None:
    done = host.apply(**IOMMU)
    assert done.changed
    assert done.lines()
    assert all(line.endswith("intel_iommu=on iommu=pt") for line in done.lines())
    assert len(done.tools) == (host.loader in TOOLS)
    host.insist_on_booting()
    changed = host.apply(owner="iommu", args=["intel_iommu=on", 'dyndbg="file drivers/vfio/* +p"'])
    assert all("iommu=pt" not in line.replace("intel_iommu", "") for line in changed.lines())
    assert host.call(owner="iommu", state="absent").changed
    assert not host.call(owner="iommu", state="absent").changed


def test_check_mode_foretells_what_happens(host: BootMachine) -> None:
    before = host.tree()
    foretold = host.call(check=True, **IOMMU)
    assert host.tree() == before
    done = host.call(**IOMMU)
    assert foretold.values["diff"] == done.values["diff"]
    assert foretold.values["entries"] == done.values["entries"]
    assert foretold.values["steps"] == done.values["steps"]
    seen = host.call(**IOMMU)
    assert sorted(done.lines()) == sorted(seen.lines())
    assert [sorted(line.split()) for line in done.lines("fallback")] == [
        sorted(line.split()) for line in seen.lines("fallback")
    ]
    after = host.tree()
    changed = {path for path in after if after[path] != before.get(path) and not after[path].startswith("d")}
    assert changed == {step["path"] for step in done.values["steps"]}


def test_owners_side_by_side_in_their_order(host: BootMachine) -> None:
    host.apply(**PAGES)
    both = host.apply(**IOMMU)
    assert all(line.endswith("hugepagesz=2M hugepages=16 intel_iommu=on iommu=pt") for line in both.lines())
    one = host.apply(owner="hugepages", state="absent")
    assert all(line.endswith("intel_iommu=on iommu=pt") and "hugepages" not in line for line in one.lines())
    refused = host.call(owner="other", args=["iommu=off"])
    assert set(refused.codes) == {"cmdline_conflict"}
    assert "The owner iommu requests" in refused.values["msg"]


def test_the_fallback_has_none_of_ours(host: BootMachine) -> None:
    stock = host.call(check=True, owner="iommu", state="absent", root="/").values
    host.apply(**IOMMU)
    bare = host.call(**IOMMU).lines("fallback")
    assert len(bare) == has_fallback(host)
    assert not any("iommu" in line for line in bare)
    assert stock["changed"] is False


def has_fallback(host: BootMachine) -> bool:
    """An image without the arguments would be a second one of tens of megabytes for each kernel."""
    return host.loader != "uki"


def test_a_conflict_is_refused_by_file_and_line_or_stands_back_for_a_while(host: BootMachine) -> None:
    with host.foreign("intel_iommu=off"):
        before = host.tree()
        refused = host.call(**IOMMU)
        assert refused.codes
        assert set(refused.codes) == {"cmdline_conflict"}
        assert f"{FOREIGN[host.loader][0]}, line " in refused.values["msg"]
        assert host.tree() == before
        replaced = host.apply(conflicts="replace", **IOMMU)
        assert all("intel_iommu=off" not in line for line in replaced.lines())
        assert host.call(owner="iommu", state="absent").changed
        assert host.tree() == before


def test_what_others_give_is_theirs(host: BootMachine) -> None:
    with host.foreign("iommu=pt"):
        before = host.tree()
        done = host.apply(**IOMMU)
        assert all(line.count("iommu=pt") == 1 for line in done.lines())
        assert host.call(owner="iommu", state="absent").changed
        assert host.tree() == before


def test_what_others_set_in_between_stays_when_ours_goes(host: BootMachine) -> None:
    with host.foreign("console=ttyS0"):
        theirs = host.tree()
    host.apply(**IOMMU)
    with host.foreign("console=ttyS0"):
        done = host.apply(**IOMMU)
        assert all("console=ttyS0" in line and " intel_iommu=on iommu=pt" in line for line in done.lines())
        # Whoever boots without ours wants what others set.
        assert all("console=ttyS0" in line and "iommu" not in line for line in done.lines("fallback"))
        host.call(owner="iommu", state="absent")
        assert host.tree() == theirs


def test_each_file_that_others_put_back_is_brought_in_line(host: BootMachine) -> None:
    kept = {path: host.path(path).read_bytes() for path in host.tree() if host.path(path).is_file()}
    before = host.tree()
    host.apply(**IOMMU)
    after = host.tree()
    files = [path for path in after if before.get(path) != after[path] and not after[path].startswith("d")]
    for path in files:
        if path == "/etc/vfio-workstation/kernel-cmdline.json":
            continue  # without it nothing is known to be ours
        if path in kept:
            host.path(path).write_bytes(kept[path])
        else:
            host.path(path).unlink()
        foretold = host.call(check=True, **IOMMU)
        assert foretold.changed, path
        done = host.apply(**IOMMU)
        assert done.values["steps"] == foretold.values["steps"]
        assert host.tree() == after, path
        host.insist_on_booting()


def test_a_kernel_that_comes_and_goes(host: BootMachine) -> None:
    host.apply(**IOMMU)
    host.add_kernel()
    done = host.call(**IOMMU)
    assert (done.changed, done.failed) == (False, False), done.values
    kernels = {entry["kernel"] for entry in done.values["entries"] if entry["role"] == "normal"}
    assert kernels == {host.version, NEW}
    if has_fallback(host):
        assert {entry["kernel"] for entry in done.values["entries"] if entry["role"] == "fallback"} == kernels
    # kernel-install of systemd 257 puts an argument of its own after what /etc/kernel/cmdline has.
    assert all(" intel_iommu=on iommu=pt" in line for line in done.lines())
    assert not any("iommu" in line for line in done.lines("fallback"))
    host.insist_on_booting()
    # Two kernels: each is changed.
    both = host.apply(**PAGES)
    assert len(both.lines()) >= 2  # GRUB has the newest one's a second time, at the top
    assert all(line.endswith("hugepagesz=2M hugepages=16") for line in both.lines())
    host.apply(owner="hugepages", state="absent")
    host.remove_kernel()
    last = host.call(**IOMMU)
    assert {entry["kernel"] for entry in last.values["entries"] if entry["after"] is not None} == {host.version}
