# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of a kernel."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import InitramfsRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.kernel_module import BUILT_IN, LOADABLE, MISSING
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.store import module_arguments
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.kernel_modules import kernel_modules
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

DEP = """\
kernel/drivers/vfio/vfio.ko.xz:
kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/pci/vfio-pci-core.ko.xz kernel/drivers/vfio/vfio.ko.xz
updates/dkms/nvidia.ko:
kernel/drivers/other/not-vfio-platform.ko.zst: kernel/drivers/mdev.ko.zst
bare.ko.gz:
"""
BUILTIN = "kernel/fs/ext4/ext4.ko\nkernel/drivers/vfio/vfio_iommu_type1.ko\n"
KINDS = [
    ("vfio", LOADABLE),
    ("vfio-pci", LOADABLE),
    ("vfio_pci", LOADABLE),
    ("nvidia", LOADABLE),
    ("bare", LOADABLE),
    ("ext4", BUILT_IN),
    ("vfio-iommu-type1", BUILT_IN),
    ("mdev", MISSING),  # only as a dependency, which depmod never writes
    ("vfio-platform", MISSING),
    ("pci", MISSING),
    ("vfio-pci-core", MISSING),
    ("kernel", MISSING),
]


@pytest.fixture(params=["lib", "usr/lib"])
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> Tree:
    directory = tmp_path / request.param / "modules/6.1.0"
    directory.mkdir(parents=True)
    (directory / "modules.dep").write_text(DEP)
    (directory / "modules.builtin").write_text(BUILTIN)
    (directory / "modules.alias").write_text("alias mdev vfio\n")
    return Tree(str(tmp_path))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_kinds(tree: Tree, name: str, kind: str) -> None:
    kernel = kernel_modules(tree, "6.1.0")
    assert kernel is not None
    assert kernel.kind(name) == kind


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_hooks_find_the_loadable_modules_and_no_others(name: str, kind: str, tmp_path: Path) -> None:
    """The pattern that the hooks search for in modules.dep matches what is parsed here."""
    (tmp_path / "modules.dep").write_text(DEP)
    (words,) = module_arguments(InitramfsRequest((), (name,)))
    script = f'set -- {words}; grep -qsE "$1" modules.dep'
    assert (subprocess.run(["sh", "-c", script], cwd=tmp_path, check=False).returncode == 0) == (kind == LOADABLE)


def test_no_modules_are_installed(tmp_path: Path) -> None:
    (tmp_path / "lib/modules/6.1.0").mkdir(parents=True)
    assert kernel_modules(Tree(str(tmp_path)), "6.1.0") is None
    assert kernel_modules(Tree(str(tmp_path)), "6.1.1") is None


def test_no_modules_are_built_in(tmp_path: Path) -> None:
    directory = tmp_path / "lib/modules/6.1.0"
    directory.mkdir(parents=True)
    (directory / "modules.dep").write_text("")
    kernel = kernel_modules(Tree(str(tmp_path)), "6.1.0")
    assert kernel is not None
    assert kernel.kind("vfio-pci") == MISSING
