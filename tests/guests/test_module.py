# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module guest as Ansible calls it, on this computer, with a real daemon of libvirt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ToolFailed
from ansible_collections.vfio.workstation.plugins.module_utils._apply.virsh import Virsh
from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusals import CODES
from ansible_collections.vfio.workstation.plugins.modules import guest as documentation
from ansible_collections.vfio.workstation.tests import payload
from ansible_collections.vfio.workstation.tests.guests.daemon import Libvirt
from ansible_collections.vfio.workstation.tests.guests.test_guest_run import FOREIGN

#: With these, a guest needs nothing of the host but a CPU that is kept for guests, which this computer has none of.
LEAST: dict[str, Any] = {"name": "guest", "os": "linux", "network": "none", "type": "qemu", "memory": "64M"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return payload.build(tmp_path_factory.mktemp("payload"))


def call(folder: Path, libvirt: Libvirt, *, check: bool = True, **options: Any) -> payload.Answer:
    """Run the module, in check mode unless told otherwise."""
    text = payload.text({**LEAST, "uri": libvirt.uri, **options}, check=check)
    line = payload.argv("guest", str(folder), sys.executable)
    done = subprocess.run(line, input=text, capture_output=True, text=True, check=False)
    return payload.answer(done.stdout)


def test_refused(folder: Path, libvirt: Libvirt) -> None:
    answer = call(folder, libvirt, devices=["gpu"])
    assert answer.failed
    assert answer.codes == ["device_not_provisioned", "guest_cpus_exceed_plan"]
    assert answer.values["msg"].startswith("Refused; nothing was changed:\n[device_not_provisioned] guest: ")
    assert answer.values["notes"] == answer.values["vcpus"] == []


def test_mistakes(folder: Path, libvirt: Libvirt) -> None:
    lines = call(folder, libvirt, memory=16, disk={"sise": "9G"}, cpu="2-3").values["msg"].splitlines()
    assert lines[0].startswith("cpu: found '2-3', expected one of the keys name, os, devices,")
    assert sorted(line.partition(":")[0] for line in lines) == ["cpu", "disk.path", "disk.sise", "memory"]


def test_a_foreign_guest_stays(folder: Path, libvirt: Libvirt, tmp_path: Path) -> None:
    libvirt.define(tmp_path / "theirs.xml", FOREIGN)
    answer = call(folder, libvirt, check=False, name="theirs", state="absent")
    assert (answer.failed, answer.changed) == (False, False)
    assert answer.values["uuid"] == libvirt.virsh("domuuid", "theirs").strip()
    assert "********" in answer.values["definition"]
    assert answer.values["notes"][0].startswith("the domain stays")


def test_every_value_is_documented(folder: Path, libvirt: Libvirt) -> None:
    documented = yaml.safe_load(documentation.RETURN)
    internal = {"changed", "diff", "failed", "invocation", "msg", "exception"}
    right = call(folder, libvirt, state="absent")
    refused = call(folder, libvirt)
    assert set(right.values) - internal == set(documented)
    when_refused = {name for name, value in documented.items() if "refused" in value["returned"]}
    assert set(refused.values) - internal == when_refused
    sample = documented["refusals"]["contains"]
    danger, remedy = CODES[sample["code"]["sample"]]
    assert (sample["danger"]["sample"], sample["remedy"]["sample"]) == (danger, remedy)


def test_what_virsh_says(libvirt: Libvirt) -> None:
    virsh = Virsh(libvirt.uri)
    with pytest.raises(ToolFailed, match=r"exit status 1\nerror: failed to get domain 'none'"):
        virsh.definition("none")
    with pytest.raises(ToolFailed, match="XML document failed to validate"):
        virsh.define("<domain><name>x</name></domain>")
    with pytest.raises(ToolFailed, match="failed to get domain 'none'"):
        virsh.undefine("none")
    assert virsh.names() == ["", ""]


@pytest.mark.parametrize("answers", [[None], [{}], [{"pid": 1}, None], [{"pid": 1}, {"exited": True, "out-data": 3}]])
def test_an_agent_that_answers_something_else(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter(answers)
    monkeypatch.setattr(Virsh, "_agent", lambda *_words, **_arguments: next(left))
    with pytest.raises(ToolFailed, match="the guest agent of g answered guest-exec with something else"):
        Virsh("test:///default").guest_run("g", "/bin/sh", ())
