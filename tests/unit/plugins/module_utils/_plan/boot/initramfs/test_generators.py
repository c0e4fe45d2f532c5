# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each generator's configuration: written once, then left alone, changed, and removed without a trace."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._apply import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import (
    STORE,
    File,
    Image,
    InitramfsRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    DRAFT,
    GenerateFile,
    Refusal,
    RemoveFile,
    RunTool,
    Step,
    WriteFile,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.choose import choose_generator
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.dracut import MODULE, Dracut
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.initramfs_tools import HOOK
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.mkinitcpio import DROP_IN
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

if TYPE_CHECKING:
    from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs.protocol import (
        InitramfsGenerator,
    )

VERSION = "6.12.48+deb13-amd64"
FILES = {
    "initramfs-tools": {
        "usr/sbin/mkinitramfs": "",
        "etc/kernel/postinst.d/initramfs-tools": "",
        "etc/initramfs-tools/hooks/other": "",
        f"boot/initrd.img-{VERSION}": "image",
    },
    "dracut": {
        "usr/bin/dracut": "",
        "etc/kernel/postinst.d/dracut": "",
        "usr/lib/dracut/modules.d/99base/module-setup.sh": "",
        f"boot/initrd.img-{VERSION}": "image",
    },
    "mkinitcpio": {
        "usr/bin/mkinitcpio": "#!/usr/bin/bash\ndeclare -r version='39.2'\n",
        "usr/share/libalpm/hooks/90-mkinitcpio-install.hook": "",
        "etc/mkinitcpio.conf": "HOOKS=(base udev)\n",
        "etc/mkinitcpio.conf.d/other.conf": "",
        "etc/initcpio/install/other": "",
        "etc/mkinitcpio.d/linux.preset": "ALL_kver=/boot/vmlinuz-linux\nPRESETS=('default')\n"
        '#ALL_config="/etc/mkinitcpio.conf"\ndefault_image="/boot/initramfs-linux.img"\n',
        "boot/initramfs-linux.img": "image",
    },
}
HOOKS = {"initramfs-tools": HOOK, "dracut": MODULE, "mkinitcpio": "/etc/initcpio/install/vfio-workstation"}
IMAGES = {"initramfs-tools": f"/boot/initrd.img-{VERSION}", "mkinitcpio": "/boot/initramfs-linux.img"}
RULE = File("/etc/udev/rules.d/10-a.rules", "# a\n", 0o644)
SECRET = File("/etc/secret", "s", 0o600)
REQUEST = InitramfsRequest((RULE, SECRET), ("vfio-pci", "vfio_iommu_type1"))


@pytest.fixture(params=sorted(FILES))
def name(request: pytest.FixtureRequest) -> str:
    param: str = request.param
    return param


def plant(root: Path, name: str, **more: str) -> None:
    for path, content in {**FILES[name], **more}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


def read_generator(root: Path) -> InitramfsGenerator:
    generator = choose_generator(Tree(str(root)))
    assert not isinstance(generator, Refusal)
    return generator


def configure(root: Path, request: InitramfsRequest) -> list[Step]:
    steps = list(read_generator(root).config_steps(request))
    with Transaction({}, str(root)) as transaction:
        transaction.apply(steps)
    assert list(read_generator(root).config_steps(request)) == []
    return steps


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in root.rglob("*")
    }


def image(name: str) -> Image:
    return Image(VERSION, IMAGES.get(name, f"/boot/initrd.img-{VERSION}"), 5, {}, None)


def test_the_generator_is_recognised(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name)
    assert read_generator(tmp_path).name == name
    assert list(read_generator(tmp_path).refusals()) == []


def test_from_the_first_request_to_none(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name)
    before = snapshot(tmp_path)
    steps = configure(tmp_path, REQUEST)
    assert HOOKS[name] in [step.path for step in steps if isinstance(step, WriteFile)]
    assert {path.name.partition("-")[2] for path in (tmp_path / STORE[1:]).iterdir()} == {"10-a.rules", "secret"}
    changed = configure(tmp_path, REQUEST._replace(files=(RULE._replace(content="# b\n"), SECRET)))
    # The new file, the hook that names it, then the old file: at any moment, the files that the hook names exist.
    kinds = [(type(step), step.path.startswith(STORE)) for step in changed if isinstance(step, (WriteFile, RemoveFile))]
    assert kinds == [(WriteFile, True), (WriteFile, False), (RemoveFile, True)]
    configure(tmp_path, InitramfsRequest())
    assert snapshot(tmp_path) == before


def test_manual_changes_of_the_hook_and_the_store_are_reverted(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name)
    configure(tmp_path, REQUEST)
    hook = tmp_path / HOOKS[name][1:]
    text = hook.read_text()
    hook.write_text(text + "# by hand\n")
    assert len(configure(tmp_path, REQUEST)) == 1
    assert hook.read_text() == text
    hook.chmod(0o600)
    assert len(configure(tmp_path, REQUEST)) == 1
    (stored,) = (tmp_path / STORE[1:]).glob("*-secret")
    assert stored.stat().st_mode & 0o777 == 0o600
    stored.write_text("changed by hand")
    assert len(configure(tmp_path, REQUEST)) == 1


def test_foreign_files_in_the_store_are_kept(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name)
    configure(tmp_path, REQUEST)
    other = tmp_path / STORE[1:] / "notes.txt"
    other.write_text("mine")
    configure(tmp_path, InitramfsRequest())
    assert [path.name for path in other.parent.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("request_", [REQUEST, InitramfsRequest(revision=1)], ids=["files", "revision"])
def test_the_hook_passes_shellcheck(tmp_path: Path, name: str, request_: InitramfsRequest) -> None:
    plant(tmp_path, name)
    configure(tmp_path, request_)
    # shellcheck does not know the variables and functions that a generator provides to a hook.
    argv = ["shellcheck", "--exclude=SC2154,SC1091,SC2034,SC2317", str(tmp_path / HOOKS[name][1:])]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_an_image_is_built_as_a_draft(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name)
    (step,) = read_generator(tmp_path).rebuild_steps(image(name))
    assert isinstance(step, GenerateFile)
    assert (step.path, step.argv.count(DRAFT), VERSION in step.argv) == (image(name).path, 1, True)
    assert step.check == f"initramfs {VERSION}"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.builds(
            InitramfsRequest,
            st.lists(
                st.builds(
                    File,
                    st.sampled_from(["/etc/a", "/etc/b", "/lib/a"]),
                    st.text(max_size=9),
                    st.sampled_from([0o644, 0o755]),
                ),
                unique_by=lambda file: file.path,
            ).map(tuple),
            st.lists(st.sampled_from(["vfio-pci", "nvme"]), unique=True).map(tuple),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_sequence_of_requests_ends_where_the_last_alone_does(
    tmp_path_factory: pytest.TempPathFactory, requests: list[InitramfsRequest]
) -> None:
    for name in FILES:
        sequence, last_alone = tmp_path_factory.mktemp("sequence"), tmp_path_factory.mktemp("last")
        plant(sequence, name)
        plant(last_alone, name)
        for request in requests:
            configure(sequence, request)
        configure(last_alone, requests[-1])
        assert snapshot(sequence) == snapshot(last_alone)


def test_hooks_of_boot_loaders_are_called_afterwards(tmp_path: Path) -> None:
    plant(tmp_path, "initramfs-tools", **{"etc/initramfs/post-update.d/systemd-boot": ""})
    _generate, hooks = read_generator(tmp_path).rebuild_steps(image("initramfs-tools"))
    assert isinstance(hooks, RunTool)
    assert hooks.argv[1:] == (f"--arg={VERSION}", f"--arg=/boot/initrd.img-{VERSION}", "/etc/initramfs/post-update.d")


@pytest.mark.parametrize(("script", "count"), [("run-parts /etc/initramfs/post-update.d/", 2), ("", 1)])
def test_dracut_calls_those_hooks_from_release_106_on(tmp_path: Path, script: str, count: int) -> None:
    plant(tmp_path, "dracut", **{"etc/initramfs/post-update.d/systemd-boot": "", "usr/bin/dracut": script})
    assert len(read_generator(tmp_path).rebuild_steps(image("dracut"))) == count


@pytest.mark.parametrize("name", ["initramfs-tools", "dracut"])
def test_a_copy_on_the_esp_is_replaced_atomically_too(tmp_path: Path, name: str) -> None:
    copy = f"/efi/0123/{VERSION}/initrd.img-{VERSION}"
    plant(tmp_path, name, **{copy[1:]: "image", "etc/initramfs/post-update.d/systemd-boot": ""})
    first, second = read_generator(tmp_path).rebuild_steps(image(name)._replace(path=copy))
    assert isinstance(first, GenerateFile)
    assert first.path == f"/boot/initrd.img-{VERSION}"
    assert isinstance(second, GenerateFile)
    assert (second.path, second.argv) == (copy, ("cp", "--", first.path, DRAFT))


def test_a_link_to_the_image_is_not_a_copy(tmp_path: Path) -> None:
    plant(tmp_path, "initramfs-tools")
    (tmp_path / "initrd.img").symlink_to(f"boot/initrd.img-{VERSION}")
    assert len(read_generator(tmp_path).rebuild_steps(image("initramfs-tools")._replace(path="/initrd.img"))) == 1


def test_dracut_gets_the_options_of_a_kernels_installation(tmp_path: Path) -> None:
    plugin = {"usr/lib/kernel/install.d/50-dracut.install": "dracut -f --add-confdir hostonly --kver"}
    plant(tmp_path, "dracut", **plugin)
    (step,) = read_generator(tmp_path).rebuild_steps(image("dracut"))
    assert isinstance(step, GenerateFile)
    assert "hostonly" not in step.argv
    (tmp_path / "etc/kernel/postinst.d/dracut").unlink()
    (step,) = read_generator(tmp_path).rebuild_steps(image("dracut"))
    assert isinstance(step, GenerateFile)
    assert step.argv[3:6] == ("--force", "--add-confdir", "hostonly")


def test_dracut_is_refused_where_rpm_ostree_builds_the_image(tmp_path: Path) -> None:
    plant(tmp_path, "dracut", **{"run/ostree-booted": ""})
    (refusal,) = read_generator(tmp_path).refusals()
    assert (refusal.code, "rpm-ostree" in refusal.seen) == ("initramfs_unsupported", True)


def test_dracut_without_its_modules_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, "initramfs-tools")
    (refusal,) = Dracut(Tree(str(tmp_path))).refusals()
    assert refusal.code == "initramfs_unsupported"


LSINITRD = """\
Image: /boot/initrd.img-6.1.0: 16M
========================================================================
Version:

Arguments:  -q --force

dracut modules:
dash
========================================================================
crw-r--r--   1 root     root       5,   1 Nov 24 08:53 dev/console
drwxr-xr-x  12 root     root            0 Jan  1  1970 .
lrwxrwxrwx   1 root     root            7 Nov 24 08:53 bin -> usr/bin
-rw-r--r--   1 root     root         1030 Nov 24 08:53 etc/udev/rules.d/61-persistent-storage.rules
-rwsr-x--T   2 root     root            0 Nov 24  2026 etc/a name
========================================================================
"""


def test_names_in_the_output_of_lsinitrd(tmp_path: Path) -> None:
    names = Dracut(Tree(str(tmp_path))).names(LSINITRD)
    assert names == {"dev/console", ".", "bin", "etc/udev/rules.d/61-persistent-storage.rules", "etc/a name"}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("declare -r version=35.2\n", "mkinitcpio 35"),
        ("declare -r version='9'\n", "mkinitcpio 9"),
        ("version=%VERSION%\n", "version"),
        ("", "version"),
    ],
)
def test_a_mkinitcpio_that_reads_no_drop_ins_is_refused(tmp_path: Path, script: str, words: str) -> None:
    plant(tmp_path, "mkinitcpio", **{"usr/bin/mkinitcpio": script})
    (refusal,) = read_generator(tmp_path).refusals()
    assert refusal.code == "initramfs_unsupported"
    assert words in refusal.seen


@pytest.mark.parametrize("line", ["ALL_config=/etc/mkinitcpio.conf", "default_config='/etc/a.conf' # mine"])
def test_a_preset_with_a_configuration_file_is_refused(tmp_path: Path, line: str) -> None:
    preset = "etc/mkinitcpio.d/linux.preset"
    plant(tmp_path, "mkinitcpio", **{preset: f"# preset\n{line}\n"})
    (refusal,) = read_generator(tmp_path).refusals()
    assert f"/{preset}, line 2" in refusal.seen


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('"--splash /usr/share/a.bmp"', ["--splash", "/usr/share/a.bmp"]),
        ("(-S 'autodetect' -v) # mine", ["-S", "autodetect", "-v"]),
        ("", []),
    ],
)
def test_mkinitcpio_gets_the_options_of_its_preset(tmp_path: Path, options: str, words: list[str]) -> None:
    preset = (
        'default_image="/boot/initramfs-linux.img"\n'
        f"default_options={options}\n"
        'fallback_image="/boot/initramfs-linux-fallback.img"\nfallback_options="-S autodetect"\n'
    )
    plant(tmp_path, "mkinitcpio", **{"etc/mkinitcpio.d/linux.preset": preset})
    (step,) = read_generator(tmp_path).rebuild_steps(image("mkinitcpio"))
    assert isinstance(step, GenerateFile)
    assert step.argv == ("mkinitcpio", "-k", VERSION, "-g", DRAFT, *words)


def test_mkinitcpio_runs_no_post_hooks_for_a_draft(tmp_path: Path) -> None:
    plant(tmp_path, "mkinitcpio", **{"usr/bin/mkinitcpio": "version=40\n"})
    (step,) = read_generator(tmp_path).rebuild_steps(image("mkinitcpio"))
    assert isinstance(step, GenerateFile)
    assert step.argv[-1] == "--nopost"


def test_mkinitcpio_never_names_a_hook_that_does_not_exist(tmp_path: Path) -> None:
    plant(tmp_path, "mkinitcpio")
    hook_and_drop_in = (HOOKS["mkinitcpio"], DROP_IN)

    def order(request: InitramfsRequest) -> list[str]:
        steps = [step for step in configure(tmp_path, request) if isinstance(step, (WriteFile, RemoveFile))]
        return [step.path for step in steps if step.path in hook_and_drop_in]

    assert order(REQUEST) == list(hook_and_drop_in)
    assert order(InitramfsRequest()) == list(reversed(hook_and_drop_in))


@pytest.mark.parametrize("tool", ["usr/bin/booster", None])
def test_other_generators_are_refused_by_name(tmp_path: Path, tool: str | None) -> None:
    if tool:
        (tmp_path / tool).parent.mkdir(parents=True)
        (tmp_path / tool).touch()
    refusal = choose_generator(Tree(str(tmp_path)))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "initramfs_unsupported"
    assert ("booster" in refusal.seen) == (tool is not None)
