# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An AnsibleModule that leaves its options to a parser of this collection."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ansible.module_utils.basic import AnsibleModule


class RawOptionsModule(AnsibleModule):
    """A module whose argument spec is documentation: its options are neither converted nor validated by Ansible.

    Conversion would hide mistakes: `vendor: 0x1f86` without quotes is a number for YAML, and would become the text
    "8070", which is the id of another vendor. And Ansible's validation stops at its own messages, while those of the
    parser name every mistake at once.

    Attributes:
        options: The options as the task has them.
    """

    options: dict[str, Any]

    def __init__(self, argument_spec: dict[str, dict[str, Any]], supports_check_mode: bool) -> None:
        AnsibleModule.__init__(self, argument_spec=argument_spec, supports_check_mode=supports_check_mode)
        self.params.update(self.options)  # which Ansible returns as the invocation
        self.no_log_values.update(secrets(argument_spec, self.options))

    def _load_params(self) -> None:
        AnsibleModule._load_params(self)
        internal = {name: value for name, value in self.params.items() if name.startswith("_ansible_")}
        self.options = {name: value for name, value in self.params.items() if name not in internal}
        # A required option has a text in its place, which the options replace: the parser reports one that is missing.
        required = {name: "" for name, option in self.argument_spec.items() if option.get("required")}
        self.params = {**required, **internal}


def secrets(argument_spec: Mapping[str, Any], options: Any) -> Iterator[str]:
    """Yield the values of all options with `no_log`, which Ansible removes from all output.

    Where there are such options, the value of an unknown one is a secret too: its name may be misspelt.
    """
    if not isinstance(options, Mapping):
        return
    if any(argument.get("no_log") for argument in argument_spec.values()):
        yield from _texts([value for name, value in options.items() if name not in argument_spec])
    for name, argument in argument_spec.items():
        value = options.get(name)
        if argument.get("no_log"):
            yield from _texts(value)
        for suboptions in value if isinstance(value, (list, tuple)) else (value,):
            yield from secrets(argument.get("options", {}), suboptions)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif value is not None and str(value):
        yield str(value)
