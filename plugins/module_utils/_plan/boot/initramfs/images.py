# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the images of the installed kernels hold, each looked into only when it has changed since the last time."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Sequence

from ...._machine.initramfs import SEEN_FILE, Image, PassedOver
from ...._machine.kernel_module import plain_module
from ...._probe.boot.kernel_modules import kernel_modules
from .decide import relevant
from .store import digest

if TYPE_CHECKING:
    from ...._machine import Kernel
    from ...._machine.initramfs import InitramfsRequest
    from ...._probe.tree import Tree

_SEEN_LIMIT = 8 << 20
#: Of names of images: those of dracut's 51-dracut-rescue.install and of mkinitcpio's preset.
_LAST_RESORT = re.compile(r"0-rescue|-fallback\.img$")


class Sighting(NamedTuple):
    """What an image was found to hold."""

    status: tuple[int, ...]  # of the file: as long as it stays, the file has not been replaced
    request: str  # the digest of the request in whose light it was looked at
    names: tuple[str, ...]


class Images(NamedTuple):
    """The images of a machine."""

    images: tuple[Image, ...]
    passed_over: tuple[PassedOver, ...]
    seen: dict[str, Sighting]  # by path, to be remembered
    seen_before: dict[str, Sighting]  # what was remembered


def read_images(
    tree: Tree, kernels: Sequence[Kernel], request: InitramfsRequest, list_image: Callable[[str], frozenset[str] | None]
) -> Images:
    """Return the image of each kernel, with what it holds.

    Args:
        tree: The machine.
        kernels: The installed kernels.
        request: What is looked for.
        list_image: Returns the names in an image, or None where it can't be listed.
    """
    before = read_seen(tree)
    images, passed_over, seen = [], [], {}
    for kernel in kernels:
        if _LAST_RESORT.search((kernel.initramfs or "").rpartition("/")[2]):
            passed_over.append(PassedOver(kernel.version, f"{kernel.initramfs} is there for when others fail"))
            continue
        modules = kernel_modules(tree, kernel.version)
        status = tree.status(kernel.initramfs) if kernel.initramfs else None
        if kernel.initramfs is None or status is None or modules is None:
            lack = "folder of modules" if modules is None else "initramfs image that is a file of its own"
            passed_over.append(PassedOver(kernel.version, f"it has no {lack}"))
            continue
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        sighting = before.get(kernel.initramfs)
        if sighting is None or sighting.status != stamp or sighting.request != digest(request):
            listed = list_image(kernel.initramfs)
            sighting = (
                None if listed is None else Sighting(stamp, digest(request), tuple(sorted(relevant(listed, request))))
            )
        if sighting is not None:
            seen[kernel.initramfs] = sighting
        names = None if sighting is None else frozenset(sighting.names)
        kinds = {plain_module(name): modules.kind(name) for name in request.modules}
        images.append(Image(kernel.version, kernel.initramfs, status.st_size, kinds, names))
    return Images(tuple(images), tuple(passed_over), seen, before)


def read_seen(tree: Tree) -> dict[str, Sighting]:
    """Return what is remembered of images; nothing where the file is not as it was written."""
    try:
        content = json.loads(tree.text(SEEN_FILE, _SEEN_LIMIT) or "{}")
        return {str(path): _sighting(value) for path, value in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def seen_text(seen: Mapping[str, Sighting]) -> str:
    """Return the content of the file that holds what is remembered."""
    return json.dumps({path: sighting._asdict() for path, sighting in sorted(seen.items())}) + "\n"


def _sighting(value: Any) -> Sighting:
    return Sighting(
        tuple(int(number) for number in value["status"]),
        str(value["request"]),
        tuple(str(name) for name in value["names"]),
    )
