# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What host_info and the report say of a container that shows a desktop with twin GPUs.

Held against what is known of the described machine (tests/machines/twin-gpus.yml), and against what the container's own
tools and kernel say of it.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jmespath
import pytest
import testinfra
import yaml
from testinfra.host import Host

from tests.machines import load

testinfra_hosts = ["ansible://machines?force_ansible=True"]

RUN = Path(os.environ["VFIO_RUN"])
INVENTORY = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "inventory.yml"
MACHINES = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))["machines"]
PYTHON = {"debian12": "3.11", "debian13": "3.13", "debian14": "3.14"}

FIRST, FIRST_SOUND = "0000:01:00.0", "0000:01:00.1"  # the boot display, with group 12 to itself
SECOND, SECOND_SOUND = "0000:41:00.0", "0000:41:00.1"  # on vfio-pci, with group 20 to itself
DISK, NETWORK = "0000:02:00.0", "0000:03:00.0"
IDENTITY = ("vendor", "device", "subsystem_vendor", "subsystem_device", "class", "revision", "device_name")


def name_of(host: Host) -> str:
    """Return the host's name in the inventory."""
    return str(host.backend.host)


@functools.cache
def read(name: str, root: str = "/", user: str = "root") -> dict[str, Any]:
    """Return what host_info returns of a container through Ansible's connection; each is asked once."""
    host = testinfra.get_host(f"ansible://{name}?force_ansible=True&ansible_inventory={INVENTORY}")
    variables = {"ansible_user": user, "ansible_remote_tmp": f"/tmp/.ansible-{user}"}
    result: dict[str, Any] = host.ansible(
        "vfio.workstation.host_info", f"root={root}", check=False, extra_vars=variables
    )
    return result


@functools.cache
def report(*arguments: str) -> str:
    """Run the report on all machines as a user does, and return its output."""
    done = subprocess.run(
        ["ansible-playbook", "-i", str(INVENTORY), "vfio.workstation.report", *arguments],
        env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "false"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(name="inside")
def fixture_inside(host: Host) -> Host:
    """The same container, for its own commands: straight through podman, which is a second faster for each."""
    return testinfra.get_host(f"podman://{RUN.name}-{name_of(host)}")


@pytest.fixture(name="reading")
def fixture_reading(host: Host) -> dict[str, Any]:
    """What host_info returned of the container itself."""
    return read(name_of(host))


@pytest.fixture(name="pci")
def fixture_pci(reading: dict[str, Any]) -> dict[str, Any]:
    """Its PCI functions by address."""
    functions: dict[str, Any] = reading["host"]["pci"]
    return functions


@pytest.fixture(name="lines")
def fixture_lines(host: Host) -> list[str]:
    """The report on this host, which its name begins and Ansible's own line of a host ends."""
    (text,) = re.findall(rf"^{name_of(host)}: .*?(?=^ok: )", report(), re.MULTILINE | re.DOTALL)
    return str(text).splitlines()


def test_the_collection_is_the_installed_tarball() -> None:
    command = ["ansible-galaxy", "collection", "list", "vfio.workstation", "--format", "json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert list(listed) == [str(RUN / "collections" / "ansible_collections")]
    assert (RUN / "collections/ansible_collections/vfio/workstation/MANIFEST.json").is_file()


def test_the_container_runs_the_python_it_is_there_for(host: Host, inside: Host) -> None:
    assert (
        inside.check_output("python3 -c %s", "import sys; print('%d.%d' % sys.version_info[:2])")
        == PYTHON[name_of(host)]
    )


def test_reading_changes_nothing_and_reads_all_as_root(reading: dict[str, Any]) -> None:
    assert reading["changed"] is False
    assert "warnings" not in reading
    assert [item["path"] for item in reading["unreadable"]] == []


def test_functions_are_those_that_lspci_sees(inside: Host, pci: dict[str, Any]) -> None:
    seen = {}
    for line in inside.check_output("lspci -Dn").splitlines():
        address, kind, ids = line.split()[:3]
        seen[address] = (kind.rstrip(":"), ids)
    assert {at: (one["class"][:4], f"{one['vendor']}:{one['device']}") for at, one in pci.items()} == seen


def test_groups_are_those_of_the_kernel(inside: Host, reading: dict[str, Any]) -> None:
    seen: dict[str, set[str]] = {}
    for path in inside.check_output("find /sys/kernel/iommu_groups -type l").splitlines():
        *_above, group, _devices, address = path.split("/")
        seen.setdefault(group, set()).add(address)
    assert {number: set(group["members"]) for number, group in reading["host"]["iommu"]["groups"].items()} == seen
    assert seen["12"] == {FIRST, FIRST_SOUND}
    assert seen["20"] == {SECOND, SECOND_SOUND}


def test_twins_are_told_apart(pci: dict[str, Any]) -> None:
    first, second = pci[FIRST], pci[SECOND]
    assert [first[key] for key in IDENTITY] == [second[key] for key in IDENTITY]
    assert (first["driver"], first["iommu_group"], first["parent"]) == ("nvidia", "12", "0000:00:01.1")
    assert (second["driver"], second["iommu_group"], second["parent"]) == ("vfio-pci", "20", "0000:00:03.1")


def test_the_boot_display_is_the_first_twin_alone(pci: dict[str, Any]) -> None:
    assert [address for address, function in pci.items() if function["boot_display"]] == [FIRST]


def test_what_holds_the_first_twin_is_found_by_its_process(inside: Host, pci: dict[str, Any]) -> None:
    held = {"Xorg": (FIRST, "card2"), "wireplumber": (FIRST_SOUND, "controlC0")}
    for process, (address, node) in held.items():
        number = inside.check_output("grep --files-with-matches --line-regexp %s /proc/[0-9]*/comm", process).split(
            "/"
        )[2]
        assert pci[address]["in_use_by"] == [{"kind": "process", "name": f"{process} ({number})", "via": node}]


def test_the_second_twin_is_free(pci: dict[str, Any]) -> None:
    assert pci[SECOND]["in_use_by"] == pci[SECOND_SOUND]["in_use_by"] == []


def test_swap_and_the_default_route_are_found(pci: dict[str, Any]) -> None:
    assert {"kind": "swap", "name": "/dev/nvme0n1p3", "via": "nvme0n1p3"} in pci[DISK]["in_use_by"]
    assert pci[NETWORK]["in_use_by"] == [{"kind": "default_route", "name": "enp3s0", "via": "enp3s0"}]


def test_all_else_is_the_described_machine_on_the_containers_debian(inside: Host, reading: dict[str, Any]) -> None:
    host, described = reading["host"], load(MACHINES["vars"]["machine"])
    assert host["cpu"]["model"] == described["cpu"]["name"]
    assert host["cpu"]["virtualization"]["state"] == "ready"
    assert host["iommu"]["state"] == "enabled"
    assert (len(host["cpus"]["cores"]), len(host["cpus"]["online"])) == (8, 16)
    assert host["memory"]["nodes"]["0"]["hugepages"]["1048576"] == {"total": 8, "free": 6, "surplus": 0}
    assert (host["boot"]["firmware"], host["boot"]["secure_boot"]) == ("uefi", True)
    assert host["boot"]["running"] == {key: described["kernel"][key] for key in ("version", "cmdline")}
    assert host["os"]["id"] == "debian"
    assert (
        f'PRETTY_NAME="Debian GNU/Linux {host["os"]["version_id"] or "forky"}'
        in inside.file("/etc/os-release").content_string
    )


def test_without_root_the_same_is_read_and_the_rest_is_named(host: Host, pci: dict[str, Any]) -> None:
    reading = read(name_of(host), user="daemon")
    assert not reading.get("failed"), reading
    denied = {item["path"]: item["values"] for item in reading["unreadable"]}
    assert "pci.in_use_by" in denied["/proc/[pid]/fd"]
    for address, function in reading["host"]["pci"].items():
        assert {**function, "in_use_by": None} == {**pci[address], "in_use_by": None}


def test_the_report_wrote_what_was_read(host: Host, reading: dict[str, Any]) -> None:
    written = json.loads((RUN / "reports" / f"{name_of(host)}.json").read_text(encoding="utf-8"))
    expected = {"name": name_of(host), "host": reading["host"], "unreadable": reading["unreadable"]}
    assert {key: written[key] for key in expected} == expected


def test_the_report_has_each_group_with_its_members(lines: list[str], reading: dict[str, Any]) -> None:
    for number, group in reading["host"]["iommu"]["groups"].items():
        [(kind, rows)] = re.findall(
            rf"^  group {number} +(\S+)\n((?:    .*\n)+)", "\n".join(lines) + "\n", re.MULTILINE
        )
        assert re.findall(r"^ {4}(0000:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) ", rows, re.MULTILINE) == group["members"]
        assert group["type"] == kind


def functions_in(lines: list[str]) -> dict[str, str]:
    """Return the descriptions of functions by address: those in groups, which follow those of section passthrough."""
    descriptions: dict[str, str] = {}
    address = ""
    for line in lines:
        if line.startswith(" " * 18):
            descriptions[address] = f"{descriptions.get(address, '')} {line.strip()}"
        else:
            address, _space, descriptions[address] = line.strip().partition(" ")
    return descriptions


def test_the_report_says_which_gpu_can_be_passed_through(lines: list[str]) -> None:
    answer = r"^ {4}(\S+) .*\n(?: {18}.*\n)*? {18}can be passed through: (yes|no, because it is the boot display)$"
    assert dict(re.findall(answer, "\n".join(lines), re.MULTILINE)) == {
        FIRST: "no, because it is the boot display",
        SECOND: "yes",
    }


def test_the_report_tells_the_twins_apart(lines: list[str]) -> None:
    of = functions_in(lines)
    assert "boot display" in of[FIRST]
    assert re.search(r"in use by process Xorg \(\d+\)", of[FIRST])
    assert "vfio-pci" in of[SECOND]
    assert "boot display" not in of[SECOND]
    assert "in use" not in of[SECOND] + of[SECOND_SOUND]


def test_the_report_sums_up_the_machine(host: Host, lines: list[str]) -> None:
    assert lines[0].startswith(f"{name_of(host)}: debian")
    text = "\n".join(lines)
    unwrapped = " ".join(text.split())
    for words in (
        "AMD Ryzen 7 7700",
        "8 cores, 16 CPUs",
        "32 GiB",
        "6 of 8 free huge pages of 1 GiB",
        "Secure Boot on",
    ):
        assert words in unwrapped
    assert re.search(r"^ *virtualization +ready\b", text, re.MULTILINE)
    assert re.search(r"^ *IOMMU +enabled\b", text, re.MULTILINE)


def test_a_question_across_all_machines(host: Host) -> None:
    free = "starts_with(class, '03') && boot_display == `false` && !in_use_by && iommu_group && !group_mates"
    output = report("-e", json.dumps({"report_query": f"[].{{name: name, free: functions[?{free}].address}}"}))
    (answer,) = re.findall(r"^ok: \[\S+\] => (\{\n.*?^\})", output, re.MULTILINE | re.DOTALL)
    found = json.loads(answer)["msg"]
    assert {"name": name_of(host), "free": [SECOND]} in found
    assert len(found) == len(MACHINES["hosts"])


# Each in one of the containers, in turn: every Python reads some of them.
@pytest.mark.parametrize(
    ("machine", "name"),
    list(zip(MACHINES["vars"]["machines_beside"], itertools.cycle(MACHINES["hosts"]), strict=False)),
)
def test_a_captured_tree_is_read_in_a_container(machine: str, name: str) -> None:
    reading = read(name, root=f"/srv/machines/{machine}")
    document = {**reading["host"], "unreadable": reading["unreadable"]}
    for expression, wanted in load(machine)["expect"].items():
        found = jmespath.search(expression, document)
        if isinstance(wanted, dict) and set(wanted) == {"matches"}:
            assert re.search(wanted["matches"], found), expression
        else:
            assert found == wanted, expression
