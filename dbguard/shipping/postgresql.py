"""Destination `postgresql`: two tables, to which rows are added and never changed.

The role needs INSERT, and SELECT on what identifies a row (not on the line itself): a row that is
there already is passed over when its hash is the same, and is a fork when it is not.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, Final

import asyncpg

from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource

from .destination import Fork, Rejected, Unavailable
from .items import Chain, CheckpointBatch, Gap, RecordBatch, moment
from .status import Tell

GAP_KIND: Final = "gap"

TABLES: Final = """
CREATE TABLE IF NOT EXISTS {schema}.dbguard_audit (
    trail text NOT NULL,
    writer text NOT NULL,
    seq bigint NOT NULL,
    segment bigint NOT NULL,
    time timestamptz NOT NULL,
    kind text NOT NULL,
    hash text NOT NULL,
    line text NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (trail, writer, seq)
);
CREATE TABLE IF NOT EXISTS {schema}.dbguard_checkpoints (
    trail text NOT NULL,
    writer text NOT NULL,
    size bigint NOT NULL,
    seq bigint NOT NULL,
    time timestamptz NOT NULL,
    root text NOT NULL,
    line text NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (trail, writer, size)
);
"""
"""docs/shipping.md shows the same; a test compares them."""
_THERE: Final = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL"
_MAY_CHANGE: Final = """
SELECT pg_catalog.has_table_privilege($1, 'UPDATE') OR pg_catalog.has_table_privilege($1, 'DELETE')
    OR pg_catalog.has_table_privilege($1, 'TRUNCATE')
"""
_INSERT: Final = """
INSERT INTO {schema}.dbguard_audit (trail, writer, seq, segment, time, kind, hash, line)
SELECT $1, $2, given.seq, $8, given.time, given.kind, given.hash, given.line FROM unnest(
    $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::text[]
) AS given (seq, time, kind, hash, line)
ON CONFLICT (trail, writer, seq) DO NOTHING
"""
_DIFFERENT: Final = """
SELECT there.seq FROM {schema}.dbguard_audit AS there
JOIN unnest($3::bigint[], $4::text[]) AS given (seq, hash) ON given.seq = there.seq
WHERE there.trail = $1 AND there.writer = $2 AND there.hash <> given.hash
ORDER BY there.seq LIMIT 1
"""
_INSERT_CHECKPOINTS: Final = """
INSERT INTO {schema}.dbguard_checkpoints (trail, writer, size, seq, time, root, line)
SELECT $1, $2, given.* FROM unnest(
    $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[]
) AS given
ON CONFLICT (trail, writer, size) DO NOTHING
"""
_DIFFERENT_CHECKPOINTS: Final = """
SELECT there.size FROM {schema}.dbguard_checkpoints AS there
JOIN unnest($3::bigint[], $4::text[]) AS given (size, root) ON given.size = there.size
WHERE there.trail = $1 AND there.writer = $2 AND there.root <> given.root
ORDER BY there.size LIMIT 1
"""
_DATA: Final = ("21", "22", "54")
"""SQLSTATE classes that a row itself is to blame for: values, and sizes beyond the server's."""


class PostgresqlCopy:
    """See the module."""

    def __init__(self, name: str, dsn: SecretSource, schema: str, timeout: float, tell: Tell):
        self._name = name
        self._dsn = dsn
        self._schema = schema
        self._timeout = timeout
        self._tell = tell
        self._connection: asyncpg.Connection | None = None
        self._warned = False

    async def send_records(self, batch: RecordBatch) -> None:
        records = batch.records
        numbers = [record.sequence for record in records]
        hashes = [record.hash for record in records]
        try:
            lines = [record.line.decode().removesuffix("\n") for record in records]
        except UnicodeDecodeError:
            raise Rejected("it is not UTF-8 text") from None
        times = [record.moment for record in records]
        kinds = [record.kind for record in records]
        await self._insert(
            batch.chain,
            len(numbers),
            (_INSERT, numbers, times, kinds, hashes, lines, batch.segment),
            (_DIFFERENT, numbers, hashes),
            "record",
        )

    async def send_checkpoints(self, batch: CheckpointBatch) -> None:
        # one of each size: another signature of the same root says nothing new
        found = {checkpoint.size: checkpoint for checkpoint in batch.checkpoints}
        roots = [checkpoint.root for checkpoint in found.values()]
        rows = (
            list(found),
            [checkpoint.sequence for checkpoint in found.values()],
            [moment(checkpoint.time) for checkpoint in found.values()],
            roots,
            [checkpoint.line.decode().removesuffix("\n") for checkpoint in found.values()],
        )
        await self._insert(
            batch.chain,
            len(found),
            (_INSERT_CHECKPOINTS, *rows),
            (_DIFFERENT_CHECKPOINTS, list(found), roots),
            "checkpoint of tree size",
        )

    async def send_gap(self, gap: Gap) -> None:
        line = gap.line.decode().removesuffix("\n")
        row = ([gap.last], [moment(gap.time)], [GAP_KIND], [""], [line], gap.after.segment)
        await self._insert(gap.chain, 1, (_INSERT, *row), None, "")

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _insert(
        self,
        chain: Chain,
        count: int,
        insert: tuple[Any, ...],
        compare: tuple[Any, ...] | None,
        what: str,
    ) -> None:
        """Add rows; those that are there already must be the same."""
        ended = False
        try:
            connection = await self._connected()
            tag = await connection.execute(
                insert[0].format(schema=self._schema), chain.trail, chain.writer, *insert[1:]
            )
            if compare is not None and int(tag.rpartition(" ")[2]) < count:
                other = await connection.fetchval(
                    compare[0].format(schema=self._schema), chain.trail, chain.writer, *compare[1:]
                )
                if other is not None:
                    raise Fork(
                        f"{self._schema} holds another {what} {other} of trail {chain.trail}"
                    )
            ended = True
        except asyncpg.PostgresError as error:
            ended = True
            raise self._refusal(error) from None
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise Unavailable(_why(error)) from None
        except Fork:
            ended = True
            raise
        finally:
            if not ended:  # also when it took too long: nobody knows what is under way there
                await self.close()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        try:
            dsn = await read_secret(self._dsn)
        except SecretUnavailable as error:
            raise Unavailable(f"its dsn is not to be had: {error}") from None
        try:
            connection = await asyncpg.connect(
                dsn,
                timeout=self._timeout,
                command_timeout=self._timeout,
                server_settings={"application_name": "dbguard ship", "search_path": ""},
            )
        except ssl.SSLError:  # of which one kind is a ValueError as well
            raise
        except (ValueError, asyncpg.ClientConfigurationError):
            raise Unavailable("its dsn is not a valid PostgreSQL URL") from None
        self._connection = connection
        await self._prepare(connection)
        return connection

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        """Have the tables there, and say when the role may do more than add to them."""
        tables = (f"{self._schema}.dbguard_audit", f"{self._schema}.dbguard_checkpoints")
        if not await connection.fetchval(_THERE, *tables):
            await connection.execute(TABLES.format(schema=self._schema))
        if not self._warned and await connection.fetchval(_MAY_CHANGE, tables[0]):
            self._tell(
                "warning",
                "the role that ships may change what it has shipped",
                {"destination": self._name, "hint": "Let another role own the tables."},
            )
        self._warned = True

    def _refusal(self, error: asyncpg.PostgresError) -> Exception:
        """No words of the server's: they may quote a row."""
        state = error.sqlstate or ""
        if state.startswith(_DATA):
            return Rejected(f"SQLSTATE {state}")
        if state in ("28P01", "28000"):
            return Unavailable(f"the server does not let the role in (SQLSTATE {state})")
        if state == "42501":
            return Unavailable(
                "the role may not do what it has to (SQLSTATE 42501): "
                "INSERT, and SELECT on (trail, writer, seq, hash) and (trail, writer, size, root)"
            )
        if state.startswith("42"):
            return Unavailable(f"the tables are not dbguard's (SQLSTATE {state})")
        return Unavailable(f"the server refuses (SQLSTATE {state})")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not to be trusted"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, OSError):
        return f"it cannot be reached: {(error.strerror or 'no answer').lower()}"
    return "the connection was lost"


async def close_quietly(connection: asyncpg.Connection) -> None:
    """For readers that are done."""
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.close(timeout=5)
