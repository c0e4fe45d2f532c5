# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of a reading: every key, its type, and the range of its values.

It is written independently of the probe, so that a renamed key, which breaks users' programs, fails a test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Yields what is wrong with a value, and the path at which it is.
Check = Callable[[Any, str], Iterator[str]]


def violations(reading: Any) -> list[str]:
    """Return all violations of the contract in a reading."""
    violations_found = list(READING(reading, ""))
    try:
        json.dumps(reading, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError as error:  # UnicodeEncodeError is one
        violations_found.append(f"not JSON in UTF-8: {error}")
    return violations_found


def _exactly(keys: Mapping[str, Check]) -> Check:
    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict) or set(value) != set(keys):
            yield f"{path}: {sorted(value) if isinstance(value, dict) else value!r} instead of the keys {sorted(keys)}"
            return
        for key, inner in keys.items():
            yield from inner(value[key], f"{path}.{key}")

    return check


def _map(key_pattern: str, inner: Check) -> Check:
    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is not a mapping"
            return
        for key, item in value.items():
            if not (isinstance(key, str) and re.fullmatch(key_pattern, key)):
                yield f"{path}: key {key!r}"
            yield from inner(item, f"{path}.{key}")

    return check


def _list(inner: Check, *, unique: bool = True) -> Check:
    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is not a list"
            return
        if unique and len({json.dumps(item, sort_keys=True) for item in value}) != len(value):
            yield f"{path}: {value!r} has duplicates"
        for index, item in enumerate(value):
            yield from inner(item, f"{path}[{index}]")

    return check


def _text(pattern: str = r"(?s).*\S.*") -> Check:
    def check(value: Any, path: str) -> Iterator[str]:
        if not (isinstance(value, str) and re.fullmatch(pattern, value)):
            yield f"{path}: {value!r} is not {pattern}"

    return check


def _number(least: int = 0, most: int = 2**64 - 1) -> Check:
    def check(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            yield f"{path}: {value!r} is not a number from {least} to {most}"

    return check


def _fraction(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1000:
        yield f"{path}: {value!r} is not a speed"


def _flag(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{path}: {value!r} is not a boolean"


def _or_null(inner: Check) -> Check:
    def check(value: Any, path: str) -> Iterator[str]:
        if value is not None:
            yield from inner(value, path)

    return check


def _one_of(*values: str) -> Check:
    def check(value: Any, path: str) -> Iterator[str]:
        if value not in values:
            yield f"{path}: {value!r} is not one of {values}"

    return check


_FLAG = _or_null(_flag)
_TEXT = _or_null(_text())
_CPU = _number(0, 65535)
_CPUS = _list(_CPU)
_ADDRESS = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_COUNT = _or_null(_number())


def _hex(digits: int) -> Check:
    return _or_null(_text(f"[0-9a-f]{{{digits}}}"))


VIRTUALIZATION = _exactly(
    {
        "extension": _or_null(_one_of("vmx", "svm")),
        "state": _one_of("ready", "module_not_loaded", "disabled_by_firmware", "unsupported", "unknown"),
        "reason": _text(),
        "slat": _or_null(_one_of("EPT", "NPT")),
        "interrupt_virtualization": _exactly(
            {"name": _or_null(_one_of("apicv", "avic")), "supported": _FLAG, "enabled": _FLAG}
        ),
        "posted_interrupts": _exactly({"supported": _FLAG, "enabled": _FLAG}),
        "nested": _FLAG,
    }
)
CPU = _exactly(
    {
        "vendor": _or_null(_one_of("intel", "amd", "arm", "other")),
        "model": _TEXT,
        "hypervisor": _TEXT,
        "virtualization": VIRTUALIZATION,
    }
)
IOMMU = _exactly(
    {
        "kind": _or_null(_one_of("intel", "amd", "smmu", "virtio")),
        "state": _one_of("enabled", "disabled_in_kernel", "disabled_by_firmware", "absent", "unknown"),
        "reason": _text(),
        "interrupt_remapping": _FLAG,
        "groups": _map(
            "[0-9]+",
            _exactly(
                {
                    "type": _TEXT,
                    "members": _list(_text()),
                    "reserved_regions": _list(
                        _exactly(
                            {
                                "start": _text("0x[0-9a-f]{1,16}"),
                                "end": _text("0x[0-9a-f]{1,16}"),
                                "type": _text("[a-z-]+"),
                            }
                        ),
                        unique=False,
                    ),
                }
            ),
        ),
    }
)
CLAIM = _exactly(
    {
        "kind": _one_of(
            "cmdline",
            "modprobe_options",
            "modprobe_softdep",
            "modprobe_install",
            "modprobe_alias",
            "modprobe_blacklist",
            "modules_load",
            "driverctl",
            "udev_rule",
            "initramfs_modules",
            "initramfs_script",
            "libvirt",
            "libvirt_hook",
            "systemd_unit",
            "boot_script",
        ),
        "path": _text("/.*"),
        "line": _or_null(_number(1)),
        "text": _text(r"\S(.*\S)?"),
        "origin": _TEXT,
        "driver": _or_null(_text(r"\S+")),
        "effect": _one_of("takes", "withholds", "orders", "recognised", "noted"),
        "addresses": _list(_text(_ADDRESS)),
        "applies_to": _list(_text()),
        "managed": _flag,
    }
)
FUNCTION = _exactly(
    {
        "vendor": _hex(4),
        "device": _hex(4),
        "subsystem_vendor": _hex(4),
        "subsystem_device": _hex(4),
        "class": _hex(6),
        "revision": _hex(2),
        "vendor_name": _TEXT,
        "device_name": _TEXT,
        "driver": _TEXT,
        "iommu_group": _or_null(_text("[0-9]+")),
        "numa_node": _or_null(_number(0, 65535)),
        "local_cpus": _or_null(_CPUS),
        "boot_display": _FLAG,
        "parent": _or_null(_text(_ADDRESS)),
        "bridge": _FLAG,
        "physical_function": _or_null(_text(_ADDRESS)),
        "virtual_functions": _list(_text(_ADDRESS)),
        "removable": _or_null(_one_of("fixed", "removable")),
        "reset_methods": _or_null(_list(_text(r"\S+"), unique=False)),
        "bars": _or_null(
            _list(
                _exactly(
                    {
                        "index": _number(0, 5),
                        "kind": _one_of("memory", "io"),
                        "size_bytes": _number(1),
                        "prefetchable": _flag,
                        "is_64bit": _flag,
                        "resizable": _FLAG,
                        "resizable_to_bytes": _list(_number(1 << 20)),
                    }
                )
            )
        ),
        "link": _or_null(
            _exactly(
                {
                    "current_speed_gts": _or_null(_fraction),
                    "current_width": _or_null(_number(1, 32)),
                    "max_speed_gts": _or_null(_fraction),
                    "max_width": _or_null(_number(1, 32)),
                }
            )
        ),
        "serial_number": _or_null(_text("[0-9a-f]{2}(-[0-9a-f]{2}){7}")),
        "in_use_by": _list(
            _exactly(
                {
                    "kind": _one_of(
                        "mount",
                        "swap",
                        "zfs_pool",
                        "default_route",
                        "ssh_session",
                        "process",
                        "virtual_machine",
                        "mapping",
                        "keyboard",
                    ),
                    "name": _text(),
                    "via": _text(),
                }
            )
        ),
        "claims": _list(CLAIM),
    }
)
CPUS = _exactly(
    {
        "online": _or_null(_CPUS),
        "offline": _or_null(_CPUS),
        "isolated": _or_null(_CPUS),
        "nohz_full": _or_null(_CPUS),
        "cores": _list(
            _exactly(
                {
                    "cpus": _CPUS,
                    "package": _COUNT,
                    "die": _COUNT,
                    "node": _COUNT,
                    "l3": _or_null(_text("[0-9]+")),
                    "kind": _or_null(_one_of("performance", "efficiency")),
                }
            )
        ),
        "l3_groups": _map("[0-9]+", _exactly({"cpus": _CPUS, "size_bytes": _COUNT})),
    }
)
MEMORY = _exactly(
    {
        "total_bytes": _COUNT,
        "nodes": _map(
            "[0-9]+",
            _exactly(
                {
                    "total_bytes": _COUNT,
                    "cpus": _or_null(_CPUS),
                    "hugepages": _map("[0-9]+", _exactly({"total": _COUNT, "free": _COUNT, "surplus": _COUNT})),
                }
            ),
        ),
    }
)
BOOT = _exactly(
    {
        "firmware": _or_null(_one_of("uefi", "bios")),
        "secure_boot": _FLAG,
        "lockdown": _or_null(_one_of("none", "integrity", "confidentiality")),
        "loader": _TEXT,
        "reason": _text(),
        "kernels": _list(
            _exactly(
                {
                    "version": _text(),
                    "entry": _TEXT,
                    "cmdline": _or_null(_text("(?s).*")),
                    "initramfs": _TEXT,
                    "has_vfio_pci": _FLAG,
                }
            )
        ),
        "running": _exactly({"version": _TEXT, "cmdline": _or_null(_text("(?s).*"))}),
        "initramfs_generator": _TEXT,
    }
)
OS = _exactly({"id": _TEXT, "version_id": _TEXT, "like": _list(_text(), unique=False)})

KEYBOARDS = _list(_exactly({"name": _text(), "node": _text("event[0-9]+"), "function": _or_null(_text(_ADDRESS))}))

READING = _exactly(
    {
        "host": _exactly(
            {
                "cpu": CPU,
                "iommu": IOMMU,
                "pci": _map(_ADDRESS, FUNCTION),
                "cpus": CPUS,
                "memory": MEMORY,
                "boot": BOOT,
                "os": OS,
                "claims": _list(CLAIM),
                "keyboards": KEYBOARDS,
            }
        ),
        "unreadable": _list(_exactly({"path": _text(), "error": _text(), "values": _list(_text())})),
    }
)
