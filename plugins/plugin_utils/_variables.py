# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of roles and playbooks, and the mistakes in them. Pure, and on the controller only."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._plan.benchmarks import KINDS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.guest_spec import GUEST
from ansible_collections.vfio.workstation.plugins.module_utils._plan.input_reader import InputReader
from ansible_collections.vfio.workstation.plugins.module_utils._plan.nearest import nearest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_spec import CPU_ISOLATION, REQUEST, Option
from ansible_collections.vfio.workstation.plugins.plugin_utils._batches import CANARY, MOST_FAILED, batch_mistakes
from ansible_collections.vfio.workstation.plugins.plugin_utils._guests import VARIABLE, guest_mistakes
from ansible_collections.vfio.workstation.plugins.plugin_utils._windows import VARIABLE as WINDOW
from ansible_collections.vfio.workstation.plugins.plugin_utils._windows import window_mistakes

_COLLECTION = "vfio.workstation."


class Role(t.NamedTuple):
    """The variables of a role."""

    options: t.Mapping[str, str]  # variable -> path of the option of the module that it fills
    own: t.Mapping[str, Option]  # variables that the role itself reads
    module: str = "host"  # the module that the role calls

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all its variables."""
        return (*self.options, *self.own)


def _role(name: str, options: t.Mapping[str, str], own: t.Mapping[str, Option] | None = None) -> Role:
    common = {f"{name}_{option}": option for option in ("accept", "conflicts", "local_command", "state")}
    return Role({**options, **common}, own or {})


ROLES: t.Mapping[str, Role] = {
    "workstation": _role(
        "workstation",
        {f"workstation_{option}": option for option in REQUEST},
        {
            VARIABLE: Option("raw", default=()),
            "workstation_install_packages": Option("bool", default=True),
            "workstation_reboot": Option(choices=("never", "when_required", "ask"), default="never"),
            "workstation_reboot_timeout": Option("int", default=600, least=1),
            WINDOW: Option("raw", default=()),
        },
    ),
    "iommu": _role("iommu", {"iommu_pass_through": "iommu.pass_through"}),
    "vfio_pci": _role("vfio_pci", {"vfio_pci_devices": "devices", "vfio_pci_access": "access"}),
    "hugepages": _role("hugepages", {"hugepages_sizes": "hugepages", "hugepages_memory_for_host": "memory_for_host"}),
    "cpu_isolation": _role(
        "cpu_isolation", {f"cpu_isolation_{option}": f"cpu_isolation.{option}" for option in CPU_ISOLATION}
    ),
    "bootloader": _role("bootloader", {"bootloader_arguments": "arguments"}),
    "guest": Role(
        {f"guest_{option}": option for option in GUEST if option != "install_packages"},
        {"guest_install_packages": Option("bool", default=True)},
        "guest",
    ),
    "preflight": Role({}, {"preflight_fail": Option("bool", default=True)}),
    "parity": Role(
        {},
        {
            "parity_guest": Option(default=""),
            "parity_domain": Option(default=""),
            "parity_cpus": Option("raw"),
            "parity_node": Option("int"),
            "parity_root": Option("path", default="/"),
            "parity_kinds": Option("list", choices=tuple(KINDS), comma_separated=True, default=()),
            "parity_disk": Option("path", default=""),
            "parity_server": Option(default=""),
            "parity_source": Option("path", default=""),
            "parity_seconds": Option("int", default=5, least=1),
            "parity_warm_up": Option("int", default=1),
            "parity_noise_blocks": Option("int", default=6, least=2),
            "parity_percent": Option("float", default=1),
            "parity_latency_us": Option("int", default=20, least=1),
            "parity_max_minutes": Option("int", default=60, least=1),
            "parity_seed": Option(default=""),
            "parity_dir": Option(default=""),
            "parity_fail": Option("bool", default=False),
        },
        "benchmark",
    ),
    "report": Role(
        {},
        {
            "report_root": Option("path", default="/"),
            "report_dir": Option(default=""),
            "report_query": Option(default=""),
            "report_propose": Option("bool", default=False),
        },
    ),
}
PLAYBOOK_VARIABLES: t.Mapping[str, Option] = {
    "workstation_hosts": Option(),
    "workstation_serial": Option("raw"),
    CANARY: Option("raw"),
    MOST_FAILED: Option("raw"),
    "report_hosts": Option(),
    "parity_hosts": Option(),
    "parity_files": Option("raw"),
    "verify_allow_nothing": Option("bool", default=False),
}
#: Where roles keep what the module returned, and what AWX passes on to the next job of a workflow.
RESULTS = (*(f"{name}_result" for name, role in ROLES.items() if role.options), "workstation_summary")
#: Prefixes that no other collection is likely to use. Unknown variables with these are mistakes in any case.
RESERVED_PREFIXES = ("workstation_", "vfio_pci_")

_KNOWN = {*PLAYBOOK_VARIABLES, *RESULTS, *(name for role in ROLES.values() for name in role.names)}


def own_roles(variables: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """Return which roles of this collection a task and its play belong to, that of the task first.

    Args:
        variables: The task's variables, with Ansible's magic variables.
    """
    names = [
        variables.get("ansible_role_name"),
        *variables.get("ansible_parent_role_names", ()),
        *variables.get("ansible_play_role_names", ()),
    ]
    roles = [str(name).removeprefix(_COLLECTION) for name in names if str(name).startswith(_COLLECTION)]
    return tuple(dict.fromkeys(role for role in roles if role in ROLES))


def option_names(variables: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the variable that the task's role fills an option from, by the path of the option."""
    name = str(variables.get("ansible_role_name"))
    role = ROLES.get(name.removeprefix(_COLLECTION)) if name.startswith(_COLLECTION) else None
    return {option: variable for variable, option in role.options.items()} if role is not None else {}


def variable_mistakes(variables: t.Mapping[str, t.Any], template: t.Callable[[t.Any], t.Any]) -> list[str]:
    """Return the mistakes in variables that no option of a module shows. None outside of the roles of this collection.

    Args:
        variables: The task's variables, with Ansible's magic variables.
        template: Resolves the templates in a value.
    """
    roles = own_roles(variables)
    if not roles:
        return []
    reader = InputReader()
    own = {**PLAYBOOK_VARIABLES}
    for role in roles:
        own.update(ROLES[role].own)
    for name, option in own.items():
        if name in variables:
            reader.read(name, template(variables[name]), option)
    guests = _guest_mistakes(variables, template) if VARIABLE in own else []
    batches = {name: template(variables[name]) for name in (CANARY, MOST_FAILED) if name in variables}
    windows = window_mistakes(template(variables[WINDOW])) if WINDOW in own and WINDOW in variables else []
    return [*_unknown_variables(variables, roles), *reader.mistakes, *windows, *batch_mistakes(batches), *guests]


def _guest_mistakes(variables: t.Mapping[str, t.Any], template: t.Callable[[t.Any], t.Any]) -> list[str]:
    names = (VARIABLE, "workstation_state", "workstation_devices")
    guests, state, devices = (template(variables[name]) if name in variables else None for name in names)
    return guest_mistakes(guests, str(state or "present"), devices)


def _unknown_variables(variables: t.Iterable[str], roles: t.Sequence[str]) -> t.Iterator[str]:
    """Yield the variables that are probably meant for this collection and that no role or playbook reads."""
    read_here = {*PLAYBOOK_VARIABLES, *(name for role in roles for name in ROLES[role].names)}
    # Names with an underscore in front are internal to a role.
    for variable in sorted(name for name in set(variables) - _KNOWN if not name.startswith("_")):
        prefix = next((prefix for prefix in RESERVED_PREFIXES if variable.startswith(prefix)), None)
        meant = nearest(variable, _KNOWN if prefix else read_here)
        if meant:
            yield f"{variable}: unknown variable. Did you mean {meant}?"
        elif prefix:
            known = sorted(name for name in _KNOWN if name.startswith(prefix) and name not in RESULTS)
            yield (
                f"{variable}: unknown variable. Variables that begin with {prefix} are reserved for this collection, "
                f"which has {', '.join(known)}."
            )
