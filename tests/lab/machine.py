# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual workstation that runs, or lies switched off: power, boots, ssh, disks, snapshots, slots."""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import shutil
import subprocess
import time
import types
import typing

from . import command, disks, files, hardware
from .errors import BootFailed, LabError
from .hardware import Hardware
from .process import QemuProcess
from .qmp import Monitor
from .remote import Remote
from .serial import SerialLog

if typing.TYPE_CHECKING:
    from .image import Image

LOG = logging.getLogger("lab")

# Pure emulation on two busy cores boots in 20 to 60 s; what has not answered after this long hangs.
BOOT_LIMIT = 420.0


class Machine:
    """One workstation in one run folder. Use it as a context manager, and nothing of it is left."""

    def __init__(self, folder: pathlib.Path, spec: Hardware, image: Image, accelerator: str) -> None:
        self.folder = folder
        self.image = image
        self.accelerator = accelerator
        self.serial = SerialLog(folder / "serial.log")
        self.remote: Remote | None = None
        self._spec = spec
        self._process = QemuProcess(folder)
        self._monitor: Monitor | None = None
        self._boot_mark = 0

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.discard()

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.folder.name

    @property
    def running(self) -> bool:
        """Whether the power is on."""
        return self._process.running

    @property
    def hardware(self) -> Hardware:
        """What is in the case. Assign a changed copy while the power is off."""
        return self._spec

    @hardware.setter
    def hardware(self, spec: Hardware) -> None:
        if self.running:
            raise LabError(f"{self.name} is running: switch it off before you open the case")
        self._spec = spec

    # ------------------------------------------------------------------ power

    @property
    def write_log(self) -> pathlib.Path:
        """What start(logged=True) writes: each write and flush of the root disk since then."""
        return self.folder / disks.WRITE_LOG

    def start(self, *, direct: command.DirectBoot | None = None, outlive: bool = False, logged: bool = False) -> None:
        """Switch it on. Returns when QEMU runs; wait_for_ssh() waits for the system in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        drives = disks.prepare(self.folder, self._spec, self.image, logged)
        # Somebody else may take the port between our look and QEMU's: then look again.
        for attempt in range(5):
            port = files.free_port()
            wiring = command.Wiring(drives, port, disks.variables(self.folder, self.image), direct)
            self.serial.mark()
            self._process.start(command.arguments(self._spec, wiring, self.accelerator), outlive=outlive)
            try:
                self._monitor = Monitor(self.folder)
                break
            except LabError:
                complaint = self._process.complaint()
                self._process.kill()
                if "host forwarding rule" not in complaint or attempt == 4:
                    raise LabError(f"QEMU did not start {self.name}: {complaint}") from None
        self._boot_mark = 0
        self.remote = Remote(self.folder, port, self.image.key, self.image.known_hosts)
        self._save(port)

    def stop(self, timeout: float = 90) -> None:
        """Shut it down in good order, by its power button; without effect in time, cut the power."""
        if not self.running:
            return
        self._hang_up()
        self._qmp().execute("system_powerdown")
        if not self._process.wait(timeout):
            LOG.warning("%s did not shut down within %.0f s: cutting its power", self.name, timeout)
            self._process.kill()
        self._disconnect()

    def cut_power(self) -> None:
        """Take the power away: what the guest had not flushed is lost."""
        self._process.kill()
        self._hang_up()
        self._disconnect()

    def reset(self) -> None:
        """Press the reset button; wait_for_ssh() waits for the next boot."""
        self._hang_up()
        self._begin_boot()
        self._qmp().execute("system_reset")

    def reboot(self, timeout: float = BOOT_LIMIT) -> None:
        """Reboot it from within, and wait until it is back, under a new boot id."""
        before = self.boot_id()
        mark = self._qmp().mark()
        self._begin_boot()
        # The connection may break before the status comes back.
        self.ssh(["systemctl", "reboot"], check=False)
        self._hang_up()
        try:
            self._qmp().wait_for("RESET", mark, 180)
        except LabError as error:
            raise BootFailed(f"{self.name} did not go down for the reboot: {error}", self.serial_tail()) from error
        self.wait_for_ssh(timeout)
        if self.boot_id() == before:
            raise BootFailed(f"{self.name} answers, but did not reboot", self.serial_tail())

    def reboot_after_panics(self) -> None:
        """Let the kernel go on after a panic, as on a real machine, until the power is cut."""
        self._qmp().execute("set-action", panic="none")

    def let_go(self) -> None:
        """Leave it as it is, running or not, and hold no connection to it; attach() takes it up again."""
        if self._monitor is not None:
            self._monitor.close()
        self._monitor = None

    def discard(self) -> None:
        """Cut the power and remove everything the run left."""
        self.cut_power()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------------ inside

    def wait_for_ssh(self, timeout: float = BOOT_LIMIT) -> float:
        """Wait until the system is up and logs us in; how many seconds that took."""
        begin = time.monotonic()
        while not self._ssh().answers():
            self._raise_if_lost(time.monotonic() - begin, timeout)
            time.sleep(0.5)
        # It may answer, and still go down again with the boot that a reboot is leaving.
        while self.ssh("true", check=False, timeout=120).returncode != 0:
            self._raise_if_lost(time.monotonic() - begin, timeout)
            self._hang_up()
            time.sleep(0.5)
        return time.monotonic() - begin

    def ssh(
        self, argv: str | typing.Sequence[str], *, check: bool = True, timeout: float = 600, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root."""
        return self._ssh().run(argv, check=check, timeout=timeout, stdin=stdin)

    def read(self, path: str) -> str:
        """The text of a file in it, without the last line's end."""
        return self.ssh(["cat", path]).stdout.rstrip("\n")

    def put(self, source: pathlib.Path, target: str) -> None:
        """Copy a file or a folder into it."""
        self._ssh().copy(str(source), f"lab:{target}")

    def get(self, source: str, target: pathlib.Path) -> None:
        """Copy a file or a folder out of it."""
        self._ssh().copy(f"lab:{source}", str(target))

    def boot_id(self) -> str:
        """The kernel's own name for the present boot."""
        return self.read("/proc/sys/kernel/random/boot_id")

    def serial_tail(self, lines: int = 40) -> str:
        """The serial log's last lines."""
        return self.serial.tail(lines)

    def inventory(self) -> dict[str, typing.Any]:
        """What Ansible needs to reach it, as host variables."""
        return {
            "ansible_host": "lab",
            "ansible_port": self._ssh().port,
            "ansible_user": "root",
            "ansible_ssh_common_args": f'-F "{self._ssh().config}"',
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    # ------------------------------------------------------------------ hardware as it came up

    def address(self, name: str, function: int = 0) -> str:
        """The PCI address that the firmware gave to a device: 0000:bb:dd.f."""
        wanted = name if function == 0 else f"{name}_{function}"
        for device in _pci_devices(self._qmp().execute("query-pci")):
            if device["qdev_id"] == wanted:
                return f"0000:{device['bus']:02x}:{device['slot']:02x}.{device['function']}"
        raise LabError(f"{self.name} has no device {wanted} on its PCI buses")

    def mac(self, name: str) -> str:
        """The MAC address of a NIC, as it was soldered on."""
        return command.mac(self._spec.device(name))

    # ------------------------------------------------------------------ snapshots

    def snapshot(self, name: str) -> None:
        """Keep the disks and the firmware's variables as they are; the power is off."""
        self._only_when_off("take a snapshot")
        disks.snapshot(self.folder, name)

    def restore(self, name: str) -> None:
        """Put the disks and the firmware's variables back as they were; the power is off."""
        self._only_when_off("restore a snapshot")
        disks.restore(self.folder, name)

    # ------------------------------------------------------------------ the rest

    @classmethod
    def attach(cls, folder: pathlib.Path, image: Image) -> typing.Self:
        """The machine that an earlier process started in that folder."""
        saved = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
        machine = cls(folder, hardware.from_json(saved["hardware"]), image, saved["accelerator"])
        if machine.running:
            machine.remote = Remote(folder, saved["port"], image.key, image.known_hosts)
        return machine

    def _save(self, port: int) -> None:
        saved = {
            "hardware": dataclasses.asdict(self._spec),
            "image": self.image.folder.name,
            "accelerator": self.accelerator,
            "port": port,
        }
        files.write(self.folder / "machine.json", json.dumps(saved, indent=2) + "\n")

    def _begin_boot(self) -> None:
        self.serial.mark()
        self._boot_mark = self._qmp().mark()

    def _raise_if_lost(self, waited: float, limit: float) -> None:
        """Nothing is awaited from a machine that is gone, has panicked, says that it cannot boot, or hangs."""
        if not self.running:
            raise BootFailed(f"{self.name} is off: {self._process.complaint() or 'it shut down'}", self.serial_tail())
        panic = self._qmp().events("GUEST_PANICKED", self._boot_mark)
        reason = "the kernel panicked" if panic else self.serial.fatal()
        if reason is None and waited > limit:
            reason = f"it did not answer within {limit:.0f} s"
        if reason is not None:
            raise BootFailed(f"{self.name} does not come up: {reason}", self.serial_tail())

    def _qmp(self) -> Monitor:
        if self._monitor is None:
            if not self.running:
                raise LabError(f"{self.name} is switched off")
            self._monitor = Monitor(self.folder)
        return self._monitor

    def _ssh(self) -> Remote:
        if self.remote is None:
            raise LabError(f"{self.name} is switched off")
        return self.remote

    def _hang_up(self) -> None:
        if self.remote is not None:
            self.remote.hang_up()

    def _disconnect(self) -> None:
        self.let_go()
        self.remote = None

    def _only_when_off(self, what: str) -> None:
        if self.running:
            raise LabError(f"{self.name} is running: switch it off to {what}")


def _pci_devices(
    buses: typing.Iterable[typing.Mapping[str, typing.Any]],
) -> typing.Iterator[typing.Mapping[str, typing.Any]]:
    """Every device on those buses and behind their bridges."""
    for bus in buses:
        for device in bus["devices"]:
            yield device
            yield from _pci_devices([device["pci_bridge"]] if "devices" in device.get("pci_bridge", {}) else [])
