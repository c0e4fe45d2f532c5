# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unified kernel images, made by kernel-install and ukify: the command line is in the image, which is built anew."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Iterator, Sequence

from .._machine.boot_config import NORMAL, OTHER, Change, EntryLine, Source
from .._machine.plan import DRAFT, STAGED, GenerateFile, Refusal, Step
from .._plan import cmdline
from .._plan.refusals import refuse
from . import uki
from .images import Sections
from .kernel_install import cmdline_source, cmdline_steps, running_arguments, setting
from .systemd_boot import XBOOTLDR
from .systemd_boot_loader import white_space_problems

if TYPE_CHECKING:
    from .._probe.tree import Tree
    from .entry import Entry
    from .loader import Context

_TOOLS = ("/usr/bin/ukify", "/usr/lib/systemd/ukify")
_CONFIGURATION = "/etc/kernel/uki.conf"
_KERNELS = ("/lib/modules/{}/vmlinuz", "/usr/lib/modules/{}/vmlinuz", "/boot/vmlinuz-{}")
_INITRAMFS = ("/boot/initrd.img-{}", "/boot/initramfs-{}.img")
_KEY = re.compile(r"^\s*SecureBootPrivateKey\s*=\s*\S", re.MULTILINE)
_PCR_KEY = re.compile(r"^\s*(?:PCRPrivateKey|PCRPublicKey|PCRBanks)\s*=\s*\S", re.MULTILINE)


class Uki:
    """The unified kernel images of this machine.

    Args:
        tree: The machine.
        context: What else is known of it.
    """

    name = "uki"
    has_fallback = False

    def __init__(self, tree: Tree, context: Context) -> None:
        self._tree = tree
        self._context = context
        self._tool = next((tool for tool in _TOOLS if tree.exists(tool)), None)
        partitions = context.esps if XBOOTLDR in context.esps else (*context.esps, XBOOTLDR)
        self._images = uki.read_entries(tree, partitions)

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The images."""
        return tuple(
            EntryLine(
                id=image.id,
                title=image.title,
                version=image.version,
                path=image.file,
                line=None,
                role=NORMAL if self._is_ours(image) else OTHER,
                # Without what addons append when it boots: that is not in the image, and is not to get there.
                text=" ".join((Sections(self._tree, image.file).text(".cmdline") or "").split("\n")),
            )
            for image in self._images
        )

    def _is_ours(self, image: Entry) -> bool:
        return image.version in self._context.kernels and self._kernel(image.version or "") is not None

    def _kernel(self, version: str) -> str | None:
        return self._first(_KERNELS, version)

    def _first(self, places: Sequence[str], version: str) -> str | None:
        found = (place.format(version) for place in places)
        return next((place for place in found if self._tree.exists(place)), None)

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """The file that kernel-install hands to ukify."""
        normal = [entry.text for entry in self.entries if entry.role == NORMAL]
        return (cmdline_source(self._tree, (normal or [running_arguments(self._tree)])[0]),)

    def refusals(self) -> Sequence[Refusal]:
        """Return why images can't be built anew here."""
        return tuple(self._obstacles())

    def _obstacles(self) -> Iterator[Refusal]:
        if self._tool is None:
            yield refuse("bootloader_unsupported", "Unified kernel images boot this machine, and ukify is not there.")
        layout, maker = setting(self._tree, "layout"), setting(self._tree, "uki_generator")
        if layout != "uki" or maker not in (None, "ukify"):
            yield refuse(
                "bootloader_unsupported",
                "Unified kernel images boot this machine, and kernel-install does not have them made by ukify "
                f"(layout={layout or ''}, uki_generator={maker or ''}).",
            )
        if not any(entry.role == NORMAL for entry in self.entries):
            yield refuse("bootloader_broken", "No unified kernel image is of a kernel that is installed.")
        if self._context.secure_boot and not _KEY.search(self._tree.text(_CONFIGURATION) or ""):
            yield refuse(
                "bootloader_unsupported",
                f"Secure Boot is on, and {_CONFIGURATION} names no SecureBootPrivateKey.",
                danger="The firmware would not start an image that is built anew and not signed.",
                remedy=f"Name the key and the certificate in {_CONFIGURATION}, as ukify(1) describes.",
            )
        for entry in self.entries:
            if entry.role == NORMAL and self._first(_INITRAMFS, entry.version or "") is None:
                yield refuse("bootloader_broken", f"The initramfs of {entry.version} is not in /boot.")

    def argument_problems(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units kernel-install could not write."""
        return white_space_problems(units)

    def warnings(self) -> Sequence[str]:
        """Return what comes of a command line that is measured."""
        table = self._tree.text("/etc/crypttab") or ""
        if "tpm2-device=" not in table and not _PCR_KEY.search(self._tree.text(_CONFIGURATION) or ""):
            return ()
        warning = (
            "The command line is part of the image, which the firmware measures (PCR 11 and 12). A disk whose key is "
            "bound to these in the TPM will ask for its passphrase or recovery key at the next boot: have it at hand."
        )
        return (warning,)

    def steps(self, change: Change) -> Sequence[Step]:
        """Return what brings the change about: for kernels to come, then an image at a time."""
        after = {line.path: line.after for line in change.entries}
        images = [
            self._rebuild(entry, after[entry.path])
            for entry in self.entries
            if entry.path in after and entry.role == NORMAL
        ]
        return [*cmdline_steps(change), *images]

    def _rebuild(self, entry: EntryLine, arguments: str) -> GenerateFile:
        """Return the step that calls ukify as kernel-install's 60-ukify.install does."""
        version = entry.version or ""
        options = [f"--config={_CONFIGURATION}"] if self._tree.exists(_CONFIGURATION) else []
        argv = (
            self._tool or _TOOLS[0],
            "build",
            *options,
            f"--linux={self._kernel(version)}",
            f"--initrd={self._first(_INITRAMFS, version)}",
            f"--uname={version}",
            "--os-release=@/etc/os-release",
            f"--cmdline={' '.join(cmdline.parse(arguments).texts)}",
            f"--output={DRAFT}",
        )
        return GenerateFile(entry.path, argv, "uki", STAGED, f"build {entry.id} with the arguments")


def is_in_use(tree: Tree, context: Context) -> bool:
    """Tell whether the kernels that are installed boot as unified kernel images, under whatever boot loader."""
    return any(entry.role == NORMAL for entry in Uki(tree, context).entries)
