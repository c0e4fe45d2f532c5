# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.lab: build images; start, enter, stop and throw away virtual workstations."""

from __future__ import annotations

import argparse
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import time
import types
import typing

from . import files, hardware, image, inner, libvirt_guest, small_initramfs
from .errors import LabError
from .lab import CACHE, Lab
from .machine import Machine
from .recipe import BOOTS, DISKS, FLAVOURS, SOFTWARE, SUITES

LOG = logging.getLogger("lab")


def main(arguments: typing.Sequence[str] | None = None) -> int:
    """Run one of the commands below."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="lab: %(message)s", level=logging.INFO, stream=sys.stderr)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        check_host()
        return int(options.run(Lab(options.cache), options) or 0)
    except LabError as error:
        LOG.error("%s", error)
        return 1
    except KeyboardInterrupt:
        LOG.error("interrupted")
        return 130


def check_host() -> None:
    """Say at once, and in words, when this computer cannot run the lab."""
    if subprocess.run([pathlib.Path(__file__).parent / "check-host"], check=False).returncode != 0:
        raise LabError("the lab cannot run here, for the reasons above")


def _build(lab: Lab, options: argparse.Namespace) -> None:
    print(_image(lab, options, fresh=options.fresh).disk)


def _image(lab: Lab, options: argparse.Namespace, fresh: bool = False) -> image.Image:
    kernels, software = options.kernel or ("amd64",), options.software or ()
    return lab.image(options.suite, options.boot, kernels, options.upgrade, fresh, options.disk, software)


def _start(lab: Lab, options: argparse.Namespace) -> None:
    name = options.name or options.machine
    if name in lab.names():
        machine = lab.attach(name)
        if machine.running:
            LOG.info("%s is running already", name)
            return
    else:
        machine = lab.machine(options.machine, _image(lab, options), name)
    LOG.info("starting %s: %s", name, machine.hardware.description)
    machine.start(outlive=True)
    begin = time.monotonic()
    try:
        machine.wait_for_ssh()
    except BaseException:  # KeyboardInterrupt too, since QEMU would outlive this process; raised again
        machine.cut_power()
        raise
    machine.let_go()
    LOG.info("%s is up after %.0f s", name, time.monotonic() - begin)
    if options.inventory:
        inventory = {"all": {"hosts": {name: machine.inventory()}}}
        files.write(options.inventory, json.dumps(inventory, indent=2) + "\n")


def _small_initramfs(lab: Lab, options: argparse.Namespace) -> None:
    machine = _running(lab, options.name)
    small_initramfs.ask_for(machine, options.module)
    machine.let_go()


def _ssh(lab: Lab, options: argparse.Namespace) -> None:
    remote = _running(lab, options.name).remote
    os.execvp("ssh", ["ssh", "-F", str(remote.config), "lab", *options.command])


def _running(lab: Lab, name: str) -> Machine:
    machine = lab.attach(name)
    if not machine.running:
        raise LabError(f"{name} is switched off: python -m tests.lab start --name {name}")
    return machine


def _guest_files(lab: Lab, options: argparse.Namespace) -> None:
    machine = _running(lab, options.name)
    LOG.info("making the kernel, the initramfs and the disk of a guest inside %s", options.name)
    libvirt_guest.make_files(machine)
    machine.let_go()
    request = {"workstation_guests": [libvirt_guest.request(options.device)]}
    files.write(options.request, json.dumps(request, indent=2) + "\n")


def _guest(lab: Lab, options: argparse.Namespace) -> None:
    machine = _running(lab, options.name)
    listing = machine.ssh("cd /sys/bus/pci/drivers/vfio-pci 2>/dev/null && ls -d ????:??:??.? || true").stdout
    addresses = options.address or listing.split()
    if not addresses:
        raise LabError(f"no function of {options.name} is on vfio-pci; make demo gives some to guests")
    LOG.info("starting a guest inside %s that owns %s", options.name, ", ".join(addresses))
    report = inner.run(machine, addresses)
    machine.let_go()
    print("The guest inside reports its functions, each with the guest's own driver:")
    for function in report.functions:
        if function.pci_class.startswith("06"):  # bridges, which are QEMU's
            continue
        print(f"  {function.vendor}:{function.device} class {function.pci_class}  {function.driver or '-'}")
    for nic in report.nics:
        print(f"  network: {nic.driver} brought up {nic.mac}")
    for disk in report.disks:
        print(f"  disk: {disk.driver} read by DMA: {disk.marker}")


def _stop(lab: Lab, options: argparse.Namespace) -> None:
    lab.attach(options.name).stop()


def _list(lab: Lab, _options: argparse.Namespace) -> None:
    for name in lab.names():
        machine = lab.attach(name)
        state = f"runs, ssh at port {machine.remote.port}" if machine.remote else "is off"
        print(f"{name}: {machine.hardware.description}; {state}")
    for path in sorted((lab.cache / "images").glob("*/disk.qcow2")):
        print(f"image {path.parent.name}: {path.stat().st_size // 1024**2} MiB")
    print("machines that can be started:")
    for known in hardware.names():
        print(f"  {known}: {hardware.load(known).description}")


def _clean(lab: Lab, options: argparse.Namespace) -> None:
    for name in options.name or lab.names():
        if name in lab.names():
            lab.discard(name)
            LOG.info("%s is gone", name)
    lab.sweep()
    if options.images:
        for name in image.remove_all(lab.cache):
            LOG.info("the image %s is gone", name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--cache", type=pathlib.Path, default=CACHE, help="default: %(default)s")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    what = argparse.ArgumentParser(add_help=False)
    what.add_argument("--suite", choices=SUITES, default="trixie")
    what.add_argument("--boot", choices=BOOTS, default="uefi-grub")
    what.add_argument("--disk", choices=DISKS, default="ext4", help="file systems; default: %(default)s")
    what.add_argument("--kernel", choices=FLAVOURS, action="append", help="more than once for more kernels")
    what.add_argument("--software", choices=SOFTWARE, action="append", help="have that in it, beside the usual")
    what.add_argument("--upgrade", choices=SUITES, help="have that suite's packages in it, for an upgrade to it")

    build = commands.add_parser("build", parents=[what], help="build an image, unless it is there")
    build.add_argument("--fresh", action="store_true", help="build it anew, from the packages of today")
    build.set_defaults(run=_build)
    start = commands.add_parser("start", parents=[what], help="start a machine and wait until it is up; it stays")
    start.add_argument("machine", nargs="?", default="desktop", help="a machine's name, or a YAML file")
    start.add_argument("--name", help="the name to call it by; default: the machine's own")
    start.add_argument("--inventory", type=pathlib.Path, help="write an Ansible inventory there")
    start.set_defaults(run=_start)
    ssh = commands.add_parser("ssh", help="log in, or run a command in it")
    ssh.add_argument("name")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    ssh.set_defaults(run=_ssh)
    small = commands.add_parser("small-initramfs", help="have it make initramfs images of few drivers, quickly")
    small.add_argument("name")
    small.add_argument("module", nargs="*", help="what they hold beside what the machine needs to come up")
    small.set_defaults(run=_small_initramfs)
    guest_files = commands.add_parser("guest-files", help="make what a guest of libvirt in it starts from")
    guest_files.add_argument("name")
    guest_files.add_argument("--request", type=pathlib.Path, required=True, help="write the variables there")
    guest_files.add_argument("device", nargs="*", help="the names of the devices that the guest gets")
    guest_files.set_defaults(run=_guest_files)
    guest = commands.add_parser("guest", help="start a guest in it that owns what is on vfio-pci, and say what it sees")
    guest.add_argument("name")
    guest.add_argument("address", nargs="*", help="functions; default: all that are on vfio-pci")
    guest.set_defaults(run=_guest)
    stop = commands.add_parser("stop", help="shut it down; its disks stay")
    stop.add_argument("name")
    stop.set_defaults(run=_stop)
    commands.add_parser("list", help="what is there, and what runs").set_defaults(run=_list)
    clean = commands.add_parser("clean", help="throw machines away (all, when none is named)")
    clean.add_argument("name", nargs="*")
    clean.add_argument("--images", action="store_true", help="and the images too")
    clean.set_defaults(run=_clean)
    return parser


def _terminated(_number: int, _frame: types.FrameType | None) -> typing.NoReturn:
    """SIGTERM unwinds like Ctrl-C, so that with-blocks end what they started."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
