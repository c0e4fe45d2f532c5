# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m tests.containers image NAME...`: make images; `... scenario NAME`: run a molecule scenario.

`... disk IMAGE DIRECTORY` is for scenarios: it mounts, and they see to it that it is undone.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys

from . import disk, image, scenario
from .command import ContainerError
from .supervision import signals_end_us


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.containers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("image", help="make images that are not there yet, and print their full names")
    one.add_argument("names", nargs="+", metavar="NAME", choices=list(image.recipes()), help=", ".join(image.recipes()))
    two = commands.add_parser("scenario", help="run a molecule scenario with folders and containers of its own")
    two.add_argument("name", metavar="NAME", help="a folder of molecule/, such as default")
    three = commands.add_parser("disk", help="put an image onto a disk below a folder, and mount it")
    three.add_argument("image", metavar="IMAGE", help="its full name")
    three.add_argument("folder", metavar="DIRECTORY", type=pathlib.Path)
    options = parser.parse_args()
    try:
        with signals_end_us():
            if options.command == "scenario":
                return scenario.run(options.name)
            if options.command == "disk":
                root, device = disk.attach(options.image, options.folder)
                print(json.dumps({"root": str(root), "device": str(device)}))
                return 0
            for name in options.names:
                print(image.ensure(name))
    except ContainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
