# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container of the scenario boot_loaders, and what others do to a machine that boots by each boot loader.

Modules run inside, carried there once (tests/payload.py). Commands enter by nsenter, which costs a tenth of podman's
exec; a scenario has hundreds of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests import payload

from .command import ROOT, output

INVENTORY: dict[str, dict[str, str]] = yaml.safe_load(
    (ROOT / "molecule/boot_loaders/inventory.yml").read_text("utf-8")
)["machines"]["hosts"]
PAYLOAD, KILLER, STOCK = "/opt/payload", "/opt/killer", "/opt/stock.tar"
#: What decides how a machine boots, and the programs that tests replace.
WATCHED = ("/etc", "/boot", "/var/lib/vfio-workstation", "/usr/sbin/grub-mkconfig", "/usr/bin/ukify")
# No LANG, as the containers have none: grub-mkconfig writes the menu's language down.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
NEW = "6.99.0-new-amd64"
ESP = "/boot/efi"

_MAKE_MENU = "grub-mkconfig -o /boot/grub/grub.cfg"  # which is what update-grub runs
_ADD = "kernel-install add $V /boot/vmlinuz-$V /boot/initrd.img-$V"
_IN_DEFAULTS = ("/etc/default/grub", 's/^GRUB_CMDLINE_LINUX="/&{} /', _MAKE_MENU)
_IN_CMDLINE = ("/etc/kernel/cmdline", "s/ ro / ro {} /")
#: Where somebody else sets arguments, how (a line of sed), and what gets them to the entries that are there.
FOREIGN = {
    "grub": _IN_DEFAULTS,
    "grub-plain": _IN_DEFAULTS,
    "systemd-boot": (*_IN_CMDLINE, _ADD),
    "uki": (*_IN_CMDLINE, _ADD),
    "fedora-bls": (*_IN_CMDLINE, "sed -i '/^options/s/ ro / ro {} /' /boot/loader/entries/*$V.conf"),
}
#: The program that makes what boots, where one does; else the collection changes entries by itself.
TOOLS = {"grub": "/usr/sbin/grub-mkconfig", "grub-plain": "/usr/sbin/grub-mkconfig", "uki": "/usr/bin/ukify"}
#: For a tool's stand-in: the file that it is to write.
_OUTPUT = "out=${2:-}; for one; do case $one in --output=*) out=${one#--output=} ;; esac; done\n"
_KERNEL_INSTALL = (
    f"kernel-install add {NEW} /boot/vmlinuz-{NEW} /boot/initrd.img-{NEW}",
    f"kernel-install remove {NEW}",
)
_PLUGIN = "/etc/kernel/install.d/15-vfio-workstation.install"
#: What a kernel's installation and removal have the boot loader do.
_TELL = {
    "grub": (_MAKE_MENU, _MAKE_MENU),
    "grub-plain": (_MAKE_MENU, _MAKE_MENU),
    "systemd-boot": _KERNEL_INSTALL,
    "uki": _KERNEL_INSTALL,
    # What 20-grub.install does, after the plugins before it.
    "fedora-bls": (
        f"""{_PLUGIN} add {NEW} /x; cp /boot/initrd.img-{NEW} /boot/initramfs-{NEW}.img
for e in /boot/loader/entries/*$V.conf; do
    case $e in *fallback*) ;; *) sed "s/$V/{NEW}/g" $e >${{e%$V.conf}}{NEW}.conf; esac
done""",
        f"{_PLUGIN} remove {NEW}; rm -f /boot/loader/entries/*{NEW}*",
    ),
}
#: Imported by Python when it starts, from a folder on its path. VFIO_KILL_BEFORE=2: before the second file of the
#: machine's is put in place or removed; VFIO_KILL_IN_TOOL=1: while the first tool runs. Tools that are
#: Python programs too do not see the variables.
_KILLER = """
import os, signal, sys, threading

before, in_tool = (int(os.environ.pop("VFIO_KILL_" + name, "0")) for name in ("BEFORE", "IN_TOOL"))


def end():
    os.kill(os.getpid(), signal.SIGKILL)


def look(event, arguments):
    global before
    if event == "subprocess.Popen" and in_tool:
        threading.Timer(0.2, end).start()
    if event not in ("os.rename", "os.remove") or not before:
        return
    path = os.fsdecode(arguments[0])
    gone = event == "os.remove" and (path.endswith(("~", "~.new")) or not os.path.lexists(path))
    if path.startswith(("/etc/", "/boot/")) and not gone:
        before -= 1
        if not before:
            end()


if before or in_tool:
    sys.addaudithook(look)
"""


class BootMachine:
    """A container of the scenario.

    Args:
        run: The folder of the run.
        name: The host's name in the inventory.
    """

    def __init__(self, run: Path, name: str) -> None:
        self.name = name
        self.loader = INVENTORY[name]["machine_loader"]
        self._process = output(["podman", "inspect", "--format", "{{.State.Pid}}", f"{run.name}-{name}"]).strip()
        #: As the container sees it, with what is mounted in it.
        self.root = Path(f"/proc/{self._process}/root")
        self._sums: dict[tuple[int, ...], str] = {}

    # ------------------------------------------------------------------ doing something in it

    def carry(self, folder: Path) -> None:
        """Carry the modules in, and what kills them."""
        for place in (PAYLOAD, KILLER):
            subprocess.run(["rm", "-rf", str(self.path(place))], check=True)
        subprocess.run(["cp", "-r", str(payload.build(folder)), str(self.path(PAYLOAD))], check=True)
        self.path(KILLER).mkdir()
        self.write(f"{KILLER}/sitecustomize.py", _KILLER, 0o644)

    def path(self, path: str) -> Path:
        """Return where a file of the machine's lies on this one."""
        return self.root / path.lstrip("/")

    def run(self, line: str, *, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a line of shell in it, as root."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
        argv = ["nsenter", f"--target={self._process}", *spaces, "sh", "-c", line]
        done = subprocess.run(argv, env=ENVIRONMENT, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, (line, done.stdout, done.stderr)
        return done

    def module(
        self, parameters: dict[str, Any], *, check: bool, module: str, prefix: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a module, with something before it on its line, and return what came of it."""
        line = " ".join(f"'{word}'" for word in payload.argv(module, PAYLOAD))
        done = self.run(f"exec {prefix} {line}", check=False, stdin=payload.text(parameters, check=check))
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def call(
        self, *, check: bool = False, module: str = "kernel_cmdline", prefix: str = "", **parameters: Any
    ) -> payload.Answer:
        """Run a module and return what it returned."""
        return payload.answer(self.module(parameters, check=check, module=module, prefix=prefix).stdout)

    def call_killed(self, before: int = 0, *, in_tool: bool = False, **parameters: Any) -> payload.Answer | None:
        """Run the module and kill it (KILLER says when); what it returned if it ended before that."""
        # payload.argv() begins with env, which sets PYTHONPATH: Python finds the killer where that leads first.
        line = " ".join(f"'{word}'" for word in payload.argv("kernel_cmdline", f"{KILLER}:{PAYLOAD}"))
        line = f"VFIO_KILL_BEFORE={before} VFIO_KILL_IN_TOOL={int(in_tool)} exec {line}"
        done = self.run(line, check=False, stdin=payload.text(parameters))
        if done.returncode == 0:
            return payload.answer(done.stdout)
        assert (done.returncode, done.stdout) == (-9, ""), (done.stdout, done.stderr)
        if in_tool:
            # It goes on without us. The container's first process, a sleep, takes no notice of orphans that ended.
            self.run(
                "while files=$(grep -lsE '^Name:.(grub-mkconfig|ukify)' /proc/[0-9]*/status) && "
                "grep -qs '^State:.[SRD]' $files; do sleep 0.1; done"
            )
        return None

    def apply(self, **parameters: Any) -> payload.Answer:
        """Run it, and once more: the second finds nothing to do."""
        done = self.call(**parameters)
        assert not done.failed, done.values["msg"]
        again = self.call(**parameters)
        assert (again.failed, again.changed, again.tools) == (False, False, []), again.values
        return done

    def write(self, path: str, text: str, mode: int = 0o755) -> None:
        """Write a file."""
        target = self.path(path)
        target.write_text(text, "utf-8")
        target.chmod(mode)

    def keep(self) -> None:
        """Keep all files for put_back()."""
        tops = " ".join(top.lstrip("/") for top in WATCHED if self.path(top).exists())
        self.run(f"tar -C / -cf {STOCK} --exclude=etc/hosts --exclude=etc/resolv.conf {tops}")

    def put_back(self, paths: Iterable[str]) -> None:
        """Put files back as they were kept, and remove those that were not there: a test that failed left them."""
        names = "".join(path.lstrip("/") + "\n" for path in paths)
        self.run(
            f"umount /mnt 2>/dev/null; rm -rf /lib/modules/{NEW} /var/full; cd /; xargs -r -d '\\n' rm -rf; ",
            check=False,
            stdin=names,
        )
        # It complains of files that were not there then.
        self.run(f"tar -C / -xpf {STOCK} --files-from=-", check=False, stdin=names)

    def replace_tool(self, line: str) -> None:
        """Have the tool do something else: `$out` is what it is to write. It still looks like the real one."""
        # By this is known that the real grub-mkconfig reads drop-ins.
        sign = "# default/grub.d\n" if self.loader == "grub" else ""
        self.write(TOOLS[self.loader], f"#!/bin/sh\n{sign}{_OUTPUT}{line}\n")

    # ------------------------------------------------------------------ what others do to it

    @contextlib.contextmanager
    def foreign(self, arguments: str) -> Iterator[None]:
        """Have somebody else set arguments for a while, for kernels to come and for those that are there."""
        path, edit, tell = FOREIGN[self.loader]
        self.run(f"V={self.version}; sed -i '{edit.format(arguments)}' {path}; {tell.format(arguments)}")
        yield
        if self.loader == "fedora-bls":
            tell = f"sed -i 's/{arguments} //' /boot/loader/entries/*$V.conf"
        self.run(f"V={self.version}; sed -i 's/{arguments} //' {path}; {tell}")

    def add_kernel(self) -> None:
        """Install another kernel, NEW: image, initramfs and modules, and the boot loader is told."""
        self.run(
            f"""set -e; V={self.version}; cp -r /lib/modules/$V /lib/modules/{NEW}
for kind in vmlinuz initrd.img; do cp /boot/$kind-$V /boot/$kind-{NEW}; done
{_TELL[self.loader][0]}"""
        )

    def remove_kernel(self) -> None:
        """Remove it again."""
        self.run(f"V={self.version}; rm -rf /lib/modules/{NEW} /boot/*{NEW}*; {_TELL[self.loader][1]}")

    # ------------------------------------------------------------------ what it is like

    @property
    def version(self) -> str:
        """The kernel that was there first."""
        return next(name for name in sorted(os.listdir(self.path("/lib/modules"))) if name != NEW)

    def tree(self) -> dict[str, str]:
        """Each file that decides how the machine boots: type, mode, owner and checksum by path."""
        found = {}
        for top in WATCHED:
            for path in self._below(top):
                status = self.path(path).lstat()
                rest = self._sum(path, status)
                found[path] = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} {rest}"
        return found

    def _below(self, top: str) -> Iterator[str]:
        if os.path.lexists(self.path(top)):
            yield top
        for folder, folders, files in os.walk(self.path(top)):
            for name in (*folders, *files):
                yield "/" + os.path.relpath(os.path.join(folder, name), self.root)

    def _sum(self, path: str, status: os.stat_result) -> str:
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(self.path(path))
        if not stat.S_ISREG(status.st_mode):
            return ""
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in self._sums:
            self._sums[key] = hashlib.sha256(self.path(path).read_bytes()).hexdigest()
        return self._sums[key]

    def insist_on_booting(self) -> None:
        """Fail unless the boot loader would find a kernel, its initramfs and a root device in what it reads.

        This is on purpose another reader than the collection's own.
        """
        if self.loader == "uki":
            for image in self.path(f"{ESP}/EFI/Linux").glob("*.efi"):
                content = image.read_bytes()
                assert content[:2] == b"MZ"
                assert b"root=/dev/sda2 ro" in content
                assert len(content) > self.path(f"/boot/initrd.img-{self.version}").stat().st_size
            return
        base, texts = self._menu()
        assert texts
        for text in texts:
            kernels = re.findall(r"^\s*linux\s+(\S+)", text, re.MULTILINE)
            images = re.findall(r"^\s*initrd\s+(\S+)", text, re.MULTILINE)
            assert kernels
            assert len(kernels) == len(images)
            assert len(re.findall(r"\broot=", text)) >= len(kernels)
            missing = [file for file in (*kernels, *images) if not self.path(base + file).is_file()]
            assert missing == []

    def _menu(self) -> tuple[str, list[str]]:
        if self.loader in ("grub", "grub-plain"):
            self.run("grub-script-check /boot/grub/grub.cfg")
            return "", [self.path("/boot/grub/grub.cfg").read_text("utf-8")]
        base = ESP if self.loader == "systemd-boot" else "/boot"
        return base, [file.read_text("utf-8") for file in self.path(f"{base}/loader/entries").glob("*.conf")]
