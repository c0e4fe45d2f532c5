# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB with its entries in grub.cfg: sources and entries, refusals and warnings, steps."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import (
    NORMAL,
    OTHER,
    Change,
    LineChange,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import GenerateFile, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub import Grub
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_files import (
    DROP_IN,
    SCRIPT,
    drop_in,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.protocol import LoaderContext
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import write_files

VERSION = "6.1.0-28-amd64"
MKCONFIG = "/usr/sbin/grub-mkconfig"
DEFAULTS = 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=tty0"\n'


def entry(name: str, arguments: str, version: str = VERSION) -> str:
    return (
        f"menuentry 'Debian, {name}' --class os $menuentry_id_option '{name}' {{\n"
        f"\tlinux\t/boot/vmlinuz-{version} root=UUID=0d9c ro {arguments}\n"
        f"\tinitrd\t/boot/initrd.img-{version}\n}}\n"
    )


def menu(arguments: str, fallback: str | None = None) -> str:
    text = entry("gnulinux-simple-0d9c", arguments)
    text += entry(f"gnulinux-{VERSION}-recovery-0d9c", "single") + entry("custom", "mine")
    if fallback is not None:
        inner = entry(f"vfio-workstation-fallback-gnulinux-{VERSION}", fallback)
        text += f"submenu 'Debian without VFIO' $menuentry_id_option 'vfio-workstation-fallback' {{\n{inner}}}\n"
    return text


def plant(root: Path, files: dict[str, str], drop_ins: bool = True) -> Tree:
    tool = "#!/bin/sh\n# reads ${sysconfdir}/default/grub.d/*.cfg\n" if drop_ins else "#!/bin/sh\n"
    everything = {
        MKCONFIG: tool,
        "/etc/grub.d/10_linux": "#!/bin/sh\n",
        "/etc/default/grub": DEFAULTS,
        "/boot/grub/grub.cfg": menu("console=tty0 quiet"),
        f"/boot/vmlinuz-{VERSION}": "",
        f"/boot/initrd.img-{VERSION}": "",
        **files,
    }
    write_files(root, everything)
    for name in everything:
        (root / name.lstrip("/")).chmod(0o755 if name.startswith(("/usr/sbin", "/etc/grub.d")) else 0o644)
    return Tree(str(root))


def grub(tree: Tree, *kernels: str) -> Grub:
    return Grub(tree, LoaderContext((), kernels or (VERSION,), None))


MANAGED = ("intel_iommu=on", "iommu=pt")
ADD = Change((), MANAGED, True, (), ())


def test_sources_and_entries_of_debian(tmp_path: Path) -> None:
    files = {"/etc/default/grub.d/a.cfg": 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX a"\n', DROP_IN: "X=1\n"}
    loader = grub(plant(tmp_path, files))
    assert [(source.path, source.line, source.name, source.text, source.managed) for source in loader.sources] == [
        ("/etc/default/grub", 3, "GRUB_CMDLINE_LINUX", "console=tty0", False),
        ("/etc/default/grub.d/a.cfg", 1, "GRUB_CMDLINE_LINUX", "$GRUB_CMDLINE_LINUX a", False),
        ("/etc/default/grub", 2, "GRUB_CMDLINE_LINUX_DEFAULT", "quiet", False),
    ]
    assert [(entry.id, entry.role, entry.version, entry.line) for entry in loader.entries] == [
        ("gnulinux-simple-0d9c", NORMAL, VERSION, 2),
        (f"gnulinux-{VERSION}-recovery-0d9c", OTHER, VERSION, 6),
        ("custom", OTHER, VERSION, 10),
    ]
    assert loader.refusals() == ()


def test_an_overridden_assignment_is_not_a_source(tmp_path: Path) -> None:
    loader = grub(plant(tmp_path, {"/etc/default/grub.d/a.cfg": 'GRUB_CMDLINE_LINUX="b"\n'}))
    assert [source.text for source in loader.sources] == ["b", "quiet"]


def test_steps_where_drop_ins_are_read(tmp_path: Path) -> None:
    change = ADD._replace(entries=(LineChange("/boot/grub/grub.cfg", 2, "gnulinux-simple-0d9c", "a", "b"),))
    steps = grub(plant(tmp_path, {})).steps(change)
    assert [step.path for step in steps] == [DROP_IN, SCRIPT, "/boot/grub/grub.cfg"]
    assert isinstance(steps[2], GenerateFile)
    assert steps[2].argv == (MKCONFIG, "-o", "{draft}")


def test_steps_where_drop_ins_are_not_read(tmp_path: Path) -> None:
    loader = grub(plant(tmp_path, {}, drop_ins=False))
    assert [(source.name, source.managed) for source in loader.sources] == [
        ("GRUB_CMDLINE_LINUX", False),
        ("GRUB_CMDLINE_LINUX_DEFAULT", True),
    ]
    line = LineChange("/etc/default/grub", 2, "GRUB_CMDLINE_LINUX_DEFAULT", "quiet", "quiet iommu=pt")
    steps = loader.steps(Change((), ("iommu=pt",), True, (line,), ()))
    (edit,) = (step for step in steps if isinstance(step, WriteFile) and step.path == "/etc/default/grub")
    assert edit.content == DEFAULTS.replace('"quiet"', '"quiet iommu=pt"')


@pytest.mark.parametrize("text", ["GRUB_DEFAULT=0\n", "GRUB_DEFAULT=0", "", "GRUB_DEFAULT=0\n\n"])
def test_a_missing_variable_is_added_and_removed_to_the_byte(tmp_path: Path, text: str) -> None:
    loader = grub(plant(tmp_path, {"/etc/default/grub": text}, drop_ins=False))
    (source,) = loader.sources
    add = LineChange(source.path, source.line, source.name, "", 'iommu=pt dyndbg="a b"')
    steps = loader.steps(Change((), ("iommu=pt",), True, (add,), ()))
    (edit,) = (step for step in steps if isinstance(step, WriteFile) and step.path == source.path)
    again = grub(plant(tmp_path, {"/etc/default/grub": edit.content}, drop_ins=False))
    (source,) = again.sources
    assert source.text == add.after
    back = LineChange(source.path, source.line, source.name, source.text, "")
    steps = again.steps(Change(("iommu=pt",), (), False, (back,), ()))
    (edit,) = (step for step in steps if isinstance(step, WriteFile) and step.path == source.path)
    assert edit.content == text


def test_there_are_no_steps_if_everything_is_right(tmp_path: Path) -> None:
    steps = grub(plant(tmp_path, {})).steps(ADD)
    files = {step.path: step.content for step in steps if isinstance(step, WriteFile)}
    files["/boot/grub/grub.cfg"] = menu("console=tty0 quiet intel_iommu=on iommu=pt", "console=tty0 quiet")
    tree = plant(tmp_path, files)
    (tmp_path / DROP_IN.lstrip("/")).chmod(0o644)
    assert list(grub(tree).steps(ADD)) == []


WRONG_MENUS = {
    "an entry lacks an argument": (menu("quiet intel_iommu=on", "quiet"), "update the arguments"),
    "the arguments are in another order": (menu("iommu=pt intel_iommu=on", "quiet"), "update the arguments"),
    "no fallback entry": (menu("intel_iommu=on iommu=pt"), "without VFIO for every kernel"),
    "a managed argument in the fallback entry": (menu("intel_iommu=on iommu=pt", "iommu=pt"), "remove iommu=pt from"),
}


@pytest.mark.parametrize("name", WRONG_MENUS)
def test_a_wrong_menu_is_regenerated(tmp_path: Path, name: str) -> None:
    text, reason = WRONG_MENUS[name]
    last = grub(plant(tmp_path, {"/boot/grub/grub.cfg": text})).steps(ADD)[-1]
    assert isinstance(last, GenerateFile)
    assert reason in last.reason


def test_a_kernel_without_an_entry_gets_one(tmp_path: Path) -> None:
    files = {"/boot/grub/grub.cfg": menu("intel_iommu=on iommu=pt", "quiet"), "/boot/vmlinuz-6.2.0": ""}
    last = grub(plant(tmp_path, files), VERSION, "6.2.0", "6.3.0").steps(ADD)[-1]
    assert last.reason == "add an entry for 6.2.0"


def test_a_kernel_without_an_entry_is_left_alone_where_no_argument_is_managed(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"/boot/vmlinuz-6.2.0": ""})
    assert grub(tree, VERSION, "6.2.0").steps(Change((), (), False, (), ())) == []


def test_a_copied_entry_is_foreign(tmp_path: Path) -> None:
    text = "### BEGIN /etc/grub.d/10_linux ###\n" + entry("gnulinux-simple-0d9c", "quiet")
    text += "### END /etc/grub.d/10_linux ###\n### BEGIN /etc/grub.d/40_custom ###\n"
    text += entry("gnulinux-simple-0d9c", "mine") + "### END /etc/grub.d/40_custom ###\n"
    text += entry("gnulinux-simple-0d9c", "by hand")
    loader = grub(plant(tmp_path, {"/boot/grub/grub.cfg": text}))
    assert [(entry.role, entry.line) for entry in loader.entries] == [(NORMAL, 3), (OTHER, 9), (OTHER, 14)]


def test_the_arguments_need_not_be_last_in_an_entry_for_another_init(tmp_path: Path) -> None:
    """10_linux appends init= to all other arguments; the prediction has the managed arguments after it."""
    steps = grub(plant(tmp_path, {})).steps(ADD)
    files = {step.path: step.content for step in steps if isinstance(step, WriteFile)}
    other = entry(f"gnulinux-{VERSION}-init-systemd-0d9c", "quiet intel_iommu=on iommu=pt init=/lib/systemd/systemd")
    files["/boot/grub/grub.cfg"] = menu("quiet intel_iommu=on iommu=pt", "quiet") + other
    loader = grub(plant(tmp_path, files))
    assert loader.entries[-1].role == NORMAL
    assert list(loader.steps(ADD)) == []


def test_an_argument_that_is_foreign_too_stays_in_the_fallback_entry(tmp_path: Path) -> None:
    steps = grub(plant(tmp_path, {})).steps(ADD)
    files = {step.path: step.content for step in steps if isinstance(step, WriteFile)}
    files["/boot/grub/grub.cfg"] = menu("iommu=pt intel_iommu=on iommu=pt", "iommu=pt")
    assert list(grub(plant(tmp_path, files)).steps(ADD)) == []


def test_an_old_argument_is_removed_from_the_fallback_entry(tmp_path: Path) -> None:
    files = {"/boot/grub/grub.cfg": menu("iommu=pt", "quiet old=1")}
    last = grub(plant(tmp_path, files)).steps(Change(("old=1",), ("iommu=pt",), True, (), ()))[-1]
    assert last.reason == "remove old=1 from the entries without VFIO"


def test_kernel_images_named_after_their_package(tmp_path: Path) -> None:
    """As on Arch: two kernels, of which one lacks an entry, or a fallback entry."""
    files = {
        "/lib/modules/6.9.1-arch1-1/pkgbase": "linux\n",
        "/lib/modules/6.6.30-1-lts/pkgbase": "linux-lts\n",
        "/boot/vmlinuz-linux": "",
        "/boot/vmlinuz-linux-lts": "",
    }
    normal = entry("gnulinux-linux-advanced-1", "iommu=pt", "linux")
    other = entry("gnulinux-linux-lts-advanced-1", "iommu=pt", "linux-lts")
    bare = entry("vfio-workstation-fallback-linux", "", "linux")
    change = Change((), ("iommu=pt",), True, (), ())
    for text, reason in (
        (normal + bare, "add an entry for 6.6.30-1-lts"),
        (normal + other + bare, "add an entry without VFIO for every kernel"),
    ):
        tree = plant(tmp_path, {**files, "/boot/grub/grub.cfg": text}, drop_ins=False)
        loader = grub(tree, "6.9.1-arch1-1", "6.6.30-1-lts")
        assert loader.entries[0].version == "6.9.1-arch1-1"
        assert loader.steps(change)[-1].reason == reason


def test_a_rescue_image_needs_no_normal_entry(tmp_path: Path) -> None:
    steps = grub(plant(tmp_path, {})).steps(ADD)
    files = {step.path: step.content for step in steps if isinstance(step, WriteFile)}
    rescue = entry("gnulinux-0-rescue-1-advanced-0d9c", "intel_iommu=on iommu=pt", "0-rescue-1")
    bare = entry("vfio-workstation-fallback-gnulinux-0-rescue", "quiet", "0-rescue-1")
    files["/boot/grub/grub.cfg"] = menu("intel_iommu=on iommu=pt", "quiet") + rescue + bare
    assert list(grub(plant(tmp_path, files)).steps(ADD)) == []


@pytest.mark.parametrize(
    ("menu_says", "files", "before"),
    [
        ("", {}, ()),
        ("set lang=de_DE\n", {}, ("-u", "LC_ALL", "-u", "LC_MESSAGES", "-u", "LANGUAGE", "LANG=de_DE.UTF-8")),
        (
            "  set lang=de_DE\n",
            {"/etc/locale.conf": "LANG=de_DE.ISO-8859-1\nLC_MESSAGES=en_GB.UTF-8\nLC_TIME=C\n"},
            ("-u", "LC_ALL", "-u", "LANGUAGE", "LC_MESSAGES=en_GB.UTF-8", "LANG=de_DE.ISO-8859-1"),
        ),
        (
            "set lang=en_US\n",
            {"/etc/default/locale": 'LANG="fr_FR.UTF-8"\n'},
            ("-u", "LC_ALL", "-u", "LC_MESSAGES", "-u", "LANGUAGE", "LANG=en_US.UTF-8"),
        ),
        ("set lang=$(x)\n", {}, ()),
    ],
)
def test_the_menu_keeps_its_language(tmp_path: Path, menu_says: str, files: dict[str, str], before: tuple[str]) -> None:
    tree = plant(tmp_path, {"/boot/grub/grub.cfg": menu_says + menu("quiet"), **files})
    last = grub(tree).steps(ADD)[-1]
    assert isinstance(last, GenerateFile)
    assert last.argv == (*(("/usr/bin/env", *before) if before else ()), MKCONFIG, "-o", "{draft}")


def test_removal_removes_own_files_and_regenerates_the_menu(tmp_path: Path) -> None:
    files = {"/boot/grub/grub.cfg": menu("iommu=pt", ""), DROP_IN: "", SCRIPT: ""}
    steps = grub(plant(tmp_path, files)).steps(Change(("iommu=pt",), (), False, (), ()))
    assert [type(step) for step in steps] == [RemoveFile, RemoveFile, GenerateFile]


def test_every_missing_part_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, {})
    (tmp_path / "etc/grub.d/10_linux").chmod(0o644)
    (tmp_path / MKCONFIG.lstrip("/")).unlink()
    (tmp_path / "boot/grub/grub.cfg").unlink()
    seen = [refusal.seen for refusal in grub(Tree(str(tmp_path))).refusals()]
    assert len(seen) == 3


@pytest.mark.parametrize("text", ['"${%s} mine"', '"$%s mine"'])
def test_a_later_drop_in_may_append_to_the_variable(tmp_path: Path, text: str) -> None:
    text = f"GRUB_CMDLINE_LINUX_DEFAULT={text}\n" % "GRUB_CMDLINE_LINUX_DEFAULT"
    assert grub(plant(tmp_path, {"/etc/default/grub.d/zzz.cfg": text})).refusals() == ()


@pytest.mark.parametrize("value", ['"$(cat /etc/x)"', "`x`", '"\\$x"'])
def test_an_uncertain_value_of_the_managed_line_is_refused(tmp_path: Path, value: str) -> None:
    text = f"GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT={value}\n"
    (refusal,) = grub(plant(tmp_path, {"/etc/default/grub": text}, drop_ins=False)).refusals()
    assert refusal.code == "cmdline_unreadable"
    assert "/etc/default/grub, line 2" in refusal.seen
    assert grub(plant(tmp_path, {"/etc/default/grub": text})).refusals() == ()


def test_the_last_assignment_is_managed(tmp_path: Path) -> None:
    text = DEFAULTS + 'GRUB_CMDLINE_LINUX_DEFAULT+=" more"\n'
    loader = grub(plant(tmp_path, {"/etc/default/grub": text}, drop_ins=False))
    assert [(source.text, source.line) for source in loader.sources if source.managed] == [(" more", 4)]
    assert len(loader.sources) == 3


def test_a_later_drop_in_that_overrides_the_variable_is_refused(tmp_path: Path) -> None:
    loader = grub(plant(tmp_path, {"/etc/default/grub.d/zzz.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="mine"\n'}))
    assert [refusal.code for refusal in loader.refusals()] == ["bootloader_unsupported"]


def test_arguments_that_grub_would_change_are_refused(tmp_path: Path) -> None:
    loader = grub(plant(tmp_path, {}))
    units = ["memmap=1G$4G", "a=b;c", "#a", 'a=b"c d"']
    assert [refusal.code for refusal in loader.argument_refusals(units)] == ["argument_unsupported"] * 4
    good = ['dyndbg="file x +p"', '"a=b c"', 'a="b"', 'a=""', "a=#b", "hugepagesz=1G hugepages=8", "a=b,c:d/e*f(g)"]
    assert loader.argument_refusals(good) == ()


COMPUTED = {
    "a command's output, in the value": ('GRUB_CMDLINE_LINUX="iommu=off $(cat /etc/more)"\n', "", "has iommu=off,"),
    "a command's output, in the entries": ('GRUB_CMDLINE_LINUX="$(cat /etc/more)"\n', "iommu=off", "have iommu=off,"),
    "backticks": ("GRUB_CMDLINE_LINUX=`cat /etc/more`\n", "iommu=off", "have iommu=off,"),
    "another variable": ('MORE="iommu=off"\nGRUB_CMDLINE_LINUX="$MORE"\n', "iommu=off", "have iommu=off,"),
    "a default": ('GRUB_CMDLINE_LINUX="${GRUB_CMDLINE_LINUX:-iommu=off}"\n', "iommu=off", "have iommu=off,"),
    "a condition": (
        'GRUB_CMDLINE_LINUX=""\nif [ -e /etc/more ]; then\n    GRUB_CMDLINE_LINUX="iommu=off"\nfi\n',
        "iommu=off",
        "has iommu=off,",
    ),
}


@pytest.mark.parametrize("drop_ins", [True, False])
@pytest.mark.parametrize("name", COMPUTED)
def test_a_computed_conflict_can_not_be_set_aside(tmp_path: Path, name: str, drop_ins: bool) -> None:
    """Not even with conflicts=replace: all steps would be made, the menu found wrong, and all steps undone."""
    line, in_entry, words = COMPUTED[name]
    files = {"/etc/default/grub": line, "/boot/grub/grub.cfg": menu(in_entry)}
    (refusal,) = grub(plant(tmp_path, files, drop_ins)).argument_refusals(["iommu=pt", "quiet"])
    number = 1 + line[: line.index("GRUB_CMDLINE_LINUX" if name != "a condition" else "    ")].count("\n")
    assert refusal.code == "cmdline_conflict"
    assert f"/etc/default/grub, line {number} " in refusal.seen
    assert words in refusal.seen
    assert "conflicts with the requested iommu=pt" in refusal.seen
    # A computed value without a conflict is fine.
    assert grub(Tree(str(tmp_path))).argument_refusals(["quiet"]) == ()


@pytest.mark.parametrize(
    "line",
    [
        'GRUB_CMDLINE_LINUX="iommu=off"\n',
        "GRUB_CMDLINE_LINUX='iommu=off $5'\n",
        'A="$(cat /etc/more)"\nGRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX="${GRUB_CMDLINE_LINUX} iommu=off"\n',
        # The menu is older than the line.
        'GRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX b"\n',
    ],
)
def test_a_literal_conflict_can_be_set_aside(tmp_path: Path, line: str) -> None:
    files = {"/etc/default/grub": line, "/boot/grub/grub.cfg": menu("iommu=off")}
    assert grub(plant(tmp_path, files)).argument_refusals(["iommu=pt"]) == ()


def test_a_conflict_in_the_drop_in_can_be_set_aside_beside_a_computed_value(tmp_path: Path) -> None:
    files = {"/etc/default/grub": 'GRUB_CMDLINE_LINUX="$(cat /etc/more)"\n', DROP_IN: drop_in(["iommu=off"])}
    tree = plant(tmp_path, {**files, "/boot/grub/grub.cfg": menu("iommu=off")})
    assert grub(tree).argument_refusals(["iommu=pt"]) == ()


LATER = "/etc/grub.d/zzz_other_system"


def test_the_fallback_submenu_is_the_last_of_the_menu() -> None:
    """After whatever a distribution, os-prober or a person adds, by any locale's order."""
    others = ["10_linux", "20_linux_xen", "30_os-prober", "30_uefi-firmware", "40_custom", "41_custom", "99_mine"]
    names = [*others, SCRIPT.rpartition("/")[2]]
    argv = ["sh", "-c", 'cd "$1" && for name in *; do echo "$name"; done', "sh"]
    for locale in ("C", "C.UTF-8", "en_US.UTF-8"):
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                Path(folder, name).touch()
            done = subprocess.run(
                [*argv, folder],
                env={"LC_ALL": locale, "PATH": os.environ["PATH"]},
                capture_output=True,
                text=True,
                check=True,
            )
        assert done.stdout.split()[-1] == names[-1]


def test_a_default_by_number_is_warned_of_where_entries_come_after_the_submenu(tmp_path: Path) -> None:
    for number, is_warned in (("0", False), ("1", True), ("1>7", True), ("2", True), ("'2>0'", True), ("id", False)):
        files = {"/etc/default/grub": f"GRUB_DEFAULT={number}\n"}
        assert grub(plant(tmp_path / "alone", files)).warnings() == ()
        tree = plant(tmp_path / "later", {**files, LATER: "#!/bin/sh\n"})
        (tmp_path / "later" / LATER[1:]).chmod(0o644)
        assert grub(tree).warnings() == ()  # grub-mkconfig runs executable files alone
        (tmp_path / "later" / LATER[1:]).chmod(0o755)
        warnings = grub(tree).warnings()
        assert bool(warnings) == is_warned, number
        assert all(LATER in warning for warning in warnings)


@pytest.mark.parametrize("drop_ins", [True, False])
@pytest.mark.parametrize(
    ("text", "shell", "line", "word"),
    [
        ("GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT+=' splash'\n", "dash", 2, "GRUB_CMDLINE_LINUX_DEFAULT+="),
        ('GRUB_CMDLINE_LINUX="console=tty0" memmap=4G\\\\\\$0x1 no5lvl\n', "bash", 1, "'no5lvl'"),
        ("GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=''\r\n", "dash", 2, "carriage return"),
    ],
)
def test_a_file_that_grub_mkconfig_can_not_source_is_refused(
    tmp_path: Path, text: str, shell: str, line: int, word: str, drop_ins: bool
) -> None:
    tree = plant(tmp_path, {"/etc/default/grub": text, f"/usr/bin/{shell}": ""}, drop_ins)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/bin/sh").symlink_to(shell)
    (refusal,) = grub(tree).refusals()
    assert refusal.code == "cmdline_unreadable"
    assert f"/etc/default/grub, line {line}: {shell} takes" in refusal.seen
    assert word in refusal.seen


def test_what_bash_appends_is_read_where_sh_is_bash(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"/etc/default/grub": "GRUB_CMDLINE_LINUX_DEFAULT='a'\nGRUB_CMDLINE_LINUX_DEFAULT+=' b'\n"})
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin/bash").touch()
    (tmp_path / "bin/sh").symlink_to("bash")
    assert grub(tree).refusals() == ()


@pytest.mark.parametrize("drop_ins", [True, False])
def test_values_after_which_nothing_reaches_the_kernel_are_refused(tmp_path: Path, drop_ins: bool) -> None:
    for line, code in (
        ('GRUB_CMDLINE_LINUX="a -- b"', "bootloader_unsupported"),
        ('GRUB_CMDLINE_LINUX="a\nb"', "cmdline_unreadable"),
        ('GRUB_CMDLINE_LINUX_DEFAULT="a\nb"', "cmdline_unreadable"),
    ):
        loader = grub(plant(tmp_path, {"/etc/default/grub": line + "\n"}, drop_ins))
        (refusal,) = loader.refusals()
        assert refusal.code == code
        assert refusal.seen.startswith("/etc/default/grub, line 1 has GRUB_CMDLINE_LINUX")
    # In the managed line, the managed arguments are written before the --.
    text = 'GRUB_CMDLINE_LINUX_DEFAULT="a -- b"\n'
    assert len(grub(plant(tmp_path, {"/etc/default/grub": text}, drop_ins)).refusals()) == drop_ins


def test_files_that_the_shells_glob_does_not_match_are_not_read(tmp_path: Path) -> None:
    text = 'GRUB_CMDLINE_LINUX_DEFAULT="not read"\n'
    files = {f"/etc/default/grub.d/{name}": text for name in (".a.cfg", "a.cfg.bak", "a.conf")}
    assert [source.path for source in grub(plant(tmp_path, files)).sources] == ["/etc/default/grub"] * 2


def test_entries_generated_by_another_script_are_refused_by_its_name(tmp_path: Path) -> None:
    """As Ubuntu has them where / is on ZFS."""
    text = "### BEGIN /etc/grub.d/10_linux ###\n### END /etc/grub.d/10_linux ###\n"
    text += "### BEGIN /etc/grub.d/10_linux_zfs ###\n" + entry("gnulinux-rpool/ROOT/ubuntu_1x5gh3-6.2.0", "quiet")
    text += "### END /etc/grub.d/10_linux_zfs ###\n"
    (refusal,) = grub(plant(tmp_path, {"/boot/grub/grub.cfg": text})).refusals()
    assert refusal.code == "bootloader_unsupported"
    assert "/etc/grub.d/10_linux_zfs" in refusal.seen
    (refusal,) = grub(plant(tmp_path, {"/boot/grub/grub.cfg": entry("custom", "mine")})).refusals()
    assert refusal.code == "bootloader_broken"
