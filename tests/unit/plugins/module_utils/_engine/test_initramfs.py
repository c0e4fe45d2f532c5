# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the module `initramfs`, with a stand-in for mkinitramfs that adds the names in the hook to an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ApplyFailed, ToolFailed, Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._engine import initramfs
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import (
    LISTINGS_FILE,
    RECORD_FILE,
    File,
    InitramfsRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import States

VERSIONS = ("6.2.0", "6.1.0")
RULE = File("/etc/udev/rules.d/10-a.rules", "# a\n", 0o644)
REQUEST = InitramfsRequest((RULE,), ("vfio-pci", "ext4"))
SETTLED = States(configured=True, staged=True, active=None)


class Machine:
    """A Debian machine with two kernels, whose images are lists of names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []
        self.broken = False
        for path in (
            "usr/sbin/mkinitramfs",
            "etc/kernel/postinst.d/initramfs-tools",
            "etc/initramfs-tools/hooks/other",
        ):
            self.write(path, "")
        for version in VERSIONS:
            self.write(f"lib/modules/{version}/modules.dep", "kernel/drivers/vfio/vfio-pci.ko:\n")
            self.write(f"lib/modules/{version}/modules.builtin", "kernel/fs/ext4.ko\n")
            self.write(f"boot/vmlinuz-{version}", "")
            self.write(f"boot/initrd.img-{version}", "etc/passwd\n")

    def write(self, path: str, content: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)

    def tool(self, argv: Sequence[str]) -> str:
        """Stand in for lsinitramfs and mkinitramfs."""
        self.lines.append(argv[0])
        if argv[0] == "lsinitramfs":
            return (self.root / argv[1].lstrip("/")).read_text()
        if self.broken:
            raise ToolFailed("mkinitramfs: no space left on device")
        draft, version = Path(argv[2]), argv[3]
        hook = self.root / "etc/initramfs-tools/hooks/vfio-workstation"
        text = hook.read_text() if hook.exists() else ""
        names = ["etc/passwd", *re.findall(r"^copy \S+ /(\S+)", text, re.MULTILINE)]
        names += re.findall(r'^ +: >"\${DESTDIR}/(.+)"', text, re.MULTILINE)
        modules = (self.root / f"lib/modules/{version}/modules.dep").read_text()
        for name in re.findall(r"^add \S+ (\S+)", text, re.MULTILINE):
            if f"/{name}.ko" in modules:
                names.append(f"lib/modules/{version}/kernel/{name}.ko")
        draft.write_text("\n".join(names) + "\n")
        return ""

    def run(self, owner: str = "devices", request: InitramfsRequest = REQUEST, *, check: bool = False) -> Outcome:
        """Run as the module does, and return the outcome before the steps."""
        run = initramfs.InitramfsRun(owner, request, caches=not check, root=str(self.root))
        first = run.observe()
        if check or first.refusals or not first.steps:
            return first
        with Transaction(run.checks, str(self.root), self.tool) as transaction:
            transaction.apply(first.steps)
            last = run.observe()
            assert (last.refusals, last.steps, last.states) == ((), (), SETTLED)
        return first

    def seen(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(initramfs, "run_tool", made.tool)
    # The cache is on the machine, as the files are.
    for name in ("write_cache", "remove_cache"):
        real = getattr(initramfs, name)
        monkeypatch.setattr(initramfs, name, lambda path, *rest, real=real: real(str(tmp_path) + path, *rest))
    return made


def test_a_second_run_has_no_steps(machine: Machine) -> None:
    before = machine.seen()
    first = machine.run()
    assert first.states == States(configured=False, staged=False, active=None)
    assert [image["after"] for image in first.values["images"]] == [[RULE.path, "vfio-pci"]] * 2
    assert machine.lines.count("mkinitramfs") == 2
    # Each old image once, each draft once: the new image is the draft.
    assert machine.lines.count("lsinitramfs") == 4
    machine.lines.clear()
    again = machine.run()
    assert (again.steps, again.states) == ((), SETTLED)
    assert machine.lines == []
    assert machine.run(request=InitramfsRequest()).steps
    assert machine.seen() == before
    machine.lines.clear()
    assert machine.run(request=InitramfsRequest()).steps == ()
    assert machine.lines == []


def test_check_mode_changes_nothing_and_predicts_everything(machine: Machine) -> None:
    before = machine.seen()
    predicted = machine.run(check=True)
    assert machine.seen() == before
    done = machine.run()
    assert done.steps == predicted.steps
    assert done.diffs == predicted.diffs
    assert {diff["after"] for diff in done.diffs} == {f"{RULE.path}\nvfio-pci\n"}


def test_only_images_that_lack_something_are_rebuilt(machine: Machine) -> None:
    machine.run()
    machine.write("boot/initrd.img-6.1.0", "etc/passwd\n")
    machine.lines.clear()
    outcome = machine.run()
    assert [image["kernel"] for image in outcome.values["images"] if image["lacks"]] == ["6.1.0"]
    assert machine.lines == ["lsinitramfs", "mkinitramfs", "lsinitramfs"]


def test_a_tool_that_fails_changes_nothing(machine: Machine) -> None:
    before = machine.seen()
    machine.broken = True
    with pytest.raises(ApplyFailed, match="no space left"):
        machine.run()
    assert machine.seen() == before
    machine.broken = False
    assert machine.run().states == States(configured=False, staged=False, active=None)
    assert machine.run().states == SETTLED


def test_a_draft_that_lacks_something_is_not_used(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.run()
    before = machine.seen()
    machine.write("lib/modules/6.1.0/modules.dep", "kernel/drivers/vfio/vfio-pci.ko:\nkernel/nvme.ko:\n")
    machine.write("lib/modules/6.2.0/modules.dep", "kernel/drivers/vfio/vfio-pci.ko:\nkernel/nvme.ko:\n")
    changed = machine.seen()
    tool = machine.tool

    def forgetful(argv: Sequence[str]) -> str:
        message = tool(argv)
        if argv[0] == "mkinitramfs":
            draft = Path(argv[2])
            draft.write_text(draft.read_text().replace("nvme", "other"))
        return message

    monkeypatch.setattr(machine, "tool", forgetful)
    with pytest.raises(ApplyFailed, match="it lacks nvme"):
        machine.run("disks", InitramfsRequest((), ("nvme",)))
    assert machine.seen() == changed
    assert before.keys() == changed.keys()


def test_owners_are_independent(machine: Machine) -> None:
    machine.run()
    machine.run("other", InitramfsRequest((File("/etc/b", "b", 0o600),)))
    assert machine.run().states == SETTLED
    clash = machine.run("other", InitramfsRequest((RULE._replace(content="b"),)))
    assert [refusal.code for refusal in clash.refusals] == ["initramfs_conflict"]
    left = machine.run(request=InitramfsRequest())
    assert [image["after"] for image in left.values["images"]] == [["/etc/b"]] * 2
    assert [image["before"] for image in left.values["images"]] == [["/etc/b", RULE.path, "vfio-pci"]] * 2


def test_refusals(machine: Machine) -> None:
    machine.run()
    machine.write("lib/modules/6.1.0/modules.dep", "")
    assert [refusal.code for refusal in machine.run().refusals] == ["kernel_lacks_module"]
    # Its removal is not a request for it.
    assert machine.run(request=InitramfsRequest()).refusals == ()


def test_a_damaged_record(machine: Machine) -> None:
    machine.write(RECORD_FILE[1:], "{}")
    assert [refusal.code for refusal in machine.run().refusals] == ["record_damaged"]
    assert [refusal.code for refusal in machine.run(request=InitramfsRequest()).refusals] == ["record_damaged"]


def test_no_generator(machine: Machine) -> None:
    (machine.root / "usr/sbin/mkinitramfs").unlink()
    assert [refusal.code for refusal in machine.run().refusals] == ["initramfs_unsupported"]
    nothing = machine.run(request=InitramfsRequest())
    assert (nothing.refusals, nothing.steps) == ((), ())


def test_the_record_is_readable_by_root_only(machine: Machine) -> None:
    machine.run()
    for path in (RECORD_FILE, LISTINGS_FILE):
        assert (machine.root / path[1:]).stat().st_mode & 0o777 == 0o600
