# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trial boots with GRUB: where they are possible, and what GRUB boots, whatever its environment says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import OverwriteFile, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._machine.trial import ARMED, CHOICES, FINAL, STOCK
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_files import script
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_trial import (
    GrubTrial,
    block,
    choice_in,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.stand_ins.grub import boot, environment_block

FIXTURE = Path(__file__).parents[6] / "fixtures/boot/debian-12-grub.cfg"
KERNEL = "6.12.9+bpo-amd64"
CONFIG = "/boot/grub/grub.cfg"
BLOCK = "/boot/grub/vfio-workstation.env"
STOCK_ENTRY = f"vfio-workstation-fallback>vfio-workstation-fallback-gnulinux-{KERNEL}-advanced-0d9c"
LINUX = r"""#!/bin/sh
cat <<END
menuentry 'L' --x \$menuentry_id_option 'gnulinux-VERSION-advanced-0d9c' {
    linux $GRUB_CMDLINE_LINUX_DEFAULT
}
END
"""
LIBRARY = """
grub_probe=probe
probe() { echo /dev/vda1; }
prepare_grub_to_access_device() {
    printf '%s\\n' 'insmod ext2' "set root='hd0,gpt1'" 'search --fs-uuid --set=root 0d9c'
}
make_system_path_relative_to_its_root() { echo "$1"; }
"""


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def on_disk(root: Path, kind: str = "ext4", number: str = "259:2", device: str = "nvme0n1/nvme0n1p2") -> None:
    """Put the file system of /boot on a device."""
    mountinfo = f"25 1 {number} / / rw shared:1 - {kind} /dev/x rw\n"
    plant(root, {"/proc/self/mountinfo": mountinfo, f"/sys/devices/block/{device}/dev": number})
    link = root / "sys/dev/block" / number
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../devices/block/{device}")


def menu(root: Path, kernel: str = KERNEL, versions: tuple[str, ...] = (KERNEL,)) -> None:
    """Write a grub.cfg as grub-mkconfig does: the header of a real one, and what our script adds."""
    linux = root / "10_linux"
    entries = "".join(LINUX.replace("VERSION", version).split("\n", 1)[1] for version in versions)
    linux.write_text("#!/bin/sh\n" + entries, "utf-8")
    linux.chmod(0o755)
    (root / "grub-mkconfig_lib").write_text(LIBRARY, "utf-8")
    trial = GrubTrial(Tree(str(root)), CONFIG, ())
    text = script(("iommu=pt",), trial.script(kernel)).replace("/etc/grub.d/10_linux", str(linux))
    environment = {"PATH": "/usr/bin:/bin", "pkgdatadir": str(root), "GRUB_CMDLINE_LINUX_DEFAULT": "quiet iommu=pt"}
    done = subprocess.run(["sh", "-c", text], env=environment, capture_output=True, text=True, check=True)
    header = FIXTURE.read_text("utf-8").partition("### BEGIN /etc/grub.d/10_linux")[0]
    plant(root, {CONFIG: header + done.stdout, "/etc/grub.d/zz_vfio_workstation": text})


@pytest.fixture(name="root")
def host(tmp_path: Path) -> Path:
    on_disk(tmp_path)
    plant(tmp_path, {CONFIG: "", "/boot/grub/grubenv": environment_block()})
    menu(tmp_path)
    return tmp_path


def choose(root: Path, choice: str) -> None:
    plant(root, {BLOCK: block(choice)})


def choice_of(root: Path) -> str | None:
    return GrubTrial(Tree(str(root)), CONFIG, ()).choice


def test_blocks_are_told_apart_and_have_the_size_of_grubs() -> None:
    assert len({block(choice) for choice in CHOICES}) == len(CHOICES)
    assert {len(block(choice)) for choice in CHOICES} == {1024}
    # GRUB replaces a value of the same length where it is; all of it is in the first sector.
    assert {len(choice) for choice in CHOICES} == {5}
    assert {block(choice).rstrip("#").count("\n") for choice in CHOICES} == {2}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_is_read_back(root: Path, choice: str) -> None:
    choose(root, choice)
    assert choice_of(root) == choice


@given(st.sampled_from(CHOICES), st.integers(0, 1023), st.characters())
def test_no_other_content_is_a_choice(choice: str, position: int, character: str) -> None:
    content = block(choice)
    damaged = content[:position] + character + content[position + 1 :]
    assert choice_in(damaged) == (choice if damaged == content else None)
    assert choice_in(content[:position]) is None


def test_an_armed_trial_is_booted_once(root: Path) -> None:
    choose(root, ARMED)
    first = boot(root)
    assert (first.default, first.fallback, first.errors) == ("0", "vfio-workstation-fallback", "")
    assert choice_of(root) == STOCK
    for _again in range(2):
        assert boot(root).default == STOCK_ENTRY
        assert choice_of(root) == STOCK


def test_a_confirmed_configuration_is_booted_by_the_menus_own_default(root: Path) -> None:
    choose(root, FINAL)
    assert [boot(root).default for _boot in range(2)] == ["0", "0"]
    assert choice_of(root) == FINAL


def test_a_trial_that_can_not_be_noted_is_not_booted(root: Path) -> None:
    choose(root, ARMED)
    assert [boot(root, can_write=False).is_stock for _boot in range(2)] == [True, True]
    assert choice_of(root) == ARMED


@pytest.mark.parametrize("content", ["", "# GRUB Environment Block\n", "vfio_workstation_trial=armed", block("other")])
def test_a_damaged_block_boots_the_entry_without_vfio(root: Path, content: str) -> None:
    plant(root, {BLOCK: content})
    assert boot(root, can_write=False).is_stock


def test_a_missing_block_boots_the_entry_without_vfio(root: Path) -> None:
    assert boot(root).is_stock


def test_the_block_of_the_distribution_can_not_choose(root: Path) -> None:
    plant(root, {"/boot/grub/grubenv": environment_block(vfio_workstation_trial=FINAL)})
    assert boot(root).is_stock


DEFAULTS = {"0": {}, "2>1": {}, "gnulinux-simple-0d9c": {}, "${saved_entry}": {"saved_entry": "mine"}}


@pytest.mark.parametrize(("default", "environment"), DEFAULTS.items())
def test_the_menus_own_default_is_the_configuration(root: Path, default: str, environment: dict[str, str]) -> None:
    path = root / CONFIG.lstrip("/")
    path.write_text(path.read_text("utf-8").replace('set default="0"', f'set default="{default}"'), "utf-8")
    before = environment_block(**environment, recordfail="1")
    plant(root, {"/boot/grub/grubenv": before})
    own = environment.get("saved_entry", default)
    choose(root, ARMED)
    assert [boot(root).default for _boot in range(3)] == [own, STOCK_ENTRY, STOCK_ENTRY]
    choose(root, FINAL)
    assert boot(root).default == own
    # recordfail, saved_entry and all else of the distribution stays as it was.
    assert (root / "boot/grub/grubenv").read_text("utf-8") == before


@pytest.mark.parametrize(("variable", "value"), [("next_entry", "mine"), ("prev_saved_entry", "0")])
def test_an_entry_that_a_person_chose_once_is_booted_and_the_trial_stays_armed(
    root: Path, variable: str, value: str
) -> None:
    plant(root, {"/boot/grub/grubenv": environment_block(**{variable: value})})
    choose(root, ARMED)
    assert boot(root).default == value
    assert choice_of(root) == ARMED
    assert boot(root).default == "0"
    assert boot(root).default == STOCK_ENTRY


def test_savedefault_does_not_save_the_entry_without_vfio(root: Path) -> None:
    """The entries call it where GRUB_SAVEDEFAULT=true, and it saves nothing while boot_once is set."""
    path = root / CONFIG.lstrip("/")
    path.write_text(path.read_text("utf-8") + 'chosen="$default"\nsavedefault\n', "utf-8")
    choose(root, STOCK)
    boot(root)
    assert (root / "boot/grub/grubenv").read_text("utf-8") == environment_block()
    choose(root, FINAL)
    boot(root)
    assert (root / "boot/grub/grubenv").read_text("utf-8") == environment_block(saved_entry="0")


def test_the_kernel_of_the_staging_boot_is_the_way_back(root: Path) -> None:
    menu(root, "6.1.0", ("6.12.9", "6.1.0-2", "6.1.0"))
    assert boot(root).default.endswith("-gnulinux-6.1.0-advanced-0d9c")
    menu(root, "5.10.0", ("6.12.9", "6.1.0"))
    assert boot(root).default.endswith("-gnulinux-6.12.9-advanced-0d9c")


def test_the_menu_is_regenerated_until_it_has_the_choice(root: Path) -> None:
    choose(root, STOCK)

    def reason(kernel: str | None) -> str | None:
        return GrubTrial(Tree(str(root)), CONFIG, ()).reason_to_regenerate(kernel)

    assert reason(KERNEL) is None
    assert "add" in str(reason("6.1.0"))
    assert "remove" in str(reason(None))
    plant(root, {CONFIG: (root / CONFIG.lstrip("/")).read_text("utf-8").replace("-advanced-0d9c' {", "-advanced-1' {")})
    assert "add" in str(reason(KERNEL))  # the entry that it would boot is missing
    plant(root, {CONFIG: "menuentry"})
    assert "add" in str(reason(KERNEL))
    assert reason(None) is None


def test_steps_change_a_block_in_place(root: Path) -> None:
    def kinds(choice: str | None, present: str | None) -> list[type]:
        return [type(step) for step in GrubTrial(Tree(str(root)), CONFIG, ()).steps(choice, present, KERNEL)]

    assert kinds(STOCK, None) == [WriteFile]
    assert kinds(FINAL, None) == [WriteFile, OverwriteFile]
    choose(root, ARMED)
    assert kinds(ARMED, ARMED) == []
    assert kinds(ARMED, STOCK) == [OverwriteFile]
    assert kinds(FINAL, STOCK) == [OverwriteFile]
    assert kinds(None, ARMED) == [OverwriteFile, RemoveFile]
    assert kinds(None, STOCK) == [RemoveFile]


def test_a_new_block_says_stock_before_anything_else(root: Path) -> None:
    first, second = GrubTrial(Tree(str(root)), CONFIG, ()).steps(ARMED, None, KERNEL)
    assert isinstance(first, WriteFile)
    assert first.content == block(STOCK)
    with Transaction({}, str(root)) as transaction:
        transaction.apply([first])
        before = (root / BLOCK.lstrip("/")).stat()
        transaction.apply([second])
    after = (root / BLOCK.lstrip("/")).stat()
    assert choice_of(root) == ARMED
    assert before.st_ino == after.st_ino  # GRUB writes to the blocks of this file


@pytest.mark.parametrize(
    ("kind", "device", "extra", "reason"),
    [
        ("btrfs", "sda/sda1", {}, "is on btrfs, to which GRUB can't write"),
        ("zfs", "sda/sda1", {}, "is on zfs"),
        ("f2fs", "sda/sda1", {}, "is on f2fs"),
        ("ext4", "dm-0", {"/sys/devices/block/dm-0/dm/name": "vg-boot"}, "is on dm-0, a device of LVM"),
        ("xfs", "md0", {"/sys/devices/block/md0/md/level": "raid1"}, "is on md0, a device of LVM, RAID"),
        ("xfs", "md0/md0p1", {"/sys/devices/block/md0/md/level": "raid1"}, "is on md0p1, a device of LVM, RAID"),
        ("ext4", "sda/sda1", {"/proc/fs/ext4/sda1/options": "rw\ndata=journal\n"}, "data=journal"),
    ],
)
def test_what_grub_can_not_write_is_refused(
    tmp_path: Path, kind: str, device: str, extra: dict[str, str], reason: str
) -> None:
    on_disk(tmp_path, kind, device=device)
    plant(tmp_path, {CONFIG: "", **extra})
    (refusal,) = GrubTrial(Tree(str(tmp_path)), CONFIG, ()).refusals()
    assert refusal.code == "trial_unsupported"
    assert reason in refusal.seen


@pytest.mark.parametrize("kind", ["ext4", "xfs", "vfat"])
def test_what_grub_can_write_is_supported(tmp_path: Path, kind: str) -> None:
    on_disk(tmp_path, kind)
    plant(tmp_path, {CONFIG: "", "/proc/fs/ext4/nvme0n1p2/options": "rw\ndata=ordered\n"})
    trial = GrubTrial(Tree(str(tmp_path)), CONFIG, ())
    assert (trial.refusals(), trial.path) == ((), BLOCK)


def test_the_efi_system_partition_serves_where_boot_can_not_be_written(tmp_path: Path) -> None:
    on_disk(tmp_path, "btrfs")
    on_disk(tmp_path, "vfat", "259:1", "nvme0n1/nvme0n1p1")
    root, esp = "1 0 0:25 / / rw - btrfs /dev/x rw", "2 1 259:1 / /boot/efi rw - vfat /dev/y rw"
    plant(tmp_path, {CONFIG: "", "/boot/efi/EFI/debian/grub.cfg": "", "/proc/self/mountinfo": f"{root}\n{esp}\n"})
    trial = GrubTrial(Tree(str(tmp_path)), CONFIG, ("/boot/efi",))
    assert (trial.refusals(), trial.path) == ((), "/boot/efi/vfio-workstation.env")


@pytest.mark.parametrize("line", ['set superusers="root"', "set superusers=root", 'superusers="a b"'])
def test_a_password_of_grub_is_refused(root: Path, line: str) -> None:
    plant(root, {CONFIG: (root / CONFIG.lstrip("/")).read_text("utf-8") + line + "\n"})
    (refusal,) = GrubTrial(Tree(str(root)), CONFIG, ()).refusals()
    assert "superusers" in refusal.seen
