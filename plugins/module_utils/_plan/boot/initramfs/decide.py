# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what the images hold and what is requested to the images that must be made anew, or to refusals."""

from __future__ import annotations

import posixpath
import re
from typing import Iterable, Iterator, NamedTuple, Sequence

from ...._machine.initramfs import MARKERS, Image, InitramfsRecord, InitramfsRequest, PassedOver
from ...._machine.kernel_module import LOADABLE, MISSING, plain_module
from ...._machine.plan import Refusal
from ...refusals import refuse

_PATH = re.compile(r"(?:/[A-Za-z0-9_.@:+=,~-]+)+")
_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_OBJECT = re.compile(r"(.+)[.]ko(?:[.][a-z0-9]+)?")
# Directories that are links into /usr inside of the images of merged-usr systems.
_MERGED = re.compile(r"(?:bin|sbin|lib|lib32|lib64|libx32)/")


class InitramfsDecision(NamedTuple):
    """What is due."""

    refusals: tuple[Refusal, ...]
    lacks: dict[str, tuple[str, ...]]  # by kernel: what its image lacks or holds too much; nothing where it is right
    rebuild: tuple[Image, ...]  # the images that must be made anew


def faults(request: InitramfsRequest) -> list[str]:
    """Return what makes a request one that nobody can have meant, as sentences."""
    found = []
    paths = [file.path for file in request.files]
    for path in paths:
        if not _PATH.fullmatch(path) or posixpath.normpath(path) != path:
            found.append(f"files: {path} is not an absolute path of letters, digits and _.@:+=,~- without . or ..")
        elif plain_name(path).startswith(MARKERS + "/"):
            found.append(f"files: {path} lies below /{MARKERS}, which is this collection's own")
    found.extend(f"files: {path} is named twice" for path in sorted({path for path in paths if paths.count(path) > 1}))
    found.extend(
        f"files: the mode of {file.path} must be 0000 to 0777" for file in request.files if not 0 <= file.mode <= 0o777
    )
    found.extend(
        f"modules: {name} is not the name of a module" for name in request.modules if not _MODULE.fullmatch(name)
    )
    return found


def with_owner(record: InitramfsRecord, owner: str, request: InitramfsRequest) -> InitramfsRecord:
    """Return a record in which an owner wants this and nothing else."""
    owners = {name: other for name, other in record.owners.items() if name != owner}
    if request.files or request.modules:
        owners[owner] = request
    return InitramfsRecord(owners)


def together(record: InitramfsRecord) -> InitramfsRequest:
    """Return what all owners want, each file and module once."""
    requests = [record.owners[owner] for owner in sorted(record.owners)]
    files = {file.path: file for request in requests for file in request.files}
    modules = {plain_module(name): name for request in requests for name in request.modules}
    return InitramfsRequest(
        tuple(files[path] for path in sorted(files)), tuple(modules[name] for name in sorted(modules))
    )


def decide(record: InitramfsRecord, owner: str, marker: str | None, images: Sequence[Image]) -> InitramfsDecision:
    """Return which images must be made anew, given what is in them.

    Args:
        record: What each owner wants, the one that asks included.
        owner: The one that asks.
        marker: Name of the file that an image holds which was made from all of that; None where nothing is wanted.
        images: Those of the installed kernels.
    """
    request = together(record)
    refusals = [*_contradictions(record, owner), *_missing_modules(request, images)]
    if marker is not None and not images:
        seen = "no installed kernel has both a folder of modules and an initramfs image"
        refusals.append(refuse("initramfs_unsupported", seen))
    lacks = {image.version: tuple(lacking(image, request, marker)) for image in images}
    return InitramfsDecision(tuple(refusals), lacks, tuple(image for image in images if lacks[image.version]))


def lacking(image: Image, request: InitramfsRequest, marker: str | None) -> Iterator[str]:
    """Yield what an image lacks to hold a request, or holds too much."""
    if image.names is None:
        if marker is not None:
            yield "its content can't be listed"
        return
    for name in sorted(image.names):
        if name.startswith(MARKERS + "/") and name != marker:
            yield "it was made from another request"
    if marker is not None and marker not in image.names:
        yield "it was not made from this request"
    there = held(image, request)
    for name in due(image, request):
        if name not in there:
            yield f"it lacks {name}"


def due(image: Image, request: InitramfsRequest) -> tuple[str, ...]:
    """Return what an image is to hold: the paths of files, the names of modules that are not built in."""
    modules = (name for name in request.modules if image.modules.get(plain_module(name)) == LOADABLE)
    return (*(file.path for file in request.files), *modules)


def held(image: Image, request: InitramfsRequest) -> tuple[str, ...]:
    """Return the requested files and modules that are in an image, named as `due` does."""
    names = image.names or frozenset()
    modules = set(_modules_in(image))
    return (
        *(file.path for file in request.files if plain_name(file.path) in names),
        *(name for name in request.modules if plain_module(name) in modules),
    )


def relevant(names: Iterable[str], request: InitramfsRequest) -> frozenset[str]:
    """Return those names in an image that tell whether it holds a request, each written as `plain_name` does."""
    files = {plain_name(file.path) for file in request.files}
    modules = {plain_module(name) for name in request.modules}
    return frozenset(
        name
        for name in map(plain_name, names)
        if name.startswith(MARKERS + "/") or name in files or _module_of(name) in modules
    )


def plain_name(name: str) -> str:
    """Return a name in an image without what differs between generators: where it begins, and links into /usr."""
    name = posixpath.normpath(name).lstrip("/")
    return "usr/" + name if _MERGED.match(name) else name


def passed_over_refusals(passed_over: Sequence[PassedOver]) -> Iterator[Refusal]:
    """Yield a refusal for each kernel that boots without an image that could be made anew."""
    for kernel in passed_over:
        yield refuse("initramfs_unsupported", f"kernel {kernel.version}: {kernel.reason}")


def _contradictions(record: InitramfsRecord, owner: str) -> Iterator[Refusal]:
    mine = {file.path: file for file in record.owners.get(owner, InitramfsRequest()).files}
    for other in sorted(record.owners):
        for file in record.owners[other].files:
            if other != owner and file.path in mine and mine[file.path] != file:
                seen = f"{owner} and {other} both want {file.path} in the initramfs, with different content or mode"
                yield refuse("initramfs_conflict", seen)


def _missing_modules(request: InitramfsRequest, images: Sequence[Image]) -> Iterator[Refusal]:
    for image in images:
        for name in request.modules:
            if image.modules.get(plain_module(name)) == MISSING:
                seen = f"kernel {image.version} has no module {name}: its modules.dep and modules.builtin don't name it"
                yield refuse("kernel_lacks_module", seen)


def _modules_in(image: Image) -> Iterator[str]:
    for name in image.names or ():
        module = _module_of(name)
        if module is not None and f"/{image.version}/" in name:
            yield module


def _module_of(name: str) -> str | None:
    if not name.startswith("usr/lib/modules/"):
        return None
    match = _OBJECT.fullmatch(posixpath.basename(name))
    return plain_module(match.group(1)) if match else None
