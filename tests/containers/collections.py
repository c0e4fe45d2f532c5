# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections, put where Ansible finds them: ours as a user installs it, and containers.podman for its connection.

containers.podman is only to be had from Galaxy, or within the package `ansible` on PyPI. The latter is what an
ordinary pip reaches; only this one collection of it is kept.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from .command import CACHE, ROOT, ContainerError, output, say

PACKAGE = "ansible>=12,<13"
PODMAN = "ansible_collections/containers/podman/"


def podman_collection() -> Path:
    """Return the folder of collections that has containers.podman, fetched now if it was not there."""
    folder = CACHE / f"collections-{PACKAGE.translate(str.maketrans('>=<,', '----'))}"
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        say(f"containers.podman: taking it out of {PACKAGE} from PyPI (some 50 MB)")
        output(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--dest",
                scratch,
                PACKAGE,
            ]
        )
        [wheel] = Path(scratch).glob("*.whl")
        fresh = Path(scratch) / "collections"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(fresh, [name for name in archive.namelist() if name.startswith(PODMAN)])
        try:
            fresh.rename(folder)
        except OSError as error:
            if not folder.is_dir():  # else another run was faster
                raise ContainerError(f"{folder}: {error}") from error
    return folder


def install_ours(folder: Path) -> None:
    """Build the collection and install the tarball below `folder`, as its user does."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        galaxy = [str(Path(sys.executable).with_name("ansible-galaxy")), "collection"]
        output([*galaxy, "build", str(ROOT), "--output-path", scratch])
        [tarball] = Path(scratch).glob("*.tar.gz")
        say(f"{tarball.name}: built, {tarball.stat().st_size >> 10} KiB, and being installed")
        output([*galaxy, "install", str(tarball), "--collections-path", str(folder), "--offline"])
