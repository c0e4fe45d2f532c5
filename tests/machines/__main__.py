# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m tests.machines NAME DIRECTORY`: build a described machine, or generate a machine of N functions."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from . import build_described, generate, load, load_but, names


def main(arguments: list[str] | None = None) -> int:
    """Build the requested machine."""
    parser = argparse.ArgumentParser(prog="python -m tests.machines", description=__doc__)
    parser.add_argument(
        "name",
        nargs="?",
        help="name of a machine, or number of functions to generate; lists the machines if omitted",
    )
    parser.add_argument("folder", nargs="?", type=Path, help="new or empty folder to build the machine in")
    parser.add_argument("--but", default="{}", metavar="YAML", help="changes that are merged into the description")
    options = parser.parse_args(arguments)
    if options.name is None:
        for name in names():
            sys.stdout.write(f"{name:<32}{' '.join(load(name)['about'].split())}\n")
        return 0
    if options.folder is None or (options.folder.exists() and any(options.folder.iterdir())):
        parser.error("the folder must be new or empty")
    if options.name.isdigit():
        generate(int(options.name), options.folder)
    elif options.name in names():
        build_described(load_but(options.name, yaml.safe_load(options.but)), options.folder)
    else:
        parser.error(f"unknown machine {options.name!r}; run without a name to list all machines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
