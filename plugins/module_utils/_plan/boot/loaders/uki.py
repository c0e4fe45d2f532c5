# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unified kernel images, built by kernel-install and ukify: the command line is in the image, which is rebuilt."""

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
from .kernel_install import cmdline_refusals, cmdline_source, cmdline_steps, read_setting, white_space_refusals
from .no_trial import NoTrial

if TYPE_CHECKING:
    from ...._probe.boot.entry import Entry
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

_NO_TRIAL = (
    "This host boots unified kernel images. Each has its arguments inside and replaces the one before, so there is no "
    "entry without VFIO to return to."
)
_TOOLS = ("/usr/bin/ukify", "/usr/lib/systemd/ukify")
_CONFIGURATION = "/etc/kernel/uki.conf"
#: The first one that exists is read: those of kernel-install(8), then those that ukify(1) reads if it is given none.
_CONFIGURATIONS = (
    _CONFIGURATION,
    *(f"{directory}/uki.conf" for directory in ("/run/kernel", "/usr/local/lib/kernel", "/usr/lib/kernel")),
    *(f"{directory}/ukify.conf" for directory in ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd")),
    "/usr/lib/systemd/ukify.conf",
)
_KERNELS = ("/lib/modules/{}/vmlinuz", "/usr/lib/modules/{}/vmlinuz", "/boot/vmlinuz-{}")
_INITRAMFS = ("/boot/initrd.img-{}", "/boot/initramfs-{}.img")
#: For sbsign the key's file, for pesign the name of its certificate.
_KEY = re.compile(r"^[ \t]*(?:SecureBootPrivateKey|SecureBootCertificateName)[ \t]*=[ \t]*\S", re.MULTILINE)
#: An option in crypttab(5), or in rd.luks.options= on the command line.
_UNLOCKED_BY_TPM = re.compile(r"^[^#\n]*\btpm2-device=", re.MULTILINE)
_MACHINE_ID = re.compile(r"[0-9a-f]{32}(?=-)")
_PCR_KEY = re.compile(r"^[ \t]*(?:PCRPrivateKey|PCRPublicKey|PCRPKey)[ \t]*=[ \t]*\S", re.MULTILINE)
#: ukify adds these to the initramfs that it is given.
_ADDITIONAL_INITRAMFS = re.compile(r"^[ \t]*Initrd[ \t]*=[ \t]*\S", re.MULTILINE)
#: Programs that build images without kernel-install: directory and suffix of their configuration, and its setting.
_OTHER_BUILDERS = (
    ("mkinitcpio", "/etc/mkinitcpio.d", ".preset", re.compile(r"^[ \t]*\w+_uki=.", re.MULTILINE)),
    ("dracut", "/etc/dracut.conf.d", ".conf", re.compile(r"^[ \t]*uefi=[\"']?yes", re.MULTILINE)),
)


class Uki:
    """The unified kernel images of a host.

    Args:
        tree: The host.
        context: What else is known of the host.
    """

    name = "uki"
    has_fallback = False

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self.trial = NoTrial(_NO_TRIAL)
        self._context = context
        self._tool = next((tool for tool in _TOOLS if tree.exists(tool)), None)
        self._images = uki.read_entries(tree, boot_partitions(context.esps))
        self._config = next((file for file in _CONFIGURATIONS if tree.exists(file)), None)
        self._settings = (tree.text(self._config) or "") if self._config else ""
        self._machine_id = (tree.text("/etc/machine-id") or "").strip()

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The unified kernel images."""
        return tuple(
            EntryLine(
                id=image.id,
                title=image.title,
                version=image.version,
                path=image.file,
                line=None,
                role=NORMAL if self._is_normal(image) else OTHER,
                # Without the arguments of addons, which are appended when the image boots and are not in it.
                text=self._embedded_arguments(image),
            )
            for image in self._images
        )

    def _embedded_arguments(self, image: Entry) -> str:
        return " ".join((Sections(self._tree, image.file).text(".cmdline") or "").split("\n"))

    def _is_normal(self, image: Entry) -> bool:
        """Tell whether an image is named as kernel-install names an installed kernel's image: TOKEN-VERSION.efi."""
        version = image.version
        if version is None or version not in self._context.kernels or not image.id.endswith(f"-{version}.efi"):
            return False
        machine_id = _MACHINE_ID.match(image.id)
        if machine_id and self._machine_id and machine_id.group() != self._machine_id:
            return False
        return has_modules(self._tree, version)

    def _kernel(self, version: str) -> str | None:
        return self._first(_KERNELS, version)

    def _initramfs(self, version: str) -> str | None:
        return self._first(_INITRAMFS, version)

    def _first(self, patterns: Sequence[str], version: str) -> str | None:
        paths = (pattern.format(version) for pattern in patterns)
        return next((path for path in paths if self._tree.exists(path)), None)

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """The file that kernel-install passes to ukify."""
        return (cmdline_source(self._tree, self.entries),)

    def refusals(self) -> Sequence[Refusal]:
        """Return why images can't be rebuilt on this host."""
        normal = [entry for entry in self.entries if entry.role == NORMAL]
        return (
            *self._builder_refusals(),
            *cmdline_refusals(self._tree),
            *self._signing_refusals(),
            *self._kernels_without_image(),
            *(refusal for entry in normal for refusal in self._missing_parts(entry, entry.version or "")),
        )

    def _builder_refusals(self) -> Iterator[Refusal]:
        if self._tool is None:
            seen = "This host boots unified kernel images, but ukify is not installed."
            yield refuse("bootloader_unsupported", seen)
        layout, builder = read_setting(self._tree, "layout"), read_setting(self._tree, "uki_generator")
        other = self._other_builder()
        if layout != "uki" or builder not in (None, "ukify"):
            yield refuse(
                "bootloader_unsupported",
                "This host boots unified kernel images, but kernel-install is not configured to build them with ukify "
                f"(layout={layout or ''}, uki_generator={builder or ''}){other}.",
            )
        elif not any(entry.role == NORMAL for entry in self.entries):
            yield refuse(
                "bootloader_broken",
                f"No unified kernel image of an installed kernel is named as kernel-install names it{other}.",
            )

    def _other_builder(self) -> str:
        """Return which other program is configured to build images, as the end of a sentence."""
        for program, directory, suffix, setting in _OTHER_BUILDERS:
            for name in self._tree.names(directory):
                if name.endswith(suffix) and setting.search(self._tree.text(f"{directory}/{name}") or ""):
                    return f"; {program} builds images, according to {directory}/{name}"
        return ""

    def _signing_refusals(self) -> Iterator[Refusal]:
        if self._context.secure_boot and not _KEY.search(self._settings):
            yield refuse(
                "bootloader_unsupported",
                f"Secure Boot is on, and {self._config or _CONFIGURATION} sets no SecureBootPrivateKey.",
                danger="The firmware would not start an image that was rebuilt and not signed.",
                remedy=f"Set the key and the certificate in {_CONFIGURATION} (see ukify(1)).",
            )

    def _kernels_without_image(self) -> Iterator[Refusal]:
        versions = {entry.version for entry in self.entries if entry.role == NORMAL}
        for version in self._context.kernels:
            if versions and version not in versions and self._kernel(version) is not None:
                yield refuse(
                    "bootloader_broken",
                    f"The kernel {version} is installed and has no unified kernel image.",
                    remedy=f"Run kernel-install add {version} {self._kernel(version)}, or remove the kernel.",
                )

    def _missing_parts(self, entry: EntryLine, version: str) -> Iterator[Refusal]:
        if self._kernel(version) is None:
            seen = f"The kernel {version} has a unified kernel image, but its own file (vmlinuz) is missing."
            yield refuse("bootloader_broken", seen)
        if "\ufffd" in entry.text:
            yield refuse("cmdline_unreadable", f"{entry.path} has a command line that is not UTF-8: {entry.text}")
        initramfs = self._initramfs(version)
        if initramfs is None:
            yield refuse("bootloader_broken", f"The initramfs of the kernel {version} is not in /boot.")
        elif self._has_other_initramfs(entry.path, initramfs):
            # If dracut or mkinitcpio builds one for kernel-install only, that in /boot is out of date.
            yield refuse(
                "bootloader_unsupported",
                f"{entry.path} is newer than {initramfs}, and contains another initramfs.",
                danger="The new image would contain an initramfs other than the one that this host boots with now.",
                remedy=f"Rebuild the image with kernel-install from {initramfs}.",
            )

    def _has_other_initramfs(self, image: str, initramfs: str) -> bool:
        """Tell whether an image is newer than an initramfs and contains another one, by their sizes."""
        image_status, file = self._tree.status(image), self._tree.status(initramfs)
        if image_status is None or file is None or file.st_mtime > image_status.st_mtime:
            return False
        size = Sections(self._tree, image).size(".initrd")
        if size is not None and _ADDITIONAL_INITRAMFS.search(self._settings):
            return size < file.st_size
        return size != file.st_size

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units kernel-install would change."""
        return white_space_refusals(units)

    def can_remove(self, _argument: str, _path: str, _line: int | None, /) -> bool:
        """Return False: addons to images, and files of ukify, may have them as well."""
        return False

    def warnings(self) -> Sequence[str]:
        """Return which images get arguments from addons, and which disks the TPM may no longer unlock."""
        return (*self._addon_warnings(), *self._measurement_warnings())

    def _addon_warnings(self) -> Iterator[str]:
        for image in self._images:
            if self._is_normal(image) and image.cmdline != self._embedded_arguments(image):
                yield (
                    f"Addons append to the command line of {image.file} at boot, after the managed arguments: "
                    f"{image.cmdline[len(self._embedded_arguments(image)) :].strip()}"
                )

    def _measurement_warnings(self) -> Iterator[str]:
        lines = [entry.text for entry in self.entries if entry.role == NORMAL]
        texts = (self._tree.text("/etc/crypttab") or "", *lines)
        signs_measurements = _PCR_KEY.search(self._settings) is not None
        if not signs_measurements and not any(_UNLOCKED_BY_TPM.search(text) for text in texts):
            return
        # The firmware measures the whole image into PCR 4, systemd-stub(7) its sections into PCR 11.
        warning = (
            "The command line is part of the image, which is measured at boot (PCR 4 and 11). A disk whose key in the "
            "TPM is bound to the values of these PCRs asks for its passphrase or recovery key at the next boot, until "
            "the key is enrolled again: have the passphrase or recovery key at hand."
        )
        if signs_measurements:
            warning += f" A key that is bound to the signature for PCR 11 ({self._config}) keeps working."
        yield warning

    def steps(self, change: Change) -> Sequence[Step]:
        """Return the steps that make a change: for future kernels first, then one for each image."""
        after = {line.path: line.after for line in change.entries}
        images = [
            self._rebuild(entry, after[entry.path])
            for entry in self.entries
            if entry.path in after and entry.role == NORMAL
        ]
        return [*cmdline_steps(change), *images]

    def _rebuild(self, entry: EntryLine, arguments: str) -> GenerateFile:
        """Return the step that runs ukify with the options that kernel-install's 60-ukify.install gives to it.

        Everything else is left to ukify and its configuration: os-release(5), stub, keys, splash.
        """
        version = entry.version or ""
        options = [f"--config={self._config}"] if self._config else []
        argv = (
            self._tool or _TOOLS[0],
            "build",
            *options,
            f"--linux={self._kernel(version)}",
            f"--initrd={self._initramfs(version)}",
            f"--uname={version}",
            # Including what follows `--`. The space keeps ukify from reading a value that begins with @ as a file name.
            f"--cmdline= {arguments}",
            f"--output={DRAFT}",
        )
        return GenerateFile(entry.path, argv, "uki", STAGED, f"rebuild {entry.id} with the new arguments")


def boots_installed_kernel(tree: Tree, context: LoaderContext) -> bool:
    """Tell whether an installed kernel has a unified kernel image, whichever program built it."""
    return any(entry.version in context.kernels for entry in Uki(tree, context).entries if entry.version)
