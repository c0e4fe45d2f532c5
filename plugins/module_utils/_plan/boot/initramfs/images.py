# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contents of the installed kernels' images; an image is listed again only after it or the request has changed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Sequence

from ...._machine.initramfs import LISTINGS_FILE, Image, SkippedKernel
from ...._machine.kernel_module import plain_module
from ...._probe.boot.kernel_modules import kernel_modules
from .decide import relevant_names
from .store import request_digest

if TYPE_CHECKING:
    from ...._machine import Kernel
    from ...._machine.initramfs import InitramfsRequest
    from ...._probe.tree import Tree

_CACHE_LIMIT = 8 << 20
#: In the names of rescue images: of dracut's 51-dracut-rescue.install, and of mkinitcpio's preset `fallback`.
_RESCUE_IMAGE = re.compile(r"0-rescue|-fallback\.img$")


class CachedListing(NamedTuple):
    """The names in an image, as far as a request concerns them."""

    status: tuple[int, ...]  # device, inode, size and mtime: another value means that the image was replaced
    request: str  # the digest of that request
    names: tuple[str, ...]


class ImageInventory(NamedTuple):
    """The images of a host."""

    images: tuple[Image, ...]
    skipped: tuple[SkippedKernel, ...]
    listings: dict[str, CachedListing]  # by path of the image: to be cached for the next run
    cached: dict[str, CachedListing]  # by path of the image: as an earlier run cached them


def read_images(
    tree: Tree, kernels: Sequence[Kernel], request: InitramfsRequest, list_image: Callable[[str], frozenset[str] | None]
) -> ImageInventory:
    """Return the image of each kernel, with its content.

    Args:
        tree: The host.
        kernels: The installed kernels.
        request: The files and modules to look for.
        list_image: Returns the names in an image, or None if it can't be listed.
    """
    cached = read_cache(tree)
    images, skipped, listings = [], [], {}
    for kernel in kernels:
        if _RESCUE_IMAGE.search((kernel.initramfs or "").rpartition("/")[2]):
            reason = f"{kernel.initramfs} is a rescue image, which is left as it is"
            skipped.append(SkippedKernel(kernel.version, reason))
            continue
        modules = kernel_modules(tree, kernel.version)
        status = tree.status(kernel.initramfs) if kernel.initramfs else None
        if kernel.initramfs is None or status is None or modules is None:
            missing = "modules.dep below /lib/modules" if modules is None else "initramfs image in a file of its own"
            skipped.append(SkippedKernel(kernel.version, f"it has no {missing}"))
            continue
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        listing = cached.get(kernel.initramfs)
        if listing is None or listing.status != stamp or listing.request != request_digest(request):
            names = list_image(kernel.initramfs)
            listing = None if names is None else _listing(stamp, names, request)
        if listing is not None:
            listings[kernel.initramfs] = listing
        kinds = {plain_module(name): modules.kind(name) for name in request.modules}
        content = None if listing is None else frozenset(listing.names)
        images.append(Image(kernel.version, kernel.initramfs, status.st_size, kinds, content))
    return ImageInventory(tuple(images), tuple(skipped), listings, cached)


def read_cache(tree: Tree) -> dict[str, CachedListing]:
    """Return the listings that an earlier run cached, by path of the image; nothing if the file is damaged."""
    try:
        content = json.loads(tree.text(LISTINGS_FILE, _CACHE_LIMIT) or "{}")
        return {str(path): _cached_listing(value) for path, value in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def cache_text(listings: Mapping[str, CachedListing]) -> str:
    """Return the content of the cache file."""
    return json.dumps({path: listing._asdict() for path, listing in sorted(listings.items())}) + "\n"


def _listing(stamp: tuple[int, ...], names: frozenset[str], request: InitramfsRequest) -> CachedListing:
    return CachedListing(stamp, request_digest(request), tuple(sorted(relevant_names(names, request))))


def _cached_listing(value: Any) -> CachedListing:
    return CachedListing(
        tuple(int(number) for number in value["status"]),
        str(value["request"]),
        tuple(str(name) for name in value["names"]),
    )
