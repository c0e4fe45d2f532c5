# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the overhead of a change to the boot configuration, compared with the distribution's tools alone.

`make bench` runs this as root, in a container with its own disk. The modules run on the container's Python, without the
round trip of Ansible.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests import payload
from tests.containers import disk, engine, image
from tests.containers.command import CACHE, ContainerError, output
from tests.machines import build_described, load_but

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "boot13"
NAME = f"vfio-bench-{os.getpid()}"
REPEATS = 5
ARGUMENTS = {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt"]}
FILE = {"path": "/etc/udev/rules.d/99-bench.rules", "content": "# bench\n"}
REQUEST = {"owner": "devices", "modules": ["vfio-pci"], "files": [FILE]}
# The container shows an unconfigured host of the scenario provision. The request is that of the host, and arguments.
HOST: dict[str, Any] = yaml.safe_load((ROOT / "molecule/provision/inventory.yml").read_text("utf-8"))["machines"][
    "hosts"
]["twin-gpus"]
SECTIONS = {
    name.removeprefix("workstation_"): request for name, request in HOST.items() if name.startswith("workstation_")
}
SECTIONS["arguments"] = ["mitigations=auto"]


class Bench:
    """A container in which commands are timed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(self, line: str, stdin: str = "") -> str:
        argv = ["podman", "exec", "--interactive", NAME, "sh", "-c", line]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, env=self._environment)
        if done.returncode != 0:
            raise ContainerError(f"{line}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def call(self, module: str, **parameters: Any) -> payload.Answer:
        answer = payload.answer(self.run(" ".join(payload.argv(module)), payload.text(parameters)))
        if answer.failed:
            raise ContainerError(answer.values["msg"])
        return answer

    def median(self, work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
        """Return the median time of some work in seconds. What runs before each repetition is not counted."""
        times = []
        for _repeat in range(REPEATS):
            before()
            begin = time.perf_counter()
            work()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)


def compare(bench: Bench, module: str, request: dict[str, Any], tool: str, alone: Callable[[], object]) -> None:
    """Print the times of a first run, of a run with nothing to do, and of the tool alone."""
    absent = {"state": "absent", **({"owner": request["owner"]} if "owner" in request else {})}
    distribution = bench.median(alone)
    first = bench.median(lambda: bench.call(module, **request), lambda: bench.call(module, **absent))
    bench.call(module, **absent)
    tools = bench.call(module, **request).tools
    idle = bench.median(lambda: bench.call(module, **request))
    print(
        f"{module:15} {tool} alone {distribution:.2f} s | "
        f"first run {first:.2f} s, overhead {first - distribution:.2f} s, "
        f"tools: {', '.join(tools)} | nothing to do {idle:.2f} s",
        flush=True,
    )


def main() -> int:
    """Print the times."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=CACHE))
    environment: dict[str, str] = dict(os.environ)
    try:
        full = image.ensure(IMAGE)
        environment.update(engine.configure(full))
        root, device = disk.attach(full, folder / "disk", environment)
        payload.build(root / "root/payload")
        tree = folder / "machine"
        build_described(load_but(HOST["machine"], HOST["machine_but"]), tree)
        (tree / "sys/fs/cgroup").mkdir(parents=True, exist_ok=True)
        argv = ["podman", "run", "--detach", "--rm", "--name", NAME, "--network=none", "--device", str(device)]
        argv += ["--systemd=false", "--cap-add=SYS_ADMIN", "--security-opt=unmask=/sys/firmware:/sys/dev/block"]
        argv += [f"--volume={tree}/sys:/sys:ro", f"--volume={tree}:/srv/machine:ro"]
        argv += [f"--volume={ROOT}/molecule/provision/files:/srv/provision:ro"]
        output([*argv, "--rootfs", str(root), "sleep", "3600"], env=environment)
        bench = Bench(environment)
        bench.run("sh /srv/provision/boots quiet")
        version = bench.run("ls /lib/modules").strip()
        nothing = bench.median(lambda: bench.run(":"))
        print(f"medians of {REPEATS}, Debian 13, one kernel; podman exec alone takes {nothing:.2f} s")
        menu = "grub-mkconfig -o /boot/grub/grub.cfg"
        compare(bench, "kernel_cmdline", ARGUMENTS, "grub-mkconfig", lambda: bench.run(menu))
        images = f"update-initramfs -u -k {version}"
        compare(bench, "initramfs", REQUEST, "update-initramfs", lambda: bench.run(images))
        both = f"{menu} && {images}"
        compare(bench, "host", SECTIONS, "grub-mkconfig and update-initramfs", lambda: bench.run(both))
    except ContainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        subprocess.run(
            ["podman", "rm", "--force", "--time", "0", NAME], env=environment, capture_output=True, check=False
        )
        disk.detach(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
