# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unified kernel images, made by kernel-install and ukify: the command line is in the image, which is built anew."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ...._machine.boot_config import NORMAL, OTHER, Change, EntryLine, Source
from ...._machine.plan import DRAFT, STAGED, GenerateFile, Refusal, Step
from ...._probe.boot import uki
from ...._probe.boot.image_headers import Sections
from ...._probe.boot.kernels import has_modules
from ...._probe.boot.systemd_boot import boot_partitions
from ...refusals import refuse
from .kernel_install import cmdline_problems, cmdline_source, cmdline_steps, setting, white_space_problems

if TYPE_CHECKING:
    from ...._probe.boot.entry import Entry
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

_TOOLS = ("/usr/bin/ukify", "/usr/lib/systemd/ukify")
_CONFIGURATION = "/etc/kernel/uki.conf"
#: The first that is there counts: those of kernel-install(8), then what ukify(1) reads where it is given none.
_CONFIGURATIONS = (
    _CONFIGURATION,
    *(f"{folder}/uki.conf" for folder in ("/run/kernel", "/usr/local/lib/kernel", "/usr/lib/kernel")),
    *(f"{folder}/ukify.conf" for folder in ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd")),
    "/usr/lib/systemd/ukify.conf",
)
_KERNELS = ("/lib/modules/{}/vmlinuz", "/usr/lib/modules/{}/vmlinuz", "/boot/vmlinuz-{}")
_INITRAMFS = ("/boot/initrd.img-{}", "/boot/initramfs-{}.img")
#: pesign finds the key by the certificate's name.
_KEY = re.compile(r"^[ \t]*(?:SecureBootPrivateKey|SecureBootCertificateName)[ \t]*=[ \t]*\S", re.MULTILINE)
#: In crypttab(5), or as rd.luks.options= on the command line.
_UNLOCKED_BY_TPM = re.compile(r"^[^#\n]*\btpm2-device=", re.MULTILINE)
_MACHINE_ID = re.compile(r"[0-9a-f]{32}(?=-)")
_PCR_KEY = re.compile(r"^[ \t]*(?:PCRPrivateKey|PCRPublicKey|PCRPKey)[ \t]*=[ \t]*\S", re.MULTILINE)
#: ukify puts these before the one it is given.
_MORE_INITRAMFS = re.compile(r"^[ \t]*Initrd[ \t]*=[ \t]*\S", re.MULTILINE)
#: Programs that make images without kernel-install: folder and ending of their configuration, and what in it says so.
_OTHER_MAKERS = (
    ("mkinitcpio", "/etc/mkinitcpio.d", ".preset", re.compile(r"^[ \t]*\w+_uki=.", re.MULTILINE)),
    ("dracut", "/etc/dracut.conf.d", ".conf", re.compile(r"^[ \t]*uefi=[\"']?yes", re.MULTILINE)),
)


class Uki:
    """The unified kernel images of this machine.

    Args:
        tree: The machine.
        context: What else is known of it.
    """

    name = "uki"
    has_fallback = False

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self._context = context
        self._tool = next((tool for tool in _TOOLS if tree.exists(tool)), None)
        self._images = uki.read_entries(tree, boot_partitions(context.esps))
        self._config = next((file for file in _CONFIGURATIONS if tree.exists(file)), None)
        self._settings = (tree.text(self._config) or "") if self._config else ""
        self._machine_id = (tree.text("/etc/machine-id") or "").strip()

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
                text=self._own_text(image),
            )
            for image in self._images
        )

    def _own_text(self, image: Entry) -> str:
        return " ".join((Sections(self._tree, image.file).text(".cmdline") or "").split("\n"))

    def _is_ours(self, image: Entry) -> bool:
        """Tell whether kernel-install made an image, of a kernel of this system: it names it after the two."""
        version = image.version
        if version is None or version not in self._context.kernels or not image.id.endswith(f"-{version}.efi"):
            return False
        named = _MACHINE_ID.match(image.id)
        if named and self._machine_id and named.group() != self._machine_id:
            return False
        return has_modules(self._tree, version)

    def _kernel(self, version: str) -> str | None:
        return self._first(_KERNELS, version)

    def _first(self, places: Sequence[str], version: str) -> str | None:
        found = (place.format(version) for place in places)
        return next((place for place in found if self._tree.exists(place)), None)

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """The file that kernel-install hands to ukify."""
        return (cmdline_source(self._tree, self.entries),)

    def refusals(self) -> Sequence[Refusal]:
        """Return why images can't be built anew here."""
        found = (*self._maker_problems(), *cmdline_problems(self._tree), *self._unsigned(), *self._lacking())
        normal = (entry for entry in self.entries if entry.role == NORMAL)
        return (*found, *(problem for entry in normal for problem in self._missing_parts(entry, entry.version or "")))

    def _maker_problems(self) -> Iterator[Refusal]:
        if self._tool is None:
            yield refuse("bootloader_unsupported", "Unified kernel images boot this machine, and ukify is not there.")
        layout, maker = setting(self._tree, "layout"), setting(self._tree, "uki_generator")
        other = self._other_maker()
        if layout != "uki" or maker not in (None, "ukify"):
            yield refuse(
                "bootloader_unsupported",
                "Unified kernel images boot this machine, and kernel-install does not have them made by ukify "
                f"(layout={layout or ''}, uki_generator={maker or ''}){other}.",
            )
        elif not any(entry.role == NORMAL for entry in self.entries):
            yield refuse(
                "bootloader_broken",
                "No unified kernel image is of a kernel that is installed and named as kernel-install names it"
                f"{other}.",
            )

    def _other_maker(self) -> str:
        """Return who else is configured to make images, as the end of a sentence."""
        for program, folder, ending, sign in _OTHER_MAKERS:
            for name in self._tree.names(folder):
                if name.endswith(ending) and sign.search(self._tree.text(f"{folder}/{name}") or ""):
                    return f"; {program} makes images, as {folder}/{name} says"
        return ""

    def _unsigned(self) -> Iterator[Refusal]:
        if self._context.secure_boot and not _KEY.search(self._settings):
            yield refuse(
                "bootloader_unsupported",
                f"Secure Boot is on, and {self._config or _CONFIGURATION} names no SecureBootPrivateKey.",
                danger="The firmware would not start an image that is built anew and not signed.",
                remedy=f"Name the key and the certificate in {_CONFIGURATION}, as ukify(1) describes.",
            )

    def _lacking(self) -> Iterator[Refusal]:
        covered = {entry.version for entry in self.entries if entry.role == NORMAL}
        for version in self._context.kernels:
            if covered and version not in covered and self._kernel(version) is not None:
                yield refuse(
                    "bootloader_broken",
                    f"The kernel {version} is installed and has no image.",
                    remedy=f"Give it one with kernel-install add {version} {self._kernel(version)}, or remove it.",
                )

    def _missing_parts(self, entry: EntryLine, version: str) -> Iterator[Refusal]:
        if self._kernel(version) is None:
            yield refuse("bootloader_broken", f"The kernel {version} has an image, and is not there as a file.")
        if "\ufffd" in entry.text:
            yield refuse("cmdline_unreadable", f"{entry.path} has a command line that is not UTF-8: {entry.text}")
        initramfs = self._first(_INITRAMFS, version)
        if initramfs is None:
            yield refuse("bootloader_broken", f"The initramfs of {version} is not in /boot.")
        elif self._has_other_initramfs(entry.path, initramfs):
            # dracut and mkinitcpio make one for kernel-install alone; what is in /boot then is of former times.
            yield refuse(
                "bootloader_unsupported",
                f"{entry.path} is newer than {initramfs}, and has another initramfs in it.",
                danger="The new image would have an initramfs that this machine does not boot with now.",
                remedy="Have kernel-install make the image from that file.",
            )

    def _has_other_initramfs(self, image: str, initramfs: str) -> bool:
        made, file = self._tree.status(image), self._tree.status(initramfs)
        if made is None or file is None or file.st_mtime > made.st_mtime:
            return False
        size = Sections(self._tree, image).size(".initrd")
        if size is not None and _MORE_INITRAMFS.search(self._settings):
            return size < file.st_size
        return size != file.st_size

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units kernel-install could not write."""
        return white_space_problems(units)

    def warnings(self) -> Sequence[str]:
        """Return what comes of a command line that is measured."""
        return (*self._addons(), *self._measured())

    def _addons(self) -> Iterator[str]:
        for image in self._images:
            if self._is_ours(image) and image.cmdline != self._own_text(image):
                yield (
                    f"Addons append to the command line of {image.file} when it boots, after our arguments: "
                    f"{image.cmdline[len(self._own_text(image)) :].strip()}"
                )

    def _measured(self) -> Iterator[str]:
        lines = [entry.text for entry in self.entries if entry.role == NORMAL]
        texts = (self._tree.text("/etc/crypttab") or "", *lines)
        signs = _PCR_KEY.search(self._settings) is not None
        if not signs and not any(_UNLOCKED_BY_TPM.search(text) for text in texts):
            return
        # The firmware measures the whole program into 4, systemd-stub(7) its sections into 11.
        warning = (
            "The command line is part of the image, which is measured when it boots (PCR 4 and 11). A disk whose key "
            "is bound to the values of these in the TPM will ask for its passphrase or recovery key at the next boot, "
            "until the key is bound anew: have it at hand."
        )
        if signs:
            warning += f" One that is bound to the key that signs for PCR 11, as {self._config} says, opens as before."
        yield warning

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
        """Return the step that calls ukify as kernel-install's 60-ukify.install does.

        What that leaves to the configuration and to ukify is left to them here: os-release(5), stub, keys, splash.
        """
        version = entry.version or ""
        options = [f"--config={self._config}"] if self._config else []
        argv = (
            self._tool or _TOOLS[0],
            "build",
            *options,
            f"--linux={self._kernel(version)}",
            f"--initrd={self._first(_INITRAMFS, version)}",
            f"--uname={version}",
            # All of it, with what follows `--`. ukify takes text after an @ for a file's name, but not after a blank.
            f"--cmdline= {arguments}",
            f"--output={DRAFT}",
        )
        return GenerateFile(entry.path, argv, "uki", STAGED, f"build {entry.id} with the arguments")


def boots_installed_kernel(tree: Tree, context: LoaderContext) -> bool:
    """Tell whether an installed kernel boots as a unified kernel image, under whatever boot loader and of any maker."""
    return any(entry.version in context.kernels for entry in Uki(tree, context).entries if entry.version)
