# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM or emulation: decided by a trial boot, because /dev/kvm is there on machines where no kernel survives it."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import platform
import subprocess

from . import files
from .command import VT_D
from .errors import LabError
from .process import PROGRAM

LOG = logging.getLogger("lab")

# A sound KVM boots the trial's kernel in 2 to 5 s.
_TRIAL_LIMIT = 30.0
_END = 'inner-guest: {"kind": "end"}'


def choose(cache: pathlib.Path, kernel: pathlib.Path, initramfs: pathlib.Path) -> str:
    """ "kvm" or "tcg"; says which, and why, in one line. A trial's outcome is kept until QEMU or the kernel changes."""
    memory = cache / "accelerator.json"
    circumstances = f"{_qemu_version()}, Linux {platform.release()}"
    with files.locked(cache / "accelerator.lock"):
        known = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
        if circumstances not in known or not os.path.exists("/dev/kvm"):
            verdict, why = _try(kernel, initramfs)
            known = {circumstances: [verdict, why]}
            files.write(memory, json.dumps(known) + "\n")
    verdict, why = known[circumstances]
    LOG.info("accelerator: %s, because %s", {"kvm": "KVM", "tcg": "none (TCG, pure emulation)"}[verdict], why)
    return str(verdict)


def _try(kernel: pathlib.Path, initramfs: pathlib.Path) -> tuple[str, str]:
    if not os.path.exists("/dev/kvm"):
        return "tcg", "there is no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm may not be opened by this user"
    argv = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "--",
        PROGRAM,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "q35,kernel-irqchip=split",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-smp",
        "2",
        "-m",
        "512M",
        "-device",
        VT_D,
        "-kernel",
        str(kernel),
        "-initrd",
        str(initramfs),
        "-append",
        "console=ttyS0 panic=-1",
        "-serial",
        "stdio",
    ]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TRIAL_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "tcg", f"a trial boot under KVM did not end within {_TRIAL_LIMIT:.0f} s"
    if _END in done.stdout:
        return "kvm", "a trial boot under it succeeded"
    said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    return "tcg", f"a trial boot under KVM failed ({said.strip()[:100]})"


def _qemu_version() -> str:
    try:
        done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise LabError(f"{PROGRAM} is not installed: scripts/setup-debian lab installs it") from error
    version = done.stdout.split("version ", 1)[1].split()[0]
    if tuple(int(part) for part in version.split(".")[:2]) < (8, 2):
        raise LabError(f"QEMU {version} crashes guests in pure emulation now and then: the lab needs 8.2 or later")
    return f"QEMU {version}"
