#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure one kind of work on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark
short_description: Measure one kind of work on a host
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Runs a benchmark of the distribution several times, and returns its values, the settings of the host that change
    its speed, and what the kernel counted meanwhile.
  - The playbook C(vfio.workstation.parity) runs it on a host and on its guest in turn. One measurement alone shows
    neither how noisy it is, nor what another one would show.
  - Where systemd manages the host, the benchmark runs in C(machine.slice), as guests do, on the given CPUs.
  - Does not change the host. Files that a benchmark of a disk creates are removed.
extends_documentation_fragment:
  - vfio.workstation.attributes
attributes:
  check_mode:
    support: partial
    details:
      - In check mode, no benchmark runs; only conditions and versions are returned.
  diff_mode:
    support: none
options:
  kind:
    description:
      - What to measure. Without it, no benchmark runs, and the versions of all tools are returned.
      - V(integer_one) and V(integer_all) search prime numbers, on one CPU and on all (sysbench).
      - V(float_one) and V(float_all) multiply matrices (stress-ng).
      - V(memory_bandwidth) writes 128 MiB in sequence on all CPUs, V(memory_random) reads at random on one (sysbench).
      - V(syscalls) and V(context_switches) measure the kernel on one CPU (perf bench).
      - V(wake_up) measures the latency in microseconds that 99.9 % of the wake-ups by a timer do not exceed
        (cyclictest, with real-time priority).
      - V(disk_latency) and V(disk_bandwidth) read in O(disk), past the page cache (fio).
      - V(network) sends to O(server) (iperf3). V(compile) builds O(source) (make).
    type: str
    choices:
      - integer_one
      - integer_all
      - float_one
      - float_all
      - memory_bandwidth
      - memory_random
      - syscalls
      - context_switches
      - wake_up
      - disk_latency
      - disk_bandwidth
      - network
      - compile
  cpus:
    description:
      - The CPUs to run on, such as V(2-7,10-15). By default those that the vCPUs of O(guest) are pinned to, or all that
        Ansible's connection may use.
      - A kind on one CPU uses the first.
    type: raw
  node:
    description: The NUMA node to take memory from. Requires systemd. By default any.
    type: int
  root:
    description:
      - Directory that is the root of the benchmark, such as a copy of the guest's file systems, so that tools and
        libraries are those of the guest. Requires systemd.
      - Never the mounted disk of a guest that runs or is suspended. Two systems that write to one file system
        destroy it.
    type: path
    default: /
  runs:
    description: How many runs to measure, from 1 to 100.
    type: int
    default: 1
  seconds:
    description: Seconds of each run, from 1 to 3600. V(compile) takes as long as it takes.
    type: int
    default: 5
  warm_up:
    description: Seconds of a run before the others that is not measured. V(0) for none.
    type: int
    default: 1
  disk:
    description: Directory for a file of 256 MiB that V(disk_latency) and V(disk_bandwidth) read, and remove.
    type: path
    default: ""
  server:
    description: Name or address of a host on which C(iperf3 --server) runs.
    type: str
    default: ""
  source:
    description: Directory of a source tree with a C(Makefile).
    type: path
    default: ""
  guest:
    description:
      - A guest of libvirt on this host. If it runs, it is suspended while the benchmark runs, and continues afterwards,
        also if the benchmark fails.
      - The return values have what its process uses.
    type: str
    default: ""
  uri:
    description: The connection of libvirt.
    type: str
    default: qemu:///system
  hold_cpus:
    description:
      - Whether to reserve the CPUs for guests while the benchmark runs, as the hook of libvirt does while a guest runs.
        Only on hosts with dynamic CPU isolation.
    type: bool
    default: false
seealso:
  - {plugin: vfio.workstation.host_info, plugin_type: module}
"""

EXAMPLES = r"""
- name: Measure the wake-up latency on the CPUs for guests
  vfio.workstation.benchmark:
    kind: wake_up
    cpus: 2-7
    runs: 5
    hold_cpus: true
  become: true
  register: latency

- name: Read what changes the speed of the host, and which tools it has
  vfio.workstation.benchmark:
  become: true
  register: conditions
"""

RETURN = r"""
samples:
  description: One entry for each run.
  returned: success
  type: list
  elements: dict
  contains:
    value:
      description: The value, in the unit of the kind.
      type: float
      sample: 577.65
    seconds:
      description: How long the run took, including the start of the tool.
      type: float
      sample: 2.04
cpus:
  description: The CPUs that were measured.
  returned: success
  type: list
  elements: int
  sample: [2, 3]
conditions:
  description: Settings that change the speed, by name. V(null) for those that the host does not show.
  returned: success
  type: dict
  sample: {clocksource: tsc, governor: performance, turbo: "on"}
tools:
  description: The first line of what each tool prints of its version; V(null) for tools that are missing. Empty if a
    kind was measured.
  returned: success
  type: dict
  sample: {sysbench: sysbench 1.0.20, fio: null}
kvm:
  description: The parameters of KVM's modules.
  returned: success
  type: dict
  sample: {kvm_amd.avic: "Y"}
before:
  description: What the kernel had counted since boot before the first run.
  returned: success
  type: dict
  contains: &counters
    at:
      description: Seconds since the epoch.
      type: float
      sample: 1795943622.9
    kvm:
      description: Counters of KVM for all guests of the host, by name.
      type: dict
      sample: {exits: 123456, io_exits: 12}
    cpu:
      description: Ticks of the CPUs, by what they were spent on. C(user) includes C(guest).
      type: dict
      sample: {user: 4688674, steal: 21953}
    throttled:
      description: How often cores were throttled for their temperature.
      type: int
      sample: 0
after:
  description: The same after the last run.
  returned: success
  type: dict
  contains: *counters
guest:
  description: The QEMU process of O(guest). V(null) if it does not run.
  returned: success
  type: dict
  contains:
    vcpus:
      description: The CPUs that the thread of each vCPU may run on.
      type: list
      elements: str
      sample: ["2", "3"]
    page_bytes:
      description: Bytes of memory by the size of their pages in kB.
      type: dict
      sample: {"4": 104857600, "2048": 4294967296}
    node_bytes:
      description: Bytes of memory by the NUMA node that has them.
      type: dict
      sample: {"0": 4399824896}
    uses_kvm:
      description: Whether it runs with KVM.
      type: bool
      sample: true
"""

from ansible_collections.vfio.workstation.plugins.module_utils._run.benchmark import run_benchmark_module


def main() -> None:
    run_benchmark_module()


if __name__ == "__main__":
    main()
