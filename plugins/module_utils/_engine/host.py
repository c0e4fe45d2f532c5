# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over a host: plan all sections of a request for the machine as it is."""

from __future__ import annotations

from typing import Sequence

from .._apply.transaction import Check
from .._machine import Reading
from .._machine.desired import Desired
from .._machine.host_plan import HOST_RECORD_FILE, HostPlan, RequestState
from .._machine.plan import Refusal
from .._machine.trial import TRIAL_FILE
from .._plan.boot.cmdline_change import KEEP_TRIAL, CmdlineRequest
from .._plan.claims import host_findings
from .._plan.foreign_lines import foreign_claims
from .._plan.host_plan import DEVICES, OWN_FILES, owner_of, plan_absent, plan_host
from .._plan.record_text import DamagedRecord
from .._plan.refusals import refuse
from .._plan.request_states import all_active
from .._plan.trial import TRIAL, TrialSituation, configuration_digest, decide_trial
from .._plan.udev_rule import GATE
from .._probe import read_machine
from .._probe.host_context import read_host_context
from .._probe.network import has_default_route
from .._probe.tree import Tree
from . import initramfs, kernel_cmdline
from .host_outcome import Host, Parts, inspect_files, outcome, refused, states_of_requests
from .host_record import read_host_record
from .local_files import LocalRequest, LocalSteps, local_steps
from .outcome import Outcome
from .since_boot import is_changed
from .trial import TrialPart, boot_id, is_running, read_record, removed_part, trial_part


class HostRun:
    """One run of the module.

    Args:
        desired: The request.
        absent: The sections to remove; None where the request is applied instead.
        replace: Whether conflicting kernel arguments and lines of others are set aside.
        caches: Whether to write the content of initramfs images to the cache for the next run.
        root: Folder of the machine's files; `/` except for captured trees and in tests.
        local: The command on the host and its record; None leaves both as they are.
    """

    def __init__(
        self,
        desired: Desired,
        absent: Sequence[str] | None = None,
        replace: bool = False,
        caches: bool = False,
        root: str = "/",
        local: LocalRequest | None = None,
    ) -> None:
        self._desired = desired
        self._absent = absent
        self._replace = replace
        self._caches = caches
        self._root = root
        self._local = local
        self._initramfs: initramfs.InitramfsRun | None = None
        #: What the last look saw: the machine, and the files that it could not read for lack of permission.
        self.seen: Reading | None = None
        #: The checks of drafts, by the names that steps refer to; inspections of images add theirs.
        self.checks: dict[str, Check] = dict(kernel_cmdline.draft_checks(root))

    def observe(self) -> Outcome:
        """Plan the request for the machine as it is."""
        tree = Tree(self._root)
        self.seen = read_machine(tree)
        machine = self.seen.host
        path = HOST_RECORD_FILE
        try:
            record = read_host_record(tree)
            path = TRIAL_FILE
            trial = read_record(tree)
        except DamagedRecord as error:
            return refused(tree, (refuse("record_damaged", f"{path} can't be read: {error}."),))
        own_files = [TRIAL_FILE, *(path for paths in OWN_FILES.values() for path in paths)]
        context = read_host_context(tree, own_files)._replace(
            removable_arguments=kernel_cmdline.read_removable_arguments(tree, machine.boot, foreign_claims(machine))
        )
        host = Host(tree, machine, record, context, trial)
        plan = self._plan(host)
        findings = self._findings(host, plan)
        if not isinstance(plan, HostPlan):
            return refused(tree, plan, findings)
        parts = Parts(
            images=self._inspect_images(host, plan),
            cmdline=self._inspect_cmdline(host, plan),
            files=inspect_files(tree, plan),
            local=self._inspect_local(tree),
        )
        requests = states_of_requests(host, plan, parts, self._desired) if self._absent is None else ()
        part = self._inspect_trial(host, plan, parts, requests, findings)
        states = (*requests, part.state) if part.state is not None else requests
        return outcome(host, plan, parts._replace(trial=part), states, findings)

    def _plan(self, host: Host) -> HostPlan | tuple[Refusal, ...]:
        if self._absent is not None:
            return plan_absent(host.record, self._absent, host.context)
        return plan_host(host.machine, self._desired, host.record, host.context, self._replace)

    def _findings(self, host: Host, plan: HostPlan | tuple[Refusal, ...]) -> tuple[Refusal, ...]:
        """Return the functions that the host has lost; a rollback judges nothing."""
        if self._absent is not None:
            return ()
        requested = plan.record.bound if isinstance(plan, HostPlan) else ()
        is_managed = self._desired.devices is not None or bool(host.record.bound)
        # What an earlier run bound and the request gives back is the host's from the next boot on.
        findings = host_findings(
            host.machine,
            {*requested, *host.record.bound},
            all_functions=is_managed,
            is_changed=is_changed(host.tree, ()),
        )
        return tuple(finding for finding in findings if finding.code not in self._desired.accepted)

    def _inspect_local(self, tree: Tree) -> LocalSteps:
        if self._local is None:
            return LocalSteps()
        return local_steps(tree, self._local, self._desired, self._absent)

    def _inspect_images(self, host: Host, plan: HostPlan) -> Outcome | None:
        """Return the outcome for initramfs images; None where the plan leaves them alone."""
        if DEVICES not in plan.initramfs:
            return None
        if self._initramfs is None:
            self._initramfs = initramfs.InitramfsRun(DEVICES, plan.initramfs[DEVICES], self._caches, self._root)
        images = self._initramfs.inspect(host.tree, host.machine.boot)
        self.checks.update(self._initramfs.checks)
        return images

    def _inspect_cmdline(self, host: Host, plan: HostPlan) -> kernel_cmdline.CmdlineObservation | None:
        """Return the outcome for kernel arguments; None where the plan leaves them alone."""
        if not plan.arguments:
            return None
        owners = [(owner_of(section), units) for section, units in plan.arguments.items()]
        request = CmdlineRequest(
            *owners[0],
            self._replace,
            self._desired.accepted,
            tuple(owners[1:]),
            replaced=plan.replaced_arguments,
            replaced_by=f"{GATE}=1",
        )
        request = request._replace(trial=self._trial_kernel(host, plan, request))
        return kernel_cmdline.inspect(host.tree, request, host.machine.boot)

    def _trial_kernel(self, host: Host, plan: HostPlan, request: CmdlineRequest) -> str | None:
        """Return the kernel whose entry without VFIO is the default until the trial is confirmed, as Change.trial."""
        if TRIAL not in plan.files:
            return KEEP_TRIAL
        if not plan.files[TRIAL]:
            return None
        digest = configuration_digest(kernel_cmdline.managed_units(host.tree, request), plan.record.bound)
        if host.trial is not None and host.trial.configuration == digest:
            return host.trial.kernel
        return host.machine.boot.running.version

    def _inspect_trial(
        self,
        host: Host,
        plan: HostPlan,
        parts: Parts,
        requests: Sequence[RequestState],
        findings: Sequence[Refusal],
    ) -> TrialPart:
        """Return the part about trial boots; nothing of it where command lines are left alone."""
        if parts.cmdline is None or parts.refusals:
            return TrialPart()
        if not parts.cmdline.is_tried or parts.cmdline.trial is None:
            return removed_part(host.tree, parts.cmdline.trial)
        running = host.machine.boot.running
        situation = TrialSituation(
            record=host.trial,
            choice=parts.cmdline.trial.choice,
            configuration=configuration_digest(parts.cmdline.owners_after, plan.record.bound),
            kernel=running.version or "",
            boot=boot_id(host.tree),
            timeout=self._desired.trial_timeout if TRIAL in plan.files else None,
            is_routed=has_default_route(host.tree),
            is_running=is_running(running.cmdline, parts.cmdline.owners_after),
            is_active=all_active(requests, parts.arguments_active) is not False and not findings,
            is_changed=parts.cmdline.is_changed or bool(parts.images is not None and parts.images.steps),
            is_accepted="trial_returned" in self._desired.accepted,
        )
        return trial_part(host.tree, parts.cmdline.trial, situation, decide_trial(situation))
