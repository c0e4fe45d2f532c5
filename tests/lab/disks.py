# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of one run: an overlay over the image, a disk with a marker, the firmware's variables; their snapshots."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import typing

from .command import Disk
from .errors import LabError
from .hardware import DISKS, Hardware

if typing.TYPE_CHECKING:
    from .image import Image

# The first sector of a disk that holds the marker: what an inner guest must be able to read by DMA.
MARKER = "vfio.workstation marker: {name}"
_DATA_DISK_BYTES = 64 * 1024 * 1024


WRITE_LOG = pathlib.Path("writes.log")


def prepare(folder: pathlib.Path, hardware: Hardware, image: Image, logged: bool = False) -> dict[str, Disk]:
    """A file for every disk, made when it is not there: disks keep what is on them when the hardware changes.

    With logged, QEMU is to log the writes of the root disk, into a new log.
    """
    result: dict[str, Disk] = {}
    for device in hardware.devices:
        if device.kind not in DISKS:
            continue
        path = pathlib.Path(f"{device.name}.qcow2")
        if not (folder / path).exists():
            _make(folder, path, device.name, device.holds, image)
        is_logged = logged and device.holds == "root"
        if is_logged:
            (folder / WRITE_LOG).write_bytes(b"")
        result[device.name] = Disk(path, log=WRITE_LOG if is_logged else None)
    return result


def variables(folder: pathlib.Path, image: Image) -> pathlib.Path | None:
    """The run's copy of the firmware's variables; None when the image boots by BIOS."""
    if image.variables is None:
        return None
    if not (folder / "variables.fd").exists():
        shutil.copyfile(image.variables, folder / "variables.fd")
    return pathlib.Path("variables.fd")


def snapshot(folder: pathlib.Path, name: str) -> None:
    """Keep the present state of every disk and of the firmware's variables."""
    for disk in sorted(folder.glob("*.qcow2")):
        qemu_img("snapshot", "-c", name, disk)
    if (folder / "variables.fd").exists():
        shutil.copyfile(folder / "variables.fd", folder / f"variables.{name}.fd")


def restore(folder: pathlib.Path, name: str) -> None:
    """Bring the kept state back."""
    for disk in sorted(folder.glob("*.qcow2")):
        qemu_img("snapshot", "-a", name, disk)
    if (folder / f"variables.{name}.fd").exists():
        shutil.copyfile(folder / f"variables.{name}.fd", folder / "variables.fd")


def qemu_img(*arguments: str | pathlib.Path) -> str:
    """Run qemu-img; what it printed. It ends when we do."""
    argv = ["setpriv", "--pdeathsig", "KILL", "--", "qemu-img", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)} failed: {done.stderr.strip()}")
    return done.stdout


def _make(folder: pathlib.Path, path: pathlib.Path, name: str, holds: str | None, image: Image) -> None:
    draft = folder / f".{path.name}.draft"
    if holds == "root":
        qemu_img("create", "-q", "-f", "qcow2", "-F", image.format, "-b", image.disk, draft)
    elif holds == "marker":
        raw = folder / f".{name}.raw"
        with raw.open("wb") as file:
            file.write(MARKER.format(name=name).encode().ljust(512, b"\0"))
            file.truncate(_DATA_DISK_BYTES)
        qemu_img("convert", "-q", "-f", "raw", "-O", "qcow2", raw, draft)
        raw.unlink()
    else:
        qemu_img("create", "-q", "-f", "qcow2", draft, str(_DATA_DISK_BYTES))
    draft.rename(folder / path)
