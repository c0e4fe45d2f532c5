# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Python interpreters on this computer: those in PATH, and those of pyenv.

pythons.py              print VERSION PATH for each version that is supported on managed hosts (3.8 to 3.14)
pythons.py --controller print the interpreter for the virtual environment
pythons.py --links DIR  fill DIR with links pythonX.Y to the interpreters
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys

TARGETS = [f"3.{minor}" for minor in range(8, 15)]
# Newest first, but 3.14 last: the ansible-core that supports it no longer supports Python 3.8 on managed hosts.
CONTROLLERS = ["3.13", "3.12", "3.11", "3.14"]
# For a virtual environment, prints the interpreter that it was created with.
ASK = "import sys; print('%d.%d' % sys.version_info[:2], getattr(sys, '_base_executable', sys.executable))"


def answer(command: list[str]) -> str | None:
    """Return the output of a command; None if it fails, as shims of pyenv do for versions that are not selected."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def candidates(version: str) -> list[str]:
    """Return the paths of executables that may be this version of Python, in the order to try them."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    paths = [os.path.join(folder, "python" + version) for folder in folders if folder]
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    paths += sorted(glob.glob(os.path.join(pyenv, "versions", version + ".*", "bin", "python" + version)))
    return [path for path in paths if os.access(path, os.X_OK)]


def find(version: str) -> str | None:
    """Return the interpreter of this version, with shims and virtual environments resolved."""
    for path in candidates(version):
        output = answer([path, "-c", ASK])
        if output and output.split(" ", 1)[0] == version:
            return output.split(" ", 1)[1]
    return None


def find_all() -> dict[str, str]:
    """Return the interpreters by version, for each version that is installed."""
    paths = {version: find(version) for version in TARGETS}
    return {version: path for version, path in paths.items() if path}


def controller() -> str | None:
    """Return the interpreter for the virtual environment: the first that has venv, which Debian packages separately."""
    for version in CONTROLLERS:
        path = find(version)
        if path and answer([path, "-c", "import ensurepip, venv"]) is not None:
            return path
    return None


def link(folder: str) -> None:
    """Fill a directory with a link for each interpreter, and remove other files."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    for version, path in find_all().items():
        os.symlink(path, os.path.join(folder, "python" + version))


def main(arguments: list[str]) -> int:
    if arguments == ["--controller"]:
        path = controller()
        if path is None:
            sys.stderr.write("no Python 3.11 or later with the module venv was found\n")
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
