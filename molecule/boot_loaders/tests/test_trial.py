# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trial boots with the real tools of GRUB and systemd-boot: what they generate, read and check; others are refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.containers.boot_machine import INVENTORY, BootMachine
from tests.stand_ins import systemd_boot
from tests.stand_ins.grub import boot

PAGES: dict[str, Any] = {"hugepages": [{"size": "2M", "count": 1, "at": "boot"}], "memory_for_host": "1M"}
BLOCK, CONFIG, DEFAULTS = "/boot/grub/vfio-workstation.env", "/boot/grub/grub.cfg", "/etc/default/grub"
ENVIRONMENT_BLOCK = "/boot/grub/grubenv"
SETTINGS = {
    "as installed": "",
    "saved and hidden": """GRUB_DEFAULT=saved
GRUB_SAVEDEFAULT=true
GRUB_TIMEOUT=0
GRUB_TIMEOUT_STYLE=hidden
GRUB_RECORDFAIL_TIMEOUT=0
""",
}
_GRUB, _SYSTEMD_BOOT = ("grub", "grub-plain"), ("systemd-boot",)


def _named(*loaders: str) -> list[str]:
    return [name for name, values in INVENTORY.items() if values["machine_loader"] in loaders]


# The decorator next to the function: a test's name has to begin with its machine.
with_grub = pytest.mark.parametrize("machine", _named(*_GRUB), indirect=True)
with_systemd_boot = pytest.mark.parametrize("machine", _named(*_SYSTEMD_BOOT), indirect=True)
with_others = pytest.mark.parametrize("machine", _named("uki", "fedora-bls"), indirect=True)


def variables(machine: BootMachine, path: str) -> list[str]:
    return machine.run(f"grub-editenv {path} list").stdout.splitlines()


def copied(machine: BootMachine, folder: Path) -> Path:
    """The files that GRUB reads, to boot from."""
    (folder / "boot/grub").mkdir(parents=True)
    for path in (BLOCK, CONFIG, ENVIRONMENT_BLOCK):
        if machine.path(path).exists():
            shutil.copy(machine.path(path), folder / path.lstrip("/"))
    return folder


@pytest.mark.parametrize("setting", list(SETTINGS))
@with_grub
def test_the_generated_menu_tries_a_configuration_once(host: BootMachine, tmp_path: Path, setting: str) -> None:
    has_environment_block = host.path(ENVIRONMENT_BLOCK).exists()
    original = host.path(DEFAULTS).read_text("utf-8")
    host.write(DEFAULTS, original + SETTINGS[setting], 0o644)
    host.run(f"grub-mkconfig -o {CONFIG}")
    done = host.call(module="host", trial=True, **PAGES)
    assert not done.failed, done.values["msg"]
    assert not host.call(module="host", trial=True, **PAGES).changed
    host.run(f"grub-script-check {CONFIG}")
    assert variables(host, BLOCK) == ["vfio_workstation_trial=armed"]

    disk = copied(host, tmp_path)
    assert [boot(disk).is_stock for _boot in range(3)] == [False, True, True]
    shutil.copy(disk / BLOCK.lstrip("/"), host.path("/tmp/block"))
    assert variables(host, "/tmp/block") == ["vfio_workstation_trial=stock"]

    assert not host.call(module="host", state="absent").failed
    assert not host.path(BLOCK).exists()
    host.write(DEFAULTS, original, 0o644)
    host.run(f"grub-mkconfig -o {CONFIG}")
    if not has_environment_block:
        # With GRUB_DEFAULT=saved, grub-mkconfig creates it.
        host.path(ENVIRONMENT_BLOCK).unlink(missing_ok=True)


def listed(machine: BootMachine) -> list[str]:
    """The entries in the order of the menu, as bootctl reads them; in a container, it reads no variables."""
    line = "SYSTEMD_RELAX_ESP_CHECKS=1 bootctl list --esp-path=/boot/efi --json=short"
    # Each version prints other JSON.
    return re.findall(r'"id"\s*:\s*"([^"]+)"', machine.run(line).stdout)


@with_systemd_boot
def test_systemd_boot_tries_a_configuration_once(host: BootMachine) -> None:
    systemd_boot.introduce(host.root)
    done = host.call(module="host", trial=True, **PAGES)
    assert not done.failed, done.values["msg"]
    assert not host.call(module="host", trial=True, **PAGES).changed
    token = host.path("/etc/machine-id").read_text("utf-8").strip()
    stock = f"{token}-0-vfio-workstation-fallback-{host.version}.conf"
    tried = f"{token}-{host.version}.conf"
    assert listed(host) == [tried, stock]
    assert [systemd_boot.boot(host.root).id for _boot in range(3)] == [tried, stock, stock]
    assert systemd_boot.read(host.root, "LoaderEntryDefault") == stock

    assert not host.call(module="host", state="absent").failed
    for name in ("LoaderInfo", "LoaderFeatures"):
        systemd_boot.variable(host.root, name).unlink()
    assert list((host.root / "sys/firmware/efi/efivars").iterdir()) == []


@with_systemd_boot
def test_a_kernel_without_efi_variables_is_refused(host: BootMachine) -> None:
    assert host.call(module="host", trial=True, **PAGES).codes == ["trial_unsupported"]


@with_others
def test_other_boot_loaders_are_refused(host: BootMachine) -> None:
    before = host.tree()
    assert host.call(module="host", trial=True, **PAGES).codes == ["trial_unsupported"]
    assert host.tree() == before


@with_grub
def test_a_menu_with_a_password_is_refused(host: BootMachine) -> None:
    before = host.tree()
    script = "/etc/grub.d/01_password"
    host.write(script, "#!/bin/sh\necho 'set superusers=\"root\"'\necho 'password root x'\n")
    host.run(f"grub-mkconfig -o {CONFIG}")
    answer = host.call(module="host", trial=True, **PAGES)
    host.run(f"rm {script}; grub-mkconfig -o {CONFIG}")
    assert answer.codes == ["trial_unsupported"]
    assert "superusers" in answer.values["msg"]
    assert host.tree() == before
