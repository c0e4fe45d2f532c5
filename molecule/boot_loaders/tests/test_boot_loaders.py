# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every boot loader, and what happens to people: each test begins with a machine as it was, and ends so.

The modules are carried into the container once and run there by its own Python; converge has shown them by Ansible.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
if str(PROJECT) not in sys.path:
    sys.path.insert(0, str(PROJECT))

from tests import payload  # the checkout's own, which the lines above make importable

INVENTORY = yaml.safe_load((PROJECT / "molecule/boot_loaders/inventory.yml").read_text("utf-8"))["machines"]["hosts"]
RUN = Path(os.environ["VFIO_RUN"])
WHERE = "/opt/payload"
IOMMU = {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt"]}
PAGES = {"owner": "hugepages", "args": ["hugepagesz=2M hugepages=16"]}
MAKE_MENU = "grub-mkconfig -o /boot/grub/grub.cfg"
IN_DEFAULTS = ("/etc/default/grub", 's/^GRUB_CMDLINE_LINUX="/&{} /', MAKE_MENU)
IN_CMDLINE = ("/etc/kernel/cmdline", "s/ ro / ro {} /")
# Where each boot loader keeps what somebody else may have written, how they write it, and how it gets to the entries.
FOREIGN = {
    "grub": IN_DEFAULTS,
    "grub-plain": IN_DEFAULTS,
    "systemd-boot": (*IN_CMDLINE, "kernel-install add $V /boot/vmlinuz-$V /boot/initrd.img-$V"),
    "fedora-bls": (*IN_CMDLINE, "sed -i '/^options/s/ ro / ro {} /' /boot/loader/entries/*$V.conf"),
}
TOOLS = {"grub": "/usr/sbin/grub-mkconfig", "grub-plain": "/usr/sbin/grub-mkconfig"}
# Another kernel as its package's installation leaves it: image, initramfs, modules, and the boot loader told.
NEW = "6.99.0-new-amd64"
PLUGIN = "/etc/kernel/install.d/15-vfio-workstation.install"
ADD_KERNEL = f"""set -e; V=$(ls /lib/modules | grep -v {NEW} | head -n 1)
cp -r /lib/modules/$V /lib/modules/{NEW}; cp /boot/vmlinuz-$V /boot/vmlinuz-{NEW}
cp /boot/initrd.img-$V /boot/initrd.img-{NEW}
"""
# The container's first process, a sleep, takes no notice of orphans that have ended.
WAIT_FOR_MKCONFIG = """
while files=$(grep -ls '^Name:.grub-mkconfig' /proc/[0-9]*/status) && grep -qs '^State:.[SRD]' $files; do
    sleep 0.1
done"""
REMOVE_KERNEL = f"rm -rf /lib/modules/{NEW} /boot/*{NEW}*; "
TELL = {
    "grub": (MAKE_MENU, MAKE_MENU),
    "grub-plain": (MAKE_MENU, MAKE_MENU),
    "systemd-boot": (
        f"kernel-install add {NEW} /boot/vmlinuz-{NEW} /boot/initrd.img-{NEW}",
        f"kernel-install remove {NEW}",
    ),
    # What 20-grub.install does, after the plugins before it.
    "fedora-bls": (
        f"""{PLUGIN} add {NEW} /x; cp /boot/initrd.img-{NEW} /boot/initramfs-{NEW}.img
for e in /boot/loader/entries/*$V.conf; do
    case $e in *fallback*) ;; *) sed "s/$V/{NEW}/g" $e >${{e%$V.conf}}{NEW}.conf; esac
done""",
        f"{PLUGIN} remove {NEW}; rm -f /boot/loader/entries/*{NEW}*",
    ),
}


class Host:
    """A container of the scenario."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.loader: str = INVENTORY[name]["machine_loader"]
        self.container = f"{RUN.name}-{name}"
        self.root = RUN / name / "root"

    def run(self, line: str, *, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = ["podman", "exec", "--interactive", self.container, "sh", "-c", line]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, (line, done.stdout, done.stderr)
        return done

    def call(self, *, check: bool = False, module: str = "kernel_cmdline", **parameters: Any) -> payload.Answer:
        line = " ".join(f"'{word}'" for word in payload.argv(module, WHERE))
        done = self.run(line, check=False, stdin=payload.text(parameters, check=check))
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return payload.answer(done.stdout)

    def apply(self, **parameters: Any) -> payload.Answer:
        """Run it, and once more: the second finds nothing to do."""
        done = self.call(**parameters)
        assert not done.failed, done.values["msg"]
        again = self.call(**parameters)
        assert (again.failed, again.changed, again.tools) == (False, False, []), again.values
        return done

    def tree(self) -> dict[str, str]:
        """Each file that decides how the machine boots: type, mode, owner and checksum by path."""
        line = (
            "find /etc /boot /var/lib/vfio-workstation /usr/sbin/grub-mkconfig ! -name 'ld.so.cache' 2>/dev/null | "
            'while read -r f; do printf "%s " "$(stat -c "%F %a %u:%g" "$f")"; '
            'if [ -f "$f" ]; then sha256sum <"$f"; else echo; fi; echo "$f"; done'
        )
        lines = self.run(line).stdout.splitlines()
        return dict(zip(lines[1::2], lines[::2], strict=True))

    def write(self, path: str, text: str, mode: int = 0o755) -> None:
        target = self.root / path.lstrip("/")
        target.write_text(text, "utf-8")
        target.chmod(mode)

    @property
    def version(self) -> str:
        return self.run(f"ls /lib/modules | grep -v {NEW}").stdout.split()[0]


@pytest.fixture(scope="module", params=list(INVENTORY))
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A machine with what converge did taken out again."""
    host = Host(request.param)
    folder = payload.build(tmp_path_factory.mktemp(host.name) / "payload")
    subprocess.run(["rm", "-rf", str(host.root / WHERE.lstrip("/"))], check=True)
    subprocess.run(["cp", "-r", str(folder), str(host.root / WHERE.lstrip("/"))], check=True)
    host.apply(owner="converge", state="absent")
    return host


@pytest.fixture
def host(machine: Host) -> Iterator[Host]:
    """The machine; it must be as it was when the test ends, to the byte."""
    before = machine.tree()
    yield machine
    for owner in ("iommu", "hugepages", "other"):
        machine.call(owner=owner, state="absent")
    after = machine.tree()
    assert {path: after.get(path) for path in {*before, *after} if before.get(path) != after.get(path)} == {}


def foreign(host: Host, arguments: str) -> None:
    """Have somebody else set arguments, for kernels to come and for those that are there."""
    path, edit, tell = FOREIGN[host.loader]
    host.run(f"V={host.version}; sed -i '{edit.format(arguments)}' {path}; {tell.format(arguments)}")


def not_any_more(host: Host, arguments: str) -> None:
    """Have them take that back."""
    path, _edit, tell = FOREIGN[host.loader]
    if host.loader == "fedora-bls":
        tell = f"sed -i 's/{arguments} //' /boot/loader/entries/*$V.conf"
    host.run(f"V={host.version}; sed -i 's/{arguments} //' {path}; {tell}")


def test_add_change_and_remove(host: Host) -> None:
    done = host.apply(**IOMMU)
    assert done.changed
    assert done.lines()
    assert all(line.endswith("intel_iommu=on iommu=pt") for line in done.lines())
    assert len(done.tools) == (host.loader in TOOLS)
    changed = host.apply(owner="iommu", args=["intel_iommu=on", 'dyndbg="file drivers/vfio/* +p"'])
    assert all("iommu=pt" not in line.replace("intel_iommu", "") for line in changed.lines())
    assert host.call(owner="iommu", state="absent").changed
    assert not host.call(owner="iommu", state="absent").changed


def test_check_mode_foretells_what_happens(host: Host) -> None:
    before = host.tree()
    foretold = host.call(check=True, **IOMMU)
    assert host.tree() == before
    done = host.call(**IOMMU)
    assert foretold.values["diff"] == done.values["diff"]
    assert foretold.values["entries"] == done.values["entries"]
    assert foretold.values["steps"] == done.values["steps"]
    seen = host.call(**IOMMU)
    assert sorted(done.lines()) == sorted(seen.lines())
    assert [sorted(line.split()) for line in done.lines("fallback")] == [
        sorted(line.split()) for line in seen.lines("fallback")
    ]
    after = host.tree()
    changed = {path for path in after if after[path] != before.get(path) and not after[path].startswith("directory")}
    assert changed == {step["path"] for step in done.values["steps"]}


def test_owners_side_by_side_in_their_order(host: Host) -> None:
    host.apply(**PAGES)
    both = host.apply(**IOMMU)
    assert all(line.endswith("hugepagesz=2M hugepages=16 intel_iommu=on iommu=pt") for line in both.lines())
    one = host.apply(owner="hugepages", state="absent")
    assert all(line.endswith("intel_iommu=on iommu=pt") and "hugepages" not in line for line in one.lines())
    refused = host.call(owner="other", args=["iommu=off"])
    assert set(refused.codes) == {"cmdline_conflict"}
    assert "The owner iommu wants" in refused.values["msg"]


def test_the_fallback_has_none_of_ours(host: Host) -> None:
    stock = host.call(check=True, owner="iommu", state="absent", root="/").values
    host.apply(**IOMMU)
    bare = host.call(**IOMMU).lines("fallback")
    assert len(bare) == 1
    assert "iommu" not in bare[0]
    assert stock["changed"] is False


def test_a_conflict_is_refused_by_file_and_line_or_stands_back_for_a_while(host: Host) -> None:
    foreign(host, "intel_iommu=off")
    before = host.tree()
    refused = host.call(**IOMMU)
    assert refused.codes
    assert set(refused.codes) == {"cmdline_conflict"}
    assert f"{FOREIGN[host.loader][0]}, line " in refused.values["msg"]
    assert host.tree() == before
    replaced = host.apply(conflicts="replace", **IOMMU)
    assert all("intel_iommu=off" not in line for line in replaced.lines())
    assert host.call(owner="iommu", state="absent").changed
    assert host.tree() == before
    not_any_more(host, "intel_iommu=off")


def test_what_others_give_is_theirs(host: Host) -> None:
    foreign(host, "iommu=pt")
    before = host.tree()
    done = host.apply(**IOMMU)
    assert all(line.count("iommu=pt") == 1 for line in done.lines())
    assert host.call(owner="iommu", state="absent").changed
    assert host.tree() == before
    not_any_more(host, "iommu=pt")


def script(host: Host, line: str) -> str:
    """A grub-mkconfig that does something else, and still names the folder of drop-ins where the real one does."""
    return "#!/bin/sh\n" + ("# default/grub.d\n" if host.loader == "grub" else "") + line + "\n"


def test_a_tool_that_fails_once(host: Host) -> None:
    if host.loader not in TOOLS:
        return
    tool = TOOLS[host.loader]
    original = (host.root / tool.lstrip("/")).read_text("utf-8")
    before = host.tree()
    host.write(tool, script(host, "echo half >$2; echo no luck >&2; exit 3"))
    broken = host.tree()
    failed = host.call(**IOMMU)
    assert failed.failed
    assert "exit status 3\nno luck" in failed.values["msg"]
    assert host.tree() == broken
    host.write(tool, original)
    assert host.tree() == before
    host.apply(**IOMMU)


def test_a_tool_that_writes_nonsense_and_one_that_is_missing(host: Host) -> None:
    if host.loader not in TOOLS:
        return
    tool = TOOLS[host.loader]
    original = (host.root / tool.lstrip("/")).read_text("utf-8")
    for text, words in (
        ("cat >$2 </etc/passwd", "is not used, since|syntax error"),
        ("sed s,/boot/vmlinuz,/boot/no-such, /boot/grub/grub.cfg >$2", "which is not there"),
        ("sed s,root=,other=, /boot/grub/grub.cfg >$2", "has no root="),
        ("true", "wrote no file"),
    ):
        host.write(tool, script(host, text))
        broken = host.tree()
        failed = host.call(**IOMMU)
        assert failed.failed
        assert any(word in failed.values["msg"] for word in words.split("|")), failed.values["msg"]
        assert host.tree() == broken
    (host.root / tool.lstrip("/")).unlink()
    assert host.call(**IOMMU).codes == ["bootloader_broken"]
    host.write(tool, original)


def test_a_full_disk(host: Host) -> None:
    # Root's reserve too; a few kilobytes are left, fewer than a new grub.cfg and what is beside it need.
    host.run("dd if=/dev/zero of=/var/full bs=64k", check=False)
    before = host.tree()
    try:
        refused = host.call(**IOMMU)
        assert refused.codes == ["boot_space_exhausted"], refused.values
        assert host.tree() == before
    finally:
        host.run("rm -f /var/full")


def test_a_read_only_boot(host: Host) -> None:
    host.run("mount --bind /boot /boot && mount -o remount,bind,ro /boot")
    before = host.tree()
    try:
        refused = host.call(**IOMMU)
        assert refused.codes == ["boot_read_only"], refused.values
        assert host.tree() == before
    finally:
        host.run("umount /boot")


def test_a_kernel_that_comes_and_goes(host: Host) -> None:
    host.apply(**IOMMU)
    add, remove = TELL[host.loader]
    host.run(ADD_KERNEL + add)
    done = host.call(**IOMMU)
    assert (done.changed, done.failed) == (False, False), done.values
    kernels = {entry["kernel"] for entry in done.values["entries"] if entry["role"] == "normal"}
    assert kernels == {host.version, NEW}
    assert {entry["kernel"] for entry in done.values["entries"] if entry["role"] == "fallback"} == kernels
    assert all(line.endswith("intel_iommu=on iommu=pt") for line in done.lines())
    assert not any("iommu" in line for line in done.lines("fallback"))
    host.apply(**PAGES)
    host.apply(owner="hugepages", state="absent")
    host.run(f"V={host.version}; {REMOVE_KERNEL}{remove}")
    last = host.call(**IOMMU)
    assert {entry["kernel"] for entry in last.values["entries"] if entry["after"] is not None} == {host.version}


def test_a_run_that_is_killed_is_taken_up(host: Host) -> None:
    line = " ".join(f"'{word}'" for word in payload.argv("kernel_cmdline", WHERE))
    for seconds in (0.25, 0.45, 0.7, 1.0, 1.4):
        host.run(f"timeout --signal=KILL {seconds} {line}", check=False, stdin=payload.text(IOMMU))
        # grub-mkconfig goes on without us.
        host.run(WAIT_FOR_MKCONFIG, check=False)
        done = host.call(**IOMMU)
        assert not done.failed, done.values
        assert all(one.endswith("intel_iommu=on iommu=pt") for one in done.lines())
        back = payload.text({"owner": "iommu", "state": "absent"})
        host.run(f"timeout --signal=KILL {seconds} {line}", check=False, stdin=back)
        assert not host.call(owner="iommu", state="absent").failed
        time.sleep(0.1)


NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "an owner's name": ({"owner": "../x", "args": ["a"]}, "is no name of an owner"),
    "an empty list": ({"owner": "iommu", "args": []}, "the list is empty"),
    "an open quote": ({"owner": "iommu", "args": ['a="b']}, "is not closed"),
    "a line end": ({"owner": "iommu", "args": ["a\nb"]}, "not printable ASCII"),
    "for init": ({"owner": "iommu", "args": ["a -- b"]}, "is for init"),
    "contradictory": ({"owner": "iommu", "args": ["iommu=pt", "iommu=off"]}, "can't be given together"),
    "twice": ({"owner": "iommu", "args": ["quiet", "quiet"]}, "is there twice"),
    "an unknown code": ({"owner": "iommu", "args": ["a"], "accept": ["everything"]}, "is no code of a refusal"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_answered_in_words(host: Host, name: str) -> None:
    parameters, words = NONSENSE[name]
    answer = host.call(**parameters)
    assert answer.failed
    assert words in answer.values["msg"]


def test_everything_that_is_wrong_is_told_at_once(host: Host) -> None:
    message = host.call(owner="../x", args=['a="b', "c -- d"], accept=["x"]).values["msg"]
    assert len(message.splitlines()) == 4


def test_a_damaged_record_is_not_guessed_about(host: Host) -> None:
    host.apply(**IOMMU)
    record = host.root / "etc/vfio-workstation/kernel-cmdline.json"
    text = record.read_text("utf-8")
    for damaged in ("", "{", text[: len(text) // 2], "[]", '{"format": 2}'):
        record.write_text(damaged, "utf-8")
        assert host.call(**IOMMU).codes == ["record_damaged"]
    record.write_text(text, "utf-8")
    assert not host.call(**IOMMU).changed


REFUSED: dict[str, tuple[str, str]] = {
    "kernelstub": ("/etc/kernelstub/configuration", "kernelstub"),
    "proxmox-boot-tool": ("/etc/kernel/proxmox-boot-uuids", "proxmox-boot-tool"),
    "ostree": ("/ostree/repo/config", "ostree"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_its_name(host: Host, name: str) -> None:
    path, word = REFUSED[name]
    host.run(f"mkdir -p $(dirname {path}) && touch {path}")
    refused = host.call(**IOMMU)
    assert refused.codes == ["bootloader_unsupported"]
    assert word in refused.values["msg"]
    host.run(f"rm {path} && rmdir -p --ignore-fail-on-non-empty $(dirname {path})")
