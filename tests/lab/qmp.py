# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's machine protocol for synchronous code: the maintained asyncio client (qemu.qmp), with its loop in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import pathlib
import threading
import time
import typing

from qemu.qmp import QMPClient, QMPError

from .errors import LabError

Event = typing.Mapping[str, typing.Any]


class Monitor:
    """One connection to a running QEMU. Events are kept from the moment of connecting."""

    def __init__(self, folder: pathlib.Path, timeout: float = 30) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        self._client = QMPClient("lab")
        # The client writes to its own log what it raises anyway.
        self._client.logger.setLevel(logging.CRITICAL)
        self._collector: concurrent.futures.Future[None] | None = None
        self._events: list[Event] = []
        self._news = threading.Condition()
        # A socket's address has 107 characters at most, which a checkout's path can exceed; a folder's descriptor
        # makes any path short.
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._connect(f"/proc/self/fd/{self._folder}/qmp.sock", timeout)
        except BaseException:  # KeyboardInterrupt too, since nobody else has what is to be closed; raised again
            self.close()
            raise
        self._collector = asyncio.run_coroutine_threadsafe(self._collect(), self._loop)

    def execute(self, command: str, timeout: float = 30, **arguments: typing.Any) -> typing.Any:
        """Run one command; what QEMU answers."""
        try:
            return self._wait(self._client.execute(command, arguments or None), timeout)
        except QMPError as error:
            raise LabError(f"QEMU refused {command}: {error}") from error

    def events(self, name: str, since: int = 0) -> list[Event]:
        """The events of that name, from the since-th event on."""
        with self._news:
            return [event for event in self._events[since:] if event["event"] == name]

    def mark(self) -> int:
        """The number of events so far: what came later is what happened since."""
        with self._news:
            return len(self._events)

    def wait_for(self, name: str, since: int, timeout: float) -> Event:
        """Wait for an event of that name, later than the mark."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = [event for event in self._events[since:] if event["event"] == name]
                if found:
                    return found[0]
                left = deadline - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    raise LabError(f"QEMU sent no {name} within {timeout:.0f} s")

    def close(self) -> None:
        """Hang up; QEMU goes on."""
        try:
            if self._collector is not None:
                self._collector.cancel()
            self._wait(self._client.disconnect(), 5)
        except (QMPError, OSError, EOFError, TimeoutError):
            # The other end is gone already, which is what hanging up after a power cut means.
            pass
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()
        os.close(self._folder)

    def _wait(self, coroutine: typing.Coroutine[typing.Any, typing.Any, typing.Any], timeout: float) -> typing.Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def _connect(self, address: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._wait(self._client.connect(address), timeout)
                return
            except QMPError as error:
                if time.monotonic() > deadline:
                    raise LabError(f"QEMU's monitor cannot be reached: {error}") from error
                time.sleep(0.05)

    async def _collect(self) -> None:
        async for event in self._client.events:
            with self._news:
                self._events.append(event)
                self._news.notify_all()
