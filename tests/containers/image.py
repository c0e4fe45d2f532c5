# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of Debian made from its packages: mmdebstrap makes the files, podman imports them.

An image is tagged with the checksum of its recipe, so a recipe that did not change is never built twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .command import CACHE, ContainerError, output, say
from .supervision import supervise

RECIPES = Path(__file__).with_name("images.yml")
REPOSITORY = "localhost/vfio-workstation"
LABEL = "vfio.workstation.image"
# Whatever else decides what is in an image; it is part of the checksum, so a change here makes new images too.
MMDEBSTRAP = [
    "mmdebstrap",
    "--variant=essential",
    "--format=tar",
    "--aptopt=APT::Install-Recommends false",
    # A mirror may have stood still for longer than sid's few days. Signatures are checked all the same.
    "--aptopt=Acquire::Check-Valid-Until false",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
]
# No systemd: Debian 14's refuses hosts with hybrid cgroups, and nothing here needs it.
CONFIGURATION = ['CMD ["sleep", "infinity"]', "ENV LANG=C.UTF-8"]


def recipes() -> dict[str, dict[str, Any]]:
    """Return what each image is made of."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(RECIPES.read_text(encoding="utf-8"))
    return loaded


def tag(name: str) -> str:
    """Return the full name of an image, with the checksum of what goes into it."""
    try:
        recipe = recipes()[name]
    except KeyError:
        raise ContainerError(f"no image is called {name!r}; there are {', '.join(recipes())}") from None
    text = json.dumps([recipe, MMDEBSTRAP, CONFIGURATION], sort_keys=True)
    return f"{REPOSITORY}/{name}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def ensure(name: str) -> str:
    """Return the full name of an image that is there, made now if it was not."""
    full = tag(name)
    if _exists(full):
        return full
    with locked(name) as (folder, descriptor):
        if not _exists(full):  # another run may have made it while this one waited
            _build(recipes()[name], full, folder, descriptor)
    return full


def _exists(full: str) -> bool:
    return full in output(["podman", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).split()


@contextlib.contextmanager
def locked(name: str) -> Iterator[tuple[Path, int]]:
    """Hold the right to build an image; yield an empty folder to do it in, and the lock's descriptor.

    The builder inherits the descriptor: should this process be killed, the lock is held until the builder is gone too,
    and the next run throws away what both left.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f"build-{name}"
    with (CACHE / f"{name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder, lock.fileno()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _build(recipe: dict[str, Any], full: str, folder: Path, descriptor: int) -> None:
    began = time.monotonic()
    say(f"{full}: building from the packages of Debian {recipe['suite']}")
    files = folder / "files.tar"
    argv = [*MMDEBSTRAP, f"--include={','.join(recipe['packages'])}", recipe["suite"], str(files), *_mirror()]
    with (CACHE / f"{full.rpartition('/')[2].partition(':')[0]}.log").open("w+", encoding="utf-8") as log:
        # As root: in name spaces of its own, so that its processes and mounts go with it, however it ends.
        isolated = (
            ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"] if os.geteuid() == 0 else []
        )
        # Not below /tmp, which may be a small tmpfs, or mounted nodev.
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            status = supervise([*isolated, *argv], {**os.environ, "TMPDIR": scratch}, (descriptor,), log)
        if status != 0:
            log.seek(0)
            raise ContainerError(f"{' '.join(argv)}: exit status {status}\n{log.read()[-4000:]}")
    changes = [argument for line in [*CONFIGURATION, f"LABEL {LABEL}={full}"] for argument in ("--change", line)]
    output(["podman", "import", "--quiet", *changes, str(files), full])
    say(f"{full}: ready, {files.stat().st_size >> 20} MiB, {time.monotonic() - began:.0f} s")


def _mirror() -> list[str]:
    """Return the mirror that this machine's own apt uses, when it is a Debian machine; else mmdebstrap knows one."""
    try:
        lines = output(["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(COMPONENT) $(SITE) $(REPO_URI)"])
    except ContainerError:
        return []
    found = [line.split()[-1] for line in lines.splitlines() if line.split()[:3] == ["Debian", "Debian", "main"]]
    return found[:1]
