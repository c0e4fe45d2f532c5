# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that generates fallback entries, run by a shell with the output of real 10_linux scripts."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_config import FALLBACK
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_entries import role
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_files import (
    FALLBACK_ID,
    drop_in,
    script,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot import grub
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

MANAGED = ("intel_iommu=on", "iommu=pt")
# As GRUB 2.06 and 2.12 of Debian print it with one kernel and without submenus.
LINUX = r"""#!/bin/sh
echo "Found linux image: /boot/vmlinuz-6.1.0-28-amd64" >&2
entry="menuentry 'Debian GNU/Linux, with Linux 6.1.0-28-amd64' --class debian --class gnu-linux --class gnu --class os"
cat <<END
function gfxmode {
    set gfxpayload="\${1}"
}
set linux_gfx_mode=
export linux_gfx_mode
$entry \$menuentry_id_option 'gnulinux-6.1.0-28-amd64-advanced-0d9c' {
    load_video
    insmod gzio
    if [ x\$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
    echo    'Loading Linux 6.1.0-28-amd64 ...'
    linux    /boot/vmlinuz-6.1.0-28-amd64 root=UUID=0d9c ro $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT
    initrd    /boot/initrd.img-6.1.0-28-amd64
}
END
"""


# A minimal 10_linux.
ECHO = r"""#!/bin/sh
printf '%s\n' "menuentry 'L' --x \$menuentry_id_option 'i' {" "$GRUB_CMDLINE_LINUX_DEFAULT" '}'
"""


def run(folder: Path, arguments: str, linux: str = LINUX, managed: Sequence[str] = MANAGED, **environment: str) -> str:
    path = folder / "10_linux"
    path.write_text(linux, "utf-8")
    path.chmod(0o755)
    text = script(managed).replace("linux=/etc/grub.d/10_linux", f"linux={path}")
    done = subprocess.run(
        ["sh"],
        input=text,
        env={"PATH": os.environ["PATH"], "GRUB_CMDLINE_LINUX_DEFAULT": arguments, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_each_kernel_has_an_entry_with_the_foreign_arguments(tmp_path: Path) -> None:
    printed = run(tmp_path, "quiet intel_iommu=on iommu=pt", GRUB_DISTRIBUTOR="Debian")
    config = tmp_path / "boot/grub/grub.cfg"
    config.parent.mkdir(parents=True)
    config.write_text(printed, "utf-8")
    menu = grub.read_file(Tree(str(tmp_path)), "/boot/grub/grub.cfg")
    assert menu is not None
    (entry,) = menu.entries
    assert entry.title == "Debian GNU/Linux, with Linux 6.1.0-28-amd64 without VFIO"
    assert entry.id == f"{FALLBACK_ID}-gnulinux-6.1.0-28-amd64-advanced-0d9c"
    assert entry.parents == (FALLBACK_ID,)
    assert entry.cmdline == "root=UUID=0d9c ro quiet"
    assert role(entry) == FALLBACK
    assert "submenu 'Debian without VFIO' $menuentry_id_option" in printed
    assert "function" not in printed
    assert printed.count("{") == printed.count("}")


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        ("intel_iommu=on iommu=pt", ""),
        ("intel_iommu=on iommu=pt quiet", "quiet"),
        ("a intel_iommu=on iommu=pt b", "a b"),
        ("intel_iommu=on a iommu=pt", "a"),
        ("iommu=pt a intel_iommu=on iommu=pt", "iommu=pt a"),
        ("intel_iommu=on iommu=pt,x iommu=pt", "iommu=pt,x"),
    ],
)
def test_only_managed_arguments_are_removed(tmp_path: Path, arguments: str, rest: str) -> None:
    printed = run(tmp_path, arguments)
    assert " ".join(printed.split("root=UUID=0d9c ro", 1)[1].split("\n")[0].split()) == rest


@pytest.mark.parametrize(
    "arguments", ["", "quiet", "intel_iommu=on", "xintel_iommu=on iommu=pt", "intel_iommu=on iommu=pt2"]
)
def test_there_are_no_entries_unless_the_managed_arguments_are_in_effect(tmp_path: Path, arguments: str) -> None:
    assert run(tmp_path, arguments) == ""


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(["a", "b=1", "b=1,c", 'd="e f"', "*", "?[a]", "#", "%s"]), max_size=6),
    st.lists(st.sampled_from(["a", "b=1", 'd="e f"', "g=1 h=2", "*", "[a]", "%"]), min_size=1, max_size=4, unique=True),
)
def test_any_units_that_were_appended_are_removed(foreign: list[str], managed: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        printed = run(Path(folder), " ".join([*foreign, *managed]), ECHO, managed)
    assert printed.splitlines()[2].split() == " ".join(foreign).split()


# GRUB 2.12 of openSUSE Tumbleweed.
@pytest.mark.parametrize("options", ["  --class opensuse", " --hotkey=2 --class opensuse", " --class a --unrestricted"])
def test_titles_of_other_distributions(tmp_path: Path, options: str) -> None:
    printed = run(tmp_path, " ".join(MANAGED), LINUX.replace(" --class debian", options))
    assert f"menuentry 'Debian GNU/Linux, with Linux 6.1.0-28-amd64 without VFIO'{options} --class gnu" in printed
    assert f"$menuentry_id_option '{FALLBACK_ID}-gnulinux-6.1.0" in printed


def test_a_body_with_quotes_and_options_is_kept(tmp_path: Path) -> None:
    line = "    search --fs-uuid --set=root --hint='a' --hint='b'  0d9c\n"
    assert line in run(tmp_path, " ".join(MANAGED), LINUX.replace("    insmod gzio\n", line))


@pytest.mark.parametrize("linux", ["#!/bin/sh\n", "#!/bin/sh\nexit 1\n", "#!/bin/sh\necho 'menuentry x {'\necho '}'\n"])
def test_an_unknown_format_produces_no_entry(tmp_path: Path, linux: str) -> None:
    assert run(tmp_path, "intel_iommu=on iommu=pt", linux) == ""


def test_quotes_in_the_distributors_name_are_dropped(tmp_path: Path) -> None:
    assert "submenu 'Joes Linux without VFIO'" in run(tmp_path, " ".join(MANAGED), GRUB_DISTRIBUTOR="Joe's Linux")


def test_the_script_passes_shellcheck() -> None:
    done = subprocess.run(["shellcheck", "-"], input=script(MANAGED), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_shell_reads_the_drop_in_as_intended() -> None:
    text = drop_in(('dyndbg="file x +p"', "iommu=pt"))
    line = f'GRUB_CMDLINE_LINUX_DEFAULT="a b"\n{text}printf %s "$GRUB_CMDLINE_LINUX_DEFAULT"'
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == 'a b dyndbg="file x +p" iommu=pt'
