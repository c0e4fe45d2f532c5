# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter parity_verdict: the verdict of a parity measurement."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.equivalence import Comparison
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.judgement import report
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import Unreadable, read_result

DOCUMENTATION = r"""
name: parity_verdict
short_description: Return the verdict of a parity measurement
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Computes the verdicts from the samples, for conditions in playbooks.
options:
  _input:
    description: A document of P(vfio.workstation.parity_document#filter).
    type: dict
    required: true
seealso:
  - {plugin: vfio.workstation.benchmark, plugin_type: module}
  - {plugin: vfio.workstation.parity_table, plugin_type: filter}
"""

EXAMPLES = r"""
- name: Assert that the guest is equivalent
  ansible.builtin.assert:
    that: (document | vfio.workstation.parity_verdict).word == 'equivalent'
"""

RETURN = r"""
_value:
  description: The verdict.
  type: dict
  contains:
    word:
      description:
        - "V(equivalent): all kinds of work are."
        - "V(not equivalent): at least one kind is not."
        - "V(too noisy to say): at least one kind can't be decided."
        - "V(not measured): the guest was not measured."
      type: str
    differences:
      description: Settings in which both sides differ.
      type: list
      elements: str
    kinds:
      description: By kind of work, its C(word), the C(reason), and the C(causes) that are visible, each with C(code),
        C(text) and C(remedy). C(noise) and C(guest) have the interval of the logarithm of the ratio, or of the
        difference of latencies, as C(low), C(high) and C(estimate), and the number of C(blocks).
      type: dict
"""


def parity_verdict(document: t.Any) -> dict[str, t.Any]:
    try:
        judged = report(read_result(document, "document"))
    except Unreadable as error:
        raise AnsibleFilterError(f"vfio.workstation.parity_verdict: {error}") from error
    kinds = {
        kind: {
            "word": item.verdict.word,
            "reason": item.verdict.reason,
            "noise": _comparison(item.verdict.noise),
            "guest": _comparison(item.verdict.guest),
            "causes": [cause._asdict() for cause in item.causes],
        }
        for kind, item in judged.kinds.items()
    }
    return {"word": judged.word, "differences": list(judged.differences), "kinds": kinds}


def _comparison(comparison: Comparison | None) -> dict[str, t.Any] | None:
    return None if comparison is None else comparison._asdict()


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parity_verdict": parity_verdict}
