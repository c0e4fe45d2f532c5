# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values in the output of benchmarks."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Callable, Mapping

_SYSBENCH_CPU = re.compile(r"^\s*events per second:\s*([0-9.]+)\s*$", re.ASCII | re.MULTILINE)
_SYSBENCH_MEMORY = re.compile(r"MiB transferred \(([0-9.]+) MiB/sec\)", re.ASCII)
#: stressor, bogo operations, three times, operations for each second of real time.
_STRESS_NG = re.compile(
    r"^stress-ng: (?:metrc|info): *\[[0-9]+\] \S+ +[0-9]+(?: +[0-9.]+){3} +([0-9.]+) +[0-9.]+", re.ASCII | re.MULTILINE
)
_PERF = re.compile(r"^\s*([0-9]+) ops/sec\s*$", re.ASCII | re.MULTILINE)
_BUCKET = re.compile(r"^([0-9]{6,9}) ([0-9]{1,12})\s*$", re.ASCII | re.MULTILINE)
_LONGEST = re.compile(r"^# Max Latencies: ([0-9]{1,12})\s*$", re.ASCII | re.MULTILINE)
_OVERFLOWS = re.compile(r"^# Histogram Overflows: ([0-9]{1,12})\s*$", re.ASCII | re.MULTILINE)
_TAIL = 0.999


def read_value(reader: str, output: str) -> float | None:
    """Return the value in the output of a benchmark; None if there is none, or none that can be compared.

    Args:
        reader: A key of READERS.
        output: What the tool printed.
    """
    value = READERS[reader](output)
    return value if value is not None and math.isfinite(value) and value > 0 else None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], float | None]:
    def reader(output: str) -> float | None:
        match = pattern.search(output)
        try:
            return float(match.group(1)) if match else None
        except ValueError:  # such as 1.2.3
            return None

    return reader


def _cyclictest(output: str) -> float | None:
    """Return the latency in microseconds that 99.9 % of the wake-ups do not exceed.

    Latencies beyond the histogram are only counted: if one of them decides, it is the longest, lest it look shorter.
    """
    buckets = [(int(latency), int(count)) for latency, count in _BUCKET.findall(output)]
    overflows, longest = _OVERFLOWS.search(output), _LONGEST.search(output)
    total = sum(count for _latency, count in buckets) + (int(overflows.group(1)) if overflows else 0)
    if not total or not longest:
        return None
    seen = 0
    for latency, count in sorted(buckets):
        seen += count
        if seen >= _TAIL * total:
            # A latency below a microsecond is in the bucket 0.
            return float(max(latency, 1))
    return float(longest.group(1))


def _json(*path: str) -> Callable[[str], float | None]:
    """Return a reader of a number in a JSON document, which warnings may precede. Of a list, the first item counts."""

    def reader(output: str) -> float | None:
        value: Any = None
        try:
            value = json.loads(output[output.index("{") :])
        except (ValueError, RecursionError):
            return None
        for key in path:
            if isinstance(value, list):
                value = value[0] if value else None
            value = value.get(key) if isinstance(value, dict) else None
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    return reader


READERS: Mapping[str, Callable[[str], float | None]] = {
    "sysbench_cpu": _matching(_SYSBENCH_CPU),
    "sysbench_memory": _matching(_SYSBENCH_MEMORY),
    "stress_ng": _matching(_STRESS_NG),
    "perf_bench": _matching(_PERF),
    "cyclictest": _cyclictest,
    "fio_reads": _json("jobs", "read", "iops"),
    "fio_bytes": _json("jobs", "read", "bw_bytes"),
    "iperf3": _json("end", "sum_received", "bits_per_second"),
}
