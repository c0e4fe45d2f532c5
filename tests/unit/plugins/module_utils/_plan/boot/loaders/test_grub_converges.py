# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB from a request to a menu and back: a shell sources the settings and generates the menu, like grub-mkconfig."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._apply.draft_checks import check_grub_config
from ansible_collections.vfio.workstation.plugins.module_utils._machine import cmdline
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import (
    FALLBACK,
    NORMAL,
    CmdlineRecord,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import GenerateFile, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot import cmdline_record as records
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.cmdline_change import CmdlineRequest, decide
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub import Grub
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.protocol import LoaderContext
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

# By system: the directory of grub.cfg, the tool, and whether it reads drop-ins.
SYSTEMS = {
    "debian": ("/boot/grub", "/usr/sbin/grub-mkconfig", True),
    "arch": ("/boot/grub", "/usr/bin/grub-mkconfig", False),
    "suse": ("/boot/grub2", "/usr/sbin/grub2-mkconfig", False),
}
# Like grub-mkconfig, below $ROOT: sources the settings, and then runs the scripts.
MKCONFIG = r"""#!/bin/sh
set -e
. "$ROOT/etc/default/grub"
for file in "$ROOT/@DROP_INS@"/*.cfg; do
    [ ! -e "$file" ] || . "$file"
done
export GRUB_CMDLINE_LINUX GRUB_CMDLINE_LINUX_DEFAULT GRUB_DISTRIBUTOR GRUB_DISABLE_SUBMENU GRUB_DISABLE_RECOVERY
for script in "$ROOT"/etc/grub.d/*; do
    echo "### BEGIN ${script#"$ROOT"} ###"
    sed "s|=/etc/grub|=$ROOT/etc/grub|" "$script" | sh
    echo "### END ${script#"$ROOT"} ###"
done
"""
# The relevant parts of the output of 10_linux in GRUB 2.06 and 2.12.
LINUX = r"""#!/bin/sh
entry() {
    cat <<END | sed "s/^/$1/"
menuentry '$2' --class gnu-linux --class os \$menuentry_id_option '$3' {
    echo 'Loading Linux $4 ...'
    linux /boot/vmlinuz-$4 root=UUID=0d9c ro $5
    initrd /boot/initrd.img-$4
}
END
}
first=yes indent=
for image in $(ls -r "$ROOT"/boot/vmlinuz-*); do
    version=${image##*/vmlinuz-}
    if [ $first = yes ] && [ "x$GRUB_DISABLE_SUBMENU" != xtrue ]; then
        entry '' "$GRUB_DISTRIBUTOR" gnulinux-simple-0d9c "$version" "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"
        echo "submenu 'Advanced options' \$menuentry_id_option 'gnulinux-advanced-0d9c' {"
        indent='  '
    fi
    first=
    entry "$indent" "with Linux $version" "gnulinux-$version-advanced-0d9c" "$version" \
        "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"
    if [ "x$GRUB_DISABLE_RECOVERY" != xtrue ]; then
        entry "$indent" "with Linux $version (recovery mode)" "gnulinux-$version-recovery-0d9c" "$version" \
            "single $GRUB_CMDLINE_LINUX"
    fi
done
[ -z "$indent" ] || echo '}'
"""


class Host:
    """A host's files below a directory, with a grub-mkconfig that works there."""

    def __init__(self, root: Path, system: str, defaults: str, kernels: Sequence[str] = ("6.1.0-28-amd64",)) -> None:
        directory, self.tool, drop_ins = SYSTEMS[system]
        self.root = root
        self.config = directory + "/grub.cfg"
        drop_in_directory = "etc/default/grub.d" if drop_ins else "etc/nowhere"
        self.put(self.tool, MKCONFIG.replace("@DROP_INS@", drop_in_directory), 0o755)
        self.put("/etc/grub.d/10_linux", LINUX, 0o755)
        self.put("/etc/default/grub", defaults)
        self.kernels: list[str] = []
        for version in kernels:
            self.install(version)
        self.put(self.config, self.generated())
        self.record = records.EMPTY

    def put(self, path: str, text: str, mode: int | None = None) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        file.chmod(0o644 if mode is None else mode)

    def install(self, version: str) -> None:
        self.kernels.insert(0, version)
        self.put(f"/boot/vmlinuz-{version}", "")
        self.put(f"/boot/initrd.img-{version}", "")

    def generated(self) -> str:
        argv = ["sh", str(self.root / self.tool.lstrip("/"))]
        environment = {"PATH": os.environ["PATH"], "ROOT": str(self.root)}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout

    def files(self) -> dict[str, tuple[int, bytes]]:
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): (path.stat().st_mode, path.read_bytes()) for path in paths}

    def loader(self) -> Grub:
        return Grub(Tree(str(self.root)), LoaderContext((), tuple(self.kernels), None))

    def plan(
        self, request: CmdlineRequest
    ) -> tuple[list[WriteFile | RemoveFile | GenerateFile], CmdlineRecord, dict[str, str]]:
        """Return the steps, the record after them, and the predicted command line of each entry that changes."""
        loader = self.loader()
        decision = decide(request, self.record, loader.sources, loader.entries)
        assert (decision.refusals, list(loader.refusals())) == ((), [])
        steps = []
        for step in loader.steps(decision.change):
            assert isinstance(step, (WriteFile, RemoveFile, GenerateFile))
            steps.append(step)
        return steps, decision.record, {line.name: line.after for line in decision.change.entries}

    def apply(self, request: CmdlineRequest, *, menu_is_current: bool = True) -> None:
        """Make all steps; check that none are left, and that the entries are as predicted.

        Args:
            request: The request.
            menu_is_current: Whether the menu was regenerated after the last change of settings; if not, that change
                reaches the menu too, which is not predicted.
        """
        steps, record, predictions = self.plan(request)
        for step in steps:
            if isinstance(step, WriteFile):
                self.put(step.path, step.content, step.mode)
            elif isinstance(step, RemoveFile):
                (self.root / step.path.lstrip("/")).unlink()
            else:
                self.put("/boot/draft", self.generated())
                assert check_grub_config(Tree(str(self.root)), "/boot/draft") == []
                (self.root / "boot/draft").replace(self.root / self.config.lstrip("/"))
        self.record = record
        assert self.plan(request)[0] == []
        for entry in self.loader().entries if menu_is_current else ():
            assert meanings(entry.text) == meanings(predictions.get(entry.id, entry.text))

    def lines(self, role: str) -> list[str]:
        return [entry.text for entry in self.loader().entries if entry.role == role]


def meanings(line: str) -> list[str]:
    """Return the arguments as the kernel sees them, sorted: the managed ones need not be the last."""
    return sorted(str(argument.meaning) for argument in cmdline.parse(line).arguments)


DEFAULTS = [
    'GRUB_DISTRIBUTOR="Joe"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n',
    "GRUB_CMDLINE_LINUX_DEFAULT='quiet splash'\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=quiet",
    "export GRUB_CMDLINE_LINUX_DEFAULT=  # nothing\n",
    'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"\n',
    "",
    'GRUB_CMDLINE_LINUX_DEFAULT="a \\\nb\tc  d" # why\nGRUB_DISABLE_RECOVERY=true\n',
    'GRUB_CMDLINE_LINUX_DEFAULT="a"\nGRUB_DISABLE_SUBMENU=true\n',
    'GRUB_CMDLINE_LINUX="x=1"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet $GRUB_CMDLINE_LINUX"\n',
    'GRUB_CMDLINE_LINUX_DEFAULT="old"\nGRUB_CMDLINE_LINUX_DEFAULT="${GRUB_CMDLINE_LINUX_DEFAULT} new"\n',
    'GRUB_CMDLINE_LINUX_DEFAULT="dyndbg=\\"file a +p\\" b"\n# caf\udce9\n',
    'GRUB_CMDLINE_LINUX="iommu=pt"\nGRUB_CMDLINE_LINUX_DEFAULT=""\n',
    'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n',
    'if true; then\n    GRUB_CMDLINE_LINUX="cond=1"\nfi\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
]
ALL_UNITS = [
    "iommu=pt",
    "intel_iommu=on",
    "hugepagesz=1G hugepages=4",
    'dyndbg="file b +p"',
    "n=1,2:3",
    "*",
    "isolcpus=2-3",
]
UNITS = st.lists(st.sampled_from(ALL_UNITS), min_size=1, max_size=4, unique=True).map(tuple)


@pytest.mark.parametrize("system", ["debian", "arch"])
@pytest.mark.parametrize("defaults", DEFAULTS)
def test_requests_are_applied_and_removed_to_the_byte(tmp_path: Path, system: str, defaults: str) -> None:
    host = Host(tmp_path, system, defaults)
    before = host.files()
    host.apply(CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt")))
    assert all(cmdline.has(line, unit) for line in host.lines(NORMAL) for unit in ("intel_iommu=on", "iommu=pt"))
    assert host.lines(FALLBACK)
    assert not any(cmdline.has(line, "intel_iommu=on") for line in host.lines(FALLBACK))
    host.apply(CmdlineRequest("pages", ("hugepagesz=1G hugepages=4",)))
    host.apply(CmdlineRequest("iommu", ()))
    host.apply(CmdlineRequest("pages", ()))
    assert host.files() == before


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(SYSTEMS)), st.sampled_from(DEFAULTS), st.lists(UNITS, min_size=1, max_size=3))
def test_any_sequence_of_requests_is_removed_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, system: str, defaults: str, requests: list[tuple[str, ...]]
) -> None:
    host = Host(tmp_path_factory.mktemp("host"), system, defaults)
    before = host.files()
    for number, units in enumerate(requests):
        host.apply(CmdlineRequest(f"owner-{number % 2}", units))
    for owner in ("owner-0", "owner-1"):
        host.apply(CmdlineRequest(owner, ()))
    assert host.files() == before


def interrupted(host: Host, request: CmdlineRequest) -> Iterator[int]:
    """Make one step after each number that is yielded: a caller that stops at N has made the first N steps."""
    steps, _record, _predictions = host.plan(request)
    for number, step in enumerate(steps):
        yield number
        if isinstance(step, WriteFile):
            host.put(step.path, step.content, step.mode)
        elif isinstance(step, RemoveFile):
            (host.root / step.path.lstrip("/")).unlink()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_run_that_was_killed_after_any_step_is_repeated(tmp_path: Path, system: str) -> None:
    request = CmdlineRequest("iommu", ("iommu=pt",))
    count = len(Host(tmp_path / "count", system, DEFAULTS[0]).plan(request)[0])
    for done in range(count):
        host = Host(tmp_path / str(done), system, DEFAULTS[0])
        before = host.files()
        # A run writes the record before its other steps.
        host.record = host.plan(request)[1]
        next(number for number in interrupted(host, request) if number == done)
        host.apply(request)
        host.apply(CmdlineRequest("iommu", ()))
        assert host.files() == before


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("is_regenerated", [True, False])
def test_a_kernel_is_installed_and_removed(tmp_path: Path, system: str, is_regenerated: bool) -> None:
    host = Host(tmp_path, system, DEFAULTS[0])
    request = CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt"))
    host.apply(request)
    host.install("6.2.0-1-amd64")
    if is_regenerated:
        host.put(host.config, host.generated())
        assert host.plan(request)[0] == []
    host.apply(request)
    assert len(host.lines(FALLBACK)) == 2
    assert all(line.endswith("intel_iommu=on iommu=pt") for line in host.lines(NORMAL))
    for name in ("vmlinuz", "initrd.img"):
        (tmp_path / f"boot/{name}-6.2.0-1-amd64").unlink()
    host.kernels.remove("6.2.0-1-amd64")
    host.apply(CmdlineRequest("iommu", ()))
    assert not re.search("6.2.0|vfio", host.generated())


@pytest.mark.parametrize("system", ["debian", "arch"])
@pytest.mark.parametrize("foreign", ["intel_iommu=on", "intel-iommu=on", "a intel-iommu=on b"])
def test_a_foreign_argument_that_is_not_in_the_menu_yet_is_kept(tmp_path: Path, system: str, foreign: str) -> None:
    host = Host(tmp_path, system, DEFAULTS[0])
    defaults = DEFAULTS[0].replace("quiet", f"quiet {foreign}")
    host.put("/etc/default/grub", defaults)
    host.apply(CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt")), menu_is_current=False)
    assert all(cmdline.has(line, "iommu=pt") for line in host.lines(NORMAL))
    assert not any(cmdline.has(line, "iommu=pt") for line in host.lines(FALLBACK))
    assert len(host.lines(FALLBACK)) == 1
    host.apply(CmdlineRequest("iommu", ()), menu_is_current=False)
    assert (tmp_path / "etc/default/grub").read_text("utf-8") == defaults
