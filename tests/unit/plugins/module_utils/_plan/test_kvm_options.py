# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM's options: the file as modprobe reads it, unsupported options, and the values in effect."""

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


def processor(vendor: str | None, extension: str | None, name: str | None, supported: bool | None) -> Machine:
    virtualization = AMD.cpu.virtualization._replace(
        extension=extension, interrupt_virtualization=InterruptVirtualization(name, supported, False)
    )
    return AMD._replace(cpu=AMD.cpu._replace(vendor=vendor, virtualization=virtualization))


INTEL = processor("intel", "vmx", "apicv", True)
OLD_INTEL = processor("intel", "vmx", "apicv", False)
OLD_AMD = processor("amd", "svm", "avic", False)
UNKNOWN = processor("intel", "vmx", "apicv", None)
WITHOUT_FLAG = processor("intel", None, None, None)
ARM = processor("arm", None, None, None)


def read(text: str) -> dict[str, str]:
    """Read a file of modprobe.d(5)."""
    options = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            command, module, *settings_ = line.split()
            assert command == "options"
            options.update(
                {
                    f"{module}.{name}": value
                    for name, _equals, value in (setting.partition("=") for setting in settings_)
                }
            )
    return options


def read_by_modprobe(text: str, folder: Path) -> dict[str, str]:
    """Have modprobe read the file, if it is installed."""
    tool = shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None:
        return read(text)
    (folder / Path(KVM_FILE).name).write_text(text)
    printed = subprocess.run([tool, "-C", str(folder), "-c"], capture_output=True, text=True, check=True).stdout
    return read("".join(line + "\n" for line in printed.splitlines() if line.startswith("options kvm")))


@pytest.mark.parametrize(
    ("host", "kvm", "options"),
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
def test_modprobe_reads_the_requested_options(
    host: Machine, kvm: KvmRequest, options: dict[str, str], tmp_path: Path
) -> None:
    (file,) = kvm_files(host, kvm)
    assert file.path == KVM_FILE
    assert is_ours(file.content)
    assert read(file.content) == options
    assert read_by_modprobe(file.content, tmp_path) == options
    assert dict(argument.split("=") for argument in kvm_arguments(host, kvm)) == options


def test_without_requested_options_there_is_no_file() -> None:
    assert kvm_files(AMD, KvmRequest()) == ()
    assert kvm_arguments(AMD, KvmRequest()) == ()
    assert list(kvm_refusals(ARM, KvmRequest(), {})) == []


@pytest.mark.parametrize(
    ("host", "kvm", "values", "words"),
    [
        (AMD, ALL_ON, NOW, []),
        (INTEL, ALL_ON, NOW, []),
        (UNKNOWN, ALL_ON, NOW, []),
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
def test_unsupported_options_are_refused(
    host: Machine, kvm: KvmRequest, values: dict[str, str], words: list[str]
) -> None:
    refusals = list(kvm_refusals(host, kvm, values))
    assert [refusal.code for refusal in refusals] == ["kvm_option_unsupported"] * len(words)
    assert all(word in refusal.seen for word, refusal in zip(words, refusals, strict=True))


def test_disabled_virtualization_is_refused_first() -> None:
    off = machine(virtualization_state="disabled_by_firmware")
    (refusal,) = kvm_refusals(off, KvmRequest(nested=True), {})
    assert refusal.code == "cpu_virtualization_disabled_by_firmware"


@pytest.mark.parametrize(
    ("host", "kvm", "values", "active"),
    [
        (AMD, ALL_ON, NOW, {"ignore_msrs": False, "report_ignored_msrs": True, "nested": True, "avic": False}),
        (AMD, ALL_OFF, NOW, {"ignore_msrs": True, "report_ignored_msrs": False, "nested": False, "avic": True}),
        (INTEL, KvmRequest(interrupt_virtualization=True), NOW, {"enable_apicv": True}),
        (AMD, KvmRequest(interrupt_virtualization=True), {"kvm_amd.avic": "auto"}, {"avic": None}),
        (AMD, KvmRequest(nested=True), {}, {"nested": None}),
        (ARM, KvmRequest(nested=True), NOW, {}),
    ],
)
def test_values_in_effect(
    host: Machine, kvm: KvmRequest, values: dict[str, str], active: dict[str, bool | None]
) -> None:
    options = kvm_now(host, kvm, values)
    assert {option.parameter: option.active for option in options} == active
    assert all(option.now == values.get(f"{option.module}.{option.parameter}") for option in options)


def test_options_that_are_not_active_yet_have_a_remedy() -> None:
    assert kvm_remedies(kvm_now(INTEL, KvmRequest(nested=True), NOW)) == ()
    assert kvm_remedies(kvm_now(INTEL, KvmRequest(nested=True), {})) == ()
    (remedy,) = kvm_remedies(kvm_now(AMD, ALL_ON, NOW))
    assert "kvm_amd.avic is N" in remedy
    assert "modprobe -r kvm_amd kvm && modprobe kvm_amd" in remedy
    assert "nested" not in remedy
    (remedy,) = kvm_remedies(kvm_now(AMD, KvmRequest(ignore_msrs=True), NOW))
    assert "1 to /sys/module/kvm/parameters/ignore_msrs" in remedy


@pytest.mark.parametrize(
    ("path", "text", "cmdline", "words"),
    [
        ("/etc/modprobe.d/kvm.conf", "options kvm_amd nested=0", "", []),  # read before ours, which overrides it
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
def test_settings_that_override_ours_are_reported(path: str, text: str, cmdline: str, words: list[str]) -> None:
    notes = list(kvm_overridden(kvm_now(AMD, KvmRequest(nested=True), NOW), {path: text}, cmdline))
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


REQUESTS = st.builds(KvmRequest, *[st.sampled_from([None, True, False])] * 4)


@settings(deadline=None)
@given(REQUESTS, st.sampled_from([AMD, INTEL, OLD_AMD, UNKNOWN]))
def test_modules_loaded_with_the_file_have_all_options_active(kvm: KvmRequest, host: Machine) -> None:
    text = "".join(file.content for file in kvm_files(host, kvm))
    options = kvm_now(host, kvm, {name: "Y" if value == "1" else "N" for name, value in read(text).items()})
    assert len(options) == sum(value is not None for value in kvm)
    assert all(option.active for option in options)
    assert kvm_remedies(options) == ()
