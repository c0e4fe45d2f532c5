# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter reboot_hold: why hosts are not rebooted now."""

from __future__ import annotations

import datetime
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils import _batches, _windows

DOCUMENTATION = r"""
name: reboot_hold
short_description: Return why hosts are not rebooted now
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Returns a reason not to reboot hosts at this time, for the plays of C(vfio.workstation.provision).
  - The reason is a closed maintenance window, a canary that failed, or too many hosts that failed.
positional: window
options:
  _input:
    description:
      - What P(vfio.workstation.host#module) returned for the hosts of the play, by host name and in their order,
        without the hosts of the present batch.
      - Empty before the first batch.
    type: dict
    required: true
  window:
    description: The times at which hosts may be rebooted, as C(workstation_reboot_window).
    type: raw
  canary:
    description: How many of the first hosts have to be verified before others are rebooted, as C(workstation_canary).
    type: raw
  max_fail_percentage:
    description: The percentage of failed hosts that stops the others if it is exceeded.
    type: raw
seealso:
  - plugin: vfio.workstation.phase_hosts
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Reboot at night only
  ansible.builtin.reboot:
  when: ({} | vfio.workstation.reboot_hold('22:00-05:00')) == ''
"""

RETURN = r"""
_value:
  description: The reason. Empty if the hosts may be rebooted.
  type: str
"""


def reboot_hold(results: t.Any, window: t.Any = None, canary: t.Any = None, max_fail_percentage: t.Any = None) -> str:
    mistakes = [
        *_windows.window_mistakes(window, "window"),
        *_batches.batch_mistakes({_batches.CANARY: canary, _batches.MOST_FAILED: max_fail_percentage}),
    ]
    if mistakes:
        raise AnsibleFilterError("vfio.workstation.reboot_hold: " + "\n".join(mistakes))
    now = datetime.datetime.now(datetime.timezone.utc)
    return _batches.stop_reason(results, canary, max_fail_percentage) or _windows.closed_text(window, now)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"reboot_hold": reboot_hold}
