# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign lines in the files of every kind: which are set aside, and that all files come back to the byte."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import Claim
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Step
from ansible_collections.vfio.workstation.plugins.module_utils._plan.claims import (
    claim_notes,
    claim_refusals,
    replaced_notes,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.foreign_lines import (
    ForeignLines,
    foreign_lines,
    put_back_steps,
    set_aside_steps,
    without,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.marked_lines import MARK
from ansible_collections.vfio.workstation.plugins.module_utils._probe.claims import read_claims
from ansible_collections.vfio.workstation.plugins.module_utils._probe.host_context import read_host_context
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, machine

GPU, AUDIO, TWIN, DISPLAY, NIC = "0000:41:00.0", "0000:41:00.1", "0000:01:00.0", "0000:0d:00.0", "0000:03:00.0"
BOUND = frozenset({GPU, AUDIO})
VFIO = "/etc/modprobe.d/vfio.conf"
MODULES = "/etc/initramfs-tools/modules"
IDS = "options vfio-pci ids=10de:2684"


class Host:
    """The desktop with files of others.

    Args:
        root: Where its files are.
        files: By path.
        drivers: Drivers of functions, where they differ.
        bound: The functions that are requested.
    """

    def __init__(
        self,
        root: Path,
        files: Mapping[str, str],
        drivers: Mapping[str, str] | None = None,
        bound: Iterable[str] = BOUND,
    ) -> None:
        self.root = root
        self.bound = frozenset(bound)
        changes = {address: {"driver": driver} for address, driver in (drivers or {}).items()}
        self.functions = {
            address: function._replace(**changes.get(address, {})) for address, function in DESKTOP.items()
        }
        for path, text in files.items():
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8", "surrogateescape"))

    @property
    def machine(self) -> Machine:
        """The machine with the claims on it."""
        host = machine(self.functions)
        claims = read_claims(Tree(str(self.root)), host.pci, host.boot, ())
        return host._replace(pci=claims.on(host.pci), claims=claims.others)

    @property
    def foreign(self) -> dict[str, str]:
        """The files that can be changed."""
        return dict(read_host_context(Tree(str(self.root)), ()).foreign)

    @property
    def lines(self) -> ForeignLines:
        """What is set aside."""
        return foreign_lines(self.machine, self.bound, self.foreign)

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Every file with its mode and content."""
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): (path.stat().st_mode, path.read_bytes()) for path in paths}

    def apply(self, steps: Iterable[Step]) -> None:
        """Carry out steps."""
        with Transaction({}, root=str(self.root)) as transaction:
            transaction.apply(list(steps))

    def set_aside(self) -> None:
        """Set aside what there is."""
        self.apply(set_aside_steps(self.lines, self.foreign))

    def put_back(self) -> None:
        """Put back what was set aside."""
        self.apply(put_back_steps(self.foreign))

    def refused(self, *, replace: bool) -> list[str]:
        """What is refused."""
        host = without(self.machine, self.lines) if replace else self.machine
        return [refusal.seen + "\n" + refusal.remedy for refusal in claim_refusals(host, self.bound, self.lines)]


def texts(claims: Iterable[Claim]) -> list[str]:
    return [claim.text for claim in claims]


#: By kind: a file, and the lines of it that are set aside. GPU and AUDIO are requested; the host keeps the others.
SET_ASIDE = {
    "options": (VFIO, f"# from a guide\n{IDS},1002:164e\noptions kvm ignore_msrs=1\n", [f"{IDS},1002:164e"]),
    "options, agreeing": (VFIO, "options vfio-pci ids=10de:22ba", ["options vfio-pci ids=10de:22ba"]),
    "options of others": (VFIO, "options pci-stub ids=1002:164e\n", ["options pci-stub ids=1002:164e"]),
    "options of Xen": (VFIO, "options xen-pciback hide=(0d:00.0)\n", ["options xen-pciback hide=(0d:00.0)"]),
    "more options": (VFIO, f"{IDS} disable_vga=1\r\n", [f"{IDS} disable_vga=1"]),
    "continued": (VFIO, "options vfio-pci \\\n\tids=10de:2684\nblacklist pcspkr", ["options vfio-pci ids=10de:2684"]),
    "bytes": (VFIO, f"# \udcff\n{IDS}\n", [IDS]),
    "softdep": (VFIO, "softdep nvidia pre: vfio vfio-pci\n", ["softdep nvidia pre: vfio vfio-pci"]),
    "softdep, more": (VFIO, "softdep nvidia pre: i2c_core vfio-pci\n", []),
    "alias": (
        VFIO,
        "alias pci:v000010DEd00002684sv*sd*bc*sc*i* vfio-pci\n",
        ["alias pci:v000010DEd00002684sv*sd*bc*sc*i* vfio-pci"],
    ),
    "alias of the host's": (VFIO, "alias amdgpu vfio-pci\n", []),
    "install": (
        VFIO,
        f"install vfio-pci echo vfio-pci > /sys/bus/pci/devices/{GPU}/driver_override; modprobe -i vfio-pci\n",
        [f"install vfio-pci echo vfio-pci > /sys/bus/pci/devices/{GPU}/driver_override; modprobe -i vfio-pci"],
    ),
    "install, early": (VFIO, "install nvidia modprobe vfio-pci; modprobe -i nvidia\n", []),
    "blacklist of VFIO": (VFIO, "blacklist vfio-pci\n", ["blacklist vfio-pci"]),
    "install of VFIO": (VFIO, "install vfio-pci /bin/false\n", ["install vfio-pci /bin/false"]),
    "no function": (VFIO, "options vfio-pci ids=1234:5678\n", []),
    "not read": ("/etc/modprobe.d/vfio.conf.old", f"{IDS}\n", []),
    "a package's": ("/usr/lib/modprobe.d/vfio.conf", f"{IDS}\n", []),
    "override": (f"/etc/driverctl.d/{GPU}", "vfio-pci\n", ["vfio-pci"]),
    "override, harmful": (f"/etc/driverctl.d/pci-{DISPLAY}", "vfio-pci\n", ["vfio-pci"]),
    "override, undoing": (f"/etc/driverctl.d/pci-{GPU}", "nvidia\n", ["nvidia"]),
    "override, none": (f"/etc/driverctl.d/pci-{GPU}", "none\n", ["none"]),
    "override of the host's": (f"/etc/driverctl.d/pci-{TWIN}", "nouveau\n", []),
    "initramfs-tools": (MODULES, "loop\nvfio\nvfio-pci\n", ["vfio-pci"]),
    "initramfs-tools, ids": (MODULES, "vfio-pci ids=10de:2684\n", ["vfio-pci ids=10de:2684"]),
    "dracut": (
        "/etc/dracut.conf.d/vfio.conf",
        'force_drivers+=" vfio vfio_pci "\n',
        ['force_drivers=" vfio vfio_pci "'],
    ),
    "dracut.conf": ("/etc/dracut.conf", 'add_drivers+=" vfio-pci "\n', ['add_drivers=" vfio-pci "']),
    "dracut, more": ("/etc/dracut.conf.d/vfio.conf", 'force_drivers+=" amdgpu vfio_pci "\n', []),
    "mkinitcpio": (
        "/etc/mkinitcpio.conf",
        "MODULES=(vfio_pci vfio)\nHOOKS=(base udev)\n",
        ["MODULES=(vfio_pci vfio)"],
    ),
    "mkinitcpio, more": ("/etc/mkinitcpio.conf", "MODULES=(btrfs vfio_pci)\nHOOKS=(base udev)\n", []),
    "mkinitcpio, drop-in": ("/etc/mkinitcpio.conf.d/a.conf", "MODULES+=(vfio_pci)\n", ["MODULES=(vfio_pci)"]),
}


@pytest.mark.parametrize(("path", "text", "expected"), SET_ASIDE.values(), ids=SET_ASIDE)
def test_set_aside_and_put_back(tmp_path: Path, path: str, text: str, expected: list[str]) -> None:
    host = Host(tmp_path, {path: text})
    os.chmod(tmp_path / path.lstrip("/"), 0o640)
    before = host.files()
    assert texts(host.lines.claims) == expected
    host.set_aside()
    assert (host.files() != before) == bool(expected)
    # Nothing is left to set aside, and what harmed is gone.
    assert host.lines.claims == ()
    assert not expected or host.refused(replace=False) == []
    host.put_back()
    assert host.files() == before
    assert list(put_back_steps(host.foreign)) == []


def test_the_rest_of_a_file_stays(tmp_path: Path) -> None:
    host = Host(tmp_path, {VFIO: f"# from a guide\n{IDS} disable_vga=1\noptions kvm ignore_msrs=1\n"})
    host.set_aside()
    assert (tmp_path / VFIO.lstrip("/")).read_text("utf-8") == (
        f"# from a guide\noptions vfio-pci disable_vga=1\n{MARK}{IDS} disable_vga=1\noptions kvm ignore_msrs=1\n"
    )


def test_links_to_files_of_packages_stay(tmp_path: Path) -> None:
    host = Host(tmp_path, {"/usr/share/vfio.conf": f"{IDS}\n", "/etc/modprobe.d/other.conf": ""})
    (tmp_path / VFIO.lstrip("/")).symlink_to("/usr/share/vfio.conf")
    assert host.lines.claims == ()
    (refusal,) = host.refused(replace=True)
    assert TWIN in refusal
    assert "conflicts: replace" not in refusal


@pytest.mark.parametrize("replace", [False, True])
def test_refusals_offer_it_or_are_gone(tmp_path: Path, replace: bool) -> None:
    host = Host(tmp_path, {VFIO: f"{IDS}\n", f"/etc/driverctl.d/{DISPLAY}": "vfio-pci\n"})
    refused = host.refused(replace=replace)
    assert len(refused) == (0 if replace else 2)
    assert all("or set `conflicts: replace` to set it aside" in text for text in refused)


def test_what_agrees_is_offered(tmp_path: Path) -> None:
    host = Host(tmp_path, {VFIO: "softdep nvidia pre: vfio-pci\n", f"/etc/driverctl.d/{GPU}": "vfio-pci\n"})
    notes = list(claim_notes(host.machine, BOUND, None, host.lines))
    softdep = f"{VFIO}, line 1: `softdep nvidia pre: vfio-pci`"
    override = f"/etc/driverctl.d/{GPU}, line 1: `vfio-pci`"
    offer = "is not needed any more, and `conflicts: replace` sets it aside"
    assert notes == [f"{override} takes {GPU} too, as requested; it {offer}", f"{softdep} {offer}"]
    done = "is set aside; a rollback of the devices puts it back"
    assert list(replaced_notes(host.lines)) == [f"{override} {done}", f"{softdep} {done}"]


@pytest.mark.parametrize(
    ("path", "text", "drivers", "lost"),
    [
        # Another device of another guest: the host's driver might mount it.
        (VFIO, f"{IDS},10ec:8125\n", {NIC: "vfio-pci"}, NIC),
        (VFIO, "options vfio-pci ids=10ec:8125\n", {NIC: "vfio-pci"}, NIC),
        (f"/etc/driverctl.d/{NIC}", "vfio-pci\n", {NIC: "vfio-pci"}, NIC),
        # Named by its address, an identical device was meant.
        (f"/etc/driverctl.d/{TWIN}", "vfio-pci\n", {TWIN: "vfio-pci"}, TWIN),
        # The host uses it: the line would take it at the next boot.
        (VFIO, f"{IDS},10ec:8125\n", {}, None),
        # An identical device has the same id, and was not meant.
        (VFIO, f"{IDS}\n", {TWIN: "vfio-pci", GPU: "vfio-pci"}, None),
        (VFIO, "options vfio-pci ids=0x10DE:0x2684:1043\n", {TWIN: "vfio-pci", GPU: "vfio-pci"}, None),
    ],
)
def test_a_function_that_only_the_line_keeps_from_the_host(
    tmp_path: Path, path: str, text: str, drivers: dict[str, str], lost: str | None
) -> None:
    host = Host(tmp_path, {path: text}, drivers)
    refused = host.refused(replace=True)
    assert len(refused) == (lost is not None)
    assert bool(host.lines.claims) == (lost is None)
    for refusal in refused:
        assert f"Request {lost} in `devices` too, or remove it from the line" in refusal


def test_an_option_that_the_last_one_hides_is_set_aside_too(tmp_path: Path) -> None:
    """Else it would have an effect, once the last one is gone."""
    files = {"/etc/modprobe.d/a.conf": "options vfio-pci ids=1002:164e\n", "/etc/modprobe.d/b.conf": f"{IDS}\n"}
    host = Host(tmp_path, files)
    assert texts(host.lines.claims) == ["options vfio-pci ids=1002:164e", IDS]
    host.set_aside()
    assert host.refused(replace=False) == []


def test_an_option_of_a_package_that_the_last_one_hides_is_refused(tmp_path: Path) -> None:
    files = {"/usr/lib/modprobe.d/a.conf": "options vfio-pci ids=1002:164e\n", "/etc/modprobe.d/b.conf": f"{IDS}\n"}
    host = Host(tmp_path, files)
    (refusal,) = host.refused(replace=True)
    assert refusal.startswith("/usr/lib/modprobe.d/a.conf, line 1: `options vfio-pci ids=1002:164e`")
    assert DISPLAY in refusal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{IDS}\nblacklist nouveau\ninstall nvidiafb /bin/true\nalias radeon off\n", [IDS, "blacklist nouveau"]),
        # Alone, it chooses between two drivers of the host.
        ("blacklist nouveau\n", []),
        # The host's own card needs the driver, or another one instead: nothing says which.
        (f"{IDS}\nblacklist nvidia\n", [IDS]),
        (f"{IDS}\noptions nvidia modeset=0\n", [IDS]),
    ],
)
def test_a_blacklist_is_set_aside_where_it_is_about_the_request(tmp_path: Path, text: str, expected: list[str]) -> None:
    host = Host(tmp_path, {VFIO: text}, {GPU: "vfio-pci", AUDIO: "vfio-pci"})
    assert texts(host.lines.claims)[: len(expected)] == expected
    assert bool(host.lines.claims) == bool(expected)


def test_nothing_requested_leaves_orders_and_refuses_takers(tmp_path: Path) -> None:
    host = Host(tmp_path, {VFIO: f"softdep nvidia pre: vfio-pci\n{IDS}\nblacklist vfio-pci\n"}, bound=())
    assert texts(host.lines.claims) == [IDS]


def test_a_line_that_runs_a_script_is_set_aside_and_the_script_stays(tmp_path: Path) -> None:
    files = {
        VFIO: "install vfio-pci /usr/local/bin/vfio-override\n",
        "/usr/local/bin/vfio-override": f"#!/bin/sh\necho vfio-pci > /sys/bus/pci/devices/{TWIN}/driver_override\n",
    }
    host = Host(tmp_path, files)
    host.set_aside()
    assert host.files()[VFIO.lstrip("/")][1].decode() == MARK + files[VFIO]
    assert host.refused(replace=False) == []


def test_only_files_that_are_copied_into_images_concern_them(tmp_path: Path) -> None:
    host = Host(tmp_path / "a", {f"/etc/driverctl.d/{GPU}": "vfio-pci\n"})
    assert not host.lines.concern_images
    assert Host(tmp_path / "b", {VFIO: f"{IDS}\n"}).lines.concern_images
    assert Host(tmp_path / "c", {MODULES: "vfio-pci\n"}).lines.concern_images


class TestMeanwhile:
    """What others do to the files while lines are set aside."""

    def test_an_override_that_was_written_again_is_kept(self, tmp_path: Path) -> None:
        path = f"/etc/driverctl.d/pci-{GPU}"
        host = Host(tmp_path, {path: "vfio-pci\n"})
        host.set_aside()
        Host(tmp_path, {path: "nvidia\n"})
        host.put_back()
        assert {name: text for name, (_mode, text) in host.files().items()} == {path.lstrip("/"): b"nvidia\n"}

    def test_an_override_that_was_written_again_replaces_the_one_that_is_set_aside(self, tmp_path: Path) -> None:
        path = f"/etc/driverctl.d/pci-{GPU}"
        host = Host(tmp_path, {path: "vfio-pci\n"})
        host.set_aside()
        Host(tmp_path, {path: "nvidia\n"})
        host.set_aside()
        host.put_back()
        assert host.files()[path.lstrip("/")][1] == b"nvidia\n"

    def test_a_renamed_file_is_put_back_too(self, tmp_path: Path) -> None:
        host = Host(tmp_path, {VFIO: f"{IDS}\n"})
        host.set_aside()
        (tmp_path / VFIO.lstrip("/")).rename(tmp_path / "etc/modprobe.d/gpu.conf")
        host.put_back()
        assert host.files()["etc/modprobe.d/gpu.conf"][1].decode() == f"{IDS}\n"

    def test_a_removed_file_stays_removed(self, tmp_path: Path) -> None:
        host = Host(tmp_path, {VFIO: f"{IDS}\n"})
        host.set_aside()
        (tmp_path / VFIO.lstrip("/")).unlink()
        host.put_back()
        assert host.files() == {}

    def test_a_line_that_was_written_again_is_set_aside_again(self, tmp_path: Path) -> None:
        host = Host(tmp_path, {VFIO: f"{IDS}\n"})
        host.set_aside()
        Host(tmp_path, {VFIO: f"{MARK}{IDS}\n{IDS}\n"})
        assert texts(host.lines.claims) == [IDS]
        host.set_aside()
        assert host.lines.claims == ()
