# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong in the lab, told so that the person at the screen knows what to do next."""

from __future__ import annotations


class LabError(Exception):
    """Anything the lab cannot do; the message says what was tried and what it said."""


class BootFailed(LabError):
    """A virtual workstation that panicked, hung or was never reached; carries the end of its serial log."""

    def __init__(self, reason: str, serial_tail: str) -> None:
        super().__init__(f"{reason}\n--- the serial log's last lines ---\n{serial_tail}\n---")
        self.reason = reason
        self.serial_tail = serial_tail


class GuestCommandFailed(LabError):
    """A command inside the virtual workstation ended with a status other than 0."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(f"in the guest, {command!r} ended with status {status}:\n{output}")
        self.status = status
        self.output = output
