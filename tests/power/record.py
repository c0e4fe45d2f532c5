# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of changes on a virtual workstation, with each write and flush of its disk logged."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import tarfile
import time
import typing

from tests.integration.lab.boot_configuration import call, carry
from tests.lab import Lab, LabError, Machine, disks, small_initramfs

from . import log
from .changes import Change
from .expectations import Mark
from .layouts import Layout

#: The first sector after the last partition, which no file system uses: each step writes its name there.
MARK = "vfio.workstation mark: "
_WRITE_MARK = (
    f"printf '%-{log.SECTOR}s' '{MARK}{{}}' | "
    "dd of=/dev/$(lsblk -no PKNAME $(findmnt -no SOURCE -e /)) bs=512 seek={} oflag=direct status=none"
)
_PROGRAMS = ("/usr/bin/grub-fstest", "/usr/bin/grub-script-check")
#: sync(8) commits the journal. GRUB must read the same before the first change, whatever a power cut loses.
_FLUSH_JOURNAL = (
    "PYTHONPATH=/root/payload python3 -c 'from ansible_collections.vfio.workstation.plugins.module_utils._apply."
    'checkpoint import flush_journal; [flush_journal(path) for path in ("/", "/boot")]\''
)
#: The kernel writes what is dirty to its place half a minute later (vm.dirty_expire_centisecs), and looks for it every
#: five seconds.
_SETTLING = 40


@dataclasses.dataclass(frozen=True)
class Recording:
    """What a run left: the disk before it, the log, and the machine's own programs that read its disk."""

    folder: pathlib.Path
    layout: Layout

    @property
    def base(self) -> pathlib.Path:
        """The disk before the first request of the log."""
        return self.folder / "base.raw"

    @property
    def write_log(self) -> pathlib.Path:
        """The log of requests."""
        return self.folder / "writes.log"

    @property
    def programs(self) -> pathlib.Path:
        """A folder with the machine's GRUB programs and their libraries."""
        return self.folder / "programs"

    def requests(self) -> list[log.Request]:
        """Return all requests."""
        return log.read(self.write_log)

    def marks(self, requests: typing.Sequence[log.Request]) -> list[Mark]:
        """Return where the steps begin and end."""
        result = []
        with self.write_log.open("rb") as file:
            for position, request in enumerate(requests):
                if request.start == self.layout.mark and request.kind == "write":
                    file.seek(request.data)
                    kind, _space, step = file.read(log.SECTOR).decode().strip().removeprefix(MARK).partition(" ")
                    result.append(Mark(position, kind == "end", step))
        return result


class Recorder:
    """Actions on a machine whose disk is logged: each is a step, with a mark before and after it."""

    def __init__(self, machine: Machine, layout: Layout) -> None:
        self._machine = machine
        self._sector = layout.mark // log.SECTOR
        self.change = ""

    def call(self, module: str, **parameters: typing.Any) -> None:
        """Run a module, which must change something."""
        self._mark(f"begin {self.change}: {module}")
        done = call(self._machine, module, **parameters)
        if done.failed or not done.changed:
            raise LabError(f"{module} did not change anything: {done.values}")
        self._mark(f"end {self.change}: {module}")

    def run(self, line: str) -> None:
        """Run a shell command."""
        self._mark(f"begin {self.change}: {line}")
        self._machine.ssh(f"{line} && sync")
        self._mark(f"end {self.change}: {line}")

    def restart(self) -> None:
        """Reboot; what units write at boot is a part of it."""
        self._mark(f"begin {self.change}: reboot")
        self._machine.reboot()
        # Its status says whether a unit has failed.
        self._machine.ssh("systemctl is-system-running --wait", check=False, timeout=900)
        self._machine.ssh("sync")
        self._mark(f"end {self.change}: reboot")

    def refused(self, code: str, module: str, **parameters: typing.Any) -> None:
        """Run a module that must refuse."""
        self._mark(f"begin {self.change}: {module}")
        done = call(self._machine, module, **parameters)
        if code not in done.codes:
            raise LabError(f"{module} did not refuse with {code}: {done.values}")
        self._mark(f"end {self.change}: {module}")

    def _mark(self, text: str) -> None:
        self._machine.ssh(_WRITE_MARK.format(text, self._sector))


def record(lab: Lab, layout: Layout, changes: typing.Mapping[str, Change], folder: pathlib.Path) -> Recording:
    """Make the changes on a new machine, one after the other, and log the requests to its disk."""
    recording = Recording(folder, layout)
    image = layout.image(lab)
    with lab.machine("power", image) as machine:
        machine.start(logged=True)
        machine.wait_for_ssh()
        carry(machine)
        small_initramfs.ask_for(machine, layout.modules)
        machine.ssh(f"update-initramfs -u -k all && {layout.preparation} && sync && {_FLUSH_JOURNAL}")
        recorder = Recorder(machine, layout)
        for recorder.change, change in changes.items():
            change(recorder)
        time.sleep(_SETTLING)
        machine.ssh("sync")
        _fetch_programs(machine, recording.programs)
        machine.stop()
        shutil.move(machine.folder / machine.write_log, recording.write_log)
    disks.qemu_img("convert", "-O", "raw", image.disk, recording.base)
    return recording


def _fetch_programs(machine: Machine, folder: pathlib.Path) -> None:
    """Copy the GRUB programs of the machine, which are of the version that it boots with, and their libraries."""
    script = (
        f"set -- $(ls {' '.join(_PROGRAMS)} 2>/dev/null); [ $# = 0 ] || "
        'tar -C / -chf /run/programs.tar "$@" $(ldd "$@" | grep -o \'/lib[^ ]*[^ :]\' | sort -u); ls /run/programs.tar'
    )
    if machine.ssh(script, check=False).returncode != 0:
        return  # its boot loader is not GRUB
    archive = folder.with_suffix(".tar")
    machine.get("/run/programs.tar", archive)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    archive.unlink()
