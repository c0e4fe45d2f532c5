# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud-init, unpacked from its Debian package: installed, its services would configure this computer at boot."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

_PACKAGE = "cloud-init"
_DIRECTORY = Path(__file__).resolve().parents[1] / ".cache" / _PACKAGE
#: Where its modules are; its own dependencies are in tests/requirements.in.
PROGRAM = _DIRECTORY / "usr/lib/python3/dist-packages"


def unpack() -> None:
    """Download and unpack the package, unless that was done before."""
    if PROGRAM.is_dir():
        return
    _DIRECTORY.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_DIRECTORY.parent) as temporary:
        subprocess.run(["apt-get", "download", "--quiet", _PACKAGE], cwd=temporary, check=True, capture_output=True)
        (package,) = Path(temporary).glob("*.deb")
        content = Path(temporary) / "content"
        subprocess.run(["dpkg-deb", "--extract", package, content], check=True)
        content.rename(_DIRECTORY)
