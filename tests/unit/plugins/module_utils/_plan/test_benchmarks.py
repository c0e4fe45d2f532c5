# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of work: what is run for each."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.benchmark import HIGHER, LOWER, Work
from ansible_collections.vfio.workstation.plugins.module_utils._plan.benchmarks import KINDS, TOOLS, argv, cpus_of
from ansible_collections.vfio.workstation.plugins.module_utils._run.benchmark import ARGUMENTS
from ansible_collections.vfio.workstation.tests.unit.documentation import documentation

WORK = Work((4, 6), 3, "/srv/disk", "192.0.2.1", "/usr/src/x")


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_complete(name: str) -> None:
    kind = KINDS[name]
    assert kind.tool in TOOLS
    assert kind.better in (HIGHER, LOWER)
    assert argv(name, WORK)[0] == kind.tool
    assert not kind.needs or getattr(WORK, kind.needs) in " ".join(argv(name, WORK))


def test_a_kind_on_one_cpu_has_one_thread_on_the_first() -> None:
    assert "--threads=1" in argv("integer_one", WORK)
    assert "--threads=2" in argv("integer_all", WORK)
    assert cpus_of("integer_one", WORK).cpus == (4,)
    assert "--affinity=4" in argv("wake_up", WORK)


def test_the_time_is_that_of_the_work() -> None:
    assert "--time=3" in argv("integer_one", WORK)
    assert argv("syscalls", WORK)[-1] == str(3 * int(argv("syscalls", WORK._replace(seconds=1))[-1]))


def test_a_disk_is_only_read_past_the_cache_and_its_file_removed() -> None:
    for name in ("disk_latency", "disk_bandwidth"):
        words = argv(name, WORK)
        assert {"--direct=1", "--unlink=1", "--directory=/srv/disk"} <= set(words)
        assert any(word in ("--rw=read", "--rw=randread") for word in words)


def test_the_documentation_lists_every_kind() -> None:
    option = documentation("benchmark")["options"]["kind"]
    assert option["choices"] == list(KINDS)
    assert all(f"V({name})" in "".join(option["description"]) for name in KINDS)
    assert set(documentation("benchmark")["options"]) == set(ARGUMENTS)
