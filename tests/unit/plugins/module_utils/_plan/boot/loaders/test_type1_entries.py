# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot loader specification entries: those of systemd-boot, and those of Fedora's GRUB."""

from __future__ import annotations

import functools
import itertools
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import (
    FALLBACK,
    NORMAL,
    OTHER,
    CmdlineRecord,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot import cmdline_record as records
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.cmdline_change import CmdlineRequest, decide
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_bls import GrubBls, with_variable
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.kernel_install import (
    CMDLINE,
    EARLY_PLUGIN,
    PLUGIN,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.protocol import (
    BootLoader,
    LoaderContext,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.systemd_boot import SystemdBoot
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.type1_text import (
    fallback_text,
    with_options,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot import bls
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import write_files
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._plan.boot.loaders.steps import (
    apply,
    snapshot,
)

MACHINE = "0123456789abcdef0123456789abcdef"
OTHER_MACHINE = "f" * 32
DEBIAN = """\
# Boot Loader Specification type#1 entry
title      Debian GNU/Linux 13 (trixie)
version    6.12.1
machine-id 0123456789abcdef0123456789abcdef
sort-key   debian
options    root=UUID=b ro  quiet
linux      /debian/6.12.1/linux
initrd     /debian/6.12.1/initrd.img-6.12.1
"""
FEDORA = """\
title Fedora Linux (6.12.1) 40
version 6.12.1
linux /vmlinuz-6.12.1
initrd /initramfs-6.12.1.img $tuned_initrd
options root=UUID=b ro rhgb $tuned_params
grub_class fedora
"""
RESCUE = FEDORA.replace("6.12.1", "0-rescue")
REQUEST = CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt"))


def plant(root: Path, files: dict[str, str]) -> Tree:
    write_files(root, files)
    for name in files:
        (root / name.lstrip("/")).chmod(0o755 if name.endswith(".install") else 0o644)
    return Tree(str(root))


def systemd_boot(root: Path, files: dict[str, str] | None = None) -> SystemdBoot:
    everything = {
        "/etc/machine-id": MACHINE + "\n",
        "/lib/modules/6.12.1/modules.dep": "",
        "/efi/EFI/systemd/systemd-bootx64.efi": "",
        "/efi/loader/entries/debian-6.12.1.conf": DEBIAN,
        "/efi/loader/entries/arch.conf": "title Arch\nlinux /vmlinuz-linux\noptions root=/dev/sdb1\n",
        CMDLINE: "root=UUID=b ro  quiet\n",
        **(files or {}),
    }
    return SystemdBoot(plant(root, everything), LoaderContext(("/efi",), ("6.12.1",), None))


def fedora(root: Path, files: dict[str, str] | None = None) -> GrubBls:
    everything = {
        "/etc/machine-id": MACHINE + "\n",
        "/lib/modules/6.12.1/modules.dep": "",
        f"/boot/loader/entries/{MACHINE}-6.12.1.conf": FEDORA,
        f"/boot/loader/entries/{MACHINE}-0-rescue.conf": RESCUE,
        f"/boot/loader/entries/{OTHER_MACHINE}-6.12.1.conf": FEDORA,
        "/boot/grub2/grubenv": "# GRUB Environment Block\nsaved_entry=x\n".ljust(1024, "#"),
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="rhgb"\n',
        CMDLINE: "root=UUID=b ro rhgb\n",
        **(files or {}),
    }
    return GrubBls(plant(root, everything), LoaderContext((), ("6.12.1",), None))


def converge(
    root: Path, make: type[SystemdBoot | GrubBls], request: CmdlineRequest, record: CmdlineRecord
) -> tuple[CmdlineRecord, BootLoader]:
    """Apply a request, and check that no steps are left."""
    esps = ("/efi",) if make is SystemdBoot else ()
    loader = make(Tree(str(root)), LoaderContext(esps, ("6.12.1",), None))
    decision = decide(request, record, loader.sources, loader.entries)
    assert decision.refusals == ()
    apply(root, list(loader.steps(decision.change)))
    again = make(Tree(str(root)), LoaderContext(esps, ("6.12.1",), None))
    assert list(again.steps(decide(request, decision.record, again.sources, again.entries).change)) == []
    return decision.record, again


@pytest.mark.parametrize("make", [systemd_boot, fedora])
def test_arguments_are_added_and_removed_to_the_byte(
    tmp_path: Path, make: Callable[[Path], SystemdBoot | GrubBls]
) -> None:
    loader = make(tmp_path)
    before = snapshot(tmp_path)
    record, converged = converge(tmp_path, type(loader), REQUEST, records.EMPTY)
    normal = [entry for entry in converged.entries if entry.role == NORMAL]
    assert [entry.text.endswith("intel_iommu=on iommu=pt") for entry in normal] == [True]
    fallbacks = [entry for entry in converged.entries if entry.role == FALLBACK]
    assert [("iommu" in entry.text, entry.title.endswith(" without VFIO"), entry.version) for entry in fallbacks] == [
        (False, True, "6.12.1")
    ]
    record, _converged = converge(tmp_path, type(loader), CmdlineRequest("iommu", ()), record)
    assert record == records.EMPTY
    assert snapshot(tmp_path) == before


def test_roles(tmp_path: Path) -> None:
    assert {entry.id: entry.role for entry in systemd_boot(tmp_path / "a").entries} == {
        "debian-6.12.1": NORMAL,
        "arch": OTHER,
    }
    assert {entry.id: entry.role for entry in fedora(tmp_path / "b").entries} == {
        f"{MACHINE}-6.12.1": NORMAL,
        f"{MACHINE}-0-rescue": OTHER,
        f"{OTHER_MACHINE}-6.12.1": OTHER,
    }


def rpm_order(name: str, other: str) -> int:
    """Compare as vercmp() of Fedora's blscfg.c does, except for `+`."""
    left, right = ([*re.findall(r"[0-9]+|[A-Za-z]+|~", text), ""] for text in (name, other))
    for a, b in itertools.zip_longest(left, right, fillvalue=""):
        if a == b:
            continue
        if "~" in (a, b):
            return -1 if a == "~" else 1
        if not a or not b or a.isdigit() != b.isdigit():
            return 1 if not b or (a and a.isdigit()) else -1
        if a.isdigit() and int(a) != int(b):
            return 1 if int(a) > int(b) else -1
        if not a.isdigit():
            return 1 if a > b else -1
    return 0


def grub_order(identifier: str, other: str) -> int:
    """Compare identifiers as split_cmp() does: name, version and release, split at the last two dashes."""
    parts = ([*name.rsplit("-", 2), "", ""][:3] for name in (identifier, other))
    return next((order for order in itertools.starmap(rpm_order, zip(*parts, strict=True)) if order), 0)


@pytest.mark.parametrize("version", ["6.12.1", "6.8.5-301.fc40.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "6.8.0-rc1"])
def test_the_fallback_of_grub_sorts_last(tmp_path: Path, version: str) -> None:
    older = "5.1.0-1.fc30.x86_64"
    files = {f"/boot/loader/entries/{MACHINE}-{name}.conf": FEDORA.replace("6.12.1", name) for name in (older, version)}
    rescue = {f"/boot/loader/entries/{MACHINE}-0-rescue.conf": RESCUE}
    modules = {f"/lib/modules/{name}/modules.dep": "" for name in (older, version)}
    tree = plant(tmp_path, {"/etc/machine-id": MACHINE, CMDLINE: "ro\n", **files, **rescue, **modules})
    context = LoaderContext((), (version, older), None)
    loader = GrubBls(tree, context)
    apply(tmp_path, list(loader.steps(decide(REQUEST, records.EMPTY, loader.sources, loader.entries).change)))
    entries = GrubBls(Tree(str(tmp_path)), context).entries
    names = sorted((entry.id for entry in entries), key=functools.cmp_to_key(grub_order), reverse=True)
    roles = {entry.id: entry.role for entry in entries}
    assert [roles[name] for name in names] == [NORMAL, NORMAL, OTHER, FALLBACK, FALLBACK]
    assert names[0] == f"{MACHINE}-{version}"


def test_the_fallback_of_systemd_boot_sorts_last(tmp_path: Path) -> None:
    _record, converged = converge(tmp_path, type(systemd_boot(tmp_path)), REQUEST, records.EMPTY)
    assert "debian-0-vfio-workstation-fallback-6.12.1" in [entry.id for entry in converged.entries]
    text = fallback_text(DEBIAN, "ro")
    assert "\nsort-key   debian-vfio-workstation-fallback\n" in text
    assert "\ntitle      Debian GNU/Linux 13 (trixie) without VFIO\n" in text


def test_a_missing_cmdline_file_is_created_from_entries_and_removed_again(tmp_path: Path) -> None:
    systemd_boot(tmp_path)
    (tmp_path / CMDLINE.lstrip("/")).unlink()
    before = snapshot(tmp_path)
    record, _converged = converge(tmp_path, SystemdBoot, REQUEST, records.EMPTY)
    assert (tmp_path / CMDLINE.lstrip("/")).read_text() == "root=UUID=b ro  quiet intel_iommu=on iommu=pt\n"
    converge(tmp_path, SystemdBoot, CmdlineRequest("iommu", ()), record)
    assert snapshot(tmp_path) == before


TUNED = "skew_tick=1 isolcpus=managed_irq,domain,2-5 intel_iommu=off"


def tuned(root: Path, value: str = TUNED, files: dict[str, str] | None = None) -> GrubBls:
    """Fedora with TuneD, whose plugin adds a variable to each entry and its value to grubenv."""
    environment = f"# GRUB Environment Block\nsaved_entry=x\ntuned_params={value}\n".ljust(1024, "#")
    everything = {
        "/boot/grub2/grubenv": environment,
        "/boot/grub2/grub.cfg": "load_env -f ${config_directory}/grubenv\ninsmod blscfg\nblscfg\n",
        "/etc/tuned/active_profile": "realtime-virtual-host\n",
        **(files or {}),
    }
    return fedora(root, everything)


def test_a_conflicting_variable_of_grub_is_refused_with_its_origin(tmp_path: Path) -> None:
    refusals = tuned(tmp_path).argument_refusals(("intel_iommu=on", "isolcpus=domain,managed_irq,4-7"))
    assert [refusal.code for refusal in refusals] == ["cmdline_conflict"] * 2
    for refusal, argument in zip(refusals, ("isolcpus=managed_irq,domain,2-5", "intel_iommu=off"), strict=True):
        assert "/boot/grub2/grubenv, line 3, variable tuned_params" in refusal.seen
        assert "set by TuneD for its profile realtime-virtual-host" in refusal.seen
        assert f"has {argument}," in refusal.seen
        assert "tuned-adm profile" in refusal.remedy


def test_a_variable_of_grub_without_a_conflict_is_kept(tmp_path: Path) -> None:
    loader = tuned(tmp_path, "skew_tick=1")
    assert loader.argument_refusals(("intel_iommu=on",)) == ()
    converge(tmp_path, GrubBls, CmdlineRequest("iommu", ("intel_iommu=on",)), records.EMPTY)
    entry = (tmp_path / f"boot/loader/entries/{MACHINE}-6.12.1.conf").read_text()
    assert "options root=UUID=b ro rhgb $tuned_params intel_iommu=on\n" in entry


def test_references_to_variables_are_not_copied_to_the_cmdline_file(tmp_path: Path) -> None:
    tuned(tmp_path, "skew_tick=1")
    (tmp_path / CMDLINE.lstrip("/")).unlink()
    converge(tmp_path, GrubBls, CmdlineRequest("iommu", ("intel_iommu=on",)), records.EMPTY)
    assert (tmp_path / CMDLINE.lstrip("/")).read_text() == "root=UUID=b ro rhgb intel_iommu=on\n"


def test_kernelopts_of_grubenv(tmp_path: Path) -> None:
    """On RHEL 8, entries refer to a variable, and are not changed."""
    environment = "# GRUB Environment Block\nkernelopts=root=UUID=b ro \nboot_success=0\n".ljust(1024, "#")
    entry = FEDORA.replace("root=UUID=b ro rhgb", "$kernelopts")
    fedora(tmp_path, {f"/boot/loader/entries/{MACHINE}-6.12.1.conf": entry, "/boot/grub2/grubenv": environment})
    before = snapshot(tmp_path)
    record, _converged = converge(tmp_path, GrubBls, REQUEST, records.EMPTY)
    block = (tmp_path / "boot/grub2/grubenv").read_text()
    assert len(block) == 1024
    assert "kernelopts=root=UUID=b ro intel_iommu=on iommu=pt \n" in block
    assert (tmp_path / f"boot/loader/entries/{MACHINE}-6.12.1.conf").read_text() == entry
    # From which grub2-mkconfig of RHEL 8 sets the variable.
    assert (tmp_path / "etc/default/grub").read_text() == 'GRUB_CMDLINE_LINUX="rhgb intel_iommu=on iommu=pt"\n'
    converge(tmp_path, GrubBls, CmdlineRequest("iommu", ()), record)
    assert snapshot(tmp_path) == before


def test_an_environment_block_keeps_its_size() -> None:
    block = "# GRUB Environment Block\na=1\nkernelopts=x\n".ljust(1024, "#")
    assert with_variable(with_variable(block, "kernelopts", "y z"), "kernelopts", "x") == block


OPTIONS = [
    "title a\noptions ro quiet\nlinux /x\n",
    "title a\noptions ro\noptions quiet\nlinux /x\n",
    "title a\r\noptions ro quiet\r\nlinux /x\r\n",
    "options\tro quiet",
    "title a\nlinux /x\n",
    "title a\nlinux /x",
]


@pytest.mark.parametrize("text", OPTIONS)
def test_options_are_added_and_removed_to_the_byte(text: str) -> None:
    before = "ro quiet" if "options" in text else ""
    changed = with_options(text, f"{before} iommu=pt".strip())
    assert "iommu=pt" in changed
    restored = with_options(changed, before)
    assert restored == text


@given(
    st.lists(
        st.sampled_from(
            ["title a", "options", "options ro", "\toptions \tquiet \t", "linux /x", "# a", "", "options\t"]
        )
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_any_entry_is_restored_to_the_byte(lines: list[str], end: str, is_ended: bool, takes_all: bool) -> None:
    text = end.join(lines) + (end if is_ended else "")
    values = [value for value in bls.parse(text).get("options", ()) if value]
    before = " ".join(values if takes_all else values[:1])
    changed = with_options(text, f"{before} iommu=pt".strip(), takes_all)
    assert changed.count("iommu=pt") == 1
    read = [value for value in bls.parse(changed)["options"] if value]
    assert " ".join(read if takes_all else read[:1]).split() == [*before.split(), "iommu=pt"]
    assert with_options(changed, before, takes_all) == text


def test_a_kernel_without_an_entry_is_refused_with_a_remedy(tmp_path: Path) -> None:
    systemd_boot(tmp_path, {"/boot/vmlinuz-6.13.0": "", "/lib/modules/6.13.0/modules.dep": ""})
    loader = SystemdBoot(Tree(str(tmp_path)), LoaderContext(("/efi",), ("6.13.0", "6.12.1"), None))
    (refusal,) = loader.refusals()
    assert "kernel-install add 6.13.0" in refusal.remedy


@pytest.mark.parametrize(("make", "path"), [(systemd_boot, PLUGIN), (fedora, EARLY_PLUGIN)])
def test_the_plugin_writes_the_fallback_entries_of_new_kernels(
    tmp_path: Path, make: Callable[[Path], SystemdBoot | GrubBls], path: str
) -> None:
    loader = make(tmp_path)
    record, converged = converge(tmp_path, type(loader), REQUEST, records.EMPTY)
    folder = Path(converged.entries[0].path).parent
    plugin = (tmp_path / path.lstrip("/")).read_text().replace(str(folder), f"{tmp_path}{folder}")
    script = tmp_path / "plugin"
    script.write_text(plugin)
    checked = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")

    def call(*arguments: str) -> None:
        subprocess.run(["sh", str(script), *arguments], check=True, env={"PATH": os.environ["PATH"]})

    call("add", "6.12.1+next", "/x", "/y")
    (written,) = (tmp_path / str(folder).lstrip("/")).glob("*fallback-6.12.1+next.conf")
    template = (tmp_path / str(folder).lstrip("/")) / written.name.replace("+next", "")
    assert written.read_text() == template.read_text().replace("6.12.1", "6.12.1+next")
    call("add", "6.12.1+next")
    call("remove", "6.12.1+next")
    assert not written.exists()
    assert template.exists()
    call("remove")
    converge(tmp_path, type(loader), CmdlineRequest("iommu", ()), record)


@pytest.mark.parametrize("make", [systemd_boot, fedora])
def test_entries_of_other_systems_are_kept(
    tmp_path: Path, make: Callable[[Path, dict[str, str]], SystemdBoot | GrubBls]
) -> None:
    """On a shared partition, this collection in another system has fallback entries too."""
    folder = "/boot/loader/entries" if make is fedora else "/efi/loader/entries"
    mark = "~" if make is fedora else "-0-"
    foreign = {
        f"{folder}/{start}{mark}vfio-workstation-fallback-6.11.conf": DEBIAN.replace(MACHINE, OTHER_MACHINE)
        for start in (OTHER_MACHINE, "zorin")
    }
    loader = make(tmp_path, foreign)
    before = snapshot(tmp_path)
    record, converged = converge(tmp_path, type(loader), REQUEST, records.EMPTY)
    path = EARLY_PLUGIN if make is fedora else PLUGIN
    script = (tmp_path / path.lstrip("/")).read_text().replace(str(folder), f"{tmp_path}{folder}")
    for arguments in (("add", "6.13"), ("remove", "6.11"), ("remove", "6.13")):
        subprocess.run(["sh", "-c", script, "plugin", *arguments], check=True)
        assert {name: content for name, content in snapshot(tmp_path).items() if "/" + name in foreign} == {
            name.lstrip("/"): content.encode() for name, content in foreign.items()
        }
        new = list((tmp_path / folder.lstrip("/")).glob("*fallback-6.13.conf"))
        assert [path.name.startswith((MACHINE, "debian")) for path in new] == [True] * (arguments != ("remove", "6.13"))
    assert [entry.role for entry in converged.entries if entry.path in foreign] == [OTHER, OTHER]
    converge(tmp_path, type(loader), CmdlineRequest("iommu", ()), record)
    assert snapshot(tmp_path) == before


def test_a_rescue_entry_of_a_kernel_is_kept(tmp_path: Path) -> None:
    rescue = DEBIAN.replace("quiet", "systemd.unit=rescue.target")
    loader = systemd_boot(tmp_path, {"/efi/loader/entries/debian-mine-6.12.1.conf": rescue})
    assert {entry.id: entry.role for entry in loader.entries}["debian-mine-6.12.1"] == OTHER


def test_the_plugin_has_the_directory_of_the_entries(tmp_path: Path) -> None:
    files = {"/boot/loader/entries/debian-6.12.1.conf": DEBIAN}
    systemd_boot(tmp_path, files)
    (tmp_path / "efi/loader/entries/debian-6.12.1.conf").unlink()
    converge(tmp_path, SystemdBoot, REQUEST, records.EMPTY)
    text = (tmp_path / PLUGIN.lstrip("/")).read_text()
    assert "\nprefix=/boot/loader/entries/debian-0-vfio-workstation-fallback-\n" in text


@pytest.mark.parametrize("text", ["ro\n# mine\n", "  # intel_iommu=on iommu=pt\nro\n"])
def test_a_comment_in_the_cmdline_file_is_refused(tmp_path: Path, text: str) -> None:
    loaders = (systemd_boot(tmp_path / "a", {CMDLINE: text}), fedora(tmp_path / "b", {CMDLINE: text}))
    assert [[refusal.code for refusal in loader.refusals()] for loader in loaders] == [["cmdline_unreadable"]] * 2


def test_an_empty_cmdline_file_is_not_removed(tmp_path: Path) -> None:
    systemd_boot(tmp_path, {CMDLINE: ""})
    record, _converged = converge(tmp_path, SystemdBoot, REQUEST, records.EMPTY)
    assert (tmp_path / CMDLINE.lstrip("/")).read_text() == "intel_iommu=on iommu=pt\n"
    converge(tmp_path, SystemdBoot, CmdlineRequest("iommu", ()), record)
    assert (tmp_path / CMDLINE.lstrip("/")).read_text().strip() == ""


def test_bytes_that_are_not_utf_8_are_kept(tmp_path: Path) -> None:
    entry = DEBIAN.replace("quiet", "key=\udce9")
    systemd_boot(tmp_path, {"/efi/loader/entries/debian-6.12.1.conf": entry})
    before = snapshot(tmp_path)
    record, _converged = converge(tmp_path, SystemdBoot, REQUEST, records.EMPTY)
    assert b"key=\xe9 intel_iommu=on" in (tmp_path / "efi/loader/entries/debian-6.12.1.conf").read_bytes()
    converge(tmp_path, SystemdBoot, CmdlineRequest("iommu", ()), record)
    assert snapshot(tmp_path) == before


def test_grub_reads_the_first_options_line_only(tmp_path: Path) -> None:
    path = f"boot/loader/entries/{MACHINE}-6.12.1.conf"
    entry = FEDORA.replace("rhgb $tuned_params", "rhgb\noptions never seen")
    fedora(tmp_path, {"/" + path: entry})
    converge(tmp_path, GrubBls, REQUEST, records.EMPTY)
    assert "options root=UUID=b ro rhgb intel_iommu=on iommu=pt\noptions never seen\n" in (tmp_path / path).read_text()


def red_hat_8(root: Path, environment: str) -> GrubBls:
    entry = FEDORA.replace("root=UUID=b ro rhgb", "$kernelopts")
    block = f"# GRUB Environment Block\n{environment}".ljust(1024, "#")
    return fedora(root, {f"/boot/loader/entries/{MACHINE}-6.12.1.conf": entry, "/boot/grub2/grubenv": block})


def test_kernelopts_are_changed_to_other_arguments(tmp_path: Path) -> None:
    red_hat_8(tmp_path, "kernelopts=root=UUID=b ro \n")
    record, _converged = converge(tmp_path, GrubBls, REQUEST, records.EMPTY)
    _record, converged = converge(tmp_path, GrubBls, CmdlineRequest("iommu", ("a=b",)), record)
    assert [entry.text for entry in converged.entries if entry.role == FALLBACK] == ["root=UUID=b ro  $tuned_params"]


def test_a_rescue_entry_that_refers_to_kernelopts_follows_it(tmp_path: Path) -> None:
    """As documented: the entry is foreign, but the variable that it refers to has the managed arguments."""
    rescue = RESCUE.replace("root=UUID=b ro rhgb", "$kernelopts")
    red_hat_8(tmp_path, "kernelopts=root=UUID=b ro \n")
    plant(tmp_path, {f"/boot/loader/entries/{MACHINE}-0-rescue.conf": rescue})
    _record, converged = converge(tmp_path, GrubBls, REQUEST, records.EMPTY)
    (text,) = [entry.text for entry in converged.entries if entry.id == f"{MACHINE}-0-rescue"]
    assert "intel_iommu=on iommu=pt" in text


def test_entries_that_grub_mkconfig_rewrote_are_corrected(tmp_path: Path) -> None:
    """With --update-bls-cmdline it gives all entries the same arguments, the fallback entries included."""
    fedora(tmp_path)
    record, converged = converge(tmp_path, GrubBls, REQUEST, records.EMPTY)
    before = snapshot(tmp_path)
    (normal,) = [entry.text for entry in converged.entries if entry.role == NORMAL]
    (fallback,) = [entry for entry in converged.entries if entry.role == FALLBACK]
    path = tmp_path / fallback.path.lstrip("/")
    path.write_text(path.read_text().replace(fallback.text, normal))
    assert snapshot(tmp_path) != before
    converge(tmp_path, GrubBls, REQUEST, record)
    assert snapshot(tmp_path) == before


def test_kernelopts_that_grubenv_lacks_are_refused(tmp_path: Path) -> None:
    assert [refusal.code for refusal in red_hat_8(tmp_path, "x=1\n").refusals()] == ["cmdline_unreadable"]


def test_kernelopts_without_space_in_grubenv_are_refused(tmp_path: Path) -> None:
    full = "kernelopts={}\n".format("x" * (1024 - 25 - 12 - 7))
    loader = red_hat_8(tmp_path, full)
    assert loader.argument_refusals(("a=b",)) == ()
    assert [refusal.code for refusal in loader.argument_refusals(("a=b", "c=d"))] == ["cmdline_too_long"]
