# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install pip into a virtual environment of ansible-test, in place of the get-pip.py that it would download.

Installs the pip that is bundled with the interpreter, then the packages that ansible-test requests, with the usual
configuration of pip.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
import types

# get-pip.py installs setuptools and wheel without these options. ensurepip has no such options.
ONLY_FOR_GET_PIP = {"--no-setuptools", "--no-wheel"}


def pip_versions() -> set[str]:
    """Return the versions of pip that ansible-test installs into its virtual environments."""
    from ansible_test._internal.constants import CONTROLLER_PYTHON_VERSIONS, SUPPORTED_PYTHON_VERSIONS
    from ansible_test._internal.python_requirements import get_venv_packages

    versions = {*CONTROLLER_PYTHON_VERSIONS, *SUPPORTED_PYTHON_VERSIONS}
    return {get_venv_packages(types.SimpleNamespace(version=version))["pip"] for version in versions}


def install(arguments: list[str]) -> None:
    """Install pip, then the packages in the arguments, as get-pip.py does."""
    # In a separate process, because ensurepip disables the configuration of pip in its own.
    subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
    sys.argv = ["pip", "install"] + [argument for argument in arguments if argument not in ONLY_FOR_GET_PIP]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--versions"]:
        print(*sorted(pip_versions()))
    else:
        install(sys.argv[1:])
