# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the Python interpreters of this machine: those on PATH, and those that pyenv keeps beside it.

pythons.py              one line for each version a managed machine may have (3.8 to 3.14): VERSION PATH
pythons.py --controller the one to make the virtual environment with
pythons.py --links DIR  fill DIR with pythonX.Y links to them
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys

TARGETS = [f"3.{minor}" for minor in range(8, 15)]
# Newest first, but 3.14 last: the ansible-core that supports it no longer reaches Python 3.8 on managed machines.
CONTROLLERS = ["3.13", "3.12", "3.11", "3.14"]
# A virtual environment's interpreter answers with the one it was made from.
ASK = "import sys; print('%d.%d' % sys.version_info[:2], getattr(sys, '_base_executable', sys.executable))"


def answer(command: list[str]) -> str | None:
    """What the command prints, or None when it can't be run or fails (pyenv's shims fail for versions not selected)."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def candidates(version: str) -> list[str]:
    """Every path that could be this version of Python, in the order to try them."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = [os.path.join(folder, "python" + version) for folder in folders if folder]
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found += sorted(glob.glob(os.path.join(pyenv, "versions", version + ".*", "bin", "python" + version)))
    return [path for path in found if os.access(path, os.X_OK)]


def find(version: str) -> str | None:
    """The real interpreter of this version, shims and virtual environments seen through."""
    for path in candidates(version):
        said = answer([path, "-c", ASK])
        if said and said.split(" ", 1)[0] == version:
            return said.split(" ", 1)[1]
    return None


def find_all() -> dict[str, str]:
    """Version -> interpreter, for each version that is there."""
    found = {version: find(version) for version in TARGETS}
    return {version: path for version, path in found.items() if path}


def controller() -> str | None:
    """The interpreter for the virtual environment: the first that can make one (Debian splits that off)."""
    for version in CONTROLLERS:
        path = find(version)
        if path and answer([path, "-c", "import ensurepip, venv"]) is not None:
            return path
    return None


def link(folder: str) -> None:
    """Make FOLDER hold a link for each interpreter found, and no stale ones."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    for version, path in find_all().items():
        os.symlink(path, os.path.join(folder, "python" + version))


def main(arguments: list[str]) -> int:
    if arguments == ["--controller"]:
        path = controller()
        if path is None:
            sys.stderr.write("no Python 3.11 or later that can make virtual environments was found\n")
            return 1
        print(path)
    elif len(arguments) == 2 and arguments[0] == "--links":
        link(arguments[1])
    elif not arguments:
        for version, path in find_all().items():
            print(version, path)
    else:
        sys.stderr.write(str(__doc__))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
