# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How podman is told to run containers on this machine: found by trying, since neither flags nor versions tell.

An ordinary machine needs nothing. Two things are known to stand in the way elsewhere: podman asks for limits (1,048,576
files and processes for root) that a machine without CAP_SYS_RESOURCE may not raise, and crun refuses hybrid cgroups.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from .command import CACHE, ContainerError, output, say

# More than a container of the tests needs. They are lowered to the machine's own hard limits, and are not set to those:
# podman's helpers start out below them.
LIMITS = {"nofile": (resource.RLIMIT_NOFILE, 4096), "nproc": (resource.RLIMIT_NPROC, 4096)}


@dataclass(frozen=True)
class Attempt:
    """One way to run podman: a configuration file of our own, or None for the machine's own configuration."""

    about: str
    configuration: str | None


def attempts() -> list[Attempt]:
    """Return the ways to try, the plainest first."""
    return [
        Attempt("podman as it is configured", None),
        Attempt("podman within this machine's limits", _configuration(runtime=None)),
        Attempt("podman within this machine's limits, with runc", _configuration(runtime="runc")),
    ]


def _configuration(runtime: str | None) -> str:
    """Return a containers.conf(5); TOML's strings and lists are written as JSON's are."""
    limits = []
    for name, (number, wanted) in LIMITS.items():
        hard = resource.getrlimit(number)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        limits.append(f"{name}={value}:{value}")
    engine = "" if runtime is None else f"[engine]\nruntime = {json.dumps(runtime)}\n"
    return f"[containers]\ndefault_ulimits = {json.dumps(limits)}\n{engine}"


def configure(image: str) -> dict[str, str]:
    """Return what podman needs in its environment for a container of this image to run, or raise with all reasons."""
    reasons = []
    for attempt in attempts():
        added = {} if attempt.configuration is None else {"CONTAINERS_CONF": str(_write(attempt.configuration))}
        try:
            output(["podman", "run", "--rm", "--network=none", image, "true"], env={**os.environ, **added})
        except ContainerError as reason:
            reasons.append(f"{attempt.about}: {reason}")
        else:
            say(f"{attempt.about}: works")
            return added
    raise ContainerError("no container runs on this machine\n" + "\n".join(reasons))


def _write(text: str) -> Path:
    """Write a configuration file named for its content, whole or not at all: other runs may be reading it."""
    name = "runc" if "runc" in text else "limits"
    path = CACHE / f"containers-{name}.conf"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        shutil.move(fresh, path)
    return path
