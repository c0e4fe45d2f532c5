# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that are cut: one function for each. To cover another one, write its function and add it to CHANGES.

A function makes its calls through the given Actions; each call is a step. It is run once while the requests to the disk
are logged, and again on machines that lost their power in the middle of it, which it must bring to the same end.
"""

from __future__ import annotations

import typing

RULE = "etc/udev/rules.d/99-power-cut.rules"


class Actions(typing.Protocol):
    """What a change can do with the machine."""

    def call(self, module: str, **parameters: typing.Any) -> None:
        """Run a module of the collection."""

    def run(self, line: str) -> None:
        """Run a shell command."""

    def restart(self) -> None:
        """Reboot, and wait until all units have started."""

    def refused(self, code: str, module: str, **parameters: typing.Any) -> None:
        """Run a module that must refuse with a code, and change nothing."""


Change = typing.Callable[[Actions], None]


def apply(actions: Actions) -> None:
    """Arguments, and an initramfs with a module and a file."""
    actions.call("kernel_cmdline", owner="iommu", args=["intel_iommu=on", "iommu=pt", "power_cut=1"])
    files = [{"path": f"/{RULE}", "content": "# cut\n"}]
    actions.call("initramfs", owner="devices", modules=["vfio-pci"], files=files)


def remove(actions: Actions) -> None:
    """The way back."""
    actions.call("kernel_cmdline", owner="iommu", state="absent")
    actions.call("initramfs", owner="devices", state="absent")


def exhausted(actions: Actions) -> None:
    """An EFI system partition that is too full for a second initramfs: nothing may change."""
    files = [{"path": f"/{RULE}", "content": "# cut\n"}]
    actions.refused("boot_space_exhausted", "initramfs", owner="devices", modules=["vfio-pci"], files=files)


_PAGES = {"hugepages": [{"size": "2M", "count": 16, "at": "boot"}], "memory_for_host": "1G"}
# A power cut may have used up the trial.
_TRIED = {**_PAGES, "trial": True, "trial_timeout": 3600, "accept": ["trial_returned"]}


def trial(actions: Actions) -> None:
    """A configuration on trial, and its boot."""
    actions.call("host", **_TRIED)
    actions.run("vfio-workstation trial await-controller")
    actions.restart()


def confirm(actions: Actions) -> None:
    """The confirmation by a controller."""
    actions.call("host", **_TRIED)


def remove_trial(actions: Actions) -> None:
    """The way back from a configuration that was confirmed."""
    actions.call("host", state="absent")


CHANGES: dict[str, Change] = {
    "apply": apply,
    "remove": remove,
    "exhausted": exhausted,
    "trial": trial,
    "confirm": confirm,
    "remove_trial": remove_trial,
}
