# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks for containers: a file system of its own below /, which GRUB's tools insist on, made of an image's files.

grub-probe looks for the device that / is on, and 10_linux makes no entries where that is a loop device; so the loop
device gets another name. Root is needed, to mount.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .command import CACHE, ContainerError, output, say

SIZE_MIB = 1200


def attach(image: str, folder: Path, environment: Mapping[str, str] | None = None) -> tuple[Path, Path]:
    """Put an image's files onto a disk and mount it; the folder where that is, and its device.

    Args:
        image: Full name of a podman image.
        folder: Where the disk is to lie; detach() of a folder above it takes everything away again.
        environment: What podman needs.
    """
    if os.geteuid() != 0:
        raise ContainerError("a disk can be mounted by root only: run this as root")
    folder.mkdir(parents=True)
    disk, root = folder / "disk.img", folder / "root"
    root.mkdir()
    output(["cp", "--sparse=always", "--reflink=auto", str(_original(image, environment)), str(disk)])
    loop = output(["losetup", "--find", "--show", str(disk)]).strip()
    device = Path("/dev", "vfio-" + Path(loop).name)
    device.unlink(missing_ok=True)
    os.mknod(device, 0o600 | 0o060000, os.stat(loop).st_rdev)
    output(["mount", "-t", "ext4", str(device), str(root)])
    return root, device


def _original(image: str, environment: Mapping[str, str] | None) -> Path:
    path = CACHE / f"disk-{image.rpartition('/')[2].replace(':', '-')}.img"
    if not path.exists():
        say(f"{path.name}: putting the files of {image} onto a disk")
        files = output(["podman", "image", "mount", image], env=environment).strip()
        draft = path.with_suffix(f".{os.getpid()}")
        try:
            output(["mke2fs", "-q", "-t", "ext4", "-d", files, str(draft), f"{SIZE_MIB}M"])
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)
            output(["podman", "image", "unmount", image], env=environment)
    return path


def detach(folder: Path) -> None:
    """Unmount every disk that lies below a folder, and let go of its devices; the files stay."""
    try:
        loops = json.loads(output(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"]) or "{}")
    except ContainerError:
        return
    for loop in loops.get("loopdevices", []):
        if str(loop["back-file"]).startswith(f"{folder}/"):
            root = Path(str(loop["back-file"]).removesuffix(" (deleted)")).parent / "root"
            # It may never have been mounted, when we were interrupted.
            subprocess.run(["umount", "--recursive", "--lazy", str(root)], capture_output=True, check=False)
            subprocess.run(["losetup", "--detach", loop["name"]], capture_output=True, check=False)
            Path("/dev", "vfio-" + Path(loop["name"]).name).unlink(missing_ok=True)
