# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `initramfs` with real initramfs-tools and dracut of Debian 12 and 13, and a stand-in for mkinitcpio."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._plan.marked_lines import (
    line_at,
    module_list_at,
    set_aside,
)
from tests import payload

from .chroot import Chroot, base

pytestmark = pytest.mark.slow

BOTH = [(suite, generator) for generator in ("initramfs-tools", "dracut") for suite in ("bookworm", "trixie")]
TOOLS = [("bookworm", "initramfs-tools"), ("trixie", "initramfs-tools")]
WATCHED = ("/etc", "/usr/lib", "/usr/share", "/boot", "/var/lib")
RULE = "/etc/udev/rules.d/10-vfio-workstation.rules"
SCRIPT = "/lib/vfio/script"
REQUEST: dict[str, Any] = {
    "owner": "devices",
    "modules": ["vfio-pci", "vfio_iommu_type1"],
    "files": [
        {"path": RULE, "content": 'ACTION=="add", ENV{ID_TEST}="1"\n'},
        {"path": SCRIPT, "content": "#!/bin/sh\n", "mode": "0750"},
    ],
}
CHANGED = {**REQUEST, "files": [{"path": RULE, "content": "# changed\n"}]}
ABSENT = {"owner": "devices", "state": "absent"}
OTHER = {"owner": "other", "modules": ["efivarfs", "loop"]}

Start = Callable[[str, str], Chroot]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a copy of a Debian system."""
    running = []

    def begin(suite: str, generator: str) -> Chroot:
        running.append(Chroot(base(suite, generator), tmp_path))
        # Rebuilt here: the image that came with the base system was built in another environment.
        for version in running[-1].versions:
            build_image(running[-1], generator, version)
        return running[-1]

    yield begin
    for chroot in running:
        chroot.close()


def build_image(chroot: Chroot, generator: str, version: str) -> None:
    """Build an image as the installation of a kernel does."""
    chroot.run(f"/etc/kernel/postinst.d/{generator}", version, f"/boot/vmlinuz-{version}")


def listing(chroot: Chroot, generator: str, version: str) -> list[str]:
    """Return the names in an image."""
    if generator == "initramfs-tools":
        return sorted(chroot.run("lsinitramfs", chroot.image(version)).splitlines())
    lines = chroot.run("lsinitrd", chroot.image(version)).splitlines()
    return sorted(re.sub(r"^.* [A-Z][a-z]+ +[0-9]+ +[0-9:]+ ", "", line) for line in lines if line[:1] in "-dlcb")


def unpack(chroot: Chroot, generator: str, version: str) -> str:
    """Unpack an image, and return the directory."""
    image = chroot.image(version)
    if generator == "dracut":
        chroot.run("sh", "-c", f"mkdir /tmp/image && cd /tmp/image && lsinitrd --unpack {image}")
        return "/tmp/image"
    chroot.run("unmkinitramfs", image, "/tmp/image")
    return "/tmp/image/main" if chroot.run("ls", "/tmp/image").split() == ["early", "main"] else "/tmp/image"


@pytest.mark.parametrize(("suite", "generator"), BOTH)
def test_a_request_is_applied_changed_and_removed(start: Start, suite: str, generator: str) -> None:
    chroot = start(suite, generator)
    (version,) = chroot.versions
    before, names = chroot.files(*WATCHED), listing(chroot, generator, version)

    predicted = chroot.module(REQUEST, check=True)
    assert predicted.changed, predicted.values
    assert set(chroot.files(*WATCHED)) ^ set(before) == set()
    result = chroot.module(REQUEST)
    assert result.changed, result.values
    assert result.values["steps"] == predicted.values["steps"]
    assert result.values["generator"] == generator
    assert result.values["images"][0]["after"] == [RULE, SCRIPT, "vfio_iommu_type1", "vfio-pci"]
    assert result.values["states"] == {"configured": True, "staged": True, "active": None}
    assert len(result.values["tools"]) == 1
    inside = listing(chroot, generator, version)
    for module in ("vfio-pci", "vfio-pci-core", "vfio_iommu_type1"):
        assert any(f"/{module}.ko" in name for name in inside)
    directory = unpack(chroot, generator, version)
    assert chroot.run("cat", directory + RULE) == REQUEST["files"][0]["content"]
    assert chroot.run("stat", "-Lc", "%a %u", directory + SCRIPT) == "750 0\n"

    checksum = chroot.checksum(version)
    again = chroot.module(REQUEST)
    assert not again.changed, again.values
    assert chroot.checksum(version) == checksum

    changed = chroot.module(CHANGED)
    assert len(changed.values["tools"]) == 1
    assert changed.values["images"][0]["after"] == [RULE, "vfio_iommu_type1", "vfio-pci"]
    assert not chroot.module(CHANGED).changed

    assert chroot.module(ABSENT).changed
    assert listing(chroot, generator, version) == names
    assert set(chroot.files(*WATCHED)) ^ set(before) == set()
    assert not chroot.module(ABSENT).changed


@pytest.mark.parametrize(("suite", "generator"), BOTH)
def test_kernels_that_were_installed_before_and_after(start: Start, suite: str, generator: str) -> None:
    chroot = start(suite, generator)
    (version,) = chroot.versions
    chroot.add_kernel("6.0.1-old")
    build_image(chroot, generator, "6.0.1-old")
    chroot.add_kernel("6.0.2-bare")
    result = chroot.module(REQUEST)
    assert len(result.tools) == 2, result.values
    assert [kernel["kernel"] for kernel in result.values["passed_over"]] == ["6.0.2-bare"]

    # A kernel that is installed now gets the content by the distribution's own means.
    chroot.add_kernel("6.0.3-new")
    build_image(chroot, generator, "6.0.3-new")
    assert not chroot.module(REQUEST).changed

    # Only the image that lacks the content is rebuilt.
    checksums = [chroot.checksum(kept) for kept in (version, "6.0.3-new")]
    chroot.run("cp", chroot.image(version), chroot.image("6.0.1-old"))
    result = chroot.module(REQUEST)
    assert [image["kernel"] for image in result.values["images"] if image["lacks"]] == ["6.0.1-old"]
    assert [chroot.checksum(kept) for kept in (version, "6.0.3-new")] == checksums


@pytest.mark.parametrize(("suite", "generator"), BOTH)
def test_a_kernel_that_lacks_a_module_is_refused(start: Start, suite: str, generator: str) -> None:
    chroot = start(suite, generator)
    chroot.add_kernel("6.0.1-old", lacks="vfio-pci")
    build_image(chroot, generator, "6.0.1-old")
    refused = chroot.module(REQUEST)
    assert refused.codes == ["kernel_lacks_module"]
    assert "6.0.1-old" in refused.values["msg"]
    # A built-in module is fine, and is not requested from the generator, even when a kernel is installed.
    chroot.run("sh", "-c", "echo kernel/vfio/vfio-pci.ko >>/lib/modules/6.0.1-old/modules.builtin")
    result = chroot.module(REQUEST)
    assert len(result.tools) == 2, result.values
    build_image(chroot, generator, "6.0.1-old")
    assert not chroot.module(REQUEST).changed


@pytest.mark.parametrize(("suite", "generator"), TOOLS)
def test_two_owners(start: Start, suite: str, generator: str) -> None:
    chroot = start(suite, generator)
    chroot.module(REQUEST)
    result = chroot.module(OTHER)
    assert set(result.values["images"][0]["after"]) >= {RULE, SCRIPT, "vfio-pci"}
    conflicting = {"owner": "other", "files": [{"path": RULE, "content": "other\n"}]}
    assert chroot.module(conflicting).codes == ["initramfs_conflict"]
    assert not chroot.module(REQUEST).changed
    remaining = chroot.module(ABSENT)
    assert RULE not in remaining.values["images"][0]["after"]
    assert not chroot.module(OTHER).changed


@pytest.mark.parametrize(("suite", "generator"), BOTH)
def test_a_failing_tool_changes_nothing(start: Start, suite: str, generator: str) -> None:
    chroot = start(suite, generator)
    (version,) = chroot.versions
    # The file system is filled by a hook: a file that existed before the run would be noticed by the check for space.
    fill = "dd if=/dev/zero of=/boot/filler bs=1M count=400 2>/dev/null || true\n"
    chroot.mount("-t", "tmpfs", "-o", "size=150M", "tmpfs", str(chroot.root / "mnt"))
    chroot.run("sh", "-c", "cp -a /boot/. /mnt")
    chroot.mount("--bind", str(chroot.root / "mnt"), str(chroot.root / "boot"))
    if generator == "initramfs-tools":
        chroot.write("/etc/initramfs-tools/hooks/filler", "#!/bin/sh\n" + fill, 0o755)
    else:
        path = "/usr/lib/dracut/modules.d/99filler/module-setup.sh"
        chroot.write(path, "check() { return 0; }\ninstall() { " + fill.strip() + "; }\n", 0o755)
    before, checksum = chroot.files(*WATCHED), chroot.checksum(version)
    failed = chroot.module(REQUEST)
    assert failed.failed
    assert "No space left on device" in failed.values["msg"]
    chroot.run("rm", "/boot/filler")
    assert set(chroot.files(*WATCHED)) ^ set(before) == set()
    assert chroot.checksum(version) == checksum
    assert chroot.run("ls", "-A", "/boot").split() == sorted(chroot.run("ls", "/boot").split())
    # When the tool works again, the next run does everything.
    chroot.run("rm", "-rf", "/etc/initramfs-tools/hooks/filler", "/usr/lib/dracut/modules.d/99filler")
    assert chroot.module(REQUEST).values["states"]["staged"]


@pytest.mark.parametrize(("suite", "generator"), TOOLS)
def test_a_full_and_a_read_only_file_system_are_refused(start: Start, suite: str, generator: str) -> None:
    chroot = start(suite, generator)
    chroot.mount("-t", "tmpfs", "-o", "size=70M", "tmpfs", str(chroot.root / "mnt"))
    chroot.run("sh", "-c", "cp -a /boot/. /mnt && dd if=/dev/zero of=/mnt/filler bs=1M 2>/dev/null || true")
    chroot.mount("--bind", str(chroot.root / "mnt"), str(chroot.root / "boot"))
    assert chroot.module(REQUEST).codes == ["boot_space_exhausted"]
    assert chroot.module(REQUEST, check=True).codes == ["boot_space_exhausted"]
    chroot.run("rm", "/boot/filler")
    chroot.mount("-o", "remount,bind,ro", str(chroot.root / "boot"))
    assert chroot.module(REQUEST).codes == ["boot_read_only"]


@pytest.mark.parametrize(("suite", "generator"), BOTH)
def test_a_file_missing_from_the_store_does_not_stop_a_kernels_installation(
    start: Start, suite: str, generator: str
) -> None:
    chroot = start(suite, generator)
    (version,) = chroot.versions
    chroot.module(REQUEST)
    chroot.run("rm", "-r", "/etc/vfio-workstation/initramfs")
    build_image(chroot, generator, version)
    predicted = chroot.module(REQUEST, check=True)
    assert any("was not built from this request" in text for text in predicted.values["images"][0]["lacks"])
    assert chroot.module(REQUEST).values["states"]["staged"]


STAND_INS = payload.ROOT / "tests/stand_ins/mkinitcpio"
ARCH = {
    "/etc/mkinitcpio.conf": "HOOKS=(base udev)\n",
    "/etc/mkinitcpio.conf.d/other.conf": "HOOKS+=()\n",
    "/etc/initcpio/install/other": "build() { :; }\n",
    "/etc/mkinitcpio.d/linux.preset": "PRESETS=('default')\ndefault_image=\"/boot/initramfs-linux.img\"\n",
    "/usr/share/libalpm/hooks/90-mkinitcpio-install.hook": "",
}


def test_the_stand_in_for_mkinitcpio(start: Start) -> None:
    chroot = start("trixie", "initramfs-tools")
    (version,) = chroot.versions
    chroot.run("rm", "-r", "/usr/sbin/mkinitramfs", "/etc/kernel/postinst.d", chroot.image(version))
    for name, mode in (("mkinitcpio", 0o755), ("lsinitcpio", 0o755)):
        chroot.write(f"/usr/bin/{name}", (STAND_INS / name).read_text(), mode)
    chroot.write("/usr/lib/initcpio/functions", (STAND_INS / "functions").read_text())
    for path, content in ARCH.items():
        chroot.write(path, content)
    chroot.run("mv", f"/boot/vmlinuz-{version}", "/boot/vmlinuz-linux")
    chroot.write(f"/lib/modules/{version}/pkgbase", "linux\n")
    image = "/boot/initramfs-linux.img"
    chroot.run("mkinitcpio", "-k", version, "-g", image)
    before, names = chroot.files(*WATCHED), chroot.run("lsinitcpio", image)

    result = chroot.module(REQUEST)
    assert result.tools == ["mkinitcpio"], result.values
    assert result.values["images"][0]["after"] == [RULE, SCRIPT, "vfio_iommu_type1", "vfio-pci"]
    inside = chroot.run("lsinitcpio", image)
    assert RULE[1:] in inside.splitlines()
    assert "/vfio-pci-core.ko" in inside
    assert not chroot.module(REQUEST).changed
    # A file that a hook can't copy does not stop a kernel's installation, and the next run rebuilds the image.
    chroot.run("rm", "-r", "/etc/vfio-workstation/initramfs")
    chroot.run("mkinitcpio", "-k", version, "-g", image)
    assert chroot.module(REQUEST).tools == ["mkinitcpio"]
    # Neither does a module that a kernel lacks.
    chroot.run("sed", "-i", "/vfio-pci.ko/d", f"/lib/modules/{version}/modules.dep")
    chroot.run("mkinitcpio", "-k", version, "-g", image)
    assert chroot.module(REQUEST).codes == ["kernel_lacks_module"]
    chroot.run("depmod", version)

    assert chroot.module(ABSENT).changed
    assert chroot.run("lsinitcpio", image) == names
    differences = {line for line in set(chroot.files(*WATCHED)) ^ set(before) if image not in line}
    assert {line for line in differences if "/usr/lib/modules/" not in line} == set()


@pytest.mark.parametrize(
    ("suite", "generator", "path", "text"),
    [
        *((*tool, "/etc/initramfs-tools/modules", "loop\nvfio-pci\n") for tool in TOOLS),
        *(
            (suite, "dracut", "/etc/dracut.conf.d/vfio.conf", 'force_drivers+=" vfio_pci \n vfio "\nhostonly=no\n')
            for suite in ("bookworm", "trixie")
        ),
    ],
)
def test_lists_of_modules_that_are_set_aside(start: Start, suite: str, generator: str, path: str, text: str) -> None:
    chroot = start(suite, generator)
    (version,) = chroot.versions
    block = module_list_at(text, 1) if generator == "dracut" else line_at(text, 2, continued=False)
    assert block is not None
    names = {}
    without = "".join(line for index, line in enumerate(text.splitlines(keepends=True)) if index not in block)
    for which, content in (("by hand", text), ("set aside", set_aside(text, [block])), ("without", without)):
        chroot.write(path, content)
        build_image(chroot, generator, version)
        names[which] = listing(chroot, generator, version)
    assert any("/vfio-pci.ko" in name for name in names["by hand"])
    assert not any("/vfio-pci.ko" in name for name in names["set aside"])
    assert names["set aside"] == names["without"]
