# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether GPUs can be passed through, why not, and what is needed first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine, to_json
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostPlan, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.module_utils._text.passthrough import Gpu, gpus
from ansible_collections.vfio.workstation.plugins.plugin_utils._values import from_json
from tests.machines import build, build_described, load_but, names

FIRST, FIRST_AUDIO, SECOND, SECOND_AUDIO = "0000:01:00.0", "0000:01:00.1", "0000:41:00.0", "0000:41:00.1"
INTEGRATED = "0000:0d:00.0"
PRIMARY = "make another GPU the primary display in the firmware setup"
ANOTHER = "another GPU with outputs, as the primary display of the host"
IOMMU_OFF = "enable the IOMMU (VT-d, AMD-Vi) in the firmware setup"
HANDED_OVER = (
    "0000:41:00.1 is handed over at the next boot; until then it is in use: process gnome-shell (1437) (by controlC1)"
)
MSI = "0x00000000fee00000 0x00000000feefffff msi"
RESERVED = "0x0000000079c11000 0x0000000079e5afff direct"


def yes(address: str, *companions: str, notes: tuple[str, ...] = ()) -> Gpu:
    return Gpu(address, companions, (), (), (), notes)


#: A name, changes to that machine, and its GPUs.
CASES: list[tuple[str, dict[str, Any], list[Gpu]]] = [
    (
        "twin-gpus",
        {},
        [
            Gpu(FIRST, (FIRST_AUDIO,), ("device_is_boot_display",), ("it is the boot display",), (PRIMARY,), ()),
            yes(SECOND, SECOND_AUDIO),
        ],
    ),
    (
        "hybrid-laptop",
        {},
        [
            # The other GPU has no outputs (class 0302).
            Gpu("0000:00:02.0", (), ("device_is_boot_display",), ("it is the boot display",), (ANOTHER,), ()),
            yes(FIRST),
        ],
    ),
    (
        "gpu-shares-group-with-disk",
        {},
        [
            Gpu(
                FIRST,
                (FIRST_AUDIO,),
                ("group_shared_with_host",),
                ("its IOMMU group 12 has host devices (0000:02:00.0 NVMe, 0000:03:00.0 network)",),
                ("move the card to another slot",),
                (),
            ),
            Gpu(INTEGRATED, (), ("device_is_boot_display",), ("it is the boot display",), (PRIMARY,), ()),
        ],
    ),
    (
        "amd-desktop",
        {"pci": {"0000:0d:00.3": {"group": 12}}},
        [
            Gpu(
                FIRST,
                (FIRST_AUDIO,),
                ("group_shared_with_host",),
                ("its IOMMU group 12 has host devices (0000:0d:00.3 USB)",),
                ("pass these through too (with_group), or move the card to another slot",),
                (),
            ),
            Gpu(INTEGRATED, (), ("device_is_boot_display",), ("it is the boot display",), (PRIMARY,), ()),
        ],
    ),
    (
        "iommu-off-in-firmware-amd",
        {},
        [
            Gpu(
                FIRST,
                (FIRST_AUDIO,),
                ("iommu_disabled_by_firmware",),
                ("the IOMMU is disabled in firmware",),
                (IOMMU_OFF,),
                (),
            ),
            Gpu(
                INTEGRATED,
                (),
                ("iommu_disabled_by_firmware", "device_is_boot_display"),
                ("the IOMMU is disabled in firmware", "it is the boot display"),
                (IOMMU_OFF, PRIMARY),
                (),
            ),
        ],
    ),
    (
        "kvm-guest",
        {},
        [
            Gpu(
                "0000:00:01.0",
                (),
                ("iommu_absent", "cpu_virtualization_unsupported", "device_is_boot_display"),
                (
                    "the hypervisor that this machine runs on provides neither an IOMMU nor virtualization to it",
                    "it is the boot display",
                ),
                ("a virtual IOMMU and nested virtualization from the host of this guest", ANOTHER),
                (),
            )
        ],
    ),
    (
        "amd-desktop",
        {
            "pci": {FIRST: None, FIRST_AUDIO: None},
            "drm": {"card2": None},
            "sound": None,
            "groups": None,
            "processes": {1502: None},
        },
        [Gpu(INTEGRATED, (), ("device_is_boot_display",), ("it is the boot display",), (ANOTHER,), ())],
    ),
    (
        "iommu-off-by-default",
        {
            "pci": {"0000:00:02.0": None, FIRST: {"class": "038000"}},
            "drm": None,
            "framebuffer": None,
            "groups": None,
        },
        [
            Gpu(
                FIRST,
                (FIRST_AUDIO,),
                ("device_is_boot_display",),
                ("it may be the boot display",),
                (ANOTHER,),
                (),
            )
        ],
    ),
    (
        "hybrid-laptop",
        {
            "pci": {"0000:00:02.0": {"class": "0c0330", "driver": "xhci_hcd"}},
            "drm": None,
            "framebuffer": None,
            "screen_info": None,
            "kernel": {"cmdline": "root=/dev/sda1 ro"},
            "ungrouped": True,
            "iommus": None,
            "groups": None,
        },
        [yes(FIRST, notes=("its IOMMU group is unknown until the IOMMU is enabled",))],
    ),
    (
        "twin-gpus",
        {
            "pci": {
                "0000:41:00.2": {"id": "10de:1ad8", "class": "0c0330", "driver": "xhci_hcd", "group": 20},
                FIRST: None,
                FIRST_AUDIO: None,
            },
            "input": {"event5": {"name": "K120", "on": "0000:41:00.2", "through": "usb3/3-1/3-1:1.0"}},
            "groups": {20: {"reserved": [RESERVED, MSI]}, 12: None},
            "drm": None,
            "framebuffer": None,
            "sound": None,
            "screen_info": {"base": 0xF000000000, "size": 0x7E9000},
        },
        [
            Gpu(
                SECOND,
                (SECOND_AUDIO, "0000:41:00.2"),
                ("reserved_region", "device_in_use"),
                (
                    "its IOMMU group 20 has a reserved memory region (RMRR, IVMD)",
                    "0000:41:00.2 is in use (keyboard K120)",
                ),
                (
                    "disable in the firmware setup what needs the region",
                    "move what uses it to a device that stays with the host",
                ),
                (),
            )
        ],
    ),
    (
        "amd-desktop",
        {
            "pci": {INTEGRATED: None, FIRST: {"group": None}},
            "drm": {"card1": None, "card2": {"connectors": None}},
            "framebuffer": None,
            "screen_info": {"base": 0xF000000000, "size": 0x7E9000},
            "processes": {1437: {"open": ["/dev/dri/card2"]}},
        },
        [Gpu(FIRST, (FIRST_AUDIO,), ("device_has_no_group",), ("it has no IOMMU group",), (), ())],
    ),
    (
        "twin-gpus",
        {"processes": {1437: {"open": ["/dev/dri/card2", "/dev/snd/controlC1"]}}, "sound": {1: SECOND_AUDIO}},
        [
            Gpu(FIRST, (FIRST_AUDIO,), ("device_is_boot_display",), ("it is the boot display",), (PRIMARY,), ()),
            yes(
                SECOND,
                SECOND_AUDIO,
                notes=(HANDED_OVER,),
            ),
        ],
    ),
    ("arm-without-pci", {}, []),
]


@pytest.mark.parametrize(("name", "changes", "expected"), CASES)
def test_gpus(name: str, changes: dict[str, Any], expected: list[Gpu], tmp_path: Path) -> None:
    assert gpus(probe(build_described(load_but(name, changes), tmp_path)).host) == expected


def test_a_kernel_without_the_driver_is_named(tmp_path: Path) -> None:
    host = to_json(probe(build("twin-gpus", tmp_path)).host)
    kernel = {"version": "6.1.0", "entry": None, "cmdline": None, "initramfs": None, "has_vfio_pci": False}
    host["boot"]["kernels"] = [kernel]
    gpu = gpus(from_json(Machine, host))[1]
    assert gpu.causes == ("there is no vfio-pci for kernel 6.1.0",)
    assert gpu.needed == ("install the modules of that kernel, or remove it",)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("svm-disabled-by-firmware", "cpu_virtualization_disabled_by_firmware"),
        ("kvm-guest", "iommu_absent"),
        ("iommu-unknown", "iommu_unknown"),
        ("iommu-not-in-kernel", "iommu_disabled_in_kernel"),
        ("hand-made-passthrough", "claimed_by_others"),
    ],
)
def test_causes_of_the_host_are_named_for_each_gpu(name: str, code: str, tmp_path: Path) -> None:
    host = to_json(probe(build(name, tmp_path)).host)
    if not any(function["class"].startswith("03") for function in host["pci"].values()):
        host["pci"]["0000:7f:00.0"] = {**next(iter(host["pci"].values())), "class": "030000", "bridge": False}
    for gpu in gpus(from_json(Machine, host)):
        assert code in gpu.codes
        assert len(gpu.causes) >= 1
        assert all("\n" not in text and not text.endswith((".", ":")) for text in (*gpu.causes, *gpu.needed))


@pytest.mark.parametrize("name", names())
def test_the_answer_is_what_a_request_results_in(name: str, tmp_path: Path) -> None:
    machine = probe(build(name, tmp_path)).host
    for gpu in gpus(machine):
        desired = parse_desired({"devices": [{"name": "gpu", "select": {"address": gpu.address}}]})
        assert isinstance(desired, Desired)
        plan = plan_host(machine, desired, HostRecord())
        if isinstance(plan, HostPlan):
            assert gpu.codes == gpu.causes == gpu.needed == ()
            assert sorted(binding.address for binding in plan.bindings or ()) == sorted((gpu.address, *gpu.companions))
        else:
            assert set(gpu.codes) == {refusal.code for refusal in plan}
            assert gpu.causes
