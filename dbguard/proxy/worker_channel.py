"""What the supervisor and a worker say to each other, over a socket that only the two have.

The supervisor asks, the worker answers each question with one reply, in order; the end of the
socket is the end of the other side. Commands are pickled, by a process for its own child. What
comes back is JSON: a worker talks to clients, and its word is not to become code of its parent.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from dataclasses import dataclass
from typing import Final

import orjson

from dbguard.errors import ConfigurationError, DbguardError
from dbguard.policy.model import Policy
from dbguard.settings import Settings

from .sharing import Place

LENGTH: Final = struct.Struct(">I")
MOST_BYTES: Final = 64 * 1024 * 1024
"""Metrics take some ten kilobytes, settings and rules less than that."""


class WorkerLost(Exception):
    """The worker has ended, or said what it should not have."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to do; the first thing it is told. Its reply says that clients can come."""

    number: int
    settings: Settings
    policy: Policy
    place: Place
    sockets: tuple[int, ...]
    """File descriptors to listen on."""
    log_level: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """Look whether this could be put in force."""

    settings: Settings
    policy: Policy


@dataclass(frozen=True, slots=True)
class Use:
    """Put in force what was prepared last."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Tell the metrics."""


@dataclass(frozen=True, slots=True)
class CheckReady:
    """Tell why no client should come."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Let sessions come to their end, and end. There is no reply but the end."""


Command = Job | Prepare | Use | Measure | CheckReady | Stop


@dataclass(frozen=True, slots=True)
class Reply:
    """Words, whose meaning depends on the command; with an error, what was asked is not done."""

    words: tuple[str, ...] = ()
    error: tuple[str, str, str] | None = None
    """Message, detail and hint."""

    @staticmethod
    def failed(error: DbguardError) -> Reply:
        return Reply((), (error.message, error.detail, error.hint))

    def checked(self) -> tuple[str, ...]:
        """Raises ConfigurationError when it is one of an error."""
        if self.error is not None:
            message, detail, hint = self.error
            raise ConfigurationError(message, detail=detail, hint=hint)
        return self.words


class Channel:
    """One end of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def tell(self, command: Command) -> None:
        await self._send(pickle.dumps(command))

    async def reply(self, reply: Reply) -> None:
        await self._send(orjson.dumps({"words": reply.words, "error": reply.error}))

    async def hear_command(self) -> Command | None:
        """The next one; None when the supervisor is gone."""
        data = await self._receive()
        if data is None:
            return None
        command: Command = pickle.loads(data)  # noqa: S301 - from the parent, which made it
        return command

    async def hear_reply(self) -> Reply:
        """Raises WorkerLost."""
        data = await self._receive()
        try:
            found = orjson.loads(data or b"")
            words, error = found["words"], found["error"]
            if error is not None:
                message, detail, hint = map(str, error)
                return Reply((), (message, detail, hint))
            return Reply(tuple(map(str, words)))
        except (ValueError, KeyError, TypeError):
            raise WorkerLost from None

    def close(self) -> None:
        self._writer.close()

    async def _send(self, data: bytes) -> None:
        """What nobody takes any more is lost; the next word that is missing tells so."""
        try:
            self._writer.write(LENGTH.pack(len(data)) + data)
            await self._writer.drain()
        except OSError:
            return

    async def _receive(self) -> bytes | None:
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            if length > MOST_BYTES:
                return None
            return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            return None
