# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt reports, and the files of the host that guests use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import Capabilities, HostFiles, Networks
from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.capabilities import read_capabilities
from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.domain import (
    read_domain,
    read_networks,
    read_version,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.host_files import read_host_files
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

TEXT = """
<domainCapabilities>
  <domain>kvm</domain><machine>pc-q35-10.0</machine>
  <os supported='yes'>
    <enum name='firmware'><value>efi</value></enum>
    <loader supported='yes'><enum name='secure'><value>yes</value><value>no</value></enum></loader>
  </os>
  <cpu><mode name='host-passthrough' supported='yes'/><mode name='custom' supported='no'/></cpu>
  <devices>
    <graphics supported='yes'><enum name='type'><value>vnc</value><value>dbus</value></enum></graphics>
    <video supported='no'><enum name='modelType'><value>vga</value></enum></video>
    <tpm supported='yes'>
      <enum name='model'><value>tpm-crb</value></enum>
      <enum name='backendModel'><value>emulator</value></enum>
    </tpm>
  </devices>
  <features>
    <hyperv supported='yes'>
      <enum name='features'><value>relaxed</value><value>vapic</value></enum>
      <defaults><tlbflush_direct>off</tlbflush_direct><tlbflush_extended>on</tlbflush_extended></defaults>
    </hyperv>
  </features>
</domainCapabilities>
"""


def test_capabilities() -> None:
    assert read_capabilities(TEXT) == Capabilities(
        machine="pc-q35-10.0",
        firmware=frozenset({"efi"}),
        secure_boot=True,
        cpu_modes=frozenset({"host-passthrough"}),
        hyperv=frozenset({"relaxed", "vapic"}),
        tlbflush=frozenset({"extended"}),
        tpm_backends=frozenset({"emulator"}),
        graphics=frozenset({"vnc", "dbus"}),
        video=frozenset(),
    )


def test_capabilities_that_are_not_reported() -> None:
    nothing = frozenset[str]()
    assert read_capabilities("<domainCapabilities/>") == Capabilities(
        "", nothing, False, nothing, None, nothing, nothing, nothing, nothing
    )
    old = read_capabilities(TEXT.replace("hyperv", "other"))
    assert old is not None
    assert old.hyperv is None
    none = read_capabilities(TEXT.replace("<hyperv supported='yes'>", "<hyperv supported='no'>"))
    assert none is not None
    assert none.hyperv == frozenset()


@given(st.one_of(st.text(), st.sampled_from(["<a/>", "<domain>", "<domain/>", "<domainCapabilities/>"])))
def test_no_text_raises(text: str) -> None:
    read_capabilities(text)
    read_domain(text, text)
    read_networks(text, text)


@pytest.mark.parametrize(
    ("state", "runs"), [("shut off\n", False), ("crashed", False), ("running", True), ("paused", True), ("", True)]
)
def test_a_domain(state: str, runs: bool) -> None:
    domain = read_domain("<domain type='kvm'><name>g</name></domain>", state)
    assert domain is not None
    assert (domain.xml.get("type"), domain.is_running) == ("kvm", runs)
    assert read_domain("<network/>", state) is None


def test_networks() -> None:
    networks = read_networks("default\nlab\n\n", "lab\n\n")
    assert networks == Networks(frozenset({"default", "lab"}), frozenset({"lab"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running hypervisor: QEMU 10.0.2\nRunning against daemon: 11.3.0\n", (11, 3, 0)),
        ("Running hypervisor: QEMU 10.0.2\n", None),
        ("", None),
    ],
)
def test_the_version_of_libvirt(text: str, expected: tuple[int, ...] | None) -> None:
    assert read_version(text) == expected


def test_files_of_the_host(tmp_path: Path) -> None:
    files = {
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
        "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu topoext\n\nprocessor\t: 1\nflags\t\t: fpu\n",
        "sys/class/net/br0/bridge/bridge_id": "",
        "sys/class/net/eth0/address": "",
        "srv/a.iso": "",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    os.symlink("/srv/a.iso", tmp_path / "srv/link.iso")
    os.mkfifo(tmp_path / "srv/pipe")
    read = read_host_files(Tree(str(tmp_path)), ["/srv/a.iso", "/srv/link.iso", "/srv/pipe", "/srv", "/none"])
    assert read.clock_source == "tsc"
    assert read.cpu_flags == frozenset({"fpu", "topoext"})
    assert read.paths == {"/srv/a.iso": "file", "/srv/link.iso": "file"}
    assert read.bridges == frozenset({"br0"})


def test_devices_of_the_host() -> None:
    assert read_host_files(Tree("/"), ["/dev/null"]).paths == {"/dev/null": "character"}


def test_files_that_are_missing(tmp_path: Path) -> None:
    assert read_host_files(Tree(str(tmp_path)), ["/dev/null"]) == HostFiles(None, None, {}, frozenset())
