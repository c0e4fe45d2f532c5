# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign lines are set aside before images are rebuilt, and put back before they are rebuilt again.

The stand-in for mkinitramfs copies what the real one copies: the hook's marker, modprobe.d, and the list of modules.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._engine import initramfs
from ansible_collections.vfio.workstation.plugins.module_utils._engine.host import HostRun
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome, with_file_diffs
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    GenerateFile,
    MoveFile,
    Step,
    WriteFile,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import SECTIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.marked_lines import MARK
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.tests.machines.builder import build
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.test_kernel_cmdline import (
    machine as with_grub,
)

VFIO, MODULES, OVERRIDE = (
    "etc/modprobe.d/vfio.conf",
    "etc/initramfs-tools/modules",
    "etc/driverctl.d/pci-0000:01:00.1",
)
FOREIGN = {
    VFIO: "# from a guide\noptions vfio-pci ids=1002:731f disable_vga=1\nsoftdep amdgpu pre: vfio-pci\n",
    MODULES: "vfio-pci ids=1002:731f",
    OVERRIDE: "vfio-pci\n",
}
GPU = {"devices": [{"name": "gpu", "select": "0000:01:00.0"}], "accept": ["device_in_use"]}


class Host:
    """A desktop with initramfs-tools, on which somebody tried by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.built: list[str] = []
        build("intel-desktop", root)
        with_grub(root)
        files = ("usr/sbin/mkinitramfs", "etc/kernel/postinst.d/initramfs-tools")
        for path, text in (*FOREIGN.items(), *((path, "") for path in files)):
            self.write(path, text)
        (root / OVERRIDE).chmod(0o600)
        for image in self.images():
            self.generate(image)
        self.built.clear()

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, "utf-8")

    def images(self) -> list[Path]:
        """The images."""
        return sorted(self.root.glob("boot/initrd.img-*"))

    def generate(self, image: Path) -> None:
        """Stand in for mkinitramfs."""
        self.built.append(image.name)
        hook = self.root / "etc/initramfs-tools/hooks/vfio-workstation"
        text = hook.read_text("utf-8") if hook.exists() else ""
        names = re.findall(r'^    : >"\$\{DESTDIR\}/(.+)"', text, re.MULTILINE)
        names += re.findall(r"^copy \S+ /(\S+)", text, re.MULTILINE)
        names += [f"lib/modules/{image.name[len('initrd.img-') :]}/vfio-pci.ko"] if text else []
        lines = [line for path in (VFIO, MODULES) for line in (self.root / path).read_text("utf-8").splitlines()]
        image.write_text("\n".join([*names, *(f"# {line}" for line in lines if not line.startswith("#"))]), "utf-8")

    def list_image(self, argv: Sequence[str]) -> str:
        """Stand in for lsinitramfs."""
        return (self.root / argv[1].lstrip("/")).read_text("utf-8")

    def run(self, *, replace: bool = True, absent: bool = False, **sections: object) -> HostRun:
        """A run for the GPU, or its rollback."""
        desired = parse_desired({**GPU, **sections})
        assert isinstance(desired, Desired), desired
        return HostRun(*((Desired(), SECTIONS) if absent else (desired, None)), replace, root=str(self.root))

    def due(self, run: HostRun) -> list[Step]:
        """The steps other than those of the boot menu: captured trees have no grub-mkconfig."""
        outcome = run.observe()
        assert not outcome.refusals, outcome.refusals
        return [step for step in outcome.steps if not (isinstance(step, GenerateFile) and "grub" in step.path)]

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Carry out steps."""
        for step in steps:
            if isinstance(step, GenerateFile):
                self.generate(self.root / step.path.lstrip("/"))
                continue
            with Transaction({}, root=str(self.root)) as transaction:
                transaction.apply([step])

    def apply(self, run: HostRun) -> Outcome:
        """Carry out a run, and look again."""
        self.carry_out(self.due(run))
        return run.observe()

    def files(self) -> dict[str, tuple[int, bytes]]:
        """The files in /etc and the images, with their modes."""
        paths = [*(path for path in (self.root / "etc").rglob("*") if path.is_file()), *self.images()]
        return {str(path.relative_to(self.root)): (path.stat().st_mode, path.read_bytes()) for path in paths}

    def in_images(self) -> set[str]:
        """The foreign lines in images that have an effect."""
        return {line for image in self.images() for line in image.read_text("utf-8").splitlines() if "# " in line}


@pytest.fixture(name="host")
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    monkeypatch.setattr(initramfs, "run_tool", host.list_image)
    return host


def test_from_the_first_run_to_the_rollback(host: Host) -> None:
    before = host.files()
    assert "# softdep amdgpu pre: vfio-pci" in host.in_images()
    host.apply(host.run())
    assert host.in_images() == {"# options vfio-pci disable_vga=1"}
    assert len(host.built) == len(host.images())
    assert (host.root / MODULES).read_text("utf-8") == MARK + FOREIGN[MODULES]
    assert not (host.root / OVERRIDE).exists()
    assert host.due(host.run()) == []
    # What is set aside stays so without the option: it is for what is found from now on.
    assert host.due(host.run(replace=False)) == []
    host.built.clear()
    host.apply(host.run(absent=True))
    assert host.files() == before
    assert len(host.built) == len(host.images())
    assert host.due(host.run(absent=True)) == []


def test_refused_without_it_where_it_would_do_harm_and_noted_where_it_agrees(host: Host) -> None:
    outcome = host.run(replace=False).observe()
    assert not outcome.refusals
    offers = [note for note in outcome.values["notes"] if note.endswith("`conflicts: replace` sets it aside")]
    assert len(offers) == 4


def test_the_record_is_first_and_images_are_built_from_the_new_files(host: Host) -> None:
    kinds = [(type(step), getattr(step, "path", "")) for step in host.due(host.run())]
    record = kinds.index((WriteFile, "/etc/vfio-workstation/host.json"))
    lines = kinds.index((WriteFile, f"/{VFIO}"))
    override = kinds.index((MoveFile, f"/{OVERRIDE}"))
    image = min(index for index, (kind, _path) in enumerate(kinds) if kind is GenerateFile)
    assert record < lines < image
    assert record < override < image


@pytest.mark.parametrize("absent", [False, True])
def test_a_run_that_is_cut_off_anywhere_is_completed_by_the_next(host: Host, tmp_path: Path, absent: bool) -> None:
    original = host.files()
    if absent:
        host.apply(host.run())
    start = tmp_path / "start"
    for name in ("etc", "boot"):
        shutil.copytree(host.root / name, start / name)
    steps = host.due(host.run(absent=absent))
    host.apply(host.run(absent=absent))
    whole = host.in_images()
    for count in range(1, len(steps)):
        for name in ("etc", "boot"):
            shutil.rmtree(host.root / name)
            shutil.copytree(start / name, host.root / name)
        host.carry_out(host.due(host.run(absent=absent))[:count])
        host.apply(host.run(absent=absent))
        assert host.due(host.run(absent=absent)) == []
        assert host.in_images() == whole
        host.apply(host.run(absent=True))
        assert host.files() == original


def test_a_line_that_was_written_again_is_set_aside_and_leaves_the_images_again(host: Host) -> None:
    host.apply(host.run())
    (host.root / VFIO).write_text(FOREIGN[VFIO], "utf-8")
    for image in host.images():
        host.generate(image)  # as update-initramfs does, with this collection's hook
    assert "# softdep amdgpu pre: vfio-pci" in host.in_images()
    host.apply(host.run())
    assert host.in_images() == {"# options vfio-pci disable_vga=1"}


def test_without_devices_lines_stay_aside_until_the_rollback(host: Host) -> None:
    before = host.files()
    host.apply(host.run())
    host.apply(host.run(devices=[]))
    assert host.due(host.run(devices=[])) == []
    assert host.in_images() == {"# options vfio-pci disable_vga=1"}
    host.apply(host.run(absent=True))
    assert host.files() == before


def test_the_diff_shows_what_is_set_aside(host: Host) -> None:
    diffs = {diff["before_header"]: diff for diff in with_file_diffs(host.run().observe()).diffs}
    assert diffs[f"/{VFIO}"]["before"] == FOREIGN[VFIO]
    assert f"\n{MARK}softdep amdgpu pre: vfio-pci\n" in diffs[f"/{VFIO}"]["after"]
    assert (diffs[f"/{OVERRIDE}"]["before"], diffs[f"/{OVERRIDE}"]["after"]) == ("vfio-pci\n", "")
    moved = "/etc/driverctl.d/.pci-0000:01:00.1.set-aside-by-vfio-workstation"
    assert (diffs[moved]["before"], diffs[moved]["after"]) == ("", "vfio-pci\n")


IDS = "vfio-pci.ids=1002:731f"
SETTINGS, MENU = "etc/default/grub", "boot/grub/grub.cfg"


def on_the_command_line(host: Host, *, custom: str = "") -> None:
    """Write an argument from a guide to GRUB's settings, and to the menu that is made from them."""
    host.write(SETTINGS, f'GRUB_CMDLINE_LINUX_DEFAULT="quiet {IDS}"\n')
    menu = (host.root / MENU).read_text("utf-8")
    host.write(MENU, menu.replace("ro quiet", f"ro quiet {IDS}") + custom)
    (host.root / OVERRIDE).unlink()


def test_an_argument_is_removed_from_the_settings_and_put_back(host: Host) -> None:
    on_the_command_line(host)
    before = host.files()
    notes = host.run(replace=False).observe().values["notes"]
    assert any(IDS in note and note.endswith("`conflicts: replace` sets it aside") for note in notes)
    run = host.run()
    (entry,) = [line for line in run.observe().values["entries"] if line["role"] == "normal"]
    assert IDS in entry["before"]
    assert IDS not in entry["after"]
    host.apply(run)
    assert IDS not in (host.root / SETTINGS).read_text("utf-8")
    # As grub-mkconfig does.
    host.write(MENU, (host.root / MENU).read_text("utf-8").replace(f" {IDS}", ""))
    assert IDS not in " ".join(host.run().observe().values["notes"])
    host.apply(host.run(absent=True))
    host.write(MENU, (host.root / MENU).read_text("utf-8").replace("ro quiet", f"ro quiet {IDS}"))
    assert host.files() == before


@pytest.mark.parametrize(
    ("settings", "custom"),
    [
        # A shell computes the value, or an entry is of another script.
        (f'ids={IDS}\nGRUB_CMDLINE_LINUX_DEFAULT="quiet $ids"\n', ""),
        ("", f"menuentry 'mine' --id 'mine' {{\n\tlinux\t/boot/vmlinuz-6.1.0 root=UUID=a {IDS}\n}}\n"),
    ],
)
def test_an_argument_that_is_elsewhere_too_is_left_alone(host: Host, settings: str, custom: str) -> None:
    on_the_command_line(host, custom=custom)
    if settings:
        host.write(SETTINGS, settings)
    outcome = host.run(replace=False).observe()
    offers = [note for note in outcome.values["notes"] if IDS in note and note.endswith("sets it aside")]
    assert offers == []
