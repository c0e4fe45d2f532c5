# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the KVM modules: the file that sets them, why a machine does not support one, and what is in effect.

Sources: Documentation/admin-guide/kernel-parameters.txt; the module_param() lines of arch/x86/kvm/{x86,msrs,vmx/vmx,
svm/svm,svm/avic}.c, which define the options. `kvm` and `kvm_intel` or `kvm_amd` read them when they are loaded.
"""

from __future__ import annotations

import posixpath
from typing import Iterable, Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine
from .._machine.cmdline import parse
from .._machine.desired import KvmRequest
from .._machine.initramfs import File
from .._machine.plan import Refusal
from .iommu import virtualization_refusals
from .own_files import head
from .refusals import refuse

#: modprobe.d(5) reads the *.conf files of all its folders, sorted by name; the last setting of an option takes effect.
KVM_FILE = "/etc/modprobe.d/vfio-workstation-kvm.conf"
_CODE = "kvm_option_unsupported"
#: The requested options by module, and the names of the parameters there, which depend on the vendor.
_NAMES = {
    "kvm_intel": {"nested": "nested", "interrupt_virtualization": "enable_apicv"},
    "kvm_amd": {"nested": "nested", "interrupt_virtualization": "avic"},
    "kvm": {"ignore_msrs": "ignore_msrs", "report_ignored_msrs": "report_ignored_msrs"},
}
_TITLES = {"apicv": "APICv", "avic": "AVIC (flag avic in /proc/cpuinfo)", None: "interrupt virtualization"}
_TRUE, _FALSE = ("Y", "y", "1"), ("N", "n", "0")  # param_get_bool(), param_get_int()


class KvmOption(NamedTuple):
    """An option as it is requested, and as it is."""

    name: str  # the name in the request
    module: str
    parameter: str
    requested: bool
    now: str | None  # the value in effect, as the kernel prints it; None if the module is not loaded
    active: bool | None  # whether the value in effect is the requested one; None if unknown

    @property
    def setting(self) -> str:
        """The setting as it follows the module's name in modprobe.d."""
        return f"{self.parameter}={int(self.requested)}"


def kvm_now(machine: Machine, request: KvmRequest, values: Mapping[str, str]) -> tuple[KvmOption, ...]:
    """Return the requested options, each with the value that the running kernel has.

    Args:
        machine: The machine; its processor determines the vendor's module.
        request: The request.
        values: The parameters in effect, by `module.name`, from _probe.kvm_parameters.
    """
    vendor_module = _vendor_module(machine)
    options = []
    for module in ("kvm", *([vendor_module] if vendor_module is not None else [])):
        for name, parameter in _NAMES[module].items():
            requested = getattr(request, name)
            if requested is not None:
                now = values.get(f"{module}.{parameter}")
                options.append(KvmOption(name, module, parameter, requested, now, _is_active(requested, now)))
    return tuple(options)


def _is_active(requested: bool, now: str | None) -> bool | None:
    if now in _TRUE or now in _FALSE:
        return (now in _TRUE) == requested
    return None  # "auto": the value of avic from Linux 6.18 on, until the module decides


def kvm_files(machine: Machine, request: KvmRequest) -> tuple[File, ...]:
    """Return the file that the request needs: KVM_FILE, or none if no option is requested."""
    by_module: dict[str, list[str]] = {}
    for option in kvm_now(machine, request, {}):
        by_module.setdefault(option.module, []).append(option.setting)
    if not by_module:
        return ()
    lines = [f"options {module} {' '.join(settings)}\n" for module, settings in by_module.items()]
    return (File(KVM_FILE, head("options of KVM, read when its modules are loaded.") + "".join(lines), 0o644),)


def kvm_arguments(machine: Machine, request: KvmRequest) -> tuple[str, ...]:
    """Return the options as kernel arguments, for a kernel with built-in KVM, which does not read modprobe.d."""
    return tuple(f"{option.module}.{option.setting}" for option in kvm_now(machine, request, {}))


def kvm_refusals(machine: Machine, request: KvmRequest, values: Mapping[str, str]) -> Iterator[Refusal]:
    """Yield a refusal for each option that the machine does not support, unless it is to be switched off.

    Args:
        machine: The machine.
        request: The request.
        values: The parameters in effect, by `module.name`.
    """
    if not any(value is not None for value in request):
        return
    refused = list(virtualization_refusals(machine))
    yield from refused
    virtualization = machine.cpu.virtualization
    if not refused and _vendor_module(machine) is None:
        yield refuse(
            _CODE, f"The requested KVM options are those of x86 processors; this one's vendor is {machine.cpu.vendor}"
        )
        return
    interrupts = virtualization.interrupt_virtualization
    if request.interrupt_virtualization and interrupts.supported is False:
        seen = f"interrupt_virtualization is requested, but this processor has no {_TITLES[interrupts.name]}"
        yield refuse(_CODE, seen)
    yield from _parameter_refusals(kvm_now(machine, request, values), values)


def _parameter_refusals(options: Iterable[KvmOption], values: Mapping[str, str]) -> Iterator[Refusal]:
    for option in options:
        is_loaded = any(name.startswith(option.module + ".") for name in values)
        if is_loaded and option.now is None and option.requested:
            path = f"/sys/module/{option.module}/parameters/{option.parameter}"
            yield refuse(_CODE, f"{option.name} is requested, but the running kernel has no {path}")


def kvm_remedies(options: Sequence[KvmOption]) -> tuple[str, ...]:
    """Return notes, as sentences, on what the user must do for configured options that are not active yet."""
    waiting = [option for option in options if option.active is False]
    if not waiting:
        return ()
    values = ", ".join(f"{option.module}.{option.parameter} is {option.now}" for option in waiting)
    module = next((option.module for option in waiting if option.module != "kvm"), None)
    if module is not None:
        reload = f"Stop all guests and run `modprobe -r {module} kvm && modprobe {module}`, or reboot"
    else:
        writes = " and ".join(
            f"{int(option.requested)} to /sys/module/kvm/parameters/{option.parameter}" for option in waiting
        )
        reload = f"Write {writes}, which applies to running guests too, or reboot"
    return (f"KVM reads its options when it is loaded: {values}. {reload}.",)


def kvm_overridden(options: Sequence[KvmOption], texts: Mapping[str, str], cmdline: str | None = None) -> Iterator[str]:
    """Yield a note for each foreign setting that overrides an option of KVM_FILE with another value.

    Args:
        options: The requested options.
        texts: The texts of the other files of modprobe.d, by path.
        cmdline: The running kernel's command line, which kmod reads after all files.
    """
    requested = {f"{option.module}.{option.parameter}": option.requested for option in options}
    own_name = posixpath.basename(KVM_FILE)
    for path in sorted(texts, key=posixpath.basename):
        if posixpath.basename(path) <= own_name or not path.endswith(".conf"):
            continue
        for name, value in _options(texts[path]):
            if name in requested and _is_active(requested[name], value) is not True:
                yield f"{path} sets {name}={value} and overrides {KVM_FILE}, as it is read later: remove it there"
    for argument in parse(cmdline or "").arguments:
        if argument.name in requested and _is_active(requested[argument.name], argument.value or "1") is not True:
            yield f"The kernel's command line has {argument.text}, which overrides {KVM_FILE}: remove it there"


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Yield each `module.name` and value of a modprobe.d(5) text: `options module name=value name`; no value is 1."""
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == "options":
            for word in words[2:]:
                name, equals, value = word.partition("=")
                yield f"{words[1]}.{name}".replace("-", "_"), value if equals else "1"


def _vendor_module(machine: Machine) -> str | None:
    """Return the KVM module of the processor's vendor."""
    extension = machine.cpu.virtualization.extension
    if extension is not None:
        return {"vmx": "kvm_intel", "svm": "kvm_amd"}.get(extension)
    return {"intel": "kvm_intel", "amd": "kvm_amd"}.get(machine.cpu.vendor or "")
