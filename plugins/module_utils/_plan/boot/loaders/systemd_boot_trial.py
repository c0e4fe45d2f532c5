# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trial boots with systemd-boot: two EFI variables of the Boot Loader Interface.

LoaderEntryDefault names the entry without VFIO until the trial is confirmed; then it is as it was before. It comes
before `default` in loader.conf. LoaderEntryOneShot names the entry to try: systemd-boot removes the variable before it
starts anything (config_load_defaults() in boot.c). The confirmation is the change of LoaderEntryDefault.

The names are patterns since systemd 250: an entry to try is found with any boot counter in its file name.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from typing import TYPE_CHECKING, Iterator, NamedTuple, Sequence

from ...._machine.plan import RECORD, STAGED, Refusal, RemoveFile, Step, WriteFile, WriteVariable
from ...._machine.trial import ARMED, CONFIRMED, FINAL, STOCK, TRIAL_FILE
from ...._probe.block import read_mounts
from ...._probe.boot import bls, efivars
from ...._probe.boot.systemd_boot import loader_setting
from ...record_text import DamagedRecord, record_values
from ...refusals import refuse
from ...trial import parse_trial

if TYPE_CHECKING:
    from ...._probe.tree import Tree
    from .protocol import LoaderContext
    from .type1_entries import Type1Entries

#: What LoaderEntryDefault was before a trial, and the kernel whose fallback entry it names meanwhile.
RECORD_FILE = "/var/lib/vfio-workstation/loader-default.json"
_FORMAT = 1
_ABOUT = "The default of systemd-boot, LoaderEntryDefault, while a trial boot of vfio.workstation is not confirmed."

DEFAULT, ONE_SHOT = efivars.loader_path("LoaderEntryDefault"), efivars.loader_path("LoaderEntryOneShot")
#: Bits of LoaderFeatures (efivars-fundamental.h).
_FEATURES = {"LoaderEntryDefault": 1 << 2, "LoaderEntryOneShot": 1 << 3}
_VERSION = re.compile(r"systemd-boot (\d+)")
_OLDEST = 250
_SAVED = "@saved"
_WITH_COUNTER = "[.+]*"  # what follows an identifier in a pattern: a boot counter or none, and the suffix
_NO_TRIES_LEFT = re.compile(r"\+0+(?:-[0-9]+)?\.conf$")

_REASONS = {
    ARMED: "have systemd-boot boot the configuration once, and the entry without VFIO after that",
    STOCK: "have systemd-boot boot the entry without VFIO",
    FINAL: "have systemd-boot boot what it did before the trial: the configuration",
}


class _Record(NamedTuple):
    kernel: str
    default: str | None  # None: the variable was not set
    stock: str  # what the variable is while a trial is not confirmed; the entries may be out of reach then


class SystemdBootTrial:
    """The trial boots of a host with systemd-boot.

    Args:
        tree: The host.
        context: What else is known of the host.
        entries: Its entries of type 1.
    """

    def __init__(self, tree: Tree, context: LoaderContext, entries: Type1Entries) -> None:
        self._tree = tree
        self._context = context
        self._entries = entries
        self._record = _parse(tree.text(RECORD_FILE))

    @property
    def kernel(self) -> str | None:
        """The version of the kernel whose entry without VFIO is the default until a trial is confirmed."""
        return self._record.kernel if self._record is not None else None

    @functools.cached_property
    def choice(self) -> str | None:
        """What systemd-boot boots by itself; None if that is neither set up, nor what was confirmed."""
        if self._record is None:
            return None
        if self._default == self._record.stock:
            return ARMED if (self._one_shot or "").endswith(_WITH_COUNTER) else STOCK
        return FINAL if self._is_confirmed() else None

    @functools.cached_property
    def _default(self) -> str | None:
        return efivars.loader_variable(self._tree, "LoaderEntryDefault")

    @functools.cached_property
    def _one_shot(self) -> str | None:
        return efivars.loader_variable(self._tree, "LoaderEntryOneShot")

    def _is_confirmed(self) -> bool:
        try:
            trial = parse_trial(self._tree.text(TRIAL_FILE))
        except DamagedRecord:
            return False
        return trial is not None and trial.phase == CONFIRMED

    def _fallback(self, kernel: str) -> str | None:
        """Return the identifier of a kernel's fallback entry; without one, of that of the newest kernel."""
        entries = [entry for entry in self._by_age if self._entries.version(entry) == kernel] or self._by_age
        return f"{self._entries.fallback_id(entries[0])}.conf" if entries else None

    @functools.cached_property
    def _by_age(self) -> Sequence[bls.Type1Entry]:
        """The normal entries: those with tries left first, then by version, the newest first."""
        order = {version: position for position, version in enumerate(self._context.kernels)}

        def key(entry: bls.Type1Entry) -> tuple[bool, int]:
            has_tries = _NO_TRIES_LEFT.search(entry.file) is None
            return not has_tries, order.get(self._entries.version(entry) or "", len(order))

        return sorted(self._entries.normal_entries, key=key)

    @functools.cached_property
    def _tried(self) -> str | None:
        """The pattern of the entry to try: the one that is the default without a trial."""
        for pattern in self._default_patterns():
            for entry in self._by_age:
                names = (entry.id + ".conf", entry.file.rpartition("/")[2])
                if any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for name in names):
                    return entry.id + _WITH_COUNTER
        return None

    def _default_patterns(self) -> Iterator[str]:
        configured = loader_setting(self._tree, self._context.esps, "default")
        for value in (self._default_before, configured):
            pattern = efivars.loader_variable(self._tree, "LoaderEntryLastBooted") if value == _SAVED else value
            if pattern:
                yield pattern
        yield "*"

    @property
    def _default_before(self) -> str | None:
        """LoaderEntryDefault as it was before a trial."""
        record = self._record
        return record.default if record is not None and self._default == record.stock else self._default

    def refusals(self) -> Sequence[Refusal]:
        """Return why this host can't have trial boots."""
        reasons = list(self._reasons())
        if not reasons:
            return ()
        return (refuse("trial_unsupported", f"systemd-boot boots this host, but {'; '.join(reasons)}."),)

    def _reasons(self) -> Iterator[str]:
        info = efivars.loader_variable(self._tree, "LoaderInfo")
        match = _VERSION.match(info or "")
        if info is None:
            yield "its EFI variable LoaderInfo is missing: the kernel offers no EFI variables"
        elif match is None or int(match.group(1)) < _OLDEST:
            yield f"the EFI variable LoaderInfo says {info}, and versions before {_OLDEST} know no patterns of entries"
        else:
            features = efivars.loader_features(self._tree) or 0
            yield from (f"it does not support {name}" for name, bit in _FEATURES.items() if not features & bit)
        for mount in read_mounts(self._tree):
            if mount.point == efivars.DIRECTORY and mount.is_read_only:
                yield f"{efivars.DIRECTORY} is mounted read-only"
        preferred = efivars.loader_variable(self._tree, "LoaderEntryPreferred")
        if preferred is not None:
            yield f"the EFI variable LoaderEntryPreferred ({preferred}) comes before every default"
        if loader_setting(self._tree, self._context.esps, "preferred") is not None:
            yield "`preferred` in loader.conf comes before every default"

    def steps(self, choice: str | None, present: str | None, kernel: str) -> Sequence[Step]:
        """Return the steps that have systemd-boot boot a choice by itself; None for no trial boots.

        Args:
            choice: The choice.
            present: The choice before these steps.
            kernel: The version of the kernel whose entry without VFIO is STOCK.
        """
        is_recorded = present != self.choice or (self._record is not None and self._record.kernel == kernel)
        is_pinned = present in (ARMED, STOCK)
        steps: list[Step] = []
        if present == ARMED and not (choice == ARMED and is_recorded):
            steps.append(WriteVariable(ONE_SHOT, None, RECORD, "have no boot be the trial"))
        if choice is None or choice == FINAL:
            if is_pinned:
                steps.append(WriteVariable(DEFAULT, self._default_before, RECORD, _REASONS[FINAL]))
            if choice is None:
                return (*steps, *self._removal())
            return (*steps, *(() if is_recorded else self._recorded(kernel)))
        fallback = self._fallback(kernel)
        if fallback is None:  # nothing can be said of entries that are not readable: all stays as it is
            return ()
        if not (is_pinned and is_recorded):
            steps.extend(self._recorded(kernel))
            steps.append(WriteVariable(DEFAULT, fallback, RECORD, _REASONS[STOCK]))
        if choice == ARMED and (present != ARMED or steps or self._one_shot != self._tried):
            steps.append(WriteVariable(ONE_SHOT, self._tried, STAGED, _REASONS[ARMED]))
        return steps

    def _recorded(self, kernel: str) -> Iterator[Step]:
        record = _Record(kernel, self._default_before, self._fallback(kernel) or "")
        if record != self._record:
            yield WriteFile(RECORD_FILE, _render(record), RECORD, "record the default of systemd-boot before the trial")

    def _removal(self) -> Iterator[Step]:
        if self._tree.exists(RECORD_FILE):
            yield RemoveFile(RECORD_FILE, RECORD, "no trial boots are requested any more")


def _render(record: _Record) -> str:
    return json.dumps({"about": _ABOUT, "format": _FORMAT, **record._asdict()}, indent=2) + "\n"


def _parse(text: str | None) -> _Record | None:
    """Return the record; None without one, or if it is damaged: then nothing says that a default is ours."""
    try:
        values = record_values(text or "", _FORMAT)
    except DamagedRecord:
        return None
    kernel, default, stock = (values.get(name) for name in _Record._fields)
    is_valid = isinstance(kernel, str) and isinstance(stock, str) and (default is None or isinstance(default, str))
    return _Record(str(kernel), default, str(stock)) if is_valid else None
