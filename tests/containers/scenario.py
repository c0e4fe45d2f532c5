# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of molecule, with folders and containers of its own, which are gone when it ends: in whatever way it ends.

Two runs side by side share images and nothing else. Molecule removes its containers itself; they are removed here too,
by the run's label, because molecule does not get that far when it is interrupted. Should this process be killed, each
container still ends by itself after an hour, which podman sees to (molecule/shared/create.yml).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from . import collections, disk, engine, image
from .command import CACHE, ROOT, ContainerError, output, say
from .supervision import signals_wait, supervise

RUN_LABEL = "vfio.workstation.run"


def run(scenario: str) -> int:
    """Run a scenario of molecule from beginning to end and return its exit status."""
    images = _images(scenario)
    CACHE.mkdir(parents=True, exist_ok=True)
    with _claimed_folder() as (folder, claim):
        environment = {**os.environ, **_prepare(folder, images)}
        _remove_remains(environment)
        try:
            argv = ["molecule", "test", "--no-command-borders", "--scenario-name", scenario]
            return supervise(argv, environment, pass_fds=(claim,))
        finally:
            _remove_containers(folder.name, environment)
            disk.detach(folder)


@contextlib.contextmanager
def _claimed_folder() -> Iterator[tuple[Path, int]]:
    """Yield a folder for this run, and the descriptor of a lock that tells as long as it is open that it is in use."""
    with (
        tempfile.TemporaryDirectory(prefix="vfio-run-", dir=CACHE) as name,
        Path(name, "claim").open("w", encoding="utf-8") as claim,
    ):
        fcntl.flock(claim, fcntl.LOCK_EX)
        claim.write("claimed\n")
        claim.flush()
        yield Path(name), claim.fileno()


def _remove_remains(environment: dict[str, str]) -> None:
    """Remove what runs left that were killed. Molecule inherits their claim, and may outlive them."""
    for claim in CACHE.glob("vfio-run-*/claim"):
        with contextlib.suppress(OSError), claim.open(encoding="utf-8") as file:  # in use, or just gone
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not file.read(1):  # made this moment, and about to be claimed
                continue
            say(f"removing what {claim.parent.name} left when it was killed")
            _remove_containers(claim.parent.name, environment)
            disk.detach(claim.parent)
            shutil.rmtree(claim.parent, ignore_errors=True)


def _images(scenario: str) -> list[str]:
    """Return the images that a scenario's inventory names."""
    path = ROOT / "molecule" / scenario / "inventory.yml"
    try:
        inventory = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContainerError(f"no scenario is called {scenario!r}: {path} is not there") from None
    machines = inventory["machines"]
    return sorted({{**machines.get("vars", {}), **host}["machine_image"] for host in machines["hosts"].values()})


def _prepare(folder: Path, images: Sequence[str]) -> dict[str, str]:
    """Make what a run needs, and return what its environment must say of it."""
    tags = {name: image.ensure(name) for name in images}
    podman = engine.configure(next(iter(tags.values())))
    found = collections.podman_collection()
    collections.install_ours(folder / "collections")
    programs = Path(sys.executable).parent
    return {
        **podman,
        "ANSIBLE_COLLECTIONS_PATH": f"{folder / 'collections'}:{found}",
        "ANSIBLE_HOME": str(folder / "ansible"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(folder / "molecule"),
        "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),  # for tests.machines
        "VFIO_IMAGES": json.dumps(tags),
        "VFIO_RUN": str(folder),
    }


def _remove_containers(identity: str, environment: dict[str, str]) -> None:
    listing = ["podman", "ps", "--all", "--quiet", "--filter", f"label={RUN_LABEL}={identity}"]
    with signals_wait():
        left = output(listing, env=environment).split()
        if left:
            say(f"removing {len(left)} container{'s' * (len(left) > 1)} that molecule left")
            output(["podman", "rm", "--force", "--time", "0", *left], env=environment)
