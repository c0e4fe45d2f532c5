# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""KVM's module options: the file that sets them, why this machine can't have one, and what is in effect.

Sources: Documentation/admin-guide/kernel-parameters.txt; arch/x86/kvm/{x86,msrs,vmx/vmx,svm/svm,svm/avic}.c, whose
module_param() lines say which exist and that `kvm` and `kvm_intel` or `kvm_amd` read them when they are loaded.
"""

from __future__ import annotations

import posixpath
from typing import Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine
from .._machine.cmdline import parse
from .._machine.desired import KvmRequest
from .._machine.initramfs import File
from .._machine.plan import Refusal
from .iommu import virtualization_refusals
from .own_files import head
from .refusals import refuse

#: modprobe.d(5) reads *.conf, sorted by name over all its folders; of an option given twice the last one counts.
KVM_FILE = "/etc/modprobe.d/vfio-workstation-kvm.conf"
_CODE = "kvm_option_unsupported"
#: What the makers' modules call what a person asks for by one name.
_NAMES = {
    "kvm_intel": {"nested": "nested", "interrupt_virtualization": "enable_apicv"},
    "kvm_amd": {"nested": "nested", "interrupt_virtualization": "avic"},
    "kvm": {"ignore_msrs": "ignore_msrs", "report_ignored_msrs": "report_ignored_msrs"},
}
_TITLES = {"apicv": "APICv", "avic": "AVIC (flag avic in /proc/cpuinfo)", None: "interrupt virtualization"}
_TRUE, _FALSE = ("Y", "y", "1"), ("N", "n", "0")  # param_get_bool(), param_get_int()


class KvmOption(NamedTuple):
    """An option as it shall be and as it is."""

    name: str  # as the person asked for it
    module: str
    parameter: str
    wanted: bool
    now: str | None  # as the kernel prints it; None where the module is not there
    active: bool | None  # None where that can't be told

    @property
    def setting(self) -> str:
        """What modprobe.d has after the module's name."""
        return f"{self.parameter}={int(self.wanted)}"


def kvm_now(machine: Machine, request: KvmRequest, values: Mapping[str, str]) -> tuple[KvmOption, ...]:
    """Return the options that are spoken of, each beside what the running kernel has.

    Args:
        machine: The machine, whose processor says which module is meant.
        request: What is wanted.
        values: The parameters in effect, by `module.name`, of _probe.kvm_parameters.
    """
    maker = _module(machine)
    found = []
    for module in ("kvm", *([maker] if maker is not None else [])):
        for name, parameter in _NAMES[module].items():
            wanted = getattr(request, name)
            if wanted is not None:
                now = values.get(f"{module}.{parameter}")
                found.append(KvmOption(name, module, parameter, wanted, now, _active(wanted, now)))
    return tuple(found)


def _active(wanted: bool, now: str | None) -> bool | None:
    if now in _TRUE or now in _FALSE:
        return (now in _TRUE) == wanted
    return None  # "auto", which avic has from Linux 6.18 on until the module has decided


def kvm_files(machine: Machine, request: KvmRequest) -> tuple[File, ...]:
    """Return the file that shall be there: KVM_FILE, or nothing where no option is spoken of."""
    by_module: dict[str, list[str]] = {}
    for option in kvm_now(machine, request, {}):
        by_module.setdefault(option.module, []).append(option.setting)
    if not by_module:
        return ()
    lines = [f"options {module} {' '.join(settings)}\n" for module, settings in by_module.items()]
    return (File(KVM_FILE, head("how KVM is set when it is loaded.") + "".join(lines), 0o644),)


def kvm_arguments(machine: Machine, request: KvmRequest) -> tuple[str, ...]:
    """Return the same as kernel arguments, for kernels that have KVM built in: those don't read modprobe.d."""
    return tuple(f"{option.module}.{option.setting}" for option in kvm_now(machine, request, {}))


def kvm_refusals(machine: Machine, request: KvmRequest, values: Mapping[str, str]) -> Iterator[Refusal]:
    """Yield why this machine can't have what is wanted. What would be switched off may well be missing.

    Args:
        machine: The machine.
        request: What is wanted.
        values: The parameters in effect, by `module.name`.
    """
    if not any(value is not None for value in request):
        return
    refused = list(virtualization_refusals(machine))
    yield from refused
    virtualization = machine.cpu.virtualization
    if not refused and _module(machine) is None:
        yield refuse(
            _CODE, f"KVM options are wanted, which are those of x86 processors; the maker is {machine.cpu.vendor}"
        )
        return
    interrupts = virtualization.interrupt_virtualization
    if request.interrupt_virtualization and interrupts.supported is False:
        yield refuse(_CODE, f"interrupt_virtualization is wanted, and this processor has no {_TITLES[interrupts.name]}")
    for option in kvm_now(machine, request, values):
        there = any(name.startswith(option.module + ".") for name in values)
        if there and option.now is None and option.wanted:
            where = f"/sys/module/{option.module}/parameters"
            yield refuse(_CODE, f"{option.name} is wanted, and the running kernel has no {option.parameter} in {where}")


def kvm_remedies(options: Sequence[KvmOption]) -> tuple[str, ...]:
    """Return what a person must do for options that are set and not in effect, as sentences; nothing without any."""
    waiting = [option for option in options if option.active is False]
    if not waiting:
        return ()
    names = ", ".join(f"{option.module}.{option.parameter} is {option.now}" for option in waiting)
    module = next((option.module for option in waiting if option.module != "kvm"), None)
    if module is not None:
        reload = f"Stop all guests and run `modprobe -r {module} kvm && modprobe {module}`, or reboot"
    else:
        places = " and ".join(f"{int(one.wanted)} to /sys/module/kvm/parameters/{one.parameter}" for one in waiting)
        reload = f"Write {places} for guests that run already, or reboot"
    return (f"KVM reads its options when it is loaded: {names}. {reload}.",)


def kvm_overridden(options: Sequence[KvmOption], texts: Mapping[str, str], cmdline: str | None = None) -> Iterator[str]:
    """Yield what sets an option to something else, and counts for more than KVM_FILE.

    Args:
        options: What is wanted.
        texts: The other files of modprobe.d, by their paths.
        cmdline: The running kernel's command line, which kmod reads after all files.
    """
    wanted = {f"{option.module}.{option.parameter}": option for option in options}
    ours = posixpath.basename(KVM_FILE)
    for path in sorted(texts, key=posixpath.basename):
        if posixpath.basename(path) <= ours or not path.endswith(".conf"):
            continue
        for name, value in _options(texts[path]):
            if name in wanted and _active(wanted[name].wanted, value) is not True:
                yield f"{path} sets {name}={value}, and is read after {KVM_FILE}: take that out there"
    for argument in parse(cmdline or "").arguments:
        if argument.name in wanted and _active(wanted[argument.name].wanted, argument.value or "1") is not True:
            yield f"The kernel's command line has {argument.text}, which counts for more than {KVM_FILE}: take it out"


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of a file of modprobe.d(5): `options module name=value name`, a flag alone being on."""
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == "options":
            for word in words[2:]:
                name, equals, value = word.partition("=")
                yield f"{words[1]}.{name}".replace("-", "_"), value if equals else "1"


def _module(machine: Machine) -> str | None:
    """Return the module for this maker's processors."""
    extension = machine.cpu.virtualization.extension
    if extension is not None:
        return {"vmx": "kvm_intel", "svm": "kvm_amd"}.get(extension)
    return {"intel": "kvm_intel", "amd": "kvm_amd"}.get(machine.cpu.vendor or "")
