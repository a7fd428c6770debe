"""What a destination holds, fetched: checkpoints to verify a trail with, or a copy of the trail."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from dbguard.audit.chain import HEAD_NAME, BrokenLine, Head, read_line, segment_name
from dbguard.audit.checkpoints import CHECKPOINTS_NAME
from dbguard.errors import ConfigurationError, DbguardError
from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource
from dbguard.shipping_settings import DestinationSettings, DestinationType

from .chains import segments_of, trail_id
from .destination import Rejected, Unavailable
from .items import Chain
from .making import make_s3
from .postgresql import GAP_KIND
from .s3 import ReadBack

_CHAINS: Final = """
SELECT DISTINCT trail, writer FROM {schema}.dbguard_audit
UNION SELECT DISTINCT trail, writer FROM {schema}.dbguard_checkpoints ORDER BY 1, 2
"""
_RECORDS: Final = """
SELECT segment, line FROM {schema}.dbguard_audit
WHERE trail = $1 AND writer = $2 AND kind <> $3 ORDER BY seq
"""
_CHECKPOINTS: Final = """
SELECT line FROM {schema}.dbguard_checkpoints WHERE trail = $1 AND writer = $2 ORDER BY size
"""


class FetchError(DbguardError):
    """What a destination holds cannot be had."""

    sqlstate = "58000"


class Source(Protocol):
    """A destination, read."""

    async def chains(self) -> list[Chain]: ...

    def records(self, chain: Chain) -> AsyncIterator[tuple[int, bytes]]:
        """Segment and whole lines, in order."""

    def checkpoints(self, chain: Chain) -> AsyncIterator[bytes]:
        """Lines, in order."""


@asynccontextmanager
async def open_source(
    settings: DestinationSettings, dsn: SecretSource | None = None
) -> AsyncIterator[Source]:
    """Read what was shipped to a destination; `dsn`: of a role that may read, where the one that
    ships may not.

    Raises ConfigurationError when nothing can be read back from such a destination, FetchError.
    """
    try:
        match settings.type:
            case DestinationType.FILE:
                assert settings.directory is not None
                yield _Folder(settings.directory)
            case DestinationType.POSTGRESQL:
                chosen = dsn or settings.dsn
                assert chosen is not None
                connection = await asyncpg.connect(
                    await read_secret(chosen), timeout=settings.timeout
                )
                try:
                    yield _Tables(connection, settings.schema_name)
                finally:
                    connection.terminate()
            case DestinationType.S3:
                destination = make_s3(settings)
                try:
                    yield _Bucket(await destination.read_back())
                finally:
                    await destination.close()
            case _:
                raise ConfigurationError(
                    f"{settings.name}: nothing can be read back from type {settings.type}",
                    hint="Name a destination of type file, postgresql or s3.",
                )
    except asyncpg.PostgresError as error:
        hint = "Name a role that may read with --dsn." if error.sqlstate == "42501" else ""
        raise _failed(settings.name, f"SQLSTATE {error.sqlstate}", hint) from None
    except ssl.SSLError:
        raise _failed(settings.name, "the TLS connection cannot be trusted or failed") from None
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError):
        raise _failed(settings.name, "no usable connection to the server") from None
    except SecretUnavailable as error:
        raise _failed(settings.name, str(error)) from None
    except (Unavailable, Rejected) as error:
        raise _failed(settings.name, error.reason) from None
    except OSError as error:
        reason = (error.strerror or "no answer").lower()
        raise _failed(settings.name, f"it cannot be read: {reason}") from None


async def checkpoint_lines(source: Source) -> AsyncIterator[bytes]:
    """All checkpoints, as lines of checkpoints.jsonl."""
    for chain in await source.chains():
        async for line in source.checkpoints(chain):
            yield line.rstrip(b"\n") + b"\n"


async def write_copy(source: Source, trail: str | None, out: Path) -> int:
    """Make a trail of what the source holds in `out`, a new folder; returns how many records.

    `trail`: only what belongs to it. Raises FetchError, OSError.
    """
    chains = [chain for chain in await source.chains() if trail in (None, chain.trail)]
    writers = [chain.writer for chain in chains]
    if not chains:
        raise FetchError("there is nothing to fetch", hint="Check the name of the destination.")
    if len(set(writers)) < len(writers):
        names = ", ".join(sorted({chain.trail for chain in chains}))
        raise FetchError(f"several trails are there: {names}", hint="Choose one with --trail.")
    _make(out)
    return sum([await _write_chain(source, chain, out) for chain in chains])


async def _write_chain(source: Source, chain: Chain, out: Path) -> int:
    folder = out / chain.writer if chain.writer else out
    _make(folder)
    head: Head | None = None
    count = 0
    async for segment, data in source.records(chain):
        with (folder / segment_name(segment)).open("ab") as file:
            for line in data.splitlines(keepends=True):
                try:
                    link = read_line(line)
                except BrokenLine:
                    file.write(line)  # whoever verifies the copy shall find it
                    continue
                if head is None or link.sequence > head.sequence:
                    file.write(line)
                    head = Head(link.sequence, link.hash)
                    count += 1
    checkpoints = [line.rstrip(b"\n") + b"\n" async for line in source.checkpoints(chain)]
    if checkpoints:
        _write(folder / CHECKPOINTS_NAME, b"".join(checkpoints))
    if head is not None:
        _write(folder / HEAD_NAME, head.render())
    return count


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class _Folder:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def chains(self) -> list[Chain]:
        found = []
        for folder in (self._directory, *sorted(self._directory.iterdir())):
            if folder.is_dir() and (trail := trail_id(folder)) is not None:
                writer = "" if folder == self._directory else folder.name
                found.append(Chain(trail, writer))
        return found

    async def records(self, chain: Chain) -> AsyncIterator[tuple[int, bytes]]:
        for number, path in sorted(segments_of(self._folder(chain)).items()):
            with path.open("rb") as file:
                while lines := file.readlines(1024 * 1024):
                    yield number, b"".join(lines)

    async def checkpoints(self, chain: Chain) -> AsyncIterator[bytes]:
        path = self._folder(chain) / CHECKPOINTS_NAME
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    yield line

    def _folder(self, chain: Chain) -> Path:
        return self._directory / chain.writer if chain.writer else self._directory


class _Tables:
    def __init__(self, connection: asyncpg.Connection, schema: str) -> None:
        self._connection = connection
        self._schema = schema

    async def chains(self) -> list[Chain]:
        rows = await self._connection.fetch(_CHAINS.format(schema=self._schema))
        return [Chain(row[0], row[1]) for row in rows]

    async def records(self, chain: Chain) -> AsyncIterator[tuple[int, bytes]]:
        query = _RECORDS.format(schema=self._schema)
        async with self._connection.transaction(readonly=True):
            async for row in self._connection.cursor(query, chain.trail, chain.writer, GAP_KIND):
                yield row[0], row[1].encode() + b"\n"

    async def checkpoints(self, chain: Chain) -> AsyncIterator[bytes]:
        query = _CHECKPOINTS.format(schema=self._schema)
        async with self._connection.transaction(readonly=True):
            async for row in self._connection.cursor(query, chain.trail, chain.writer):
                yield row[0].encode()


class _Bucket:
    """Blocks the event loop, which has nothing else to do here."""

    def __init__(self, bucket: ReadBack) -> None:
        self._bucket = bucket

    async def chains(self) -> list[Chain]:
        return self._bucket.chains()

    async def records(self, chain: Chain) -> AsyncIterator[tuple[int, bytes]]:
        for found in self._bucket.records(chain):
            yield found

    async def checkpoints(self, chain: Chain) -> AsyncIterator[bytes]:
        for line in self._bucket.checkpoints(chain):
            yield line


def _failed(name: str, reason: str, hint: str = "") -> FetchError:
    return FetchError(f"{name}: {reason}", hint=hint or "Check audit.ship in the settings.")
