# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every boot loader, and what goes wrong: tools that fail, write nonsense or are gone, full disks, kill -9."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.containers.boot_machine import ESP, TOOLS, BootMachine

IOMMU: dict[str, Any] = {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt"]}
GONE: dict[str, Any] = {"owner": "iommu", "state": "absent"}
#: What a tool writes that is not what it is for, and a part of what is said of it.
NONSENSE = {
    "grub": (
        ("cat >$out </etc/passwd", "is rejected|syntax error"),
        ("sed s,/boot/vmlinuz,/boot/no-such, /boot/grub/grub.cfg >$out", "which does not exist"),
        ("sed s,root=,other=, /boot/grub/grub.cfg >$out", "has no root="),
        ("head -n 40 /boot/grub/grub.cfg >$out", "has no entry for a kernel|syntax error"),
        ("true", "wrote no file"),
    ),
    "uki": (
        ("cat >$out </etc/passwd", "it lacks the sections"),
        (f"head -c 9000000 {ESP}/EFI/Linux/*.efi >$out", "it is truncated: its sections take"),
        (f"sed s,root=/dev/sda2,root=/dev/sda3, {ESP}/EFI/Linux/*.efi >$out", "has root=/dev/sda3"),
        ("true", "wrote no file"),
    ),
}
NONSENSE["grub-plain"] = NONSENSE["grub"]


@contextlib.contextmanager
def unlike_itself(host: BootMachine) -> Iterator[None]:
    """Put the tool back afterwards."""
    tool = host.path(TOOLS[host.loader])
    content, mode = tool.read_bytes(), tool.stat().st_mode
    try:
        yield
    finally:
        tool.write_bytes(content)
        tool.chmod(mode & 0o7777)


def test_a_tool_that_fails_once(host: BootMachine) -> None:
    if host.loader not in TOOLS:
        return
    with unlike_itself(host):
        host.replace_tool("echo half >$out; echo no luck >&2; exit 3")
        broken = host.tree()
        failed = host.call(**IOMMU)
        assert failed.failed
        assert "exit status 3\nno luck" in failed.values["msg"]
        assert host.tree() == broken
    host.apply(**IOMMU)


def test_a_tool_that_fails_when_ours_is_to_go(host: BootMachine) -> None:
    if host.loader not in TOOLS:
        return
    host.apply(**IOMMU)
    with unlike_itself(host):
        host.replace_tool("echo no luck >&2; exit 3")
        broken = host.tree()
        assert host.call(**GONE).failed
        assert host.tree() == broken
    assert host.call(**GONE).changed


def test_a_tool_that_writes_nonsense_and_one_that_is_missing(host: BootMachine) -> None:
    if host.loader not in TOOLS:
        return
    with unlike_itself(host):
        for line, words in NONSENSE[host.loader]:
            host.replace_tool(line)
            broken = host.tree()
            failed = host.call(**IOMMU)
            assert failed.failed
            assert any(word in failed.values["msg"] for word in words.split("|")), failed.values["msg"]
            assert host.tree() == broken
        host.path(TOOLS[host.loader]).unlink()
        missing = host.call(**IOMMU)
        assert missing.codes == ["bootloader_unsupported" if host.loader == "uki" else "bootloader_broken"]
        assert TOOLS[host.loader].rpartition("/")[2] in missing.values["msg"]


def test_a_full_disk(host: BootMachine) -> None:
    # Root's reserve too; a few kilobytes are left, fewer than a new grub.cfg and what is beside it need.
    host.run("dd if=/dev/zero of=/var/full bs=64k", check=False)
    before = host.tree()
    try:
        refused = host.call(**IOMMU)
        assert refused.codes == ["boot_space_exhausted"], refused.values
        assert host.call(check=True, **IOMMU).codes == ["boot_space_exhausted"]
        assert host.tree() == before
    finally:
        host.run("rm -f /var/full")


def boot_folder(host: BootMachine) -> str:
    """Return where what boots lies."""
    return ESP if host.loader in ("systemd-boot", "uki") else "/boot"


@contextlib.contextmanager
def on_a_partition(host: BootMachine, free: int) -> Iterator[str]:
    """Put what boots onto a file system of its own, with some KiB free."""
    folder = boot_folder(host)
    used = int(host.run(f"du -sk --apparent-size {folder}").stdout.split()[0])
    host.run(
        f"mount -t tmpfs -o mode=755,size={used + free + 64}k tmpfs /mnt && cp -a {folder}/. /mnt && "
        f"mount --bind /mnt {folder}"
    )
    try:
        yield folder
    finally:
        host.run(f"umount {folder} /mnt")


def test_a_boot_partition_that_is_full(host: BootMachine) -> None:
    with on_a_partition(host, free=200) as folder:
        before = host.tree()
        refused = host.call(**IOMMU)
        assert refused.codes == ["boot_space_exhausted"], refused.values
        assert f"The file system of {folder}" in refused.values["msg"]
        assert host.tree() == before


def test_a_boot_partition_that_fills_up_in_the_middle(host: BootMachine) -> None:
    if host.loader not in TOOLS:
        return
    with on_a_partition(host, free=200_000) as folder, unlike_itself(host):
        # As another program does that writes at the same time: there was room enough when the run began.
        host.replace_tool(f"dd if=/dev/zero of={folder}/filler bs=64k 2>/dev/null; cat /boot/vmlinuz-* >$out")
        before = host.tree()
        failed = host.call(**IOMMU)
        assert "No space left on device" in failed.values["msg"]
        host.path(f"{folder}/filler").unlink()
        assert host.tree() == before


def test_a_read_only_boot(host: BootMachine) -> None:
    folder = boot_folder(host)
    host.run(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}")
    before = host.tree()
    try:
        refused = host.call(**IOMMU)
        assert refused.codes == ["boot_read_only"], refused.values
        assert host.tree() == before
    finally:
        host.run(f"umount {folder}")


def test_killed_after_each_single_change(host: BootMachine) -> None:
    """Each run makes one change and is killed before the next, until one gets to its end: there and back."""
    for parameters in (IOMMU, GONE):
        for _attempt in range(20):
            done = host.call_killed(2, **parameters)
            host.insist_on_booting()
            if done is not None:
                break
        else:
            raise AssertionError("the runs do not get on")
        assert not done.failed, done.values
        assert not host.call(**parameters).changed


def test_killed_at_any_change_and_given_up(host: BootMachine) -> None:
    """What a killed run leaves behind goes when nothing is wanted any more; the host's fixture compares at the end."""
    before = host.tree()
    for number in range(1, 20):
        done = host.call_killed(number, **IOMMU)
        given_up = host.call(**GONE)
        assert not given_up.failed, given_up.values
        after = host.tree()
        differing = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        assert (number, differing) == (number, set())
        if done is not None:
            assert number > 3
            return
    raise AssertionError("a run does not come to its end")


def test_killed_while_the_tool_runs(host: BootMachine) -> None:
    if host.loader not in TOOLS:
        return
    before = host.tree()
    assert host.call_killed(in_tool=True, **IOMMU) is None
    host.insist_on_booting()
    assert not host.call(**GONE).failed
    assert host.tree() == before
    assert host.call_killed(in_tool=True, **IOMMU) is None
    assert all(line.endswith("intel_iommu=on iommu=pt") for line in host.apply(**IOMMU).lines())
