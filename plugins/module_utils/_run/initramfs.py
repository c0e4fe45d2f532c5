# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own some files and modules in the initramfs of every kernel, whatever makes it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Iterator, NoReturn, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._apply import ToolFailed
from .._apply import run as run_tool
from .._apply.cache import remove_cache, write_cache
from .._apply.transaction import Check
from .._machine import Boot, Kernel
from .._machine.initramfs import LISTINGS_FILE, RECORD_FILE, File, Image, InitramfsRecord, InitramfsRequest
from .._machine.plan import CONFIGURED, RECORD, STAGED, Refusal, RemoveFile, States, Step, WriteFile
from .._plan.boot.initramfs.choose import choose_generator
from .._plan.boot.initramfs.decide import (
    InitramfsDecision,
    decide,
    differences,
    expected_content,
    merged_request,
    present_content,
    relevant_names,
    request_problems,
    with_request,
)
from .._plan.boot.initramfs.images import ImageInventory, cache_text, read_images
from .._plan.boot.initramfs.rebuild import check_name
from .._plan.boot.initramfs.record import parse_record, record_text
from .._plan.boot.initramfs.store import marker_path
from .._plan.refusals import refuse
from .._probe.boot.boot_chain import read_boot
from .._probe.tree import FILE_LIMIT, Tree
from .converge import Outcome, converge
from .owner import check_owner

if TYPE_CHECKING:
    from .._plan.boot.initramfs.protocol import InitramfsGenerator

_MODE = re.compile(r"0?[0-7]{3}")
_STAMP_FIELDS = ("st_dev", "st_ino", "st_size", "st_mtime_ns")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "owner": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
        },
    },
    "modules": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def run_initramfs() -> NoReturn:
    """Bring one owner's files and modules into every kernel's initramfs, or take them out."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    errors = check_parameters(module.params)
    if errors:
        module.fail_json(msg="\n".join(errors))
    request = _request(module.params) if module.params["state"] == "present" else InitramfsRequest()
    session = InitramfsRun(module.params["owner"], request, remembers=not module.check_mode)
    converge(module, session.observe, session.checks)


def check_parameters(params: dict[str, Any]) -> list[str]:
    """Return everything that is wrong with the parameters, each with what was found, what was expected, what to do."""
    errors = check_owner(params["owner"])
    wrong = [file for file in params["files"] if not _MODE.fullmatch(file["mode"])]
    errors.extend(
        f"files: the mode {file['mode']!r} of {file['path']} is not of three octal digits, such as '0644'."
        for file in wrong
    )
    if params["state"] == "present" and not params["files"] and not params["modules"]:
        errors.append("files, modules: both lists are empty. Name something, or set state=absent to take all out.")
    if not wrong:
        errors.extend(request_problems(_request(params)))
    return errors


def _request(params: dict[str, Any]) -> InitramfsRequest:
    files = tuple(File(file["path"], file["content"], int(file["mode"], 8)) for file in params["files"])
    return InitramfsRequest(files, tuple(params["modules"]))


class InitramfsRun:
    """One run: looks at the machine as often as asked, and into each image once.

    Args:
        owner: Whose files and modules.
        request: Those that it wants from now on.
        remembers: Whether to note what images hold for the next run.
        root: Folder of the machine's files; `/` but in tests.
    """

    def __init__(self, owner: str, request: InitramfsRequest, remembers: bool, root: str = "/") -> None:
        self._owner = owner
        self._request = request
        self._remembers = remembers
        self._root = root
        # By what stat(2) says of the image: a draft that was looked into is the same file in its place.
        self._listed: dict[tuple[int, ...], frozenset[str] | None] = {}
        #: What drafts must pass, by the names that steps give; each look at the machine fills it.
        self.checks: dict[str, Check] = {}

    def observe(self) -> Outcome:
        """Look at the machine with the request in mind."""
        tree = Tree(self._root)
        return self.look(tree, read_boot(tree))

    def look(self, tree: Tree, boot: Boot) -> Outcome:
        """Look at the machine with the request in mind.

        Args:
            tree: Its files.
            boot: What it boots.
        """
        before = _read_record(tree)
        maker = choose_generator(tree)
        if before is None:
            return _refused(tree, refuse("record_damaged", f"{RECORD_FILE} is not as this collection writes it."))
        after = with_request(before, self._owner, self._request)
        if isinstance(maker, Refusal):
            if not before.owners and not after.owners:  # nothing of ours is anywhere, and nothing is wanted
                return Outcome(tree, (), (), States(True, True, None), _values(None, (), ()), (), ())
            return _refused(tree, maker)
        wanted = merged_request(after)
        # What is to go is looked for too, to be shown.
        interest = merged_request(InitramfsRecord({"before": merged_request(before), "then": wanted}))
        config = tuple(maker.config_steps(wanted))
        is_clean = not after.owners and not config and not tree.exists(RECORD_FILE)
        kernels = () if is_clean else boot.kernels
        found = read_images(tree, kernels, interest, lambda path: self._names(maker, tree, path))
        decision = decide(after, self._owner, marker_path(wanted), found.images)
        for image in found.images:
            self.checks[check_name(image.version)] = functools.partial(self._check, maker, wanted, image)
        refusals = [*decision.refusals, *(_unmakeable(maker, boot.kernels) if after.owners else ())]
        rebuild = [step for image in decision.rebuild for step in maker.rebuild_steps(image)]
        steps = () if refusals else tuple(_with_record(before, after, [*config, *rebuild]))
        if not steps and not refusals:
            self._note(found, is_kept=bool(after.owners))
        return Outcome(
            tree,
            tuple(refusals),
            steps,
            _states(bool(refusals), config, decision),
            _values(maker.name, _shown(found, decision, interest, wanted), found.skipped),
            tuple(_diffs(decision, interest, wanted)),
            tuple(f"kernel {one.version} is passed over: {one.reason}" for one in found.skipped),
        )

    def _names(self, maker: InitramfsGenerator, tree: Tree, path: str) -> frozenset[str] | None:
        status = tree.status(path)
        stamp = () if status is None else tuple(int(getattr(status, field)) for field in _STAMP_FIELDS)
        if stamp not in self._listed:
            try:
                self._listed[stamp] = maker.names(run_tool(maker.listing(path)))
            except ToolFailed:
                self._listed[stamp] = None
        return self._listed[stamp]

    def _check(self, maker: InitramfsGenerator, wanted: InitramfsRequest, image: Image, draft: str) -> Sequence[str]:
        names = self._names(maker, Tree(self._root), draft)
        if names is None:
            return ("its content can't be listed",)
        return tuple(differences(image._replace(names=relevant_names(names, wanted)), wanted, marker_path(wanted)))

    def _note(self, found: ImageInventory, is_kept: bool) -> None:
        if not self._remembers:
            return
        if not is_kept:
            remove_cache(LISTINGS_FILE)
        elif found.listings != found.cached:
            write_cache(LISTINGS_FILE, cache_text(found.listings))


def _read_record(tree: Tree) -> InitramfsRecord | None:
    """Return the record; None where there is a file that is none. Without a file it is empty."""
    if not tree.exists(RECORD_FILE):
        return InitramfsRecord({})
    return parse_record(tree.text(RECORD_FILE, FILE_LIMIT) or "")


def _unmakeable(maker: InitramfsGenerator, kernels: Sequence[Kernel]) -> Iterator[Refusal]:
    yield from maker.refusals()
    for kernel in kernels:
        if kernel.initramfs is None and (kernel.entry or "").endswith(".efi"):
            seen = f"kernel {kernel.version} boots from {kernel.entry}, a unified image with the initramfs inside"
            yield refuse("initramfs_unsupported", seen)


def _refused(tree: Tree, refusal: Refusal) -> Outcome:
    return Outcome(tree, (refusal,), (), States(False, False, None), _values(None, (), ()), (), ())


def _with_record(before: InitramfsRecord, after: InitramfsRecord, steps: Sequence[Step]) -> Iterator[Step]:
    if after.owners and after != before:
        # It holds the files' content, which may be meant for root alone.
        yield WriteFile(RECORD_FILE, record_text(after), RECORD, "note what each owner wants", 0o600)
    yield from steps
    if before.owners and not after.owners:
        yield RemoveFile(RECORD_FILE, RECORD, "nothing is ours any more")


def _states(refused: bool, config: Sequence[Step], decision: InitramfsDecision) -> States:
    configured = not refused and not any(step.effect in (CONFIGURED, STAGED) for step in config)
    return States(configured, staged=configured and not decision.rebuild, active=None)


def _values(name: str | None, images: Sequence[dict[str, Any]], passed_over: Sequence[Any]) -> dict[str, Any]:
    return {
        "generator": name,
        "images": list(images),
        "passed_over": [{"kernel": one.version, "reason": one.reason} for one in passed_over],
    }


def _shown(
    found: ImageInventory, decision: InitramfsDecision, interest: InitramfsRequest, wanted: InitramfsRequest
) -> list[dict[str, Any]]:
    return [
        {
            "kernel": image.version,
            "path": image.path,
            "before": list(present_content(image, interest)),
            "after": list(expected_content(image, wanted)),
            "lacks": list(decision.differences[image.version]),
        }
        for image in found.images
    ]


def _diffs(
    decision: InitramfsDecision, interest: InitramfsRequest, wanted: InitramfsRequest
) -> Iterator[dict[str, str]]:
    """Yield for each image that is made anew the requested files and modules in it, before and after, one a line."""
    for image in decision.rebuild:
        header = f"{image.path} (made anew for kernel {image.version})"
        yield {
            "before_header": header,
            "after_header": header,
            "before": "".join(name + "\n" for name in present_content(image, interest)),
            "after": "".join(name + "\n" for name in expected_content(image, wanted)),
        }
