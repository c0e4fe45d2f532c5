# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nonsense, other users, damaged records and other boot loaders: answered in words, and nothing is changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.containers.boot_machine import ESP, BootMachine

IOMMU: dict[str, Any] = {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt"]}
NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "an owner's name": ({"owner": "../x", "args": ["a"]}, "owner: invalid name"),
    "an empty list": ({"owner": "iommu", "args": []}, "the list is empty"),
    "an open quote": ({"owner": "iommu", "args": ['a="b']}, "is not closed"),
    "a line end": ({"owner": "iommu", "args": ["a\nb"]}, "not printable ASCII"),
    "for init": ({"owner": "iommu", "args": ["a -- b"]}, "go to init"),
    "contradictory": ({"owner": "iommu", "args": ["iommu=pt", "iommu=off"]}, "can't be given together"),
    "twice": ({"owner": "iommu", "args": ["quiet", "quiet"]}, "is given twice"),
    "an unknown code": ({"owner": "iommu", "args": ["a"], "accept": ["everything"]}, "is not a refusal code"),
    "an unknown state": ({"owner": "iommu", "state": "gone"}, "value of state must be one of"),
    "no owner": ({"args": ["a"]}, "missing required arguments: owner"),
}


def test_nonsense_is_answered_in_words(host: BootMachine) -> None:
    before = host.tree()
    for name, (parameters, words) in NONSENSE.items():
        answer = host.call(**parameters)
        assert answer.failed, name
        assert words in answer.values["msg"], name
    assert host.tree() == before


def test_everything_that_is_wrong_is_told_at_once(host: BootMachine) -> None:
    message = host.call(owner="../x", args=['a="b', "c -- d"], accept=["x"]).values["msg"]
    assert len(message.splitlines()) == 4


def test_another_user_may_look_and_not_change(host: BootMachine) -> None:
    before = host.tree()
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    answer = host.call(prefix=nobody, **IOMMU)
    assert "Changing the boot configuration requires root" in answer.values["msg"]
    # What that user can't read is named, where it leaves open what would change.
    looked = host.call(prefix=nobody, check=True, **IOMMU)
    assert looked.changed or looked.failed or looked.values["unreadable"]
    assert host.tree() == before


def test_a_damaged_record_is_not_guessed_about(host: BootMachine) -> None:
    host.apply(**IOMMU)
    record = host.path("/etc/vfio-workstation/kernel-cmdline.json")
    text = record.read_text("utf-8")
    for damaged in ("", "{", text[: len(text) // 2], "[]", '{"format": 2}'):
        record.write_text(damaged, "utf-8")
        assert host.call(**IOMMU).codes == ["record_damaged"]
    record.write_text(text, "utf-8")
    assert not host.call(**IOMMU).changed


#: Files by which a boot loader, or what manages one, is known. Sources: kernelstub's configuration.py, Proxmox VE's
#: "Host Bootloader", ostree(1), each boot loader's own manual, and what Debian's packages refind and extlinux install.
MANAGERS = {
    "kernelstub": "/etc/kernelstub/configuration",
    "proxmox-boot-tool": "/etc/kernel/proxmox-boot-uuids",
    "ostree": "/ostree/repo/config",
}
OTHERS = {
    "refind": (f"{ESP}/EFI/refind/refind_x64.efi", f"{ESP}/EFI/refind/refind.conf"),
    "limine": (f"{ESP}/EFI/limine/limine_x64.efi", "/boot/limine.conf"),
    "extlinux": ("/boot/extlinux/ldlinux.sys", "/boot/extlinux/extlinux.conf"),
    "syslinux": ("/boot/syslinux/ldlinux.sys", "/boot/syslinux/syslinux.cfg"),
}
UEFI_ONLY = {"refind"}


def refused(host: BootMachine, name: str, files: tuple[str, ...]) -> None:
    """Lay files out, and insist on a refusal that has the name in it, and on nothing changed."""
    for file in files:
        host.run(f"mkdir -p $(dirname {file}) && touch {file}")
    before = host.tree()
    answer = host.call(**IOMMU)
    assert answer.codes == ["bootloader_unsupported"], answer.values
    assert name in answer.values["msg"]
    assert host.tree() == before
    for file in files:
        host.run(f"rm {file} && rmdir -p --ignore-fail-on-non-empty $(dirname {file})")


@pytest.mark.parametrize("name", MANAGERS)
def test_what_manages_a_boot_loader_is_refused_by_its_name(host: BootMachine, name: str) -> None:
    refused(host, name, (MANAGERS[name],))


def test_other_boot_loaders_are_refused_by_their_names(host: BootMachine) -> None:
    """The kernels are there, and nothing of the machine's own boot loader."""
    host.run(
        "mount -t tmpfs -o mode=755,size=200M tmpfs /mnt && mkdir /mnt/efi && "
        "cp -a /boot/vmlinuz-* /boot/initrd* /mnt && mount --bind /mnt /boot"
    )
    try:
        for name, files in OTHERS.items():
            if host.loader in ("systemd-boot", "uki") or name not in UEFI_ONLY:
                refused(host, name, files)
                host.run(f"mkdir -p {ESP}")
    finally:
        host.run("umount /boot /mnt")
