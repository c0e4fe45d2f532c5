# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt, by its own tool: what it reports, and domains that are defined and undefined."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Sequence

from .commands import ToolFailed, query

#: Seconds. The first question to a daemon has it start QEMU to ask for its capabilities.
_LIMIT = 120.0
_KEEP_TPM = "--keep-tpm"
#: Seconds that a guest agent has for an answer, and bytes of a file that it may return.
_AGENT_LIMIT = "5"
_FILE_LIMIT = 65536
#: Seconds that a program in a guest may take, and between two questions whether it has ended.
_PROGRAM_LIMIT = 60.0
_PAUSE = 0.2


class Virsh:
    """A connection of libvirt. All methods raise ToolFailed with the words of virsh.

    Args:
        uri: The connection, such as qemu:///system.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    @property
    def is_system(self) -> bool:
        """Whether it is the daemon of this host, which runs the hooks in /etc/libvirt."""
        return self._uri == "qemu:///system"

    def _query(self, *arguments: str, given: str = "") -> str:
        return query(["virsh", "--connect", self._uri, *arguments], _LIMIT, given)

    def names(self) -> list[str]:
        """Return the names of all domains."""
        return self._query("list", "--all", "--name").split("\n")

    def definition(self, name: str) -> str:
        """Return the definition of a domain, as of its next start."""
        return self._query("dumpxml", "--inactive", "--security-info", "--domain", name)

    def running_definition(self, name: str) -> str:
        """Return the definition that a running domain was started with."""
        return self._query("dumpxml", "--domain", name)

    def state(self, name: str) -> str:
        """Return the state of a domain."""
        return self._query("domstate", "--domain", name)

    def capabilities(self, domain_type: str) -> str:
        """Return what libvirt offers for a domain of a type on the machine type q35."""
        return self._query("domcapabilities", "--virttype", domain_type, "--arch", "x86_64", "--machine", "q35")

    def networks(self) -> tuple[str, str]:
        """Return the names of all networks, and of those that are active."""
        return self._query("net-list", "--all", "--name"), self._query("net-list", "--name")

    def version(self) -> str:
        """Return the versions of libvirt, as virsh prints them."""
        return self._query("version", "--daemon")

    def define(self, definition: str) -> None:
        """Define a domain, or change the definition of one. libvirt refuses what its schemas do not have."""
        self._query("define", "--validate", "--file", "/dev/stdin", given=definition)

    def undefine(self, name: str) -> None:
        """Remove the definition of a domain. The firmware's variables, the TPM's state and disks stay."""
        arguments = ["undefine", "--domain", name, "--keep-nvram"]
        try:
            self._query(*arguments, _KEEP_TPM)
        except ToolFailed as error:
            # Before libvirt 8.9, which keeps a state that is marked as persistent.
            if _KEEP_TPM not in str(error).partition("\n")[2]:
                raise
            self._query(*arguments)

    def suspend(self, name: str) -> None:
        """Stop the vCPUs of a running guest; its memory and devices stay as they are."""
        self._query("suspend", "--domain", name)

    def resume(self, name: str) -> None:
        """Let the vCPUs of a suspended guest continue."""
        self._query("resume", "--domain", name)

    def eject(self, name: str, path: str) -> None:
        """Take a medium out of the drive of a running guest, also where the guest has locked it."""
        self._query("change-media", "--domain", name, "--path", path, "--eject", "--live", "--force")

    def agent_answers(self, name: str) -> bool:
        """Return whether the guest agent of a domain answers."""
        try:
            self._agent(name, "guest-ping")
        except ToolFailed:
            return False
        return True

    def guest_run(self, name: str, program: str, arguments: Sequence[str]) -> str:
        """Run a program in a guest, through its agent, and return what it printed."""
        started = self._agent(name, "guest-exec", path=program, arg=list(arguments), **{"capture-output": True})
        deadline = time.monotonic() + _PROGRAM_LIMIT
        try:
            while True:
                status = self._agent(name, "guest-exec-status", pid=started["pid"])
                if status["exited"]:
                    return base64.b64decode(status.get("out-data", "")).decode("utf-8", "replace")
                if time.monotonic() > deadline:
                    raise ToolFailed(f"{program} did not end within {_PROGRAM_LIMIT:.0f} s in the guest {name}")
                time.sleep(_PAUSE)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ToolFailed(f"the guest agent of {name} answered guest-exec with something else: {error}") from error

    def guest_file(self, name: str, path: str) -> str:
        """Return the content of a small file in a guest, through its agent."""
        handle = self._agent(name, "guest-file-open", path=path, mode="r")
        try:
            content = self._agent(name, "guest-file-read", handle=handle, count=_FILE_LIMIT)
        finally:
            self._agent(name, "guest-file-close", handle=handle)
        return base64.b64decode(content["buf-b64"]).decode("utf-8", "replace")

    def _agent(self, name: str, command: str, **arguments: object) -> Any:
        """Return what the guest agent answers to a command (QEMU, docs/interop/qemu-ga-ref)."""
        request = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
        answer = self._query("qemu-agent-command", "--domain", name, "--timeout", _AGENT_LIMIT, request)
        try:
            return json.loads(answer)["return"]
        except (ValueError, KeyError, TypeError) as error:
            raise ToolFailed(f"the guest agent of {name} answered {command} with {answer.strip()!r}") from error
