# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts pip into one of ansible-test's virtual environments; stands in for the get-pip.py that it would download.

The interpreter's own bundled pip comes first, then whatever ansible-test asked for, through pip's usual configuration.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
import types

# get-pip.py installs these two unless told otherwise; ensurepip has no such request to be told about.
ONLY_FOR_GET_PIP = {"--no-setuptools", "--no-wheel"}


def wanted_versions() -> set[str]:
    """The versions of pip that this ansible-test puts into its virtual environments."""
    from ansible_test._internal.constants import CONTROLLER_PYTHON_VERSIONS, SUPPORTED_PYTHON_VERSIONS
    from ansible_test._internal.python_requirements import get_venv_packages

    versions = {*CONTROLLER_PYTHON_VERSIONS, *SUPPORTED_PYTHON_VERSIONS}
    return {get_venv_packages(types.SimpleNamespace(version=version))["pip"] for version in versions}


def install(arguments: list[str]) -> None:
    """What get-pip.py does: pip, then whatever the arguments ask for."""
    # In a process of its own: it puts pip's configuration out of its own sight.
    subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
    sys.argv = ["pip", "install"] + [argument for argument in arguments if argument not in ONLY_FOR_GET_PIP]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--versions"]:
        print(*sorted(wanted_versions()))
    else:
        install(sys.argv[1:])
