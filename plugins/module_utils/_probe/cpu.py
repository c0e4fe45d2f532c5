# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of hardware virtualization: what the processor supports, what the firmware allows, what KVM uses."""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence, Tuple

from .._machine import Cpu, InterruptVirtualization, PostedInterrupts, Virtualization
from .evidence import Evidence
from .parse import yes_no

# Intel SDM, volume 4: IA32_FEATURE_CONTROL. Bit 0: locked until reset; bit 2: VMX outside SMX operation.
_IA32_FEATURE_CONTROL = 0x3A
_FEATURE_CONTROL_LOCKED = 1 << 0
_FEATURE_CONTROL_VMX = 1 << 2
# AMD APM, volume 2, 15.30.1: VM_CR. Bit 4: SVMDIS.
_VM_CR = 0xC0010114
_VM_CR_SVMDIS = 1 << 4
# VT-d specification, 11.4.2, capability register. AMD IOMMU specification, 3.4.2, extended feature register.
_VTD_CAP_PI = 1 << 59
_EFR_GASUP = 1 << 7
_EFR_GAMSUP_VAPIC = 1 << 21
_REGISTER = re.compile(r"(?:[0-9a-f]{1,16}:)?[0-9a-f]{1,16}")

# Every AMD processor from this family on (Zen) has SVM and an IOMMU.
_AMD_ZEN_FAMILY = 0x17
# Introduced with Skylake and Goldmont; every Intel processor since then has VT-x and VT-d.
_INTEL_SKYLAKE_FLAG = "clflushopt"


class _Extension(NamedTuple):
    """The names of VT-x or AMD-V in flags, modules and firmware menus."""

    flag: str
    name: str
    module: str
    slat: str  # flag in /proc/cpuinfo
    slat_parameter: str
    setting: str  # the option in firmware menus


_VMX = _Extension("vmx", "VT-x", "kvm_intel", "ept", "ept", "Intel Virtualization Technology (VT-x, VMX)")
_SVM = _Extension("svm", "AMD-V", "kvm_amd", "npt", "npt", "SVM Mode (AMD-V, Virtualization)")

_Verdict = Tuple[str, str]  # state, reason


def read_cpu(evidence: Evidence, interrupt_remapping: bool | None) -> Cpu:
    """Return the processor and the state of its virtualization.

    Args:
        evidence: What the machine's files say.
        interrupt_remapping: Whether the IOMMU remaps interrupts, which posted interrupts require.
    """
    processor = evidence.processor
    with evidence.tree.reading("cpu.virtualization"):
        extension = _extension(evidence)
        state, reason = _verdict(evidence, extension)
        interrupts = _interrupt_virtualization(evidence, extension)
        return Cpu(
            vendor=processor.vendor,
            model=processor.model,
            hypervisor=evidence.hypervisor,
            virtualization=Virtualization(
                extension=_known_extension(evidence, extension, state),
                state=state,
                reason=reason,
                slat=_slat(evidence, extension),
                interrupt_virtualization=interrupts,
                posted_interrupts=_posted_interrupts(evidence, interrupts, interrupt_remapping),
                nested=yes_no(evidence.parameter(extension.module, "nested")) if extension else None,
            ),
        )


def has_virtualization_by_age(evidence: Evidence) -> bool:
    """Return whether every processor of this generation has virtualization and an IOMMU."""
    processor = evidence.processor
    if processor.vendor == "amd":
        return (processor.family or 0) >= _AMD_ZEN_FAMILY
    return processor.vendor == "intel" and _INTEL_SKYLAKE_FLAG in processor.flags


def _extension(evidence: Evidence) -> _Extension | None:
    """Return the extension that this processor has, or the one that its vendor uses."""
    flags = evidence.processor.flags
    if "vmx" in flags or "svm" in flags:
        return _VMX if "vmx" in flags else _SVM
    return {"intel": _VMX, "amd": _SVM}.get(evidence.processor.vendor or "")


def _known_extension(evidence: Evidence, extension: _Extension | None, state: str) -> str | None:
    if extension is None or not (extension.flag in evidence.processor.flags or state == "disabled_by_firmware"):
        return None
    return extension.flag


def _verdict(evidence: Evidence, extension: _Extension | None) -> _Verdict:
    processor = evidence.processor
    if not processor.known:
        return "unknown", "/proc/cpuinfo could not be read"
    if extension is None:
        return _other_verdict(evidence)
    if extension.flag not in processor.flags:
        return _without_flag(evidence, extension)
    if _has_kvm(evidence):
        return "ready", f"{extension.name} is on and KVM uses it{_slat_off(evidence, extension)}"
    firmware = _disabled_in_firmware(evidence, extension)
    if firmware:  # kernels before 5.6 keep the flag even if the firmware has locked the extension
        return firmware
    if evidence.xen_control_domain:
        return "unsupported", f"this is Xen's control domain: Xen itself uses {extension.name}, KVM cannot"
    if not evidence.tree.names("/sys/module"):
        return (
            "unknown",
            f"{extension.name} is on; whether KVM is loaded is unknown, since /sys/module is missing",
        )
    reason = (
        f"{extension.name} is on, but KVM is not loaded: load it with `modprobe {extension.module}`; "
        "if that fails, the kernel log says why"
    )
    return "module_not_loaded", reason


def _other_verdict(evidence: Evidence) -> _Verdict:
    if _has_kvm(evidence):
        return "ready", "KVM has registered /dev/kvm"
    if evidence.processor.vendor == "arm":
        return (
            "unknown",
            "KVM has not registered /dev/kvm: the kernel may be built without KVM, or was not started in EL2",
        )
    return (
        "unsupported",
        "the flags in /proc/cpuinfo include neither vmx nor svm, and the vendor is neither Intel nor AMD",
    )


def _without_flag(evidence: Evidence, extension: _Extension) -> _Verdict:
    """Return the state without the flag, which kernels clear if the firmware disables it (Intel: since Linux 5.6)."""
    if evidence.xen_control_domain:
        return "unsupported", f"this is Xen's control domain: Xen itself uses {extension.name}, KVM cannot"
    if evidence.hypervisor:
        reason = (
            f"this machine is a guest ({evidence.hypervisor}) whose hypervisor does not provide {extension.name}: "
            "enable nested virtualization on its host"
        )
        return "unsupported", reason
    firmware = _disabled_in_firmware(evidence, extension)
    if firmware:
        return firmware
    # Only processors with the extension have nested paging, and its flag stays when the kernel clears that of AMD-V.
    if has_virtualization_by_age(evidence) or extension.slat in evidence.processor.flags:
        observation = f"every processor of this generation has it, but the flag {extension.flag} is missing"
        return "disabled_by_firmware", _enable(extension, observation)
    reason = (
        f"the flag {extension.flag} is missing: either {extension.name} is disabled in firmware "
        f"(enable {extension.setting}), or this processor lacks it; "
        "to find out, load the module msr and read as root"
    )
    return "unknown", reason


def _disabled_in_firmware(evidence: Evidence, extension: _Extension) -> _Verdict | None:
    if extension is _VMX:
        control = evidence.msr(_IA32_FEATURE_CONTROL)
        off = bool(control and control & _FEATURE_CONTROL_LOCKED and not control & _FEATURE_CONTROL_VMX)
        observation = f"MSR 0x3a is {control or 0:#x}: locked, without VMX outside SMX"
    else:
        control = evidence.msr(_VM_CR)
        off = bool(control and control & _VM_CR_SVMDIS)
        observation = f"MSR 0xc0010114 is {control or 0:#x}: SVMDIS is set"
    if control is None:
        line = evidence.log(
            r"VMX \(\w+ TXT\) disabled by BIOS",
            r"(?:VMX|SVM) not enabled \(by BIOS\)",
            r"SVM disabled \(by BIOS\)",
            r"kvm: disabled by bios",
        )
        off, observation = line is not None, f"the kernel log says: {line}"
    return ("disabled_by_firmware", _enable(extension, observation)) if off else None


def _enable(extension: _Extension, observation: str) -> str:
    setting = extension.setting
    return f"{extension.name} is disabled in firmware: enable {setting} in the firmware setup ({observation})"


def _has_kvm(evidence: Evidence) -> bool:
    tree = evidence.tree
    return tree.exists("/sys/devices/virtual/misc/kvm") or tree.exists("/sys/class/misc/kvm")


def _slat(evidence: Evidence, extension: _Extension | None) -> str | None:
    if extension is None or _slat_off(evidence, extension):
        return None
    processor = evidence.processor
    offered = extension.slat in processor.flags or extension.slat in processor.vmx_flags
    return extension.slat.upper() if offered else None


def _slat_off(evidence: Evidence, extension: _Extension) -> str:
    if yes_no(evidence.parameter(extension.module, extension.slat_parameter)) is not False:
        return ""
    argument = f"{extension.module}.{extension.slat_parameter}=0"
    return f"; {extension.slat.upper()} is disabled by {argument}: guests are slow"


def _interrupt_virtualization(evidence: Evidence, extension: _Extension | None) -> InterruptVirtualization:
    processor = evidence.processor
    if extension is _VMX and extension.flag in processor.flags:
        # The line "vmx flags" exists since Linux 5.7; without it, support is unknown.
        supported = "apicv" in processor.vmx_flags if processor.vmx_flags else None
        return InterruptVirtualization("apicv", supported, yes_no(evidence.parameter("kvm_intel", "enable_apicv")))
    if extension is _SVM and extension.flag in processor.flags:
        return InterruptVirtualization("avic", "avic" in processor.flags, yes_no(evidence.parameter("kvm_amd", "avic")))
    return InterruptVirtualization(None, None, None)


def _posted_interrupts(
    evidence: Evidence, interrupts: InterruptVirtualization, remapping: bool | None
) -> PostedInterrupts:
    """Return whether interrupts can be posted, and whether they are.

    This requires APICv or AVIC, support in every IOMMU, and interrupt remapping in a mode that allows it. Since Linux
    6.16 KVM reports the result in the parameter enable_device_posted_irqs (kvm_x86_vendor_init).
    """
    if interrupts.name == "apicv":
        module, iommu_able = "kvm_intel", _all_have(_registers(evidence, "dmar", "intel-iommu/cap"), _VTD_CAP_PI)
        disabled = "nopost" in evidence.argument("intremap")
    elif interrupts.name == "avic":
        registers = _registers(evidence, "ivhd", "amd-iommu/features")
        module, iommu_able = "kvm_amd", _all_have(registers, _EFR_GASUP | _EFR_GAMSUP_VAPIC)
        disabled = "legacy" in evidence.argument("amd_iommu_intr")
    else:
        return PostedInterrupts(None, None)
    supported = _all_of(interrupts.supported, iommu_able)
    enabled = yes_no(evidence.parameter(module, "enable_device_posted_irqs"))
    if enabled is not None:
        return PostedInterrupts(enabled or supported, enabled)
    return PostedInterrupts(supported, _all_of(supported, interrupts.enabled, remapping, not disabled))


def _all_have(registers: Sequence[int], bits: int) -> bool | None:
    return all(register & bits == bits for register in registers) if registers else None


def _registers(evidence: Evidence, prefix: str, attribute: str) -> tuple[int, ...]:
    """Return a register of every IOMMU of a kind, or an empty tuple unless all of them can be read."""
    values = []
    for name in evidence.tree.names("/sys/class/iommu"):
        if name.startswith(prefix):
            match = _REGISTER.fullmatch(evidence.tree.text(f"/sys/class/iommu/{name}/{attribute}") or "")
            if match is None:
                return ()
            # AMD's attribute prints two registers. Older kernels print the second one first, newer kernels last, and
            # distributions backport either order (drivers/iommu/amd/init.c). Only the first one uses its high bits.
            values.append(max(int(word, 16) for word in match.group(0).split(":")))
    return tuple(values)


def _all_of(*values: bool | None) -> bool | None:
    """Return False if any value is False, else None if any is unknown, else True."""
    if False in values:
        return False
    return None if None in values else True
