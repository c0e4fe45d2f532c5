# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that generators' hooks need on the host: the hook itself, and the content of every requested file."""

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


def request_digest(request: InitramfsRequest) -> str:
    """Return a digest of the request; "" if it is empty."""
    if request.is_empty:
        return ""
    revision = [request.revision] if request.revision else []
    return _digest([[list(file) for file in request.files], list(request.modules), *revision])


def marker_path(request: InitramfsRequest) -> str | None:
    """Return the path, in an image, of the empty file whose name is the request's digest; None if it is empty."""
    digest = request_digest(request)
    return f"{MARKERS}/{digest}" if digest else None


def stored_path(file: File) -> str:
    """Return the path on the host at which a requested file's content is stored.

    The name depends on the content. So a hook that names an older version never copies a newer one, even if the host
    loses power after the one and before the other was written.
    """
    return f"{STORE}/{_digest(list(file))}-{posixpath.basename(file.path)}"


def store_steps(tree: Tree, request: InitramfsRequest) -> list[Step]:
    """Return the steps that store the requested files; they come before the step that names them in a hook."""
    return [
        WriteFile(stored_path(file), file.content, CONFIGURED, f"store {file.path} for every initramfs", file.mode)
        for file in request.files
        if not _has_content(tree, stored_path(file), file.content, file.mode)
    ]


def cleanup_steps(tree: Tree, request: InitramfsRequest) -> list[Step]:
    """Return the steps that remove stored files of earlier requests; they come after the step that updates the hook."""
    requested = {stored_path(file) for file in request.files}
    stored = (f"{STORE}/{name}" for name in tree.names(STORE) if _STORED.fullmatch(name))
    reason = "it is no longer requested in the initramfs"
    return [RemoveFile(path, CONFIGURED, reason) for path in stored if path not in requested]


def hook_steps(tree: Tree, path: str, content: str | None, mode: int) -> list[Step]:
    """Return the step that writes a file of a generator's hook, or removes it if the content is None; or no step."""
    if content is None:
        reason = "nothing is requested in the initramfs any more"
        return [RemoveFile(path, CONFIGURED, reason)] if tree.exists(path) else []
    if _has_content(tree, path, content, mode):
        return []
    return [WriteFile(path, content, CONFIGURED, "add the requested files and modules to every new image", mode)]


def copy_arguments(request: InitramfsRequest) -> Iterator[str]:
    """Yield for each file the arguments of a hook's copy function, quoted for a shell: source, target, mode."""
    for file in request.files:
        yield f"{shlex.quote(stored_path(file))} {shlex.quote(file.path)} {file.mode:04o}"


def module_arguments(request: InitramfsRequest) -> Iterator[str]:
    """Yield for each module the arguments of a hook's function, quoted for a shell: pattern in modules.dep, name."""
    for name in request.modules:
        pattern = re.sub("[-_]", "[-_]", name)
        yield f"{shlex.quote(f'(^|/){pattern}[.]ko([.][a-z0-9]+)?:')} {shlex.quote(name)}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def _has_content(tree: Tree, path: str, content: str, mode: int) -> bool:
    status = tree.status(path)
    if status is None or status.st_mode & 0o7777 != mode:
        return False
    return tree.data(path, _CONTENT_LIMIT) == content.encode("utf-8", "surrogateescape")
