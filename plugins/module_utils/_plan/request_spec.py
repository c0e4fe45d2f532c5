# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module `host`: the one specification of a request.

The argument spec of the module and the parser are made from these tables. The module's DOCUMENTATION and the roles'
meta/argument_specs.yml are copies with descriptions, which tests/unit/roles/test_argument_specs.py compares with the
tables.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Mapping, NamedTuple

from .._machine.desired import (
    ALL,
    AT_BOOT,
    AT_RUN,
    AUTO,
    BOOT,
    BY_FUNCTION,
    BY_ID,
    DYNAMIC,
    SELECTED,
)

PRESENT, ABSENT = "present", "absent"
REFUSE, REPLACE = "refuse", "replace"
UNLIMITED = "unlimited"


class Option(NamedTuple):
    """An option, in the terms of Ansible's argument specs.

    The type `raw` is for values that may be written in several ways, which the parser knows.
    """

    type: str = "str"
    elements: str | None = None  # the type of the items of a list
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    options: Mapping[str, Option] = MappingProxyType({})  # of a mapping, or of the items of a list
    least: int = 0  # of an int
    comma_separated: bool = False  # whether a list may be written as text, as values on a command line are
    nullable: bool = False  # null is a value of its own, rather than the same as omitted
    expected: str = ""  # what a value is, for messages
    no_log: bool | None = None  # whether it is a secret; False where only its name looks like one


_KEYS_OF_SELECT = (
    *("class", "vendor", "device", "id", "subsystem_vendor", "subsystem_device", "subsystem"),
    *("address", "slot", "model", "boot_display", "driver"),
)
SELECT: Mapping[str, Option] = {name: Option("bool" if name == "boot_display" else "str") for name in _KEYS_OF_SELECT}
_SELECTION = f"an address, or a mapping of {', '.join(SELECT)}"

DEVICE: Mapping[str, Option] = {
    "name": Option(required=True, expected="a name of letters, digits, and _ . - between them"),
    "select": Option("raw", required=True, options=SELECT, expected=_SELECTION),
    "functions": Option(choices=(ALL, SELECTED), default=ALL),
    "bind_by": Option(choices=(BY_FUNCTION, BY_ID), default=BY_FUNCTION),
    "with_group": Option("list", elements="raw", default=(), expected=_SELECTION),
}

HUGEPAGES: Mapping[str, Option] = {
    "size": Option(required=True, expected="a page size, such as 1G or 2M"),
    "memory": Option(),
    "count": Option("int", least=1),
    "nodes": Option("raw", default=AUTO, nullable=True),
    "at": Option(choices=(AUTO, AT_BOOT, AT_RUN), default=AUTO),
}

CPU_ISOLATION: Mapping[str, Option] = {
    "cpus": Option("raw", default=AUTO),
    "keep_for_host": Option("int", least=1),
    "count": Option("int", least=1),
    "mode": Option(choices=(DYNAMIC, BOOT), default=DYNAMIC),
}

MEMLOCK: Mapping[str, Option] = {
    "users": Option("list", elements="str", default=()),
    "groups": Option("list", elements="str", default=()),
    "limit": Option(default=UNLIMITED),
}

ACCESS: Mapping[str, Option] = {
    "group": Option(),
    "memlock": Option("dict", options=MEMLOCK),
}

KVM: Mapping[str, Option] = {
    "nested": Option("bool"),
    "ignore_msrs": Option("bool"),
    "report_ignored_msrs": Option("bool"),
    "interrupt_virtualization": Option("bool"),
}

#: In the order in which their kernel arguments are written.
SECTION_OPTIONS: Mapping[str, Option] = {
    "iommu": Option("dict", options={"pass_through": Option("bool", default=False)}),
    "devices": Option("list", elements="dict", options=DEVICE, expected="a mapping with name and select"),
    "hugepages": Option(
        "list", elements="dict", options=HUGEPAGES, expected="a mapping with size, and memory or count"
    ),
    "cpu_isolation": Option("dict", options=CPU_ISOLATION),
    "access": Option("dict", options=ACCESS),
    "kvm": Option("dict", options=KVM),
    "arguments": Option("list", elements="str"),
}

#: What a request consists of.
REQUEST: Mapping[str, Option] = {
    **SECTION_OPTIONS,
    "trial": Option("bool"),
    "trial_timeout": Option("int", default=600, least=60),
    "memory_for_host": Option(),
    "accept": Option("list", elements="str", default=(), comma_separated=True),
}

#: All options of the module.
HOST: Mapping[str, Option] = {
    **REQUEST,
    "conflicts": Option(choices=(REFUSE, REPLACE), default=REFUSE),
    "state": Option(choices=(PRESENT, ABSENT), default=PRESENT),
    "sections": Option("list", elements="str", choices=tuple(SECTION_OPTIONS), comma_separated=True),
    "local_command": Option("bool", default=True),
    "root": Option("path", default="/"),
}


def argument_spec(options: Mapping[str, Option]) -> dict[str, dict[str, Any]]:
    """Return options as AnsibleModule takes them."""
    return {name: _as_argument(option) for name, option in options.items()}


def _as_argument(option: Option) -> dict[str, Any]:
    argument: dict[str, Any] = {"type": option.type}
    if option.elements is not None:
        argument["elements"] = option.elements
    if option.required:
        argument["required"] = True
    if option.default is not None:
        argument["default"] = list(option.default) if isinstance(option.default, tuple) else option.default
    if option.choices:
        argument["choices"] = list(option.choices)
    if option.options:
        argument["options"] = argument_spec(option.options)
    if option.no_log is not None:
        argument["no_log"] = option.no_log
    return argument
