# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in a directory that boot, each by a stand-in for its boot loader."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._engine.host import HostRun
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Step
from ansible_collections.vfio.workstation.plugins.module_utils._machine.trial import ARMED, FINAL, STOCK
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_trial import choice_in
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.systemd_boot_trial import RECORD_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import SECTIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.tests.machines.builder import build
from ansible_collections.vfio.workstation.tests.stand_ins import grub, systemd_boot
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._plan.boot.loaders.test_grub_trial import (
    LIBRARY,
    on_disk,
    plant,
)

VERSION = "6.12.43+deb13-amd64"  # of the described machine
BLOCK = "boot/grub/vfio-workstation.env"
ENTRIES = "boot/efi/loader/entries"
HEADER = 'if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nset default="0"\n'
LINUX = f"""#!/bin/sh
cat <<END
menuentry 'Debian' --x \\$menuentry_id_option 'gnulinux-{VERSION}-advanced-a' {{
    linux /boot/vmlinuz-{VERSION} root=UUID=a ro $GRUB_CMDLINE_LINUX_DEFAULT
}}
END
"""


class Host:
    """A host in a directory.

    Args:
        root: The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.boots = 0
        build("intel-desktop", root)
        plant(root, {f"/boot/vmlinuz-{VERSION}": "", "/proc/sys/kernel/osrelease": VERSION})
        self.install()
        self.start()

    def install(self) -> None:
        """Write the files of the boot loader."""
        raise NotImplementedError

    def run_tool(self, argv: Sequence[str]) -> str:
        """Do what a tool does."""
        raise NotImplementedError

    def options(self) -> str:
        """Boot: return what follows `ro` on the command line."""
        raise NotImplementedError

    @property
    def choice(self) -> str | None:
        """What the boot loader boots by itself."""
        raise NotImplementedError

    def observe(self, request: dict[str, Any] | None) -> Outcome:
        """Plan a request; None for its removal."""
        if request is None:
            return HostRun(Desired(), SECTIONS, root=str(self.root)).observe()
        desired = parse_desired(request)
        assert isinstance(desired, Desired), desired
        return HostRun(desired, root=str(self.root)).observe()

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out steps."""
        with Transaction({"grub.cfg": lambda _draft: ()}, str(self.root), self.run_tool) as transaction:
            transaction.apply(steps)

    def converge(self, request: dict[str, Any] | None) -> Outcome:
        """Carry out what a request needs, and return what is left to do."""
        outcome = self.observe(request)
        assert not outcome.refusals, outcome.refusals
        self.apply(outcome.steps)
        return self.observe(request)

    def start(self) -> str:
        """Boot: return the managed arguments on the command line."""
        self.boots += 1
        line = self.options()
        shutil.rmtree(self.root / "run/vfio-workstation", ignore_errors=True)
        files = {"/proc/cmdline": f"root=UUID=a ro {line}\n", "/proc/sys/kernel/random/boot_id": f"boot-{self.boots}\n"}
        # The described machine has one node; the kernel allocates what is on its command line.
        pages = line.partition("hugepages=")[2].partition(" ")[0] or "0"
        counts = self.root.glob("sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages")
        plant(self.root, {**files, **{f"/{path.relative_to(self.root)}": pages + "\n" for path in counts}})
        return line.partition("quiet ")[2]

    def copy(self, folder: Path) -> Host:
        """Return the host as a power cut would leave it."""
        twin = object.__new__(type(self))
        twin.root, twin.boots = folder, self.boots
        shutil.copytree(self.root, folder, symlinks=True)
        return twin


class GrubHost(Host):
    """A host with GRUB, and a stand-in for grub-mkconfig that runs the scripts of /etc/grub.d."""

    def install(self) -> None:
        """Write the files of GRUB."""
        on_disk(self.root)
        plant(
            self.root,
            {
                "/boot/grub/grubenv": "",
                "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
                "/etc/grub.d/10_linux": LINUX,
                "/usr/sbin/grub-mkconfig": "# default/grub.d\n",
                "/usr/share/grub/grub-mkconfig_lib": LIBRARY,
            },
        )
        (self.root / "etc/grub.d/10_linux").chmod(0o755)
        self.run_tool(["-o", str(self.root / "boot/grub/grub.cfg")])

    def run_tool(self, argv: Sequence[str]) -> str:
        """Do what grub-mkconfig does."""
        if "-o" not in argv:
            return ""
        script = f"""
            for file in {self.root}/etc/default/grub {self.root}/etc/default/grub.d/*.cfg; do
                [ ! -f "$file" ] || . "$file"
            done
            export GRUB_CMDLINE_LINUX_DEFAULT pkgdatadir={self.root}/usr/share/grub
            for file in {self.root}/etc/grub.d/*; do
                sed 's|/etc/grub.d/10_linux|{self.root}&|' "$file" | sh
            done
        """
        done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True)
        Path(argv[-1]).write_text(HEADER + done.stdout, "utf-8")
        return ""

    @property
    def choice(self) -> str | None:
        """What the block says."""
        path = self.root / BLOCK
        return choice_in(path.read_text("utf-8")) if path.exists() else None

    def options(self) -> str:
        """Boot by grub.cfg."""
        config = (self.root / "boot/grub/grub.cfg").read_text("utf-8")
        entries = [line.strip() for line in config.splitlines() if line.strip().startswith("linux ")]
        return entries[-1 if grub.boot(self.root).is_stock else 0].partition(" ro ")[2]


class SystemdBootHost(Host):
    """A host with systemd-boot, and an entry that kernel-install wrote."""

    def install(self) -> None:
        """Write the files of systemd-boot and of kernel-install."""
        image = f"/debian/{VERSION}/linux"
        entry = f"title Debian\nversion {VERSION}\nsort-key debian\noptions root=UUID=a ro quiet\nlinux {image}\n"
        plant(
            self.root,
            {
                "/boot/efi/EFI/systemd/systemd-bootx64.efi": "",
                "/boot/efi/loader/loader.conf": "timeout 3\n",
                f"/boot/efi{image}": "",
                f"/{ENTRIES}/debian-{VERSION}.conf": entry,
                "/etc/kernel/cmdline": "root=UUID=a ro quiet\n",
            },
        )
        systemd_boot.introduce(self.root)

    def run_tool(self, _argv: Sequence[str]) -> str:
        """Do nothing: entries are changed without a tool."""
        return ""

    @property
    def choice(self) -> str | None:
        """What the variables say."""
        if (systemd_boot.read(self.root, "LoaderEntryDefault") or "").find("-0-vfio-workstation-fallback-") > 0:
            return STOCK if systemd_boot.read(self.root, "LoaderEntryOneShot") is None else ARMED
        return FINAL if (self.root / RECORD_FILE.lstrip("/")).exists() else None

    def options(self) -> str:
        """Boot by the entries."""
        return systemd_boot.boot(self.root).options.partition(" ro ")[2]
