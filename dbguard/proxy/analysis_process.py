"""One worker process, seen from the pool: start it, ask it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from dbguard.errors import ConfigurationError
from dbguard.proxy.analysis_frames import (
    FAILED,
    HEADER,
    MAX_REPLY_BYTES,
    READY,
    REQUEST,
    REQUEST_HEAD,
    STATE,
    STATE_HEAD,
)
from dbguard.running_path import UNCOMPILED

START_SECONDS: Final = 60.0
"""Importing the parsers takes about a second; a machine under load takes its time."""
STATE_SECONDS: Final = 60.0
"""Unpickling the catalog of a database with some ten thousand tables takes a few."""
END_SECONDS: Final = 1.0
"""From the end of a worker's pipe to its own end the kernel needs milliseconds."""
KEPT_STATES: Final = 4
"""Catalog and rules change rarely; a few stay while sessions move to the newest."""
_WITHHELD: Final = ("DBGUARD_", "PG")
"""Environment variables with passwords in them are of no use to a parser."""


class WorkerGone(Exception):
    """The process ended, or said something it should not have."""


def worker_environment() -> dict[str, str]:
    """The variables that a process of dbguard's own gets."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_WITHHELD)}
    if UNCOMPILED in os.environ:
        kept[UNCOMPILED] = os.environ[UNCOMPILED]
    return kept


class AnalysisProcess:
    """A worker that has imported its entry and waits for requests, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._in = process.stdin
        self._out = process.stdout
        self._numbers = itertools.count(1)
        self._states: OrderedDict[tuple[Hashable, ...], int] = OrderedDict()
        self._ending = False
        """It closed its pipe: the end is near, and its cause worth knowing."""
        self.served = 0
        """Requests answered so far."""

    @classmethod
    async def start(cls, entry: str, memory_bytes: int) -> AnalysisProcess:
        """Start a process; raises ConfigurationError when it can't import `entry`."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "dbguard.proxy.analysis_worker",
                entry,
                str(memory_bytes),
                str(os.getpid()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=worker_environment(),
            )
        except OSError as error:
            raise _cannot_start((error.strerror or "input/output error").lower()) from None
        worker = cls(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                kind, payload = await worker._reply()
        except (WorkerGone, TimeoutError):
            await worker.stop()
            raise _cannot_start(f"It ended or hung while importing {entry}.") from None
        except BaseException:
            await worker.stop()
            raise
        if kind == FAILED:
            await worker.stop()
            raise _cannot_start(payload.decode("utf-8", "replace"))
        return worker

    def holds(self, key: tuple[Hashable, ...]) -> bool:
        """The state of `key` was sent already."""
        return key in self._states

    @property
    def alive(self) -> bool:
        """The process was not seen to end."""
        return self._process.returncode is None

    async def send_state(self, key: tuple[Hashable, ...], state: Callable[[], bytes]) -> None:
        """Send the state of `key` unless the worker has it.

        Raises WorkerGone; the worker is of no further use then.
        """
        if key in self._states:
            self._states.move_to_end(key)
            return
        data = state()
        forgotten = 0
        if len(self._states) >= KEPT_STATES:
            _, forgotten = self._states.popitem(last=False)
        number = next(self._numbers)
        try:
            async with asyncio.timeout(STATE_SECONDS):
                await self._send(STATE, STATE_HEAD.pack(number, forgotten), data)
                kind, _ = await self._reply()
        except TimeoutError:
            raise WorkerGone("the state was not taken in time") from None
        if kind != READY:
            raise WorkerGone("the state was not taken")
        self._states[key] = number

    async def ask(self, key: tuple[Hashable, ...], request: bytes) -> tuple[int, bytes]:
        """Kind and payload of the answer. Raises WorkerGone."""
        await self._send(REQUEST, REQUEST_HEAD.pack(self._states[key]), request)
        answer = await self._reply()
        self.served += 1
        return answer

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        # One that ends by itself is left alone: kill() would take the exit status from asyncio.
        if not self._ending:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> int:
        """End it and wait until it is gone. Its exit code, negative for a signal."""
        self.kill()
        self._in.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            self._ending = False
            self.kill()
            return await self._process.wait()

    async def _send(self, kind: int, head: bytes, body: bytes) -> None:
        try:
            self._in.write(HEADER.pack(kind, len(head) + len(body)) + head)
            self._in.write(body)
            await self._in.drain()
        except (ConnectionError, RuntimeError) as error:
            self._ending = True
            raise WorkerGone(type(error).__name__) from None

    async def _reply(self) -> tuple[int, bytes]:
        try:
            kind, length = HEADER.unpack(await self._out.readexactly(HEADER.size))
            if length > MAX_REPLY_BYTES:
                raise WorkerGone("the answer is too long")
            return kind, await self._out.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._ending = True
            raise WorkerGone("the process ended") from None


def _cannot_start(detail: str) -> ConfigurationError:
    return ConfigurationError(
        "analysis worker does not start",
        detail=detail,
        hint="Check that dbguard is installed completely for this Python.",
    )
