# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three bare machines after the check, the first run and the second: what was foretold, done, and is there now."""

from __future__ import annotations

import json
import re

import pytest

from tests.containers.provisioned import MACHINES, PROVISIONED, inside, returned, unlike_before

RULE = "etc/udev/rules.d/05-vfio-workstation.rules"
YES, STAGED = (True, True, True), (True, True, False)
#: Nothing becomes active in a container, which never boots, but what needs no boot.
STATES = {
    "intel-desktop": {"iommu": STAGED, "devices": STAGED, "hugepages": STAGED, "arguments": STAGED},
    "twin-gpus": {
        "iommu": YES,
        "devices": STAGED,
        "hugepages": STAGED,
        "cpu_isolation": YES,
        "access": YES,
        "kvm": STAGED,
    },
    "hybrid-laptop": {"devices": STAGED, "cpu_isolation": STAGED},
}
#: What is ours on the command line, beside what its owner gave the machine.
ARGUMENTS = {
    "intel-desktop": (
        "intel_iommu=on vfio_workstation=1 vfio-pci.ids=1002:731f:1da2:e411,1002:ab38:1da2:e411 "
        "hugepagesz=1G hugepages=16 mitigations=auto"
    ),
    "twin-gpus": "vfio_workstation=1 hugepagesz=1G hugepages=8",
    "hybrid-laptop": "vfio_workstation=1 isolcpus=domain,managed_irq,4-11 nohz_full=4-11 rcu_nocbs=4-11",
}
FUNCTIONS = {
    "intel-desktop": ["0000:01:00.0", "0000:01:00.1"],
    "twin-gpus": ["0000:41:00.0", "0000:41:00.1"],
    "hybrid-laptop": ["0000:01:00.0"],
}
#: The rule matches each function by vendor, device, subsystem and the bridge that it is behind. The laptop's has no
#: sound function; the desktop's are bound by their ids.
MATCHES = {
    "intel-desktop": [],
    "twin-gpus": [
        ("0000:41:00.0", "10de", "2684", "1043", "88e2", "0000:00:03.1"),
        ("0000:41:00.1", "10de", "22ba", "1043", "88e2", "0000:00:03.1"),
    ],
    "hybrid-laptop": [("0000:01:00.0", "10de", "28e0", "1043", "1c63", "0000:00:06.0")],
}
FILES = {
    "./etc/default/grub.d/zz-vfio-workstation.cfg",
    "./etc/grub.d/zz_vfio_workstation",
    "./etc/initramfs-tools/hooks/vfio-workstation",
    "./etc/udev/rules.d/05-vfio-workstation.rules",
    "./etc/vfio-workstation",
    "./etc/vfio-workstation/host.json",
    "./etc/vfio-workstation/initramfs",
    "./etc/vfio-workstation/initramfs.json",
    "./etc/vfio-workstation/initramfs/*-05-vfio-workstation.rules",
    "./etc/vfio-workstation/kernel-cmdline.json",
    "./etc/vfio-workstation/request.json",
    "./etc/systemd/system/multi-user.target.d",
    "./etc/systemd/system/multi-user.target.d/vfio-workstation-verify.conf",
    "./etc/systemd/system/vfio-workstation-verify.service",
    "./usr/local/bin/vfio-workstation",
    "./var/lib/vfio-workstation",
    "./var/lib/vfio-workstation/initramfs-listings.json",
}
_PAGES = {
    "./etc/systemd/system/dev-hugepages1G.mount",
    "./etc/systemd/system/sysinit.target.d",
    "./etc/systemd/system/sysinit.target.d/vfio-workstation-hugepages.conf",
}
FILES_BESIDE = {
    "intel-desktop": _PAGES,
    "twin-gpus": {
        *_PAGES,
        "./etc/modprobe.d/vfio-workstation-kvm.conf",
        "./etc/security/limits.d/vfio-workstation.conf",
        "./etc/systemd/system/vfio-workstation-cpu-isolation.service",
        "./etc/udev/rules.d/70-vfio-workstation-access.rules",
        "./etc/vfio-workstation/cpu-isolation",
    },
    "hybrid-laptop": set(),
}
FILES_BESIDE["twin-gpus"].add("./etc/driverctl.d/.pci-0000:41:00.0.set-aside-by-vfio-workstation")
#: Of what somebody tried by hand. The override is renamed, so that its own line with mode and owner is gone, too.
SET_ASIDE = {
    "twin-gpus": {
        *("./etc/modprobe.d/passthrough.conf", "./etc/initramfs-tools/modules", "./etc/driverctl.d/pci-0000:41:00.0"),
        "0:0",
        # The argument was in it.
        "./etc/default/grub",
    },
}


def kernel_lines(name: str) -> tuple[list[str], list[str]]:
    """Return the command lines of a machine's menu: those of its own entries, and those of the fallback ones."""
    host = inside(name)
    host.check_output("grub-script-check /boot/grub/grub.cfg")
    menu = host.file("/boot/grub/grub.cfg").content_string
    found: dict[bool, list[str]] = {False: [], True: []}
    title = ""
    for line in menu.splitlines():
        words = line.split(maxsplit=1)
        if words[:1] == ["menuentry"]:
            title = line
        elif words[:1] == ["linux"]:
            found["without VFIO" in title].append(words[1])
    # A recovery entry has neither ours nor what else is for normal boots.
    return [line for line in found[False] if " single" not in f" {line}"], found[True]


def test_the_check_foretold_what_was_done_then(machine: str) -> None:
    foretold, done = returned(machine, "foretold"), returned(machine, "done")
    assert foretold["changed"]
    assert done["tools"]
    # What a run did with tools, and how things are: all else is the same.
    differ = {key for key in {*foretold, *done} if foretold.get(key) != done.get(key)}
    assert differ == {"tools", "states", "requests"}
    assert foretold["states"] == {"configured": False, "staged": False, "active": False}
    # In check mode, converge.yml has compared all files before.
    assert {request["configured"] for request in foretold["requests"]} == {False}


def test_the_second_run_had_nothing_to_do(machine: str) -> None:
    again = returned(machine, "again")
    assert (again["changed"], again["steps"], again["tools"], again["diff"]) == (False, [], [], [])
    assert again["requests"] == returned(machine, "done")["requests"]


def test_everything_is_staged_and_needs_a_reboot(machine: str) -> None:
    again = returned(machine, "again")
    states = {
        request["section"]: (request["configured"], request["staged"], request["active"])
        for request in again["requests"]
    }
    assert states == STATES[machine]
    assert again["states"] == {"configured": True, "staged": True, "active": False}
    assert again["reboot_required"]


def test_the_devices_are_those_that_are_meant(machine: str) -> None:
    assert [device["address"] for device in returned(machine, "again")["devices"]] == FUNCTIONS[machine]


def test_no_file_is_there_beside_those_that_are_ours(machine: str) -> None:
    differences = unlike_before(machine).splitlines()
    added = {
        re.sub("[0-9a-f]{16}-", "*-", line.split()[1]) for line in differences if re.match(r"> \./\S+ [-dlcb]", line)
    }
    assert added == FILES | FILES_BESIDE[machine]
    # Of what was there, nothing is gone, and the menu alone is another; what the images hold is told of elsewhere.
    gone = {line.split()[-1] for line in differences if line.startswith("< ") and not line.startswith("< boot/initrd")}
    assert gone == {"./boot/grub/grub.cfg"} | SET_ASIDE.get(machine, set())


def test_each_entry_has_what_its_owner_gave_and_ours(machine: str) -> None:
    normal, _fallback = kernel_lines(machine)
    assert len(normal) == 2  # at the top, and below "Advanced options"
    for line in normal:
        assert line.endswith(f"ro  {without_ids(MACHINES[machine]['machine_arguments'])} {ARGUMENTS[machine]}")


def without_ids(arguments: str) -> str:
    """Return arguments without those that are set aside."""
    return re.sub(r" vfio-pci\.ids=\S+", "", arguments)


def test_the_fallback_entry_boots_the_machine_as_it_was(machine: str) -> None:
    _normal, fallback = kernel_lines(machine)
    running = inside(machine).file("/proc/cmdline").content_string
    assert [f"BOOT_IMAGE={line}" for line in fallback] == [without_ids(running.strip())]


def image(name: str, command: str) -> str:
    """Run a command with a folder that holds what a machine's initramfs holds."""
    return str(
        inside(name).check_output(
            f"folder=$(mktemp -d) && unmkinitramfs /boot/initrd.img-* $folder && cd $folder && {command}; rm -r $folder"
        )
    )


def test_the_image_has_the_rule_and_the_driver(machine: str) -> None:
    host = inside(machine)
    listed = host.check_output("lsinitramfs /boot/initrd.img-*").splitlines()
    assert RULE in listed
    assert [path for path in listed if re.search(r"/vfio-pci\.ko(\.xz)?$", path)]
    # Those of the running system have no business in it.
    assert not [path for path in listed if "vfio-workstation-" in path]
    text = image(machine, f"cat {RULE}")
    assert re.findall(r'^IMPORT\{cmdline\}="(\w+)"$', text, re.MULTILINE) == ["vfio_workstation"]
    found = []
    for line in text.splitlines():
        if 'driver_override}="vfio-pci"' not in line:
            continue
        matches = dict(re.findall(r'ATTR\{\[pci/[^]]*\](\w+)\}=="0x(\w+)"', line))
        place = re.search(r'TEST=="/sys/bus/pci/devices/(\S+)/(\S+)"', line)
        assert place
        ids = (matches[key] for key in ("vendor", "device", "subsystem_vendor", "subsystem_device"))
        found.append((place.group(2), *ids, place.group(1)))
    # On any event while it has no driver, and on its own.
    assert found == [*MATCHES[machine], *MATCHES[machine]]
    # Without a function to match, it has the driver loaded before the others.
    assert 'RUN{builtin}+="kmod load vfio-pci"' in text


def test_what_was_tried_by_hand_is_set_aside_in_files_and_in_the_image() -> None:
    host = inside("twin-gpus")
    files = {
        "/etc/modprobe.d/passthrough.conf": "etc/modprobe.d/passthrough.conf",
        "/etc/initramfs-tools/modules": "conf/modules",
    }
    effective = {path: effective_lines(host.file(path).content_string) for path in files}
    assert effective["/etc/modprobe.d/passthrough.conf"] == ["options vfio-pci disable_vga=1"]
    assert "vfio" in effective["/etc/initramfs-tools/modules"]
    assert not [line for lines in effective.values() for line in lines if "ids=" in line or "softdep" in line]
    for name in files.values():
        # unmkinitramfs puts the parts of an image into directories of their own, or none.
        lines = effective_lines(image("twin-gpus", f"find . -path '*/{name}' -exec cat '{{}}' +"))
        assert lines
        assert not [line for line in lines if "ids=" in line or "softdep" in line]
    assert host.file("/etc/modprobe.d/passthrough.conf").mode == 0o640
    read_by_kmod = host.check_output("/sbin/modprobe --showconfig")
    assert "options vfio_pci disable_vga=1" in read_by_kmod
    # The running kernel has the argument until the reboot.
    assert re.findall(r"options vfio_pci .*ids=\S*|softdep nvidia", read_by_kmod) == ["options vfio_pci ids=10de:2684"]
    notes = {which: " ".join(returned("twin-gpus", which)["notes"]) for which in ("foretold", "done", "again")}
    set_aside = {which: text.count("is set aside; a rollback") for which, text in notes.items()}
    assert set_aside == {"foretold": 5, "done": 5, "again": 0}
    diffs = {diff["before_header"]: diff["after"] for diff in returned("twin-gpus", "foretold")["diff"] if diff}
    assert "# set aside by vfio.workstation: options vfio-pci ids=" in diffs["/etc/modprobe.d/passthrough.conf"]


def effective_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_what_needs_no_boot_is_in_place() -> None:
    host = inside("twin-gpus")
    unit = "/etc/systemd/system/vfio-workstation-cpu-isolation.service"
    assert host.file("/etc/modprobe.d/vfio-workstation-kvm.conf").content_string.endswith(
        "\noptions kvm ignore_msrs=1\n"
    )
    assert host.file("/etc/security/limits.d/vfio-workstation.conf").contains("^@kvm - memlock 9437184$")
    assert host.file("/etc/udev/rules.d/70-vfio-workstation-access.rules").contains('^SUBSYSTEM=="vfio", GROUP="kvm"')
    assert host.file("/etc/systemd/system/dev-hugepages1G.mount").contains("^Options=pagesize=1G$")
    assert host.file(unit).contains("^Description=Reserve CPUs .* for guests$")
    assert host.file("/etc/vfio-workstation/cpu-isolation").mode == 0o755
    assert host.file("/etc/vfio-workstation/initramfs.json").mode == 0o600
    assert host.run("systemd-analyze verify --man=no %s /etc/systemd/system/dev-hugepages1G.mount", unit).rc == 0


def test_the_local_command_agrees_with_the_playbook(machine: str) -> None:
    host = inside(machine)
    again = returned(machine, "again")
    status = json.loads(host.check_output("vfio-workstation status --json"))
    assert status["verdict"] == "staged"
    same = ("requests", "states", "findings", "notes", "steps", "reboot_required")
    assert [status[key] for key in same] == [again[key] for key in same]
    verified = host.run("vfio-workstation verify")
    assert (verified.rc, verified.stderr) == (1, "")
    assert verified.stdout.endswith(": configured and staged; reboot to activate\n")
    assert " configured and staged; reboot to activate\n" in host.check_output("vfio-workstation status")
    assert "  passthrough" in host.check_output("vfio-workstation report")


def test_the_local_command_says_what_only_root_can_read() -> None:
    host = inside("twin-gpus")
    status = host.run("su nobody -s /bin/sh -c '/usr/local/bin/vfio-workstation status'")
    assert (status.rc, status.stderr) == (0, "")
    assert "Run this as root to read them." in status.stdout
    assert host.run("su nobody -s /bin/sh -c '/usr/local/bin/vfio-workstation verify'").rc == 3


def test_the_check_of_a_boot_is_recorded() -> None:
    """The rollback removes what it wrote."""
    host = inside("twin-gpus")
    unit = "/etc/systemd/system/vfio-workstation-verify.service"
    assert host.run("systemd-analyze verify --man=no %s", unit).stderr == ""
    host.check_output("mkdir -p /run/motd.d")
    assert host.run("vfio-workstation verify --record").rc == 1
    check = json.loads(host.file("/var/lib/vfio-workstation/last-check.json").content_string)
    assert (check["verdict"], check["active"], check["changes"]) == ("staged", False, [])
    assert host.file("/run/motd.d/vfio-workstation").contains("reboot to activate")


@pytest.mark.parametrize("name", PROVISIONED)
def test_root_owns_it_all(name: str) -> None:
    folders = "/etc /boot /usr/local/bin /var/lib/vfio-workstation"
    listing = f"find {folders} -name '*vfio*' -not ( -user root -group root -not -perm /022 )"
    assert inside(name).check_output(listing.replace("( ", "'(' ").replace(" )", " ')'")) == ""
