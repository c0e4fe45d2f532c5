# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images from Debian packages: mmdebstrap makes the files, mke2fs and sfdisk the disk, one boot the boot loader.

Nothing is mounted. Root is not needed: without it, user namespaces take its place (mmdebstrap's unshare mode).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import pathlib
import shlex
import shutil
import subprocess
import tarfile
import time
import typing

from . import accelerator, command, disks, files, recipe
from .errors import LabError
from .hardware import Device, Hardware
from .keys import Keys
from .recipe import Recipe

LOG = logging.getLogger("lab")

STEPS = pathlib.Path(__file__).parent / "steps"

_MIB = 1024 * 1024
_ESP_AT, _ESP_MIB = 2, 512
_ROOT_AT, _ROOT_MIB = _ESP_AT + _ESP_MIB, 6144
_BOOT_AT, _BOOT_MIB = _ROOT_AT + _ROOT_MIB, 512


@dataclasses.dataclass(frozen=True)
class Image:
    """A bootable disk: backing file of every run's overlay."""

    folder: pathlib.Path
    recipe: Recipe
    key: pathlib.Path
    known_hosts: pathlib.Path
    format: str = "qcow2"

    @property
    def disk(self) -> pathlib.Path:
        """The disk itself."""
        return self.folder / f"disk.{self.format}"

    @property
    def variables(self) -> pathlib.Path | None:
        """UEFI's variables, with the boot entries that the boot loader's installer wrote; None under BIOS."""
        return self.folder / "variables.fd" if self.recipe.uefi else None

    @property
    def kernel(self) -> pathlib.Path:
        """A copy of the default kernel, for boots past the boot loader."""
        return self.folder / "vmlinuz"

    @property
    def inner_initramfs(self) -> pathlib.Path:
        """The inner guest's initramfs for that kernel; the trial of KVM boots it too."""
        return self.folder / "inner-initramfs"


def identity(wanted: Recipe, keys: Keys) -> str:
    """The hash of all that goes into the image: packages asked for, files put in, scripts that put it together."""
    digest = hashlib.sha256()
    digest.update(repr(wanted).encode())
    digest.update(repr(wanted.packages()).encode())
    digest.update(repr(sorted(wanted.files(*keys.texts()).items())).encode())
    digest.update(repr((wanted.first_boot(), recipe.EXCLUDED_PATHS, recipe.EPOCH, recipe.CMDLINE)).encode())
    digest.update(repr((wanted.spare, wanted.upgrade, recipe.SPARE_FOLDER, layout(wanted))).encode())
    for step in ("finish", _POPULATE[wanted.disk]):
        digest.update((STEPS / step).read_bytes())
    return digest.hexdigest()[:12]


def obtain(cache: pathlib.Path, wanted: Recipe, fresh: bool = False) -> Image:
    """The image of that recipe from the cache, built when it is not there (or when fresh packages are asked for)."""
    keys = Keys(cache / "keys")
    folder = cache / "images" / f"{wanted.name}-{identity(wanted, keys)}"
    image = Image(folder, wanted, keys.private, keys.known_hosts)
    with files.locked(folder.with_suffix(".lock")):
        if fresh and folder.exists():
            shutil.rmtree(folder)
        if not folder.exists():
            begin = time.monotonic()
            LOG.info("building the image %s (about 3 minutes, once)", folder.name)
            with files.appearing(folder) as draft:
                _build(draft, wanted, keys, cache)
            LOG.info(
                "built %s in %.0f s, %d MiB", folder.name, time.monotonic() - begin, image.disk.stat().st_size // _MIB
            )
    return image


def _build(folder: pathlib.Path, wanted: Recipe, keys: Keys, cache: pathlib.Path) -> None:
    work = folder / "work"
    work.mkdir()
    LOG.info("  1/4 installing Debian packages (%s)", wanted.suite)
    file_tree(work, wanted, keys)
    with tarfile.open(work / "boot.tar") as extra:
        extra.extractall(folder, filter="data")
    LOG.info("  2/4 laying out the disk")
    draft = dataclasses.replace(Image(folder, wanted, keys.private, keys.known_hosts), format="raw")
    _make_disk(work, draft.disk, wanted)
    if draft.variables is not None:
        shutil.copyfile(command.FIRMWARE_VARS, draft.variables)
    LOG.info("  3/4 booting it once, to let its own tools install its boot loader")
    _first_boot(work, draft, accelerator.choose(cache, draft.kernel, draft.inner_initramfs))
    draft.disk.unlink()
    shutil.rmtree(work)
    files.write(folder / "recipe.json", json.dumps(dataclasses.asdict(wanted)) + "\n")


def remove_all(cache: pathlib.Path) -> list[str]:
    """Remove every image; their names. A machine that lies on one of them cannot be started again."""
    gone = [path.parent for path in sorted((cache / "images").glob("*/recipe.json"))]
    for folder in gone:
        shutil.rmtree(folder)
    return [folder.name for folder in gone]


def saved(cache: pathlib.Path, name: str) -> Image:
    """The image of that name, as it lies in the cache, whatever the recipe of today."""
    folder = cache / "images" / name
    try:
        raw = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LabError(f"the image {name} is not in the cache any more") from error
    keys = Keys(cache / "keys")
    wanted = Recipe(**{**raw, "kernels": tuple(raw["kernels"])})
    return Image(folder, wanted, keys.private, keys.known_hosts)


def _write_overlay(path: pathlib.Path, content: dict[str, tuple[int, str]]) -> None:
    """The recipe's files as a tar, all owned by root, all of the same date."""
    with tarfile.open(path, "w") as tar:
        folders = {parent for name in content for parent in pathlib.PurePosixPath(name).parents} - {
            pathlib.PurePosixPath(".")
        }
        for folder in sorted(folders):
            info = tarfile.TarInfo(str(folder))
            info.type, info.mtime = tarfile.DIRTYPE, recipe.EPOCH
            info.mode = 0o700 if folder.parts[0] == "root" else 0o755
            tar.addfile(info)
        for name, (mode, text) in content.items():
            info = tarfile.TarInfo(name)
            info.mode, info.mtime, info.size = mode, recipe.EPOCH, len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))


def file_tree(work: pathlib.Path, wanted: Recipe, keys: Keys) -> pathlib.Path:
    """All files of the image in a tar, before it has booted: the same bytes for as long as the mirror is the same."""
    overlay, result, hook = work / "overlay.tar", work / "root.tar", STEPS / "finish"
    _write_overlay(overlay, wanted.files(*keys.texts()))
    # As root, in a process namespace of its own: mmdebstrap's many children then end with it, however it ends.
    alone = ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "--"] if os.geteuid() == 0 else []
    argv = [
        *alone,
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        f"--include={','.join(wanted.packages())}",
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude={path}" for path in recipe.EXCLUDED_PATHS),
        # The files come before the packages: what a package's own set-up reads is there by then.
        f"--essential-hook=tar-in {shlex.quote(str(overlay))} /",
        f'--customize-hook={shlex.quote(str(hook))} "$1"',
        wanted.suite,
        str(result),
    ]
    environment = {
        "SOURCE_DATE_EPOCH": str(recipe.EPOCH),
        "SUITE": wanted.suite,
        "FLAVOUR": wanted.kernels[0],
        "SPARE": wanted.spare or "",
        "UPGRADE": wanted.upgrade or "",
        "SPARE_FOLDER": recipe.SPARE_FOLDER,
        "EXPORT": str(work / "boot.tar"),
    }
    if alone:
        environment["TMPDIR"] = str(work)
    _run(argv, work / "mmdebstrap.log", environment)
    return result


_LAYOUT = f"""\
label: gpt
label-id: {recipe.DISK_ID}
start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=bios
start={_ESP_AT}MiB, size={_ESP_MIB}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid={recipe.ESP_ID}, name=esp
start={_ROOT_AT}MiB, size={_ROOT_MIB}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid={recipe.ROOT_ID}, name=root
"""


_BOOT_PARTITION = f"""\
start={_BOOT_AT}MiB, size={_BOOT_MIB}MiB, type=BC13C2FF-59E6-4262-A352-B275FD6F7172, uuid={recipe.BOOT_ID}, name=boot
"""
#: The step that fills the file systems of a disk.
_POPULATE = {"ext4": "populate", "ext4-boot": "populate-boot", "btrfs": "populate-btrfs"}


def layout(wanted: Recipe) -> str:
    """The partition table, as sfdisk reads it."""
    return _LAYOUT + (_BOOT_PARTITION if wanted.disk == "ext4-boot" else "")


def _make_disk(work: pathlib.Path, disk: pathlib.Path, wanted: Recipe) -> None:
    end = _BOOT_AT + (_BOOT_MIB if wanted.disk == "ext4-boot" else 0)
    with disk.open("wb") as file:
        file.truncate((end + 1) * _MIB)
    log = work / "disk.log"
    _run(["sfdisk", "--quiet", str(disk)], log, stdin=layout(wanted))
    esp = ["--offset", str(_ESP_AT * 2048), str(disk), str(_ESP_MIB * 1024)]
    _run(["mkfs.vfat", "-F", "32", "-i", recipe.ESP_SERIAL, "-n", "ESP", "--mbr=n", *esp], log)
    inside = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-auto", "--map-root-user", "--"]
    environment = {
        "ROOT_ID": recipe.ROOT_ID,
        "OFFSET": str(_ROOT_AT * _MIB),
        "SIZE": f"{_ROOT_MIB}M",
        "BOOT_ID": recipe.BOOT_ID,
        "BOOT_OFFSET": str(_BOOT_AT * _MIB),
        "BOOT_SIZE": f"{_BOOT_MIB}M",
    }
    _run([*inside, str(STEPS / _POPULATE[wanted.disk]), str(work), str(disk)], log, environment)
    if (work / "partition.raw").exists():  # by a program that makes file systems only at the beginning of a file
        files.copy_sparsely(work / "partition.raw", disk, at=_ROOT_AT * _MIB)


def _first_boot(work: pathlib.Path, image: Image, accelerated: str) -> None:
    """Boot the bare disk with its kernel from outside, and run on it what an installer runs at its end."""
    from .machine import Machine

    bench = Hardware(
        name="bench",
        description="what an image's first boot needs",
        memory=2048,
        devices=(
            Device("root_disk", "nvme", port=4, holds="root"),
            Device("nic", "virtual_nic", port=6, network="ssh"),
        ),
    )
    cmdline = f"root=UUID={recipe.ROOT_ID} ro {recipe.CMDLINE}"
    direct = command.DirectBoot(image.kernel, image.folder / "initrd.img", cmdline)
    run = work / "first-boot"
    with Machine(run, bench, image, accelerated) as machine:
        machine.start(direct=direct)
        machine.wait_for_ssh()
        done = machine.ssh("set -eux\n" + image.recipe.first_boot())
        files.write(work / "first-boot.log", done.stdout + done.stderr)
        machine.stop()
        if image.variables is not None:
            shutil.copyfile(run / "variables.fd", image.variables)
        LOG.info("  4/4 compressing it")
        options = ["-c", "-o", "compression_type=zstd"]
        disks.qemu_img("convert", "-O", "qcow2", *options, run / "root_disk.qcow2", image.folder / "disk.qcow2")


def _run(
    argv: typing.Sequence[str],
    log: pathlib.Path,
    environment: typing.Mapping[str, str] | None = None,
    stdin: str = "",
) -> None:
    """Run one step of a build, its words into the log; it ends when we do."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        with log.open("ab") as file:
            subprocess.run(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": path, **(environment or {})},
                input=stdin.encode(),
                stdout=file,
                stderr=subprocess.STDOUT,
                check=True,
            )
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is not installed: scripts/setup-debian lab installs it") from error
    except subprocess.CalledProcessError as error:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
        raise LabError(f"{argv[0]} ended with status {error.returncode}:\n" + "\n".join(said)) from error
