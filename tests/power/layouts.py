# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks that are cut: partitions, file systems, and the boot loader that reads them."""

from __future__ import annotations

import dataclasses
import pathlib
import typing

from tests.lab import Image, Lab

from .disk import Disk
from .linux import Linux
from .starts import Chain, GrubChain, SystemdBootChain
from .views import Fat, Files, Grub

_MIB = 1 << 20
# As tests/lab/image.py divides a disk.
_ESP, _ROOT, _BOOT, _END = 2 * _MIB, 514 * _MIB, 6658 * _MIB, 7170 * _MIB


class Partition(typing.NamedTuple):
    """A partition that has an ext4, and folders of it with files that a change replaces."""

    start: int
    size: int
    folders: tuple[str, ...]


_ROOT_PARTITION = Partition(_ROOT, _BOOT - _ROOT, ("/etc", "/boot", "/var/lib/vfio-workstation"))
# What is below /boot, GRUB's reader compares without a replay; here, the file system must be consistent with one.
_BOOT_PARTITION = Partition(_BOOT, _END - _BOOT, ())


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a machine's disk is divided, and what reads it at boot. Offsets and sizes are in bytes."""

    boot: str = "uefi-grub"  # of the image's recipe
    disk: str = "ext4"  # of the image's recipe
    partition: int = 3  # the number of the partition with GRUB's directory
    directory: str = "/boot/grub"  # on that partition
    ext4: tuple[Partition, ...] = (_ROOT_PARTITION,)
    mark: int = _BOOT  # where a sector is that no partition has
    modules: tuple[str, ...] = ("virtio_blk",)  # that an initramfs needs for this disk
    preparation: str = "true"  # a shell command on the machine, before the changes
    changes: tuple[str, ...] = ("apply", "remove")

    def image(self, lab: Lab) -> Image:
        """Return the image that a machine of this layout runs from."""
        return lab.image(boot=self.boot, disk=self.disk)

    def chain(self, programs: pathlib.Path, image: pathlib.Path) -> Chain:
        """Return what reads the disk when the machine starts."""
        if self.boot == "uefi-systemd-boot":
            return SystemdBootChain(Files(Fat(_ESP), image))
        return GrubChain(Grub(programs, self.partition), image, self.directory)

    def linux(self, disk: Disk) -> list[Linux]:
        """Return what reads each ext4 after its journal was replayed."""
        return [Linux(disk, *partition) for partition in self.ext4]


_FILL = "rm -f /boot/efi/fill && { dd if=/dev/zero of=/boot/efi/fill bs=1M status=none || true; }"
_TRIAL = ("trial", "confirm", "remove_trial")
_SEPARATE_BOOT = Layout(
    disk="ext4-boot", partition=4, directory="/grub", mark=_END, ext4=(_ROOT_PARTITION, _BOOT_PARTITION)
)
LAYOUTS = {
    "ext4": Layout(),
    "ext4-boot": _SEPARATE_BOOT,
    "trial": Layout(changes=_TRIAL),
    "trial-boot": dataclasses.replace(_SEPARATE_BOOT, changes=_TRIAL),
    "btrfs": Layout(disk="btrfs", ext4=(), modules=("virtio_blk", "btrfs")),
    "esp": Layout(boot="uefi-systemd-boot"),
    "esp-full": Layout(boot="uefi-systemd-boot", preparation=_FILL, changes=("exhausted",)),
}
