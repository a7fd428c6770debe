"""Keeps the subprocess that ships alive, and knows how it is doing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

import orjson
import structlog

from dbguard.shipping_settings import DestinationSettings

from .status import DeliveryState, DeliveryStatus, read_status
from .worker import Job

log = structlog.get_logger(__name__)

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
HEALTHY_SECONDS: Final = 60.0
"""A subprocess that has lived so long is started again at once when it ends."""
LINE_BYTES: Final = 1024 * 1024
END_SECONDS: Final = 5.0
_LEVELS: Final = {"info": 20, "warning": 30, "error": 40}


class Shipping:
    """The subprocess, seen from its parent."""

    def __init__(self, trail: Path, destinations: tuple[DestinationSettings, ...]) -> None:
        self._job = Job(trail, destinations)
        self._statuses = {
            settings.name: DeliveryStatus(settings.name, DeliveryState.STARTING)
            for settings in destinations
        }
        self._errors: dict[str, int] = {}
        """Of former subprocesses, which began to count anew."""
        self.restarts = 0
        self.process: int | None = None
        """Its process id while it runs."""
        self._task: asyncio.Task[None] | None = None

    def statuses(self) -> list[DeliveryStatus]:
        """Of all destinations, in the order of the settings."""
        return list(self._statuses.values())

    def errors(self, name: str) -> int:
        """Failed attempts since dbguard was started."""
        return self._errors.get(name, 0) + self._statuses[name].errors

    def start(self) -> None:
        """Have the subprocess run, if there is anywhere to ship to."""
        if self._statuses:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="shipping")
            self._task.add_done_callback(_told)

    async def stop(self) -> None:
        """End it; it ships what is there first, for some seconds."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            began = loop.time()
            code = await self._one()
            self._lost(code)
            pause = FIRST_PAUSE if loop.time() - began >= HEALTHY_SECONDS else pause * 2
            await asyncio.sleep(min(pause, LONGEST_PAUSE))

    async def _one(self) -> str:
        """One life of the subprocess; how it ended."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "dbguard.shipping.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=LINE_BYTES,
            )
        except OSError as error:
            return (error.strerror or "input/output error").lower()
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process.pid
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(self._job.pack())
                await process.stdin.drain()
            await self._listen(process.stdout)
        finally:
            self.process = None
            await _end(process)
        return f"exit code {process.returncode}"

    async def _listen(self, output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            try:
                document = orjson.loads(line)
                self._hear(document)
            except (ValueError, KeyError, TypeError):
                return  # not one of ours: it is ended and started again

    def _hear(self, document: dict[str, object]) -> None:
        states = document.get("states")
        if isinstance(states, list):
            for state in states:
                found = read_status(state)
                if found.name in self._statuses:
                    self._statuses[found.name] = found
        said = document.get("log")
        if isinstance(said, dict):
            log.log(_LEVELS[said["level"]], said["event"], **said["fields"])

    def _lost(self, code: str) -> None:
        self.restarts += 1
        log.error("the process that ships the audit trail ended, it is started again", end=code)
        for name, status in self._statuses.items():
            self._errors[name] = self.errors(name)
            self._statuses[name] = DeliveryStatus(
                name,
                DeliveryState.STARTING,
                status.lag_records,
                status.lag_seconds,
                reason="the process that ships ended",
            )


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the audit trail is not shipped any more", error=type(error).__name__)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its input, which ends it in order; kill it if that takes long."""
    if process.stdin is not None:
        process.stdin.close()
    waiting = asyncio.get_running_loop().create_task(process.wait())
    await asyncio.wait((waiting,), timeout=END_SECONDS)
    if not waiting.done():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, 9)
        await waiting
