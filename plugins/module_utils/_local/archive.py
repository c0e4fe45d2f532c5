# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command as one file: a shell script that starts Python, followed by a zip archive with the code.

The archive is made on the host from the code that the module `host` came with, so that nothing is sent twice. It has
the code of each file compiled for the Python that made it: compiling takes most of a second, at every start. Another
Python, as after an upgrade of the distribution, ignores that and compiles the sources, which are there as well
(zipimport in the Python library reference). The compiled code is never compared with the sources (PEP 552): both are
written at once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import os
import shlex
import sys
import zipfile
import zlib
from typing import Iterator, NamedTuple

from .._plan.own_files import head
from .commands import ERROR
from .main import main
from .version import VERSION

#: The package in the archive that has the layers.
_PACKAGE = "vfio_workstation"
#: The layer that needs Ansible, and the folders of no layer.
_LEFT_OUT = ("_run/", "__")
_DATE = (1980, 1, 1, 0, 0, 0)
#: Flags of compiled code: it has a hash of its source, which is not checked (PEP 552).
_UNCHECKED = (0b01).to_bytes(4, "little")
_DIGITS = 16
# main is imported here, so that Ansible sends it, and what it imports, with the module.
_MAIN = f"""\
import sys

if sys.version_info < (3, 8):
    sys.stderr.write("vfio-workstation: found Python %d.%d, expected 3.8 or later.\\n" % sys.version_info[:2])
    sys.exit(3)
from {_PACKAGE}._local.main import {main.__name__}

sys.exit({main.__name__}(sys.argv[1:]))
"""


class Source(NamedTuple):
    """A file of the code."""

    name: str  # below module_utils
    checksum: int  # CRC-32, which an archive has without reading the file
    size: int


class Archive:
    """The command as the present code makes it.

    Args:
        python: The interpreter that runs the command.
    """

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._folder, self._archive = _location()
        #: The files of the code.
        self.sources = tuple(sorted(self._list_sources()))
        self._content: str | None = None

    def is_current(self, content: bytes) -> bool:
        """Return whether a file is the command as the present code makes it, undamaged."""
        length = len(self._start("0" * _DIGITS))
        return content[:length] == self._start(_digest(content[length:])).encode()

    def content(self) -> str:
        """Return the content of the file, with bytes that are not UTF-8 as surrogates."""
        if self._content is None:
            archive = self._zipped(len(self._start("0" * _DIGITS)))
            self._content = self._start(_digest(archive)) + archive.decode("utf-8", "surrogateescape")
        return self._content

    def _start(self, digest: str) -> str:
        """Return the script before the archive; its length does not depend on the digest."""
        pythons = " ".join(dict.fromkeys(shlex.quote(path) for path in (self._python, "/usr/bin/python3")))
        return (
            f"#!/bin/sh\n{head('the command vfio-workstation')}"
            f"# Version {VERSION}, code {self._stamp()}, archive {digest}.\n"
            f"for python in {pythons}; do\n"
            '    [ ! -x "$python" ] || exec "$python" -IS "$0" "$@"\n'
            "done\n"
            f"echo 'vfio-workstation: found no Python, expected one of {pythons}.' >&2\n"
            f"exit {ERROR}\n"
        )

    def _stamp(self) -> str:
        parts = [importlib.util.MAGIC_NUMBER, _MAIN.encode(), *(repr(source).encode() for source in self.sources)]
        return _digest(b"\n".join(parts))

    def _zipped(self, offset: int) -> bytes:
        """Return the archive; its offsets are those in a file in which so many bytes precede it."""
        buffer = io.BytesIO(b"\0" * offset)
        buffer.seek(0, io.SEEK_END)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in self._members():
                for member, data in ((name, text), (f"{name}c", _compiled(name, text))):
                    archive.writestr(zipfile.ZipInfo(member, _DATE), data, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()[offset:]

    def _members(self) -> Iterator[tuple[str, bytes]]:
        yield "__main__.py", _MAIN.encode()
        yield f"{_PACKAGE}/__init__.py", b""
        if self._archive is None:
            for source in self.sources:
                with open(os.path.join(self._folder, source.name), "rb") as file:
                    yield f"{_PACKAGE}/{source.name}", file.read()
            return
        with zipfile.ZipFile(self._archive) as archive:
            for source in self.sources:
                yield f"{_PACKAGE}/{source.name}", archive.read(f"{self._folder}/{source.name}")

    def _list_sources(self) -> Iterator[Source]:
        if self._archive is None:
            yield from _files(self._folder)
            return
        start = f"{self._folder}/"
        with zipfile.ZipFile(self._archive) as archive:
            for item in archive.infolist():
                if item.filename.startswith(start) and _belongs(item.filename[len(start) :]):
                    yield Source(item.filename[len(start) :], item.CRC, item.file_size)


def _location() -> tuple[str, str | None]:
    """Return the folder with the layers, and the archive that it is in; None where it is a folder of the disk."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    archive = folder
    while archive and not os.path.exists(archive):
        archive = os.path.dirname(archive)
    return (folder, None) if archive == folder else (folder[len(archive) + 1 :], archive)


def _files(top: str) -> Iterator[Source]:
    for folder, _folders, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if _belongs(os.path.relpath(path, top)):
                with open(path, "rb") as file:
                    data = file.read()
                yield Source(os.path.relpath(path, top), zlib.crc32(data), len(data))


def _belongs(name: str) -> bool:
    return name.endswith(".py") and not name.startswith(_LEFT_OUT)


def _compiled(name: str, text: bytes) -> bytes:
    """Return the content of a .pyc file, without docstrings: they are half of it, and nothing reads them."""
    code = compile(text, name, "exec", dont_inherit=True, optimize=2)
    return importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(text) + marshal.dumps(code)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]
