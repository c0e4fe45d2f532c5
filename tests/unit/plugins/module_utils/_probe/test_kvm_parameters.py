# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters of KVM's modules, in trees of files."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.vfio.workstation.plugins.module_utils._probe.kvm_parameters import read_kvm_parameters
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree


def parameter(root: Path, module: str, name: str, content: bytes) -> None:
    path = root / "sys/module" / module / "parameters" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_parameters_by_module_and_name(tmp_path: Path) -> None:
    parameter(tmp_path, "kvm", "ignore_msrs", b"N\n")
    parameter(tmp_path, "kvm_amd", "nested", b"1\n")
    parameter(tmp_path, "kvm_amd", "avic", b"\xff\n")
    parameter(tmp_path, "vfio", "enable_unsafe_noiommu_mode", b"N\n")
    parameter(tmp_path, "kvm", "Odd name", b"N\n")
    (tmp_path / "sys/module/kvm/parameters/folder").mkdir()
    assert read_kvm_parameters(Tree(str(tmp_path))) == {
        "kvm.ignore_msrs": "N",
        "kvm_amd.nested": "1",
        "kvm_amd.avic": "\ufffd",
    }


def test_without_kvm_there_are_no_parameters(tmp_path: Path) -> None:
    assert read_kvm_parameters(Tree(str(tmp_path))) == {}
    (tmp_path / "sys/module/kvm").mkdir(parents=True)  # a module without parameters
    assert read_kvm_parameters(Tree(str(tmp_path))) == {}
