# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM's options: the file as modprobe reads it, what this machine can't have, and what is in effect."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import InterruptVirtualization, Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import KvmRequest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.kvm_options import (
    KVM_FILE,
    kvm_arguments,
    kvm_files,
    kvm_now,
    kvm_overridden,
    kvm_refusals,
    kvm_remedies,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.own_files import is_ours
from ansible_collections.vfio.workstation.tests.machines.values import machine

ALL_ON = KvmRequest(True, True, True, True)
ALL_OFF = KvmRequest(False, False, False, False)
NOW = {
    "kvm.ignore_msrs": "N",
    "kvm.report_ignored_msrs": "Y",
    "kvm_intel.nested": "Y",
    "kvm_intel.enable_apicv": "Y",
    "kvm_amd.nested": "1",
    "kvm_amd.avic": "N",
}
AMD = machine()


def made(vendor: str | None, extension: str | None, name: str | None, supported: bool | None) -> Machine:
    virtualization = AMD.cpu.virtualization._replace(
        extension=extension, interrupt_virtualization=InterruptVirtualization(name, supported, False)
    )
    return AMD._replace(cpu=AMD.cpu._replace(vendor=vendor, virtualization=virtualization))


INTEL = made("intel", "vmx", "apicv", True)
OLD_INTEL = made("intel", "vmx", "apicv", False)
OLD_AMD = made("amd", "svm", "avic", False)
UNTOLD = made("intel", "vmx", "apicv", None)
WITHOUT_FLAG = made("intel", None, None, None)
ARM = made("arm", None, None, None)


def read(text: str) -> dict[str, str]:
    """Read a file of modprobe.d(5)."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            command, module, *settings_ = line.split()
            assert command == "options"
            found.update(
                {f"{module}.{name}": value for name, _equals, value in (one.partition("=") for one in settings_)}
            )
    return found


def read_by_modprobe(text: str, folder: Path) -> dict[str, str]:
    """Have modprobe read a file, where it is installed."""
    tool = shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None:
        return read(text)
    (folder / Path(KVM_FILE).name).write_text(text)
    printed = subprocess.run([tool, "-C", str(folder), "-c"], capture_output=True, text=True, check=True).stdout
    return read("".join(line + "\n" for line in printed.splitlines() if line.startswith("options kvm")))


@pytest.mark.parametrize(
    ("there", "wanted", "options"),
    [
        (
            AMD,
            ALL_ON,
            {"kvm.ignore_msrs": "1", "kvm.report_ignored_msrs": "1", "kvm_amd.nested": "1", "kvm_amd.avic": "1"},
        ),
        (
            INTEL,
            ALL_OFF,
            {
                "kvm.ignore_msrs": "0",
                "kvm.report_ignored_msrs": "0",
                "kvm_intel.nested": "0",
                "kvm_intel.enable_apicv": "0",
            },
        ),
        (INTEL, KvmRequest(nested=True), {"kvm_intel.nested": "1"}),
        (WITHOUT_FLAG, KvmRequest(nested=True), {"kvm_intel.nested": "1"}),
        (
            AMD,
            KvmRequest(ignore_msrs=True, report_ignored_msrs=False),
            {"kvm.ignore_msrs": "1", "kvm.report_ignored_msrs": "0"},
        ),
    ],
)
def test_the_file(there: Machine, wanted: KvmRequest, options: dict[str, str], tmp_path: Path) -> None:
    (file,) = kvm_files(there, wanted)
    assert file.path == KVM_FILE
    assert is_ours(file.content)
    assert read(file.content) == options
    assert read_by_modprobe(file.content, tmp_path) == options
    assert dict(argument.split("=") for argument in kvm_arguments(there, wanted)) == options


def test_nothing_spoken_of_is_no_file() -> None:
    assert kvm_files(AMD, KvmRequest()) == ()
    assert kvm_arguments(AMD, KvmRequest()) == ()
    assert list(kvm_refusals(ARM, KvmRequest(), {})) == []


@pytest.mark.parametrize(
    ("there", "wanted", "values", "words"),
    [
        (AMD, ALL_ON, NOW, []),
        (INTEL, ALL_ON, NOW, []),
        (UNTOLD, ALL_ON, NOW, []),
        (AMD, ALL_ON, {}, []),
        (OLD_AMD, ALL_ON, NOW, ["AVIC"]),
        (OLD_INTEL, ALL_ON, NOW, ["APICv"]),
        (OLD_AMD, ALL_OFF, NOW, []),
        (OLD_AMD, KvmRequest(nested=True), NOW, []),
        (ARM, KvmRequest(ignore_msrs=True), {}, ["arm"]),
        (AMD, KvmRequest(report_ignored_msrs=True), {"kvm.ignore_msrs": "N"}, ["report_ignored_msrs"]),
        (AMD, KvmRequest(report_ignored_msrs=False), {"kvm.ignore_msrs": "N"}, []),
    ],
)
def test_what_a_machine_can_not_have(
    there: Machine, wanted: KvmRequest, values: dict[str, str], words: list[str]
) -> None:
    refusals = list(kvm_refusals(there, wanted, values))
    assert [refusal.code for refusal in refusals] == ["kvm_option_unsupported"] * len(words)
    assert all(word in refusal.seen for word, refusal in zip(words, refusals, strict=True))


def test_without_virtualization_that_is_the_refusal() -> None:
    off = machine(virtualization_state="disabled_by_firmware")
    (refusal,) = kvm_refusals(off, KvmRequest(nested=True), {})
    assert refusal.code == "cpu_virtualization_disabled_by_firmware"


@pytest.mark.parametrize(
    ("there", "wanted", "values", "active"),
    [
        (AMD, ALL_ON, NOW, {"ignore_msrs": False, "report_ignored_msrs": True, "nested": True, "avic": False}),
        (AMD, ALL_OFF, NOW, {"ignore_msrs": True, "report_ignored_msrs": False, "nested": False, "avic": True}),
        (INTEL, KvmRequest(interrupt_virtualization=True), NOW, {"enable_apicv": True}),
        (AMD, KvmRequest(interrupt_virtualization=True), {"kvm_amd.avic": "auto"}, {"avic": None}),
        (AMD, KvmRequest(nested=True), {}, {"nested": None}),
        (ARM, KvmRequest(nested=True), NOW, {}),
    ],
)
def test_what_is_in_effect(
    there: Machine, wanted: KvmRequest, values: dict[str, str], active: dict[str, bool | None]
) -> None:
    options = kvm_now(there, wanted, values)
    assert {option.parameter: option.active for option in options} == active
    assert all(option.now == values.get(f"{option.module}.{option.parameter}") for option in options)


def test_what_to_do_until_it_is_in_effect() -> None:
    assert kvm_remedies(kvm_now(INTEL, KvmRequest(nested=True), NOW)) == ()
    assert kvm_remedies(kvm_now(INTEL, KvmRequest(nested=True), {})) == ()
    (told,) = kvm_remedies(kvm_now(AMD, ALL_ON, NOW))
    assert "kvm_amd.avic is N" in told
    assert "modprobe -r kvm_amd kvm && modprobe kvm_amd" in told
    assert "nested" not in told
    (told,) = kvm_remedies(kvm_now(AMD, KvmRequest(ignore_msrs=True), NOW))
    assert "1 to /sys/module/kvm/parameters/ignore_msrs" in told


@pytest.mark.parametrize(
    ("path", "text", "cmdline", "words"),
    [
        ("/etc/modprobe.d/kvm.conf", "options kvm_amd nested=0", "", []),  # before ours: ours counts
        ("/etc/modprobe.d/zz.conf", "options kvm-amd nested=0", "", ["zz.conf sets kvm_amd.nested=0"]),
        ("/usr/lib/modprobe.d/zz.conf", "options \\\nkvm_amd \\\n avic=1 nested=0", "", ["kvm_amd.nested=0"]),
        ("/etc/modprobe.d/zz.conf", "options kvm_amd nested", "", []),
        ("/etc/modprobe.d/zz.conf", "options kvm_amd nested=1\n# options kvm_amd nested=0\noptions kvm", "", []),
        ("/etc/modprobe.d/zz.conf.bak", "options kvm_amd nested=0", "", []),
        ("/etc/modprobe.d/zz.conf", "options kvm_intel nested=0", "", []),
        (KVM_FILE, "options kvm_amd nested=0", "", []),
        ("/etc/modprobe.d/a.conf", "", "quiet kvm-amd.nested=0", ["command line has kvm-amd.nested=0"]),
        ("/etc/modprobe.d/a.conf", "", "kvm_amd.nested", []),
    ],
)
def test_what_counts_for_more_than_ours(path: str, text: str, cmdline: str, words: list[str]) -> None:
    found = list(kvm_overridden(kvm_now(AMD, KvmRequest(nested=True), NOW), {path: text}, cmdline))
    assert len(found) == len(words)
    assert all(word in one for word, one in zip(words, found, strict=True))


REQUESTS = st.builds(KvmRequest, *[st.sampled_from([None, True, False])] * 4)


@settings(deadline=None)
@given(REQUESTS, st.sampled_from([AMD, INTEL, OLD_AMD, UNTOLD]))
def test_loaded_with_the_file_everything_is_in_effect(wanted: KvmRequest, there: Machine) -> None:
    text = "".join(file.content for file in kvm_files(there, wanted))
    options = kvm_now(there, wanted, {name: "Y" if value == "1" else "N" for name, value in read(text).items()})
    assert len(options) == sum(value is not None for value in wanted)
    assert all(option.active for option in options)
    assert kvm_remedies(options) == ()
