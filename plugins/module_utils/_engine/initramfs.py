# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over the initramfs images of all kernels."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from .._apply import ToolFailed
from .._apply import run as run_tool
from .._apply.cache import remove_cache, write_cache
from .._apply.transaction import Check
from .._machine import Boot, Kernel
from .._machine.initramfs import LISTINGS_FILE, RECORD_FILE, Image, InitramfsRecord, InitramfsRequest
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
    with_request,
)
from .._plan.boot.initramfs.images import ImageInventory, cache_text, read_images
from .._plan.boot.initramfs.rebuild import check_name
from .._plan.boot.initramfs.record import parse_record, record_text
from .._plan.boot.initramfs.store import marker_path
from .._plan.refusals import refuse
from .._probe.boot.boot_chain import read_boot
from .._probe.tree import FILE_LIMIT, Tree
from .outcome import Outcome

if TYPE_CHECKING:
    from .._plan.boot.initramfs.protocol import InitramfsGenerator
_STAMP_FIELDS = ("st_dev", "st_ino", "st_size", "st_mtime_ns")


class InitramfsRun:
    """One run, which lists the content of each image once.

    Args:
        owner: The owner of the files and modules.
        request: All files and modules of the owner.
        caches: Whether to write the content of images to the cache for the next run.
        root: Folder of the machine's files; `/` except in tests.
    """

    def __init__(self, owner: str, request: InitramfsRequest, caches: bool, root: str = "/") -> None:
        self._owner = owner
        self._request = request
        self._caches = caches
        self._root = root
        # By stat(2) of the image: a draft that was listed is still the same file after it was renamed.
        self._names_by_stamp: dict[tuple[int, ...], frozenset[str] | None] = {}
        #: The checks of drafts, by the names that steps refer to; each inspection adds to it.
        self.checks: dict[str, Check] = {}

    def observe(self) -> Outcome:
        """Plan the request for the machine as it is."""
        tree = Tree(self._root)
        return self.inspect(tree, read_boot(tree))

    def inspect(self, tree: Tree, boot: Boot) -> Outcome:
        """Plan the request for the machine as it is.

        Args:
            tree: The machine's files.
            boot: The machine's boot configuration.
        """
        before = _read_record(tree)
        maker = choose_generator(tree)
        if before is None:
            return _refused(tree, refuse("record_damaged", f"{RECORD_FILE} is not as this collection writes it."))
        after = with_request(before, self._owner, self._request)
        if isinstance(maker, Refusal):
            if not before.owners and not after.owners:  # nothing is managed, and nothing is requested
                return Outcome(tree, (), (), States(True, True, None), _values(None, (), ()), (), ())
            return _refused(tree, maker)
        requested = merged_request(after)
        # What is no longer requested is searched for too, because the result shows it.
        searched = merged_request(InitramfsRecord({"before": merged_request(before), "then": requested}))
        config = tuple(maker.config_steps(requested))
        is_clean = not after.owners and not config and not tree.exists(RECORD_FILE)
        kernels = () if is_clean else boot.kernels
        images = read_images(tree, kernels, searched, lambda path: self._names(maker, tree, path))
        decision = decide(after, self._owner, marker_path(requested), images.images)
        for image in images.images:
            self.checks[check_name(image.version)] = functools.partial(self._check, maker, requested, image)
        refusals = [*decision.refusals, *(_generator_refusals(maker, boot.kernels) if after.owners else ())]
        rebuild = [step for image in decision.rebuild for step in maker.rebuild_steps(image)]
        steps = () if refusals else tuple(_with_record(before, after, [*config, *rebuild]))
        if not steps and not refusals:
            self._update_cache(images, is_needed=bool(after.owners))
        return Outcome(
            tree,
            tuple(refusals),
            steps,
            _states(bool(refusals), config, decision),
            _values(maker.name, _image_values(images, decision, searched, requested), images.skipped),
            tuple(_diffs(decision, searched, requested)),
            tuple(f"kernel {kernel.version} is skipped: {kernel.reason}" for kernel in images.skipped),
        )

    def _names(self, maker: InitramfsGenerator, tree: Tree, path: str) -> frozenset[str] | None:
        status = tree.status(path)
        stamp = () if status is None else tuple(int(getattr(status, field)) for field in _STAMP_FIELDS)
        if stamp not in self._names_by_stamp:
            try:
                self._names_by_stamp[stamp] = maker.names(run_tool(maker.listing(path)))
            except ToolFailed:
                self._names_by_stamp[stamp] = None
        return self._names_by_stamp[stamp]

    def _check(self, maker: InitramfsGenerator, requested: InitramfsRequest, image: Image, draft: str) -> Sequence[str]:
        names = self._names(maker, Tree(self._root), draft)
        if names is None:
            return ("its content can't be listed",)
        return tuple(
            differences(image._replace(names=relevant_names(names, requested)), requested, marker_path(requested))
        )

    def _update_cache(self, images: ImageInventory, is_needed: bool) -> None:
        if not self._caches:
            return
        if not is_needed:
            remove_cache(LISTINGS_FILE)
        elif images.listings != images.cached:
            write_cache(LISTINGS_FILE, cache_text(images.listings))


def _read_record(tree: Tree) -> InitramfsRecord | None:
    """Return the record: empty without a file, None where the file is not a record."""
    if not tree.exists(RECORD_FILE):
        return InitramfsRecord({})
    return parse_record(tree.text(RECORD_FILE, FILE_LIMIT) or "")


def _generator_refusals(maker: InitramfsGenerator, kernels: Sequence[Kernel]) -> Iterator[Refusal]:
    yield from maker.refusals()
    for kernel in kernels:
        if kernel.initramfs is None and (kernel.entry or "").endswith(".efi"):
            seen = f"kernel {kernel.version} boots from {kernel.entry}, a unified image with the initramfs inside"
            yield refuse("initramfs_unsupported", seen)


def _refused(tree: Tree, refusal: Refusal) -> Outcome:
    return Outcome(tree, (refusal,), (), States(False, False, None), _values(None, (), ()), (), ())


def _with_record(before: InitramfsRecord, after: InitramfsRecord, steps: Sequence[Step]) -> Iterator[Step]:
    if after.owners and after != before:
        # The content of files may be secret.
        yield WriteFile(RECORD_FILE, record_text(after), RECORD, "record the requests of each owner", 0o600)
    yield from steps
    if before.owners and not after.owners:
        yield RemoveFile(RECORD_FILE, RECORD, "no file or module is managed any more")


def _states(refused: bool, config: Sequence[Step], decision: InitramfsDecision) -> States:
    configured = not refused and not any(step.effect in (CONFIGURED, STAGED) for step in config)
    return States(configured, staged=configured and not decision.rebuild, active=None)


def _values(name: str | None, images: Sequence[dict[str, Any]], passed_over: Sequence[Any]) -> dict[str, Any]:
    return {
        "generator": name,
        "images": list(images),
        "passed_over": [{"kernel": kernel.version, "reason": kernel.reason} for kernel in passed_over],
    }


def _image_values(
    images: ImageInventory, decision: InitramfsDecision, searched: InitramfsRequest, requested: InitramfsRequest
) -> list[dict[str, Any]]:
    return [
        {
            "kernel": image.version,
            "path": image.path,
            "before": list(present_content(image, searched)),
            "after": list(expected_content(image, requested)),
            "lacks": list(decision.differences[image.version]),
        }
        for image in images.images
    ]


def _diffs(
    decision: InitramfsDecision, searched: InitramfsRequest, requested: InitramfsRequest
) -> Iterator[dict[str, str]]:
    """Yield the requested files and modules before and after, one per line, for each image that is rebuilt."""
    for image in decision.rebuild:
        header = f"{image.path} (rebuilt for kernel {image.version})"
        yield {
            "before_header": header,
            "after_header": header,
            "before": "".join(name + "\n" for name in present_content(image, searched)),
            "after": "".join(name + "\n" for name in expected_content(image, requested)),
        }
