# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines on standard output and standard error. print() is for modules of Ansible, whose output is a document."""

from __future__ import annotations

import sys


def say(line: str = "") -> None:
    """Print a line at once: the journal has it even if the host is rebooted next."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"{line}\n")
