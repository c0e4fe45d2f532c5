# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims on command lines: what words mean, where they are written, and whose they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import RECORD_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import NEW_ENTRIES, RUNNING, Claim
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.entry import Entry
from ansible_collections.vfio.workstation.tests.machines.claimed import claims_of, only
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, function

TWINS = ("0000:01:00.0", "0000:41:00.0")
DISPLAY = ("0000:0d:00.0",)


def running(root: Path, text: str) -> list[Claim]:
    return claims_of(root, {"/proc/cmdline": text + "\n"})


def entry(file: str, cmdline: str, line: int | None = None, name: str = "debian") -> Entry:
    return Entry(name, name, None, "/vmlinuz", (), cmdline, file, line=line)


@pytest.mark.parametrize(
    ("argument", "driver", "effect", "addresses"),
    [
        ("vfio-pci.ids=10de:2684", "vfio-pci", "takes", TWINS),
        ("vfio_pci.ids=10de:2684", "vfio-pci", "takes", TWINS),
        ('vfio-pci.ids="10de:2684,1002:164e"', "vfio-pci", "takes", (*TWINS[:1], *DISPLAY, *TWINS[1:])),
        ("vfio-pci.ids=8086:1234", "vfio-pci", "takes", ()),
        ("pci-stub.ids=1002:164e", "pci-stub", "takes", DISPLAY),
        ("xen-pciback.hide=(0000:0d:00.0)", "pciback", "takes", DISPLAY),
        ("pciback.hide=(0d:00.0)", "pciback", "takes", DISPLAY),
        ("rd.driver.pre=vfio-pci", "vfio-pci", "orders", ()),
        ("rd.driver.pre=vfio,vfio_pci", "vfio-pci", "orders", ()),
        ("modules-load=vfio-pci", "vfio-pci", "orders", ()),
        ("modprobe.blacklist=nvidia,pcspkr", None, "withholds", TWINS),
        ("module_blacklist=amdgpu", None, "withholds", DISPLAY),
        ("rd.driver.blacklist=amdgpu", None, "withholds", DISPLAY),
        ("module_blacklist=vfio_pci", "vfio-pci", "noted", ()),
        ("initcall_blacklist=sysfb_init", None, "withholds", DISPLAY),
        ("initcall_blacklist=amdgpu_init", None, "withholds", DISPLAY),
        ("video=efifb:off", None, "withholds", DISPLAY),
        ("amdgpu.modeset=0", None, "withholds", DISPLAY),
        ("pcie_acs_override=downstream,multifunction", None, "noted", ()),
        ("isolcpus=domain,managed_irq,1", None, "noted", ()),
        ("vfio_iommu_type1.allow_unsafe_interrupts=1", None, "noted", ()),
    ],
)
def test_arguments(tmp_path: Path, argument: str, driver: str | None, effect: str, addresses: tuple[str, ...]) -> None:
    (claim,) = running(tmp_path, f"root=/dev/vda {argument} quiet")
    assert (claim.driver, claim.effect, claim.addresses) == (driver, effect, addresses)
    assert claim[:5] == ("cmdline", "/proc/cmdline", 1, argument, None)
    assert (claim.applies_to, claim.managed) == ((RUNNING,), False)


@pytest.mark.parametrize(
    "argument",
    [
        "quiet",
        "modprobe.blacklist=pcspkr",
        "modprobe.blacklist=nouveau",  # nvidia has them
        "video=1920x1080",
        "video=efifb:on",
        "rd.driver.pre=vfio",
        "amdgpu.modeset=1",
        "vfio_iommu_type1.allow_unsafe_interrupts=0",
        "xvfio-pci.ids=10de:2684",
        "-- vfio-pci.ids=10de:2684",  # what follows is init's
        '"a vfio-pci.ids=10de:2684"',  # within quotes
    ],
)
def test_what_claims_nothing(tmp_path: Path, argument: str) -> None:
    assert running(tmp_path, argument) == []


def test_of_several_the_kernel_takes_the_last(tmp_path: Path) -> None:
    first, last = running(tmp_path, "vfio-pci.ids=1002:164e vfio_pci.ids=10de:2684")
    assert (first.text, first.applies_to) == ("vfio-pci.ids=1002:164e", ())
    assert (last.text, last.applies_to) == ("vfio_pci.ids=10de:2684", (RUNNING,))


GRUB = """\
GRUB_DEFAULT=0
# GRUB_CMDLINE_LINUX="vfio-pci.ids=1:1"
GRUB_CMDLINE_LINUX_DEFAULT="quiet vfio-pci.ids=10de:2684 \\
pcie_acs_override=downstream"
GRUB_CMDLINE_LINUX='isolcpus=2'
"""


def test_sources_of_grub(tmp_path: Path) -> None:
    claims = claims_of(tmp_path, {"/etc/default/grub": GRUB})
    assert [(claim.line, claim.text, claim.origin, claim.applies_to) for claim in claims] == [
        (3, "vfio-pci.ids=10de:2684", "GRUB_CMDLINE_LINUX_DEFAULT", (NEW_ENTRIES,)),
        (3, "pcie_acs_override=downstream", "GRUB_CMDLINE_LINUX_DEFAULT", (NEW_ENTRIES,)),
        (5, "isolcpus=2", "GRUB_CMDLINE_LINUX", (NEW_ENTRIES,)),
    ]


def test_a_value_that_a_drop_in_replaces_is_no_claim(tmp_path: Path) -> None:
    drop_ins = {
        "/etc/default/grub.d/10-more.cfg": 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX vfio-pci.ids=1002:164e"\n',
        "/etc/default/grub.d/20-other.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
        "/etc/default/grub.d/README": 'GRUB_CMDLINE_LINUX="vfio-pci.ids=1:1"\n',
    }
    claims = claims_of(tmp_path, {"/etc/default/grub": GRUB, **drop_ins})
    assert [(claim.path, claim.text) for claim in claims] == [
        ("/etc/default/grub.d/10-more.cfg", "vfio-pci.ids=1002:164e"),
        ("/etc/default/grub", "isolcpus=2"),
    ]


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("/etc/kernel/cmdline", "# comment\nroot=/dev/vda vfio-pci.ids=10de:2684\n", 2),
        ("/etc/cmdline.d/vfio.conf", "vfio-pci.ids=10de:2684\n", 1),
        ("/boot/cmdline.txt", "console=tty1 vfio-pci.ids=10de:2684\n", 1),
        (
            "/etc/kernelstub/configuration",
            '{\n"user": {\n"kernel_options": ["quiet","vfio-pci.ids=10de:2684","splash"]}}\n',
            3,
        ),
        ("/boot/limine.conf", "/Arch\n    cmdline: root=/dev/vda vfio-pci.ids=10de:2684\n", 2),
        ("/boot/refind_linux.conf", '"Boot" "root=/dev/vda vfio-pci.ids=10de:2684"\n', 1),
        ("/etc/default/limine", 'KERNEL_CMDLINE[default]+="vfio-pci.ids=10de:2684"\n', 1),
    ],
)
def test_other_sources(tmp_path: Path, path: str, text: str, line: int) -> None:
    (claim,) = claims_of(tmp_path, {path: text})
    assert claim[:4] == ("cmdline", path, line, "vfio-pci.ids=10de:2684")
    assert (claim.addresses, claim.applies_to) == (TWINS, (NEW_ENTRIES,))


def test_the_distributions_command_line_counts_where_there_is_no_other(tmp_path: Path) -> None:
    vendors = {"/usr/lib/kernel/cmdline": "vfio-pci.ids=10de:2684\n"}
    assert [claim.path for claim in claims_of(tmp_path, vendors)] == ["/usr/lib/kernel/cmdline"]
    assert claims_of(tmp_path, {**vendors, "/etc/kernel/cmdline": "quiet\n"}) == []


def test_entries_are_named_and_those_with_the_same_line_once(tmp_path: Path) -> None:
    menu = "menuentry a {\n\tlinux /vmlinuz vfio-pci.ids=10de:2684\n}\n\tlinux /vmlinuz vfio-pci.ids=10de:2684 single\n"
    entries = [
        entry("/boot/grub/grub.cfg", "vfio-pci.ids=10de:2684", 2, "a"),
        entry("/boot/grub/grub.cfg", "vfio-pci.ids=10de:2684 single", 4, "b"),
        entry("/boot/grub/grub.cfg", "vfio-pci.ids=10de:2684", 2, "again"),
        entry("/boot/grub/grub.cfg", "vfio-pci.ids=10de:2684", 2, "osprober-other"),
    ]
    claims = claims_of(tmp_path, {"/boot/grub/grub.cfg": menu}, entries=entries)
    assert [(claim.line, claim.applies_to) for claim in claims] == [(2, ("a", "again")), (4, ("b",))]


def test_an_image_has_no_lines(tmp_path: Path) -> None:
    entries = [entry("/efi/EFI/Linux/a.efi", "vfio-pci.ids=10de:2684", name="a.efi")]
    (claim,) = claims_of(tmp_path, {"/efi/EFI/Linux/a.efi": b"MZ\0vfio-pci.ids=10de:2684\0"}, entries=entries)
    assert (claim.path, claim.line, claim.applies_to) == ("/efi/EFI/Linux/a.efi", None, ("a.efi",))


BLS = "title Fedora\nlinux /vmlinuz\n# options vfio-pci.ids=1002:164e\noptions root=/dev/vda {}\n"
BLOCK = "# GRUB Environment Block\nsaved_entry=x\n{}\n" + "#" * 64


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"/a.conf": BLS.format("vfio-pci.ids=1002:164e")}, ("/a.conf", 4, None)),
        (
            {
                "/a.conf": BLS.format("$kernelopts"),
                "/boot/grub2/grubenv": BLOCK.format("kernelopts=ro vfio-pci.ids=1002:164e"),
            },
            ("/boot/grub2/grubenv", 3, "kernelopts"),
        ),
        (
            {
                "/a.conf": BLS.format("$tuned_params"),
                "/boot/grub2/grubenv": BLOCK.format("tuned_params=vfio-pci.ids=1002:164e"),
            },
            ("/boot/grub2/grubenv", 3, "tuned_params, written by TuneD"),
        ),
        (
            {
                "/a.conf": BLS.format("$extra"),
                "/boot/grub2/grub.cfg": 'set pager=1\nset extra="vfio-pci.ids=1002:164e"\n',
            },
            ("/boot/grub2/grub.cfg", 2, "extra"),
        ),
        ({"/a.conf": BLS.format("$nowhere")}, ("/a.conf", None, None)),
    ],
)
def test_words_of_variables_name_the_variable(
    tmp_path: Path, files: dict[str, str], place: tuple[str, int | None, str | None]
) -> None:
    claims = claims_of(tmp_path, files, entries=[entry("/a.conf", "root=/dev/vda vfio-pci.ids=1002:164e")])
    (claim,) = (claim for claim in claims if claim.applies_to == ("debian",))
    assert (claim.path, claim.line, claim.origin) == place


TUNED: dict[str, str] = {
    "/etc/tuned/active_profile": "my-host\n",
    "/etc/tuned/my-host/tuned.conf": "[main]\ninclude=base\n\n[bootloader]\ncmdline = +vfio-pci.ids=1002:164e\n",
    "/usr/lib/tuned/base/tuned.conf": "[bootloader]\ncmdline_cpu=+isolcpus=${isolated_cores} nohz=on\n",
    "/etc/tuned/bootcmdline": (
        '# comment\nTUNED_BOOT_CMDLINE="vfio-pci.ids=1002:164e isolcpus=2-5"\nTUNED_BOOT_INITRD_ADD=""\n'
    ),
}


def test_arguments_of_tuned_name_its_profile(tmp_path: Path) -> None:
    claims = claims_of(tmp_path, TUNED)
    assert {claim.path for claim in claims} == {"/etc/tuned/bootcmdline"}
    assert [(claim.line, claim.text, claim.origin) for claim in claims] == [
        (
            2,
            "vfio-pci.ids=1002:164e",
            "TUNED_BOOT_CMDLINE, written by TuneD for its profile my-host (/etc/tuned/my-host/tuned.conf, line 5)",
        ),
        (
            2,
            "isolcpus=2-5",
            "TUNED_BOOT_CMDLINE, written by TuneD for its profile my-host (/usr/lib/tuned/base/tuned.conf, line 2)",
        ),
    ]


def test_profiles_that_include_each_other_come_to_an_end(tmp_path: Path) -> None:
    loop = {
        "/etc/tuned/my-host/tuned.conf": "[main]\ninclude=base ../x\n",
        "/usr/lib/tuned/base/tuned.conf": "[main]\ninclude=my-host\n",
    }
    origins = {claim.origin for claim in claims_of(tmp_path, {**TUNED, **loop})}
    assert origins == {"TUNED_BOOT_CMDLINE, written by TuneD for its profile my-host"}


def test_fedoras_entries_with_tuned(tmp_path: Path) -> None:
    """A machine as tuned#705 shows it, read as a whole: the entry has `$tuned_params`, grubenv its value."""
    name = "0123456789abcdef0123456789abcdef-6.14.11-300.fc42.x86_64"
    files = {
        "/proc/cmdline": "BOOT_IMAGE=(hd0,gpt2)/vmlinuz-6.14.11-300.fc42.x86_64 ro\n",
        "/sys/firmware/efi/fw_platform_size": "64\n",
        "/boot/vmlinuz-6.14.11-300.fc42.x86_64": "",
        "/boot/grub2/grub.cfg": "load_env -f ${config_directory}/grubenv\ninsmod blscfg\nblscfg\n",
        "/boot/grub2/grubenv": BLOCK.format("tuned_params=skew_tick=1 isolcpus=managed_irq,domain,2-5 intel_iommu=off"),
        f"/boot/loader/entries/{name}.conf": BLS.format("ro rhgb quiet $tuned_params").replace(
            "/vmlinuz", "/vmlinuz-6.14.11-300.fc42.x86_64"
        ),
    }
    for path, text in files.items():
        file = tmp_path / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (claim,) = probe(str(tmp_path)).host.claims
    assert claim[:5] == (
        "cmdline",
        "/boot/grub2/grubenv",
        3,
        "isolcpus=managed_irq,domain,2-5",
        "tuned_params, written by TuneD",
    )
    assert (claim.effect, claim.applies_to) == ("noted", (name,))


def record(**changes: Any) -> dict[str, str]:
    content = {
        "format": 1,
        "owners": {"devices": ["vfio-pci.ids=10de:2684"]},
        "provided": ["vfio-pci.ids=10de:2684"],
        "shared": [],
        "replaced": [],
        "created": [],
    }
    return {RECORD_FILE: json.dumps({**content, **changes})}


def test_arguments_of_this_collection_are_managed(tmp_path: Path) -> None:
    text = {"/proc/cmdline": "vfio_pci.ids=10de:2684 pci-stub.ids=10de:2684\n"}
    claims = claims_of(tmp_path, {**text, **record()})
    assert [(claim.driver, claim.managed) for claim in claims] == [("vfio-pci", True), ("pci-stub", False)]


def test_an_argument_that_a_line_had_before_is_its_authors(tmp_path: Path) -> None:
    shared = {"path": "/etc/default/grub", "name": "GRUB_CMDLINE_LINUX", "unit": "vfio-pci.ids=10de:2684"}
    files = {
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="vfio-pci.ids=10de:2684"\n',
        "/etc/kernel/cmdline": "vfio-pci.ids=10de:2684\n",
        **record(shared=[shared]),
    }
    claims = claims_of(tmp_path, files)
    assert {claim.path: claim.managed for claim in claims} == {"/etc/default/grub": False, "/etc/kernel/cmdline": True}


def test_an_argument_that_was_taken_out_is_managed_until_the_reboot(tmp_path: Path) -> None:
    files = {
        "/proc/cmdline": "vfio-pci.ids=10de:2684\n",
        "/etc/kernel/cmdline": "vfio-pci.ids=10de:2684\n",
        "/run/vfio-workstation/retired-arguments.json": '["vfio-pci.ids=10de:2684"]',
    }
    managed = {claim.path: claim.managed for claim in claims_of(tmp_path, files)}
    assert managed == {"/proc/cmdline": True, "/etc/kernel/cmdline": False}


@pytest.mark.parametrize(
    "text", ["", "[", "[]", '{"provided": 1}', '{"provided": [1], "shared": [{"path": []}]}', "[" * 9999]
)
def test_a_record_that_makes_no_sense_manages_nothing(tmp_path: Path, text: str) -> None:
    claims = claims_of(tmp_path, {"/proc/cmdline": "vfio-pci.ids=10de:2684\n", RECORD_FILE: text})
    assert [claim.managed for claim in claims] == [False]


def test_the_commonest_line_by_hand(tmp_path: Path) -> None:
    """The same ids as the boot display and its twin: all that it takes is named."""
    desktop = {
        "0000:00:01.0": function("1234:1111", "030000", "bochs", "1", boot_display=True),
        "0000:01:00.0": function("1234:1111", "030000", "bochs", "2"),
    }
    text = "quiet isolcpus=domain,managed_irq,1 vfio-pci.ids=1234:1111 pcie_acs_override=downstream,multifunction"
    claims = claims_of(tmp_path, {"/etc/default/grub": f'GRUB_CMDLINE_LINUX_DEFAULT="{text}"\n'}, desktop)
    assert only(claims, effect="takes").addresses == tuple(desktop)
    assert [claim.text.partition("=")[0] for claim in claims if claim.effect == "noted"] == [
        "isolcpus",
        "pcie_acs_override",
    ]


def test_what_is_shown_is_one_line_that_a_terminal_can_print(tmp_path: Path) -> None:
    (claim,) = running(tmp_path, "vfio-pci.ids=10de:2684,\x1b[31m" + "a" * 600)
    assert claim.text.startswith("vfio-pci.ids=10de:2684,\N{REPLACEMENT CHARACTER}[31m")
    assert len(claim.text) == 503
    assert DESKTOP.keys() >= set(claim.addresses) == set(TWINS)
