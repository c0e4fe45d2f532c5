# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over a guest: observe, plan, define, and observe again to verify."""

from __future__ import annotations

import contextlib
import difflib
from typing import Callable, Iterator, NamedTuple, Sequence

from .._apply import ApplyFailed, ToolFailed, Transaction
from .._apply.commands import run
from .._apply.virsh import Virsh
from .._machine.guest import PASST, Capabilities, Domain, GuestRequest, HostFiles, Networks, Setting
from .._machine.guest_install import GuestReport
from .._machine.host_plan import HOST_RECORD_FILE
from .._machine.plan import Refusal, Step
from .._machine.xml_element import Element, XmlError, parse_xml, render
from .._plan.file_steps import ExistingFile
from .._plan.guest.disk_image import QEMU_IMG, creates_disk, make_disk
from .._plan.guest.domain import DomainChange, Host, plan_absent, plan_present
from .._plan.guest.hook import HOOK_FILE, HookPlan, plan_hook, plan_hook_removal
from .._plan.guest.inside import Look
from .._plan.guest.install import TOOLS, marker_of, media, medium_path, read_marker
from .._plan.guest.install_plan import InstallFacts, InstallPlan, plan_install, plan_no_install
from .._plan.guest.looking_glass import looking_glass_steps, tmpfiles_path
from .._plan.guest.mark import has_mark, with_mark
from .._plan.guest.merge import merge
from .._plan.guest.network import PASST_PROGRAM
from .._plan.guest.packages import missing_packages
from .._plan.record_text import DamagedRecord
from .._plan.refusals import refuse
from .._probe import probe
from .._probe.guest.capabilities import read_capabilities
from .._probe.guest.disk_content import is_blank
from .._probe.guest.domain import read_domain, read_networks, read_version
from .._probe.guest.host_files import read_host_files
from .._probe.guest.usb_devices import read_usb_devices
from .._probe.os_release import read_os
from .._probe.tree import FILE_LIMIT, Tree
from .guest_inside import look_inside
from .host_record import read_host_record

#: Attribute of a display (libvirt, formatdomain).
_PASSWORD, _HIDDEN = "passwd", "********"
#: Path of the features by which libvirt selects the firmware.
_FIRMWARE = ("os", "firmware")
_NO_NETWORKS = Networks(frozenset(), frozenset())


class Observation(NamedTuple):
    """A guest as it is, and the change that is due."""

    change: DomainChange
    install: InstallPlan
    is_running: bool
    restart_required: bool  # whether the running guest differs from what is planned for its next start
    steps: tuple[Step, ...] = ()  # for files of the host, before the domain is defined
    hook: HookPlan = HookPlan()
    look: Look | None = None  # into the running guest; None where nobody looked

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why nothing is changed."""
        return (*self.install.refusals, *self.change.refusals, *self.hook.refusals)

    @property
    def is_due(self) -> bool:
        """Whether the run changes anything."""
        is_due = self.change.is_due or self.install.is_due
        return not self.refusals and (is_due or bool(self.steps) or bool(self.hook.steps))


class GuestRun:
    """One run.

    Args:
        request: The request; of one to remove, the name alone matters.
        absent: Whether the domain is removed, or returned as it was.
        virsh: The connection of libvirt.
        root: Folder of the host's files; `/` except in tests.
        runner: Runs a tool.
        look_inside: Whether to ask the agent of a running guest whether its devices work.
    """

    def __init__(
        self,
        request: GuestRequest,
        absent: bool,
        virsh: Virsh,
        root: str = "/",
        runner: Callable[[Sequence[str]], str] = run,
        look_inside: bool = False,
    ) -> None:
        self._request = request
        self._absent = absent
        self._virsh = virsh
        self._root = root
        self._runner = runner
        self._look_inside = look_inside

    def observe(self) -> Observation:
        """Plan the request for the host and the domain as they are."""
        try:
            domain = self._domain()
        except ToolFailed as error:
            return self._refused(refuse("libvirt_absent", f"{self._request.name}: {error}"))
        if self._absent:
            install = plan_no_install(self._request, has_medium=Tree(self._root).exists(self._medium))
            change = plan_absent(self._request.name, domain)
            observation = self._observation(change, install, domain)
            return observation._replace(steps=self._shared_memory(), hook=self._hook_removal())
        host = self._host()
        if not isinstance(host, Host):
            return self._refused(host)
        is_running = domain.is_running if domain is not None else None
        install = plan_install(
            host, self._request, is_running=is_running, facts=self._install_facts(domain, host.files)
        )
        change = plan_present(host, install.request, domain)
        steps = (*make_disk(install.request, host.files), *self._shared_memory())
        observation = self._observation(change, install, domain)._replace(steps=steps, hook=self._hook())
        return observation._replace(look=self._look(host, observation))

    def _look(self, host: Host, observation: Observation) -> Look | None:
        """Look into a guest that runs as it is defined."""
        plan = observation.change.plan
        if not self._look_inside or not observation.is_running or observation.restart_required or plan is None:
            return None
        return look_inside(self._virsh, Tree(self._root), host.machine, self._request, plan)

    def _shared_memory(self) -> tuple[Step, ...]:
        name, request = self._request.name, None if self._absent else self._request.looking_glass
        return looking_glass_steps(name, request, Tree(self._root).exact(tmpfiles_path(name)))

    def _hook(self) -> HookPlan:
        """Return the hook; libvirt runs it for the guests of the host's own daemon."""
        return plan_hook(read_hook(Tree(self._root))) if self._virsh.is_system else HookPlan()

    def _hook_removal(self) -> HookPlan:
        """Return the removal of the hook, unless another guest of ours needs it."""
        existing = read_hook(Tree(self._root))
        if not self._virsh.is_system or existing is None:
            return HookPlan()
        try:
            others = (name for name in self._virsh.names() if name and name != self._request.name)
            is_needed = any(has_mark(self._virsh.definition(name)) for name in others)
        except ToolFailed:  # somebody removed one meanwhile: the next removal of a guest decides
            is_needed = True
        return HookPlan() if is_needed else plan_hook_removal(existing)

    def _observation(self, change: DomainChange, install: InstallPlan, domain: Domain | None) -> Observation:
        is_running = domain is not None and domain.is_running
        restart = is_running and not change.refusals and (change.is_due or self._is_outdated(change))
        return Observation(change, install, is_running, restart)

    def _install_facts(self, domain: Domain | None, files: HostFiles) -> InstallFacts:
        tree, disk = Tree(self._root), self._request.disk
        is_new = creates_disk(self._request, files)
        has_medium = tree.exists(self._medium)
        return InstallFacts(
            has_medium=has_medium,
            content=tree.data(self._medium, FILE_LIMIT),
            is_blank=is_new or is_blank(tree, disk.path) if disk is not None and domain is None else None,
            report=self._report() if has_medium and domain is not None and domain.is_running else None,
        )

    def _report(self) -> GuestReport | None:
        """Return what the installed system reports; None where its guest agent does not answer."""
        name, install = self._request.name, self._request.install
        if install is None or not self._virsh.agent_answers(name):
            return None
        try:
            return read_marker(install, self._virsh.guest_file(name, marker_of(install)))
        except ToolFailed:  # there is no such file yet, or the agent does not open files for the host
            return read_marker(install, None)

    @property
    def _medium(self) -> str:
        return medium_path(self._request.name)

    def _is_outdated(self, change: DomainChange) -> bool:
        """Tell whether the running guest was started before its definition was changed."""
        if change.plan is None:
            return False
        try:
            running = parse_xml(self._virsh.running_definition(self._request.name))
        except (ToolFailed, XmlError):  # it ended meanwhile
            return False
        return merge(running, tuple(filter(_is_shown, change.plan.settings))) != running

    def _refused(self, refusal: Refusal) -> Observation:
        change, install = DomainChange(None, None, (refusal,)), InstallPlan(self._request)
        return Observation(change, install, is_running=False, restart_required=False)

    def _domain(self) -> Domain | None:
        name = self._request.name
        if name not in self._virsh.names():
            return None
        domain = read_domain(self._virsh.definition(name), self._virsh.state(name))
        if domain is None:
            raise ToolFailed(f"the definition that libvirt has of {name} can't be parsed")
        return domain

    def _host(self) -> Host | Refusal:
        tree = Tree(self._root)
        capabilities = self._capabilities()
        if not isinstance(capabilities, Capabilities):
            return capabilities
        try:
            record = read_host_record(tree)
        except DamagedRecord as error:
            return refuse("record_damaged", f"{HOST_RECORD_FILE} can't be read: {error}.")
        return Host(probe(self._root).host, record, capabilities, self._files(tree), self._networks())

    def _capabilities(self) -> Capabilities | Refusal:
        kind = self._request.domain_type
        try:
            text = self._virsh.capabilities(kind)
        except ToolFailed as error:
            seen = f"{self._request.name}: libvirt can't run domains of the type {kind} on this host: {error}"
            return refuse("libvirt_absent", seen, remedy="Install QEMU for x86, and load the modules of KVM.")
        capabilities = read_capabilities(text)
        if capabilities is None:
            return refuse("libvirt_absent", f"{self._request.name}: what virsh domcapabilities prints can't be parsed")
        return capabilities

    def _files(self, tree: Tree) -> HostFiles:
        request = self._request
        paths = [*request.isos, *request.evdev, QEMU_IMG, PASST_PROGRAM]
        if request.install is not None:
            paths += [*media(request.name, request.install), *TOOLS]
        files = read_host_files(tree, paths, request.disk.path if request.disk is not None else None)
        return files._replace(usb=read_usb_devices(tree)) if request.usb else files

    def _networks(self) -> Networks:
        if self._request.bridge is not None:
            return _NO_NETWORKS
        if self._request.network == PASST:
            return _NO_NETWORKS._replace(libvirt=read_version(self._virsh.version()))
        try:
            return read_networks(*self._virsh.networks())
        except ToolFailed:  # without the driver for networks, libvirt has none
            return _NO_NETWORKS

    def missing_packages(self, observation: Observation) -> tuple[str, ...]:
        """Return the packages that would resolve the refusals; none where something else is wrong too."""
        if self._absent:
            return ()
        codes = (refusal.code for refusal in observation.refusals)
        return missing_packages(read_os(Tree(self._root)), self._request, codes)

    def apply(self, observation: Observation) -> Observation:
        """Define or undefine the domain, with the media that it needs, and return the state after it.

        Raises:
            ApplyFailed: libvirt refused it, or stored something else. The domain and the media are as they were before.
        """
        install = observation.install
        with Transaction({}, self._root, self._runner) as transaction:
            transaction.apply([*observation.steps, *([install.make] if install.make is not None else [])])
            transaction.apply(observation.hook.steps)
            self._define(observation.change)
            if install.remove is not None:
                self._remove_medium(observation)
                transaction.apply([install.remove])
            last = self.observe()
            due = _still_due(last)
            if due:
                text = f"{self._request.name}: libvirt does not show the result. {due}"
                raise ApplyFailed(f"{text}{self._restored(observation.change)}")
        return last

    def _define(self, change: DomainChange) -> None:
        if not change.is_due:
            return
        try:
            if change.after is None:
                self._virsh.undefine(self._request.name)
            else:
                self._virsh.define(render(change.after))
        except ToolFailed as error:
            raise ApplyFailed(f"{self._request.name}: {error}") from error

    def _remove_medium(self, observation: Observation) -> None:
        """Take the medium out of the drive of a running guest, which could read the answers otherwise."""
        if observation.is_running:
            with contextlib.suppress(ToolFailed):  # somebody has taken it out already
                self._virsh.eject(self._request.name, self._medium)

    def _restored(self, change: DomainChange) -> str:
        """Give the domain its former definition back, and return the sentence that says so."""
        name = self._request.name
        try:
            if change.before is None:
                self._virsh.undefine(name)
            else:
                self._virsh.define(render(change.before))
        except ToolFailed as error:
            return f"\nIt could not be restored: {error}"
        return "\nThe domain is as it was."


def _is_shown(setting: Setting) -> bool:
    """Tell whether the definition of a running domain has a setting: it has the firmware's file, not its selection."""
    return setting.parent != _FIRMWARE and setting.key.name != _FIRMWARE[0]


def read_hook(tree: Tree) -> ExistingFile | None:
    """Return the file in the place of the hook."""
    status = tree.status(HOOK_FILE)
    if status is None:
        return None
    return ExistingFile(tree.exact(HOOK_FILE, FILE_LIMIT) or "", status.st_mode & 0o7777)


def _still_due(last: Observation) -> str:
    """Return what is left to do after a change; "" if nothing is."""
    if last.refusals:
        return "; ".join(refusal.seen for refusal in last.refusals)
    return f"Still due:\n{''.join(difference(last.change))}" if last.is_due else ""


def difference(change: DomainChange) -> Iterator[str]:
    """Yield the lines of a unified diff."""
    before, after = shown(change.before).splitlines(True), shown(change.after).splitlines(True)
    return difflib.unified_diff(before, after, "before", "after")


def shown(domain: Element | None) -> str:
    """Return a domain for the user: without the mark, which repeats what it consists of, and without passwords."""
    return "" if domain is None else render(_without_passwords(with_mark(domain, None)))


def _without_passwords(part: Element) -> Element:
    attributes = ((name, _HIDDEN if name == _PASSWORD else value) for name, value in part.attributes)
    children = (_without_passwords(child) if isinstance(child, Element) else child for child in part.children)
    return Element(part.name, tuple(attributes), tuple(children))
