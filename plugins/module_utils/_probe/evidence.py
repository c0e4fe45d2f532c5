# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The evidence that the states of virtualization and the IOMMU rest on: each file is read once, and on demand."""

from __future__ import annotations

import os
import re
import zlib
from typing import Iterator, NamedTuple

from .parse import integer, key_values
from .tree import FILE_LIMIT, Tree

_VENDORS = {"GenuineIntel": "intel", "AuthenticAMD": "amd"}
#: available_clocksource lists the hypervisor's clock in a guest (drivers/clocksource, arch/x86/kernel/kvmclock.c).
_CLOCKS = (("kvm-clock", "kvm"), ("hyperv_clocksource", "hyperv"), ("xen", "xen"), ("vmware", "vmware"))
#: Substrings of DMI's vendor and product, as in systemd-detect-virt(1).
_PRODUCTS = (
    ("QEMU", "qemu"),
    ("KVM", "kvm"),
    ("VMware", "vmware"),
    ("VirtualBox", "oracle"),
    ("innotek", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Amazon EC2", "amazon"),
    ("Google Compute Engine", "google"),
    ("Microsoft Corporation Virtual Machine", "hyperv"),
)
_LOG_LIMIT = 4 << 20


class Processor(NamedTuple):
    """The first processor in /proc/cpuinfo; the others do not differ in these values."""

    known: bool
    vendor: str | None
    model: str | None
    family: int | None
    flags: frozenset[str]
    vmx_flags: frozenset[str]


class Evidence:
    """The evidence about one machine."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.processor = _processor(tree)
        self.cmdline: tuple[str, ...] = tuple((tree.text("/proc/cmdline") or "").split())
        self.hypervisor = _hypervisor(tree, self.processor)
        self._config: dict[str, str] | None = None
        self._log: list[str] | None = None

    @property
    def xen_control_domain(self) -> bool:
        """Whether this is Xen's control domain (dom0), which owns the devices but not the IOMMU and VT-x."""
        return "control_d" in (self.tree.text("/proc/xen/capabilities") or "")

    def argument(self, name: str) -> tuple[str, ...]:
        """Return the values of a kernel argument from all its occurrences: `pt` and `off` of `iommu=pt,off`."""
        values = [token.partition("=")[2] for token in self.cmdline if token.partition("=")[0] == name]
        return tuple(word for value in values for word in value.split(","))

    def parameter(self, module: str, name: str) -> str | None:
        """Return a loaded module's parameter, or None."""
        return self.tree.text(f"/sys/module/{module}/parameters/{name}")

    def config(self, option: str) -> str | None:
        """Return an option of the running kernel's configuration: `y`, `m`, "" if not set, None if unknown."""
        if self._config is None:
            self._config = key_values(_kernel_config(self.tree))
        return self._config.get(option, "" if self._config else None)

    def log(self, *patterns: str) -> str | None:
        """Return the first line of the kernel log that matches any pattern, or None."""
        if self._log is None:
            self._log = _kernel_log(self.tree)
        any_pattern = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
        return next((line for line in self._log if any_pattern.search(line)), None)

    def msr(self, number: int) -> int | None:
        """Return a model-specific register of the first CPU, or None without root or without the module msr."""
        content = self.tree.section("/dev/cpu/0/msr", number, 8, special=True)
        return int.from_bytes(content, "little") if content and len(content) == 8 else None


def _processor(tree: Tree) -> Processor:
    text = tree.text("/proc/cpuinfo", head=True)
    first = key_values((text or "").partition("\n\n")[0], ":")
    vendor = _VENDORS.get(first.get("vendor_id", ""))
    if vendor is None and "CPU implementer" in first:
        vendor = "arm"
    elif vendor is None and first:
        vendor = "other"
    return Processor(
        known=bool(first),
        vendor=vendor,
        model=first.get("model name") or None,
        family=integer(first.get("cpu family")),
        flags=frozenset((first.get("flags") or first.get("Features") or "").split()),
        vmx_flags=frozenset(first.get("vmx flags", "").split()),
    )


def _hypervisor(tree: Tree, processor: Processor) -> str | None:
    """Return the name of the hypervisor that runs this machine, "unknown" if it is not recognized, or None."""
    if (tree.text("/sys/hypervisor/type") or "") == "xen":
        return "xen"
    # CPUID leaf 1, ECX bit 31: reserved for hypervisors, never set by hardware. Arm has no such bit.
    if "hypervisor" not in processor.flags and processor.vendor != "arm":
        return None
    clocks = (tree.text("/sys/devices/system/clocksource/clocksource0/available_clocksource") or "").split()
    for clock, name in _CLOCKS:
        if clock in clocks:
            return name
    folder = "/sys/class/dmi/id/"
    product = "{} {}".format(tree.text(folder + "sys_vendor"), tree.text(folder + "product_name"))
    named = next((name for mark, name in _PRODUCTS if mark in product), None)
    return named or ("unknown" if "hypervisor" in processor.flags else None)


def _kernel_config(tree: Tree) -> str:
    release = tree.text("/proc/sys/kernel/osrelease") or ""
    for pattern in (
        "/boot/config-%s",
        "/usr/lib/modules/%s/config",
        "/lib/modules/%s/config",
        "/usr/lib/kernel/config-%s",
    ):
        text = tree.text(pattern % release, FILE_LIMIT) if release else None
        if text:
            return text
    packed = tree.data("/proc/config.gz", FILE_LIMIT)
    if not packed:
        return ""
    try:
        # 16 + MAX_WBITS: a gzip header. Bounded: anything that unpacks to more is not a kernel configuration.
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(packed, FILE_LIMIT).decode("ascii", "replace")
    except zlib.error:
        return ""


def _kernel_log(tree: Tree) -> list[str]:
    """Return the kernel's messages: from /dev/kmsg on the live machine, from /var/log/dmesg in a captured tree."""
    if not tree.live:
        return (tree.text("/var/log/dmesg", FILE_LIMIT) or "").splitlines()
    try:
        # Non-blocking: at the end of the log, read fails instead of waiting (Documentation/ABI/testing/dev-kmsg).
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        tree.deny("/dev/kmsg", error.errno)
        return []
    except OSError:
        return []
    try:
        records = list(_log_records(tree, descriptor))
    finally:
        os.close(descriptor)
    return [record.partition(b";")[2].partition(b"\n")[0].decode("utf-8", "replace") for record in records]


def _log_records(tree: Tree, descriptor: int) -> Iterator[bytes]:
    """Yield the records of /dev/kmsg, up to a limit."""
    size = 0
    while size < _LOG_LIMIT:
        try:
            record = os.read(descriptor, 8192)
        except BrokenPipeError:  # overwritten meanwhile: the next read continues with the oldest message
            continue
        except PermissionError as error:
            tree.deny("/dev/kmsg", error.errno)
            return
        except OSError:  # EAGAIN: no more messages
            return
        if not record:
            return
        size += len(record)
        yield record
