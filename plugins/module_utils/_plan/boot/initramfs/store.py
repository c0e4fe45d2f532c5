# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the files of a request are stored on the host, for the hooks of the initramfs generators to copy."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Iterator

from ...._machine.initramfs import MARKERS, STORE
from ...._machine.plan import CONFIGURED, RemoveFile, WriteFile

if TYPE_CHECKING:
    from ...._machine.initramfs import File, InitramfsRequest
    from ...._machine.plan import Step
    from ...._probe.tree import Tree

_DIGITS = 16
_STORED = re.compile(rf"[0-9a-f]{{{_DIGITS}}}-[^/]+")
_CONTENT_LIMIT = 8 << 20


def digest(request: InitramfsRequest) -> str:
    """Return what tells a request from any other; "" for that for nothing."""
    if not request.files and not request.modules:
        return ""
    text = json.dumps([[list(file) for file in request.files], list(request.modules)])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def marker(request: InitramfsRequest) -> str | None:
    """Return the name of the file that tells, inside of an image, the request that it was built from."""
    name = digest(request)
    return f"{MARKERS}/{name}" if name else None


def stored(file: File) -> str:
    """Return where a file's content lies on the machine.

    The name changes with the content: a hook that names an older one never gets the newer by mistake, when the machine
    goes down between the two being written.
    """
    name = hashlib.sha256(json.dumps(list(file)).encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
    return f"{STORE}/{name}-{posixpath.basename(file.path)}"


def store_steps(tree: Tree, request: InitramfsRequest) -> list[Step]:
    """Return what is to be written before a hook may name it."""
    return [
        WriteFile(stored(file), file.content, CONFIGURED, f"{file.path} is to be in every initramfs", file.mode)
        for file in request.files
        if not _is_stored(tree, file)
    ]


def clearing_steps(tree: Tree, request: InitramfsRequest) -> list[Step]:
    """Return what is to be removed once no hook names it."""
    wanted = {stored(file) for file in request.files}
    left = (f"{STORE}/{name}" for name in tree.names(STORE) if _STORED.fullmatch(name))
    return [RemoveFile(path, CONFIGURED, "no initramfs is to hold it any more") for path in left if path not in wanted]


def file_steps(tree: Tree, path: str, content: str | None, mode: int, reason: str) -> list[Step]:
    """Return what makes a file of ours have a content and mode, or be gone (None); nothing where that is so."""
    if content is None:
        return [RemoveFile(path, CONFIGURED, reason)] if tree.exists(path) else []
    if _holds(tree, path, content, mode):
        return []
    return [WriteFile(path, content, CONFIGURED, reason, mode)]


def copies(request: InitramfsRequest) -> Iterator[str]:
    """Yield for each file the words that follow a hook's command for copying: from, to, mode."""
    for file in request.files:
        yield f"{shlex.quote(stored(file))} {shlex.quote(file.path)} {file.mode:04o}"


def modules(request: InitramfsRequest) -> Iterator[str]:
    """Yield for each module the words that follow a hook's command: its line in modules.dep, its name."""
    for name in request.modules:
        pattern = re.sub("[-_]", "[-_]", name)
        yield f"{shlex.quote(f'(^|/){pattern}[.]ko([.][a-z0-9]+)?:')} {shlex.quote(name)}"


def _is_stored(tree: Tree, file: File) -> bool:
    return _holds(tree, stored(file), file.content, file.mode)


def _holds(tree: Tree, path: str, content: str, mode: int) -> bool:
    status = tree.status(path)
    if status is None or status.st_mode & 0o7777 != mode:
        return False
    return tree.data(path, _CONTENT_LIMIT) == content.encode("utf-8", "surrogateescape")
