# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims in modprobe.d, as kmod reads it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Kernel
from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import EACH_BOOT, NEW_IMAGES, Claim
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import LISTINGS_FILE
from ansible_collections.vfio.workstation.tests.machines.claimed import claims_of, only
from ansible_collections.vfio.workstation.tests.machines.values import machine

TWINS = ("0000:01:00.0", "0000:41:00.0")
DISPLAY = ("0000:0d:00.0",)
ALL = (*TWINS[:1], *DISPLAY, *TWINS[1:])
VFIO = "/etc/modprobe.d/vfio.conf"


def of(root: Path, text: str, path: str = VFIO) -> list[Claim]:
    return claims_of(root, {path: text})


@pytest.mark.parametrize(
    ("text", "kind", "driver", "effect", "addresses"),
    [
        ("options vfio-pci ids=10de:2684", "modprobe_options", "vfio-pci", "takes", TWINS),
        ("options vfio_pci disable_vga=1 ids=10de:2684", "modprobe_options", "vfio-pci", "takes", TWINS),
        ('options vfio-pci ids="10de:2684,1002:164e"', "modprobe_options", "vfio-pci", "takes", ALL),
        ("\toptions\tvfio-pci\tids=10de:2684", "modprobe_options", "vfio-pci", "takes", TWINS),
        ("options pci-stub ids=10de:2684", "modprobe_options", "pci-stub", "takes", TWINS),
        ("options xen-pciback hide=(0d:00.0)", "modprobe_options", "pciback", "takes", DISPLAY),
        ("options vfio_iommu_type1 allow_unsafe_interrupts=1", "modprobe_options", None, "noted", ()),
        ("options amdgpu modeset=0", "modprobe_options", None, "withholds", DISPLAY),
        ("softdep nvidia pre: vfio-pci", "modprobe_softdep", "vfio-pci", "orders", ()),
        ("softdep snd_hda_intel pre: vfio vfio_pci post: x", "modprobe_softdep", "vfio-pci", "orders", ()),
        ("blacklist nvidia", "modprobe_blacklist", None, "withholds", TWINS),
        ("blacklist vfio-pci", "modprobe_blacklist", "vfio-pci", "noted", ()),
        ("alias pci:v000010DEd00002684sv*sd*bc*sc*i* vfio-pci", "modprobe_alias", "vfio-pci", "orders", TWINS),
        ("alias nvidia vfio-pci", "modprobe_alias", "vfio-pci", "orders", TWINS),
        ("alias amdgpu off", "modprobe_alias", None, "withholds", DISPLAY),
        ("install amdgpu /bin/false", "modprobe_install", None, "withholds", DISPLAY),
        ("install amdgpu /usr/bin/true", "modprobe_install", None, "withholds", DISPLAY),
        ("install nvidia modprobe vfio-pci; modprobe -i nvidia", "modprobe_install", "vfio-pci", "orders", ()),
        (
            "install vfio-pci echo vfio-pci > /sys/bus/pci/devices/0000:0d:00.0/driver_override; modprobe -i vfio-pci",
            "modprobe_install",
            "vfio-pci",
            "takes",
            DISPLAY,
        ),
    ],
)
def test_lines(
    tmp_path: Path, text: str, kind: str, driver: str | None, effect: str, addresses: tuple[str, ...]
) -> None:
    (claim,) = of(tmp_path, f"# by hand\n\n{text}\n")
    assert claim == Claim(
        kind, VFIO, 3, text.replace("\t", " ").strip(), None, driver, effect, addresses, (EACH_BOOT, NEW_IMAGES), False
    )


@pytest.mark.parametrize(
    "text",
    [
        "# options vfio-pci ids=10de:2684",
        "options vfio-pci disable_vga=1",
        "options vfio-pci",
        "options",
        "option vfio-pci ids=10de:2684",
        "softdep vfio-pci pre: nvidia",
        "softdep nvidia post: vfio-pci",
        "softdep nvidia",
        "blacklist pcspkr",
        "blacklist",
        "alias vfio-pci",
        "alias pcspkr off",
        "install pcspkr /bin/false",
        "install vfio-pci modprobe -i vfio-pci",
        "remove vfio-pci /bin/false",
        "install vfio-pci",
    ],
)
def test_what_claims_nothing(tmp_path: Path, text: str) -> None:
    assert of(tmp_path, text + "\n") == []


def test_lines_go_on_behind_a_backslash(tmp_path: Path) -> None:
    (claim,) = of(
        tmp_path, "# a\noptions vfio-pci \\\n  ids=10de:2684,\\\n1002:164e\n# end \\\noptions vfio-pci ids=1:1\n"
    )
    assert (claim.line, claim.text) == (2, "options vfio-pci ids=10de:2684,1002:164e")
    assert claim.addresses == ALL


@pytest.mark.parametrize("folder", ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"])
def test_folders(tmp_path: Path, folder: str) -> None:
    path = f"{folder}/modprobe.d/vfio.conf"
    assert [claim.path for claim in of(tmp_path, "options vfio-pci ids=10de:2684\n", path)] == [path]


def test_a_name_in_an_earlier_folder_hides_later_ones(tmp_path: Path) -> None:
    hidden, masked = "options vfio-pci ids=10de:2684\n", "blacklist amdgpu\n"
    files = {
        "/usr/lib/modprobe.d/a.conf": hidden,
        "/run/modprobe.d/a.conf": "options vfio-pci ids=1002:164e\n",
        "/usr/lib/modprobe.d/masked.conf": masked,
        "/usr/lib/modprobe.d/linked.conf": masked,
        "/etc/modprobe.d/masked.conf": "",
        "/etc/modprobe.d/a.conf.bak": hidden,
        "/etc/modprobe.d/a": hidden,
    }
    os.symlink("/dev/null", tmp_path / "linked.conf")
    (tmp_path / "etc/modprobe.d").mkdir(parents=True)
    (tmp_path / "linked.conf").rename(tmp_path / "etc/modprobe.d/linked.conf")
    assert [claim.path for claim in claims_of(tmp_path, files)] == ["/run/modprobe.d/a.conf"]


def test_the_same_folder_by_two_names_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "lib").symlink_to("usr/lib")
    claims = of(tmp_path, "options vfio-pci ids=10de:2684\n", "/usr/lib/modprobe.d/vfio.conf")
    assert [claim.path for claim in claims] == ["/usr/lib/modprobe.d/vfio.conf"]


def test_of_an_option_that_is_given_twice_the_last_file_counts(tmp_path: Path) -> None:
    files = {
        "/etc/modprobe.d/z.conf": "options vfio-pci ids=10de:2684\n",
        "/usr/lib/modprobe.d/b.conf": "options vfio-pci ids=1002:164e\n",
    }
    claims = claims_of(tmp_path, files)
    assert only(claims, path="/usr/lib/modprobe.d/b.conf").applies_to == ()
    assert only(claims, path="/etc/modprobe.d/z.conf").applies_to == (EACH_BOOT, NEW_IMAGES)


BUILT_IN = {"/lib/modules/6.12.43-amd64/modules.builtin": "kernel/drivers/vfio/pci/vfio-pci.ko\n"}


def test_a_driver_that_is_built_in_reads_no_options(tmp_path: Path) -> None:
    text = {VFIO: "options vfio-pci ids=10de:2684\noptions pci-stub ids=10de:2684\n"}
    claims = claims_of(tmp_path, {**text, **BUILT_IN})
    assert only(claims, driver="vfio-pci").applies_to == ()
    assert only(claims, driver="pci-stub").applies_to == (EACH_BOOT, NEW_IMAGES)


def test_a_driver_that_one_kernel_has_as_a_module_reads_options(tmp_path: Path) -> None:
    kernels = tuple(Kernel(version, None, None, None, True) for version in ("6.13.0-amd64", "6.12.43-amd64"))
    files = {VFIO: "options vfio-pci ids=10de:2684\n", **BUILT_IN, "/lib/modules/6.13.0-amd64/modules.builtin": "\n"}
    (claim,) = claims_of(tmp_path, files, boot=machine().boot._replace(kernels=kernels))
    assert claim.applies_to == (EACH_BOOT, NEW_IMAGES)


@pytest.mark.parametrize(
    ("generator", "path", "applies_to"),
    [
        ("dracut", VFIO, (EACH_BOOT, NEW_IMAGES)),
        ("mkinitcpio", VFIO, (EACH_BOOT, NEW_IMAGES)),
        ("booster", VFIO, (EACH_BOOT,)),
        (None, VFIO, (EACH_BOOT,)),
        ("dracut", "/run/modprobe.d/vfio.conf", (EACH_BOOT,)),
    ],
)
def test_what_new_images_get(tmp_path: Path, generator: str | None, path: str, applies_to: tuple[str, ...]) -> None:
    boot = machine().boot._replace(initramfs_generator=generator)
    (claim,) = claims_of(tmp_path, {path: "options vfio-pci ids=10de:2684\n"}, boot=boot)
    assert claim.applies_to == applies_to


@pytest.mark.parametrize("path", [VFIO, "/lib/modprobe.d/vfio.conf"])
def test_an_image_that_was_listed_and_is_still_the_same_is_named(tmp_path: Path, path: str) -> None:
    image = tmp_path / "boot/initrd.img-6.12.43-amd64"
    image.parent.mkdir()
    image.write_bytes(b"image")
    status = image.stat()
    stamp = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
    names = ["etc/modprobe.d/vfio.conf", "usr/lib/modprobe.d/vfio.conf"]
    cache = {"/boot/initrd.img-6.12.43-amd64": {"status": stamp, "request": "", "names": names}}
    files = {path: "options vfio-pci ids=10de:2684\n", LISTINGS_FILE: json.dumps(cache)}
    (claim,) = claims_of(tmp_path, files)
    assert claim.applies_to == (EACH_BOOT, "/boot/initrd.img-6.12.43-amd64", NEW_IMAGES)
    image.write_bytes(b"another image")
    assert only(claims_of(tmp_path, files)).applies_to == (EACH_BOOT, NEW_IMAGES)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"/boot/a": 1}', '{"/boot/a": {"names": [1], "status": {}}}'])
def test_a_cache_that_makes_no_sense_tells_nothing(tmp_path: Path, text: str) -> None:
    (claim,) = claims_of(tmp_path, {VFIO: "options vfio-pci ids=10de:2684\n", LISTINGS_FILE: text})
    assert claim.applies_to == (EACH_BOOT, NEW_IMAGES)


def test_a_script_that_a_module_installs_is_read(tmp_path: Path) -> None:
    files = {
        VFIO: "install vfio-pci /usr/bin/vfio-pci-override.sh\n",
        "/usr/bin/vfio-pci-override.sh": (
            "#!/bin/sh\nDEVS='0000:0d:00.0 0000:41:00.0'\nfor DEV in $DEVS; do\n"
            '    echo "vfio-pci" > /sys/bus/pci/devices/$DEV/driver_override\ndone\nmodprobe -i vfio-pci\n'
        ),
    }
    (claim,) = claims_of(tmp_path, files)
    assert (claim.kind, claim.path, claim.line) == ("modprobe_install", "/usr/bin/vfio-pci-override.sh", 4)
    assert (claim.effect, claim.origin) == ("takes", f"run by {VFIO}, line 1")
    assert claim.addresses == ("0000:0d:00.0", "0000:41:00.0")


def test_a_script_that_computes_its_devices_is_recognised(tmp_path: Path) -> None:
    files = {
        VFIO: "install vfio-pci /usr/bin/vfio-pci-override.sh\n",
        "/usr/bin/vfio-pci-override.sh": (
            "#!/bin/sh\nfor i in /sys/bus/pci/devices/*/boot_vga; do\n    if [ $(cat $i) -eq 0 ]; then\n"
            '        GPU="${i%/boot_vga}"\n        echo "vfio-pci" > "$GPU/driver_override"\n    fi\ndone\n'
        ),
    }
    (claim,) = claims_of(tmp_path, files)
    assert (claim.effect, claim.driver, claim.addresses, claim.line) == ("recognised", "vfio-pci", (), 5)


@pytest.mark.parametrize(
    ("head", "managed"),
    [
        ("# Made by the Ansible collection vfio.workstation: how KVM is set.\n", True),
        ("#!/bin/sh\n# Written by the Ansible collection vfio.workstation, by its module initramfs.\n", True),
        ("# Not made by the Ansible collection vfio.workstation\n", False),
        ("#\n#\n# Made by the Ansible collection vfio.workstation\n", False),
    ],
)
def test_files_of_this_collection_are_managed(tmp_path: Path, head: str, managed: bool) -> None:
    assert [claim.managed for claim in of(tmp_path, head + "blacklist amdgpu\n")] == [managed]
