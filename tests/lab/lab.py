# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a cache of images, and the machines that run or lie in it."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import shutil
import typing

from . import accelerator, files, hardware, image
from .errors import LabError
from .hardware import Hardware
from .image import Image
from .machine import Machine
from .process import QemuProcess
from .recipe import Recipe

CACHE = pathlib.Path(__file__).parents[2] / ".cache" / "lab"

_NUMBERS = itertools.count(1)


class Lab:
    """Everything below one cache folder."""

    def __init__(self, cache: pathlib.Path = CACHE) -> None:
        self.cache = cache.absolute()
        self.runs = self.cache / "runs"

    def image(
        self,
        suite: str = "trixie",
        boot: str = "uefi-grub",
        kernels: typing.Sequence[str] = ("amd64",),
        upgrade: str | None = None,
        fresh: bool = False,
        disk: str = "ext4",
        software: typing.Sequence[str] = (),
    ) -> Image:
        """That image, from the cache or newly built."""
        return image.obtain(self.cache, Recipe(suite, boot, tuple(kernels), upgrade, disk, tuple(software)), fresh)

    def machine(self, spec: str | Hardware = "desktop", disk: Image | None = None, name: str | None = None) -> Machine:
        """A machine, switched off, with new disks; its name is its run folder's."""
        chosen = hardware.load(spec) if isinstance(spec, str) else spec
        content = disk or self.image()
        accelerated = accelerator.choose(self.cache, content.kernel, content.inner_initramfs)
        folder = self.runs / (name or f"{chosen.name}-{os.getpid()}-{next(_NUMBERS)}")
        if name is not None and folder.exists():
            raise LabError(f"there is a machine {name} already: python -m tests.lab clean {name} throws it away")
        folder.mkdir(parents=True)
        return Machine(folder, chosen, content, accelerated)

    def attach(self, name: str) -> Machine:
        """A machine that an earlier process made."""
        folder = self.runs / name
        if not (folder / "machine.json").exists():
            raise LabError(f"there is no machine {name}; there are: {', '.join(self.names()) or 'none'}")
        saved = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
        return Machine.attach(folder, image.saved(self.cache, saved["image"]))

    def discard(self, name: str) -> None:
        """Cut a machine's power and remove its folder, whatever has become of its image."""
        QemuProcess(self.runs / name).kill()
        shutil.rmtree(self.runs / name)

    def names(self) -> list[str]:
        """The machines that run or lie here."""
        return sorted(path.parent.name for path in self.runs.glob("*/machine.json"))

    def sweep(self) -> list[str]:
        """Remove what killed test runs left: folders named after a process that is gone. What runs is left alone."""
        swept = []
        for folder in sorted(self.runs.glob("*-*-*")):
            owner = folder.name.split("-")[-2]
            if not owner.isdigit() or pathlib.Path("/proc", owner).exists():
                continue
            descriptor = files.try_lock(folder / "lock")
            if descriptor is not None:
                shutil.rmtree(folder)
                os.close(descriptor)
                swept.append(folder.name)
        return swept
