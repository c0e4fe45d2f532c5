# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of driverctl, of lists of modules, and of the generators of initramfs images."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import EACH_BOOT, NEW_IMAGES
from ansible_collections.vfio.workstation.tests.machines.claimed import claims_of, only

FIRST, GPU, SOUND, DISPLAY = "0000:01:00.0", "0000:41:00.0", "0000:41:00.1", "0000:0d:00.0"
LOOP = "for DEV in 0000:41:00.0 0000:41:00.1; do\n    echo vfio-pci > /sys/bus/pci/devices/$DEV/driver_override\ndone\n"


@pytest.mark.parametrize(
    ("name", "text", "driver", "effect", "addresses"),
    [
        ("0000:0d:00.0", "vfio-pci\n", "vfio-pci", "takes", (DISPLAY,)),
        ("pci-0000:0d:00.0", "vfio-pci\n", "vfio-pci", "takes", (DISPLAY,)),
        ("pci-0000:0d:00.0", "uio_pci_generic", "uio_pci_generic", "takes", (DISPLAY,)),
        ("pci-0000:0d:00.0", "nouveau\n", "nouveau", "takes", (DISPLAY,)),
        ("pci-0000:0d:00.0", "none\n", None, "withholds", (DISPLAY,)),
        ("pci-0000:99:00.0", "vfio-pci\n", "vfio-pci", "takes", ()),
    ],
)
def test_driverctl(
    tmp_path: Path, name: str, text: str, driver: str | None, effect: str, addresses: tuple[str, ...]
) -> None:
    path = f"/etc/driverctl.d/{name}"
    (claim,) = claims_of(tmp_path, {path: text})
    assert claim == ("driverctl", path, 1, text.strip(), None, driver, effect, addresses, (EACH_BOOT,), False)


@pytest.mark.parametrize(
    ("name", "text"),
    [("0000:0d:00.0", ""), ("0000:0d:00.0", "a b"), ("vmbus-0000:0d:00.0", "vfio-pci"), ("README", "vfio-pci")],
)
def test_what_driverctl_does_not_read(tmp_path: Path, name: str, text: str) -> None:
    assert claims_of(tmp_path, {f"/etc/driverctl.d/{name}": text}) == []


@pytest.mark.parametrize(
    ("path", "text", "line", "shown", "driver", "effect", "addresses"),
    [
        ("/etc/modules-load.d/vfio.conf", "# a\nvfio\nvfio-pci\n", 3, "vfio-pci", "vfio-pci", "orders", ()),
        ("/usr/lib/modules-load.d/vfio.conf", "vfio_pci\n", 1, "vfio_pci", "vfio-pci", "orders", ()),
        ("/etc/modules", "loop\nvfio-pci\n", 2, "vfio-pci", "vfio-pci", "orders", ()),
        ("/etc/modules", "vfio_virqfd\n", 1, "vfio_virqfd", None, "noted", ()),
        # systemd-modules-load takes the line for a name.
        (
            "/etc/modules",
            "vfio-pci ids=1002:164e\n",
            1,
            "vfio-pci ids=1002:164e",
            "vfio-pci",
            "recognised",
            (DISPLAY,),
        ),
        ("/etc/conf.d/modules", 'modules="vfio-pci"\n', 1, 'modules="vfio-pci"', "vfio-pci", "orders", ()),
        (
            "/etc/conf.d/modules",
            '# a\nmodule_vfio_pci_args="ids=1002:164e"\n',
            2,
            'module_vfio_pci_args="ids=1002:164e"',
            "vfio-pci",
            "takes",
            (DISPLAY,),
        ),
    ],
)
def test_lists_of_modules(
    tmp_path: Path, path: str, text: str, line: int, shown: str, driver: str | None, effect: str, addresses: tuple[str]
) -> None:
    (claim,) = claims_of(tmp_path, {path: text})
    assert claim == ("modules_load", path, line, shown, None, driver, effect, addresses, (EACH_BOOT,), False)


@pytest.mark.parametrize("text", ["vfio\n", "; vfio-pci\n", "# vfio-pci\n", "loop\n", "vfio-pci-core\n"])
def test_modules_that_claim_nothing(tmp_path: Path, text: str) -> None:
    assert claims_of(tmp_path, {"/etc/modules": text, "/etc/initramfs-tools/modules": text}) == []


def test_debians_link_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "etc/modules-load.d").mkdir(parents=True)
    (tmp_path / "etc/modules-load.d/modules.conf").symlink_to("../modules")
    claims = claims_of(tmp_path, {"/etc/modules": "vfio-pci\n"})
    assert [claim.path for claim in claims] == ["/etc/modules-load.d/modules.conf"]


def test_modules_of_initramfs_tools(tmp_path: Path) -> None:
    """The list of a guide for older kernels; there, options of a module are its own."""
    text = "# List of modules\nvfio\nvfio_iommu_type1\nvfio_pci ids=1002:164e\nvfio_virqfd\n"
    takes, noted = claims_of(tmp_path, {"/etc/initramfs-tools/modules": text})
    assert takes == (
        "initramfs_modules",
        "/etc/initramfs-tools/modules",
        4,
        "vfio_pci ids=1002:164e",
        None,
        "vfio-pci",
        "takes",
        (DISPLAY,),
        (NEW_IMAGES,),
        False,
    )
    assert (noted.line, noted.text, noted.effect, noted.applies_to) == (5, "vfio_virqfd", "noted", (NEW_IMAGES,))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/initramfs-tools/scripts/init-top/vfio.sh",
        "/usr/share/initramfs-tools/scripts/init-premount/vfio",
        "/etc/initramfs-tools/hooks/vfio",
    ],
)
def test_scripts_of_initramfs_tools(tmp_path: Path, path: str) -> None:
    (claim,) = claims_of(tmp_path, {path: "#!/bin/sh\nPREREQ=\n" + LOOP, path + "~": LOOP})
    assert (claim.kind, claim.path, claim.line) == ("initramfs_script", path, 4)
    assert (claim.effect, claim.addresses, claim.applies_to) == ("takes", (GPU, SOUND), (NEW_IMAGES,))


@pytest.mark.parametrize(
    ("path", "text", "shown"),
    [
        ("/etc/dracut.conf", 'force_drivers+=" vfio_pci vfio "\n', 'force_drivers=" vfio_pci vfio "'),
        ("/etc/dracut.conf.d/vfio.conf", "add_drivers+=' vfio-pci '\n", "add_drivers=' vfio-pci '"),
        ("/usr/lib/dracut/dracut.conf.d/vfio.conf", 'force_drivers+="vfio-pci"\n', 'force_drivers="vfio-pci"'),
    ],
)
def test_drivers_of_dracut(tmp_path: Path, path: str, text: str, shown: str) -> None:
    (claim,) = claims_of(tmp_path, {path: f"# a\n{text}"})
    assert claim == (
        "initramfs_modules",
        path,
        2,
        shown,
        None,
        "vfio-pci",
        "orders",
        (),
        (NEW_IMAGES,),
        False,
    )


def test_dracut_reads_conf_files_and_etc_hides_the_distributions(tmp_path: Path) -> None:
    forced = 'force_drivers+=" vfio-pci "\n'
    files = {
        "/etc/dracut.conf.d/a.conf": "",
        "/usr/lib/dracut/dracut.conf.d/a.conf": forced,
        "/etc/dracut.conf.d/b": forced,
        "/etc/dracut.conf.d/c.conf": 'omit_drivers+=" vfio-pci "\nforce_drivers+=" nouveau "\n',
    }
    assert claims_of(tmp_path, files) == []


def test_a_command_line_of_dracut(tmp_path: Path) -> None:
    text = 'kernel_cmdline="rd.driver.pre=vfio-pci vfio-pci.ids=1002:164e"\n'
    claims = claims_of(tmp_path, {"/etc/dracut.conf.d/a.conf": text})
    assert {(claim.kind, claim.text, claim.origin, claim.applies_to) for claim in claims} == {
        ("cmdline", "rd.driver.pre=vfio-pci", "kernel_cmdline", (NEW_IMAGES,)),
        ("cmdline", "vfio-pci.ids=1002:164e", "kernel_cmdline", (NEW_IMAGES,)),
    }
    assert only(claims, effect="takes").addresses == (DISPLAY,)


def test_a_module_of_dracut(tmp_path: Path) -> None:
    folder = "/usr/lib/dracut/modules.d"
    files = {
        f"{folder}/20vfio/module-setup.sh": '#!/bin/bash\ninstall() {\n    inst_hook pre-udev 00 "$moddir/a.sh"\n}\n',
        f"{folder}/20vfio/a.sh": "#!/bin/sh\n" + LOOP,
        f"{folder}/30mine/module-setup.sh": "installkernel() {\n    instmods vfio-pci\n}\n",
        f"{folder}/40other/module-setup.sh": "installkernel() {\n    instmods ext4\n}\n",
        f"{folder}/40other/a.sh": LOOP,  # none of dracut's hooks: its setup script does not mention it
    }
    claims = claims_of(tmp_path, files)
    assert [(claim.path, claim.line, claim.effect) for claim in claims] == [
        (f"{folder}/20vfio/a.sh", 3, "takes"),
        (f"{folder}/30mine/module-setup.sh", 2, "orders"),
    ]


@pytest.mark.parametrize(
    ("path", "text", "line", "shown"),
    [
        ("/etc/mkinitcpio.conf", "MODULES=(vfio_pci vfio i915)\n", 2, "MODULES=(vfio_pci vfio i915)"),
        ("/etc/mkinitcpio.conf", 'MODULES=(\n  vfio_pci\n  "vfio"\n)\n', 2, "MODULES=(vfio_pci vfio)"),
        ("/etc/mkinitcpio.conf.d/vfio.conf", "MODULES+=(vfio-pci)\n", 2, "MODULES=(vfio-pci)"),
        ("/etc/mkinitcpio.conf", 'MODULES="vfio_pci"\n', 2, "MODULES=(vfio_pci)"),
    ],
)
def test_modules_of_mkinitcpio(tmp_path: Path, path: str, text: str, line: int, shown: str) -> None:
    (claim,) = claims_of(tmp_path, {path: f"# MODULES=(vfio-pci)\n{text}"})
    assert claim[:4] == ("initramfs_modules", path, line, shown)
    assert (claim.driver, claim.effect, claim.applies_to) == ("vfio-pci", "orders", (NEW_IMAGES,))


def test_a_configuration_that_a_preset_of_mkinitcpio_names(tmp_path: Path) -> None:
    files = {
        "/etc/mkinitcpio.d/linux.preset": "PRESETS=('default')\ndefault_config=\"/etc/mkinitcpio-vfio.conf\"\n",
        "/etc/mkinitcpio-vfio.conf": "MODULES=(vfio_pci)\n",
    }
    assert [claim.path for claim in claims_of(tmp_path, files)] == ["/etc/mkinitcpio-vfio.conf"]


def test_hooks_of_mkinitcpio_apply_if_they_are_named(tmp_path: Path) -> None:
    files = {
        "/etc/mkinitcpio.conf": "HOOKS=(base udev take)\n",
        "/etc/initcpio/hooks/take": "#!/bin/ash\nrun_hook() {\n" + LOOP + "}\n",
        "/etc/initcpio/install/other": "build() {\n    add_module vfio-pci\n}\n",
    }
    claims = claims_of(tmp_path, files)
    assert [(claim.path, claim.effect, claim.applies_to) for claim in claims] == [
        ("/etc/initcpio/hooks/take", "takes", (NEW_IMAGES,)),
        ("/etc/initcpio/install/other", "orders", ()),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/initramfs-tools/hooks/vfio-workstation",
        "/usr/lib/dracut/modules.d/90vfio-workstation/module-setup.sh",
        "/etc/initcpio/install/vfio-workstation",
    ],
)
def test_hooks_of_this_collection_are_managed(tmp_path: Path, path: str) -> None:
    head = "#!/bin/sh\n# Written by the Ansible collection vfio.workstation, by its module initramfs.\n"
    claims = claims_of(tmp_path, {path: head + "manual_add_modules vfio-pci\n"})
    assert [claim.managed for claim in claims] == [True]
