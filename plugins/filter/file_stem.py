# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter file_stem: the file name of a host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet import file_names

DOCUMENTATION = r"""
name: file_stem
short_description: Return the file name of a host, without its ending
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Different hosts have different names. A name in the inventory may contain anything, such as C(../../x); the file
    name stays in its directory.
  - Letters, digits, C(.), C(_) and C(-) are kept, except that the first character is a letter, a digit or C(_). Each
    byte of another character becomes C(~) and two hexadecimal digits.
options:
  _input:
    description: The name of the host in the inventory.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read what was saved about a host
  ansible.builtin.set_fact:
    saved: "{{ lookup('ansible.builtin.file', 'reports/' ~ name ~ '.json') }}"
  vars:
    name: "{{ inventory_hostname | vfio.workstation.file_stem }}"
"""

RETURN = r"""
_value:
  description: The file name.
  type: str
  sample: ws1.example.org
"""


def file_stem(name: t.Any) -> str:
    if not isinstance(name, str):
        raise AnsibleFilterError(f"vfio.workstation.file_stem: found {type(name).__name__}, expected a name, as text")
    return file_names.file_stem(name)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"file_stem": file_stem}
