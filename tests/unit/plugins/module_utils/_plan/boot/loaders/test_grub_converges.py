# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB from a request to a menu and back: a shell reads what we write and generates the menu, as grub-mkconfig does."""

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

# Each with the folder of grub.cfg, the tool, and whether it reads drop-ins.
SYSTEMS = {
    "debian": ("/boot/grub", "/usr/sbin/grub-mkconfig", True),
    "arch": ("/boot/grub", "/usr/bin/grub-mkconfig", False),
    "suse": ("/boot/grub2", "/usr/sbin/grub2-mkconfig", False),
}
# What grub-mkconfig does: it reads the files, and then runs the scripts. Below a folder, here.
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
# What 10_linux of GRUB 2.06 and 2.12 prints, of what matters.
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


class Machine:
    """A machine's files below a folder, with a grub-mkconfig that works there."""

    def __init__(self, root: Path, system: str, defaults: str, kernels: Sequence[str] = ("6.1.0-28-amd64",)) -> None:
        folder, self.tool, drop_ins = SYSTEMS[system]
        self.root = root
        self.config = folder + "/grub.cfg"
        place = "etc/default/grub.d" if drop_ins else "etc/nowhere"
        self.put(self.tool, MKCONFIG.replace("@DROP_INS@", place), 0o755)
        self.put("/etc/grub.d/10_linux", LINUX, 0o755)
        self.put("/etc/default/grub", defaults)
        self.kernels: list[str] = []
        for version in kernels:
            self.install(version)
        self.put(self.config, self.generated())
        self.record = records.EMPTY

    def put(self, path: str, text: str, mode: int | None = None) -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "surrogateescape"))
        place.chmod(0o644 if mode is None else mode)

    def install(self, version: str) -> None:
        self.kernels.insert(0, version)
        self.put(f"/boot/vmlinuz-{version}", "")
        self.put(f"/boot/initrd.img-{version}", "")

    def generated(self) -> str:
        argv = ["sh", str(self.root / self.tool.lstrip("/"))]
        environment = {"PATH": os.environ["PATH"], "ROOT": str(self.root)}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout

    def files(self) -> dict[str, tuple[int, bytes]]:
        places = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): (path.stat().st_mode, path.read_bytes()) for path in places}

    def loader(self) -> Grub:
        return Grub(Tree(str(self.root)), LoaderContext((), tuple(self.kernels), None))

    def due(
        self, request: CmdlineRequest
    ) -> tuple[list[WriteFile | RemoveFile | GenerateFile], CmdlineRecord, dict[str, str]]:
        """What is to be done, the record after it, and the foretold line of each entry that changes."""
        loader = self.loader()
        decision = decide(request, self.record, loader.sources, loader.entries)
        assert (decision.refusals, list(loader.refusals())) == ((), [])
        steps = []
        for step in loader.steps(decision.change):
            assert isinstance(step, (WriteFile, RemoveFile, GenerateFile))
            steps.append(step)
        return steps, decision.record, {line.name: line.after for line in decision.change.entries}

    def apply(self, request: CmdlineRequest, *, told: bool = True) -> None:
        """Do what is due; nothing must be left then, and the entries must be as foretold.

        Args:
            request: What is wanted.
            told: Whether GRUB was told of what others changed: what comes of that is not foretold.
        """
        steps, record, foretold = self.due(request)
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
        assert self.due(request)[0] == []
        for entry in self.loader().entries if told else ():
            assert meanings(entry.text) == meanings(foretold.get(entry.id, entry.text))

    def lines(self, role: str) -> list[str]:
        return [entry.text for entry in self.loader().entries if entry.role == role]


def meanings(line: str) -> list[str]:
    """What the kernel gets, in no order: of ours and of what the system puts behind, either may be the last."""
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
OTHERS = [
    "iommu=pt",
    "intel_iommu=on",
    "hugepagesz=1G hugepages=4",
    'dyndbg="file b +p"',
    "n=1,2:3",
    "*",
    "isolcpus=2-3",
]
UNITS = st.lists(st.sampled_from(OTHERS), min_size=1, max_size=4, unique=True).map(tuple)


@pytest.mark.parametrize("system", ["debian", "arch"])
@pytest.mark.parametrize("defaults", DEFAULTS)
def test_there_and_back_to_the_byte(tmp_path: Path, system: str, defaults: str) -> None:
    machine = Machine(tmp_path, system, defaults)
    before = machine.files()
    machine.apply(CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt")))
    assert all(cmdline.has(line, unit) for line in machine.lines(NORMAL) for unit in ("intel_iommu=on", "iommu=pt"))
    assert machine.lines(FALLBACK)
    assert not any(cmdline.has(line, "intel_iommu=on") for line in machine.lines(FALLBACK))
    machine.apply(CmdlineRequest("pages", ("hugepagesz=1G hugepages=4",)))
    machine.apply(CmdlineRequest("iommu", ()))
    machine.apply(CmdlineRequest("pages", ()))
    assert machine.files() == before


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(SYSTEMS)), st.sampled_from(DEFAULTS), st.lists(UNITS, min_size=1, max_size=3))
def test_any_requests_one_after_another(
    tmp_path_factory: pytest.TempPathFactory, system: str, defaults: str, requests: list[tuple[str, ...]]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"), system, defaults)
    before = machine.files()
    for number, units in enumerate(requests):
        machine.apply(CmdlineRequest(f"owner-{number % 2}", units))
    for owner in ("owner-0", "owner-1"):
        machine.apply(CmdlineRequest(owner, ()))
    assert machine.files() == before


def interrupted(machine: Machine, request: CmdlineRequest) -> Iterator[int]:
    """Do only the first steps: none, then one, then two and so on, from a fresh start each."""
    steps, _record, _foretold = machine.due(request)
    for number, step in enumerate(steps):
        yield number
        if isinstance(step, WriteFile):
            machine.put(step.path, step.content, step.mode)
        elif isinstance(step, RemoveFile):
            (machine.root / step.path.lstrip("/")).unlink()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_run_that_ended_after_any_step_is_taken_up(tmp_path: Path, system: str) -> None:
    request = CmdlineRequest("iommu", ("iommu=pt",))
    count = len(Machine(tmp_path / "count", system, DEFAULTS[0]).due(request)[0])
    for done in range(count):
        machine = Machine(tmp_path / str(done), system, DEFAULTS[0])
        before = machine.files()
        # As the run notes before it begins.
        machine.record = machine.due(request)[1]
        next(number for number in interrupted(machine, request) if number == done)
        machine.apply(request)
        machine.apply(CmdlineRequest("iommu", ()))
        assert machine.files() == before


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("told", [True, False])
def test_a_kernel_that_comes_and_goes(tmp_path: Path, system: str, told: bool) -> None:
    machine = Machine(tmp_path, system, DEFAULTS[0])
    request = CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt"))
    machine.apply(request)
    machine.install("6.2.0-1-amd64")
    if told:
        machine.put(machine.config, machine.generated())
        assert machine.due(request)[0] == []
    machine.apply(request)
    assert len(machine.lines(FALLBACK)) == 2
    assert all(line.endswith("intel_iommu=on iommu=pt") for line in machine.lines(NORMAL))
    for name in ("vmlinuz", "initrd.img"):
        (tmp_path / f"boot/{name}-6.2.0-1-amd64").unlink()
    machine.kernels.remove("6.2.0-1-amd64")
    machine.apply(CmdlineRequest("iommu", ()))
    assert not re.search("6.2.0|vfio", machine.generated())


@pytest.mark.parametrize("system", ["debian", "arch"])
@pytest.mark.parametrize("theirs", ["intel_iommu=on", "intel-iommu=on", "a intel-iommu=on b"])
def test_what_somebody_wrote_and_did_not_tell_grub_is_theirs(tmp_path: Path, system: str, theirs: str) -> None:
    machine = Machine(tmp_path, system, DEFAULTS[0])
    defaults = DEFAULTS[0].replace("quiet", f"quiet {theirs}")
    machine.put("/etc/default/grub", defaults)
    machine.apply(CmdlineRequest("iommu", ("intel_iommu=on", "iommu=pt")), told=False)
    assert all(cmdline.has(line, "iommu=pt") for line in machine.lines(NORMAL))
    assert not any(cmdline.has(line, "iommu=pt") for line in machine.lines(FALLBACK))
    assert len(machine.lines(FALLBACK)) == 1
    machine.apply(CmdlineRequest("iommu", ()), told=False)
    assert (tmp_path / "etc/default/grub").read_text("utf-8") == defaults
