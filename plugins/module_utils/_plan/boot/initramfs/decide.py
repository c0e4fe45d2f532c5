# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision which images to rebuild, from their contents and from what every owner requests; or refusals."""

from __future__ import annotations

import posixpath
import re
from typing import Iterable, Iterator, NamedTuple, Sequence

from ...._machine.initramfs import MARKERS, Image, InitramfsRecord, InitramfsRequest
from ...._machine.kernel_module import LOADABLE, MISSING, plain_module
from ...._machine.plan import Refusal
from ...refusals import refuse

_PATH = re.compile(r"(?:/[A-Za-z0-9_.@:+=,~-]+)+")
_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_MODULE_FILE = re.compile(r"(.+)[.]ko(?:[.][a-z0-9]+)?")
#: Directories of configuration that may bind functions to a driver.
_CONFIGURATION = ("etc/modprobe.d/", "usr/lib/modprobe.d/", "etc/udev/rules.d/", "usr/lib/udev/rules.d/")
#: Directories that are symbolic links into /usr in the images of merged-usr systems.
_MERGED = re.compile(r"(?:bin|sbin|lib|lib32|lib64|libx32)/")


class InitramfsDecision(NamedTuple):
    """What has to be done to the images."""

    refusals: tuple[Refusal, ...]
    differences: dict[str, tuple[str, ...]]  # by kernel version: how its image differs from the request
    rebuild: tuple[Image, ...]  # the images that differ


def request_problems(request: InitramfsRequest) -> list[str]:
    """Return why a request is invalid, as messages; nothing if it is valid."""
    problems = []
    paths = [file.path for file in request.files]
    for path in paths:
        if not _PATH.fullmatch(path) or posixpath.normpath(path) != path:
            problems.append(
                f"files: {path} is not an absolute path without . and .. that consists of letters, digits and _.@:+=,~-"
            )
        elif plain_name(path).startswith(MARKERS + "/"):
            problems.append(f"files: {path} is below /{MARKERS}, which is reserved for this collection")
    duplicates = sorted({path for path in paths if paths.count(path) > 1})
    problems.extend(f"files: {path} is listed twice" for path in duplicates)
    problems.extend(
        f"files: the mode of {file.path} must be 0000 to 0777" for file in request.files if not 0 <= file.mode <= 0o777
    )
    problems.extend(
        f"modules: {name} is not a valid module name" for name in request.modules if not _MODULE.fullmatch(name)
    )
    return problems


def with_request(record: InitramfsRecord, owner: str, request: InitramfsRequest) -> InitramfsRecord:
    """Return the record with an owner's request replaced; an empty request removes the owner."""
    owners = {name: other for name, other in record.owners.items() if name != owner}
    if not request.is_empty:
        owners[owner] = request
    return InitramfsRecord(owners)


def merged_request(record: InitramfsRecord) -> InitramfsRequest:
    """Return the requests of all owners as one, with each file and module once, and the sum of the revisions."""
    requests = [record.owners[owner] for owner in sorted(record.owners)]
    files = {file.path: file for request in requests for file in request.files}
    modules = {plain_module(name): name for request in requests for name in request.modules}
    return InitramfsRequest(
        tuple(files[path] for path in sorted(files)),
        tuple(modules[name] for name in sorted(modules)),
        sum(request.revision for request in requests),
    )


def decide(record: InitramfsRecord, owner: str, marker: str | None, images: Sequence[Image]) -> InitramfsDecision:
    """Return which images have to be rebuilt.

    Args:
        record: The requests of all owners, that of the caller included.
        owner: The caller.
        marker: Path, in an image, of the file that identifies the merged request; None if that is empty.
        images: The images of the installed kernels.
    """
    request = merged_request(record)
    refusals = [*_conflicts(record, owner), *_missing_modules(request, images)]
    if marker is not None and not images:
        seen = "no installed kernel has both a modules.dep and an initramfs image"
        refusals.append(refuse("initramfs_unsupported", seen))
    by_version = {image.version: tuple(differences(image, request, marker)) for image in images}
    return InitramfsDecision(tuple(refusals), by_version, tuple(image for image in images if by_version[image.version]))


def differences(image: Image, request: InitramfsRequest, marker: str | None) -> Iterator[str]:
    """Yield how an image differs from a request, as predicates of "the image"."""
    if image.names is None:
        if marker is not None:
            yield "its content can't be listed"
        return
    for name in sorted(image.names):
        if name.startswith(MARKERS + "/") and name != marker:
            yield "it was built from another request"
    if marker is not None and marker not in image.names:
        yield "it was not built from this request"
    present = present_content(image, request)
    for item in expected_content(image, request):
        if item not in present:
            yield f"it lacks {item}"


def expected_content(image: Image, request: InitramfsRequest) -> tuple[str, ...]:
    """Return what an image must hold: paths of files, and names of modules other than built-in ones."""
    modules = (name for name in request.modules if image.modules.get(plain_module(name)) == LOADABLE)
    return (*(file.path for file in request.files), *modules)


def present_content(image: Image, request: InitramfsRequest) -> tuple[str, ...]:
    """Return the requested files and modules that an image holds, named as in `expected_content`."""
    names = image.names or frozenset()
    modules = set(_modules_in(image))
    return (
        *(file.path for file in request.files if plain_name(file.path) in names),
        *(name for name in request.modules if plain_module(name) in modules),
    )


def relevant_names(names: Iterable[str], request: InitramfsRequest) -> frozenset[str]:
    """Return the names in an image that tell whether it holds a request, normalised by `plain_name`.

    Files of modprobe.d and rules of udev are among them, so that claims name the images that have them.
    """
    files = {plain_name(file.path) for file in request.files}
    modules = {plain_module(name) for name in request.modules}
    return frozenset(
        name
        for name in map(plain_name, names)
        if name.startswith((MARKERS + "/", *_CONFIGURATION)) or name in files or _module_of(name) in modules
    )


def plain_name(name: str) -> str:
    """Return a name in an image in one form for all generators: relative, and below usr/ where that is merged."""
    name = posixpath.normpath(name).lstrip("/")
    return "usr/" + name if _MERGED.match(name) else name


def _conflicts(record: InitramfsRecord, owner: str) -> Iterator[Refusal]:
    own_files = {file.path: file for file in record.owners.get(owner, InitramfsRequest()).files}
    for other in sorted(record.owners):
        for file in record.owners[other].files:
            if other != owner and file.path in own_files and own_files[file.path] != file:
                seen = f"{owner} and {other} both request {file.path} in the initramfs, with different content or mode"
                yield refuse("initramfs_conflict", seen)


def _missing_modules(request: InitramfsRequest, images: Sequence[Image]) -> Iterator[Refusal]:
    for image in images:
        for name in request.modules:
            if image.modules.get(plain_module(name)) == MISSING:
                seen = f"kernel {image.version} has no module {name}: it is in neither modules.dep nor modules.builtin"
                yield refuse("kernel_lacks_module", seen)


def _modules_in(image: Image) -> Iterator[str]:
    for name in image.names or ():
        module = _module_of(name)
        if module is not None and f"/{image.version}/" in name:
            yield module


def _module_of(name: str) -> str | None:
    if not name.startswith("usr/lib/modules/"):
        return None
    match = _MODULE_FILE.fullmatch(posixpath.basename(name))
    return plain_module(match.group(1)) if match else None
