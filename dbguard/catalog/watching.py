"""The current snapshot of each database, and how it stays current."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
import structlog

from dbguard.catalog.fingerprint import FINGERPRINT_QUERY
from dbguard.catalog.generations import Generations
from dbguard.catalog.loading import (
    SystemRows,
    SystemRowsChanged,
    parse_snapshot,
    parse_whole,
    read_document,
    read_normal,
)
from dbguard.catalog.watched import Watched
from dbguard.errors import CatalogUnavailable
from dbguard.sql.changes import EVERYTHING, CatalogChange
from dbguard.sql.lineage import SYSTEM_SCHEMAS
from dbguard.sql.snapshot import RelationKind, Snapshot

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
"""How long DDL that did not pass through dbguard may stay unnoticed (docs: threat model)."""

STALE_SECONDS = 5.0
"""A snapshot not confirmed for this long is not used: some polls in a row have failed."""

LONGEST_PAUSE = 30.0
"""Seconds between attempts to reconnect: 1, 2, 4, … up to this."""

STATEMENT_SECONDS = 60
CONNECT_SECONDS = 10

UNUSED_KEPT = 8
"""Snapshots kept of databases that nobody is connected to: coming back saves reading all of it."""

GAP_SECONDS = 2.0
"""How often to try again for views that could not be read, locked ones for the most part."""

_SESSION = {
    "application_name": "dbguard catalog",
    "search_path": "",
    "jit": "off",
    "lock_timeout": "500",
    "statement_timeout": str(STATEMENT_SECONDS * 1000),
    "default_transaction_read_only": "on",
}

FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg raises when the server has ended the session between two statements.
    asyncpg.InternalClientError,
)
"""Everything that using a control connection can raise."""


class Catalog:
    """Snapshots of the databases of one server.

    `dsn` is the control connection's; the database name in it is replaced. `on_change` is called
    with each new snapshot after the first of a database; it must not block. Somebody has to run
    `watch`, or DDL from elsewhere is noticed only by `refresh`.

    A control connection stands in the way of DROP, RENAME and copies of its database, for which
    PostgreSQL wants nobody else in there and waits up to 5 s. So each session holds its database
    between `enter` and `leave`, and `watch` closes the connection of one that nobody holds.
    """

    def __init__(
        self,
        dsn: str,
        *,
        on_change: Callable[[Snapshot], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
        stale_seconds: float = STALE_SECONDS,
        generations: Generations | None = None,
    ) -> None:
        self.generations = generations or Generations()
        self._dsn = dsn
        self._on_change = on_change
        self._poll_seconds = poll_seconds
        self.stale_seconds = stale_seconds
        self._epoch = 0
        self._databases: dict[str, Watched] = {}
        self.roles: frozenset[str] = frozenset()
        """Names of the server's roles, as read last."""
        self.databases: set[str] = set()
        """Those that were read at some time."""

    def enter(self, database: str) -> None:
        """Somebody works in this database from now on; to be paired with `leave`."""
        self._databases.setdefault(database, Watched(database)).users += 1

    def leave(self, database: str) -> None:
        """Whoever had entered is gone."""
        self._databases[database].users -= 1
        self._forget_unused()

    def note(self, database: str, changes: tuple[CatalogChange, ...]) -> None:
        """DDL that has gone through dbguard, and is committed, did this."""
        now = self.generations.count(database)
        if (watched := self._databases.get(database)) is not None:
            watched.recent += changes
            if watched.generation == now - 1:  # nobody else has done anything meanwhile
                if watched.shown == watched.generation:
                    watched.shown = now
                watched.generation = now

    def recent(self, database: str) -> tuple[CatalogChange, ...]:
        """What was noted that the snapshot need not show yet, in the order it was done."""
        watched = self._databases.get(database)
        if watched is None:
            return ()
        now = self.generations.of(database)
        if watched.generation != now:
            watched.generation = now
            watched.recent += (EVERYTHING,)  # another worker knows what it was
        return watched.recent

    def system(self, database: str) -> SystemRows | None:
        """The server's own rows of the database's catalog, which need not be read again."""
        watched = self._databases.get(database)
        return watched.system if watched is not None else None

    def current(self, database: str) -> Snapshot | None:
        """The snapshot at hand if it was confirmed lately, without waiting; else None."""
        watched = self._databases.get(database)
        if watched is None or watched.snapshot is None or self._is_stale(watched):
            return None
        return watched.snapshot

    def watched(self, database: str) -> Watched:
        """What is known of a database that somebody has entered, until it is left."""
        return self._databases[database]

    def lags(self, database: str) -> bool:
        """Whether the snapshot was read from a standby, which may show an older state."""
        watched = self._databases.get(database)
        return watched is not None and watched.recovering

    async def snapshot(self, database: str) -> Snapshot:
        """The current snapshot; read now if there is none or it was not confirmed lately.

        Raises `CatalogUnavailable`.
        """
        if (ready := self.current(database)) is not None:
            return ready
        watched = self._databases.setdefault(database, Watched(database))

        async def work(connection: asyncpg.Connection) -> None:
            if watched.snapshot is None or self._is_stale(watched):
                await self._look(watched, connection)

        await self._use(watched, work)
        assert watched.snapshot is not None
        return watched.snapshot

    async def refresh(self, database: str, reason: str) -> Snapshot:
        """Read the catalog again; what was committed before this call is in the result.

        Calls that come while another one is reading share the next reading. Raises
        `CatalogUnavailable`.
        """
        watched = self._databases.setdefault(database, Watched(database))
        watched.asked += 1
        mine = watched.asked

        async def work(connection: asyncpg.Connection) -> None:
            if watched.done < mine:
                if watched.snapshot is not None and _has_gaps(watched.snapshot):
                    await self._load(watched, connection, reason)
                else:
                    await self._look(watched, connection, reason)

        await self._use(watched, work)
        assert watched.snapshot is not None
        return watched.snapshot

    async def watch(self) -> None:
        """Look for changes once a second in every database in use, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for watched in self._databases.values():
                    if watched.connection is not None and not watched.polled:
                        watched.polled = True
                        group.create_task(self._poll(watched), name=f"catalog poll {watched.name}")
                # a database that was just entered is not to wait two rounds for its first look
                await asyncio.sleep(self._poll_seconds / 10)

    async def close(self) -> None:
        """Close the control connections."""
        for watched in self._databases.values():
            if watched.connection is not None:
                await _dispose(watched.connection)
                watched.connection = None

    def _is_stale(self, watched: Watched) -> bool:
        """It was not confirmed lately, or another worker has changed what it shows."""
        return (
            time.monotonic() - watched.confirmed > self.stale_seconds
            or watched.shown != self.generations.of(watched.name)
        )

    async def _poll(self, watched: Watched) -> None:
        """Look again and again while anybody is there, then close the connection.

        In a task of its own: a database that does not answer holds up no other one.
        """
        pause = self._poll_seconds
        while True:
            await asyncio.sleep(pause)
            if not watched.users:
                await self._withdraw(watched)
                watched.polled = False
                return
            try:
                await self._use(watched, functools.partial(self._look, watched))
                pause = self._poll_seconds
            except CatalogUnavailable as error:
                # Whoever needs the snapshot gets the error; here it only has to be tried again.
                pause = min(pause * 2, LONGEST_PAUSE)
                log.warning(
                    "catalog unavailable", database=watched.name, cause=error.detail, retry_in=pause
                )

    async def _withdraw(self, watched: Watched) -> None:
        """Close the connection. The database may be replaced by another of its name unseen, so
        the snapshot needs to be confirmed before it is used again."""
        async with watched.lock:
            closing, watched.connection = watched.connection, None
            watched.confirmed = -math.inf
            if closing is not None:
                await _dispose(closing)
        self._forget_unused()

    def _forget_unused(self) -> None:
        """Drop what is known of databases that nobody has been in for longest, or never."""
        unused = [w for w in self._databases.values() if not (w.users or w.polled or w.connection)]
        unused.sort(key=lambda w: w.loaded, reverse=True)
        for watched in unused[UNUSED_KEPT:]:
            del self._databases[watched.name]

    async def _use(
        self, watched: Watched, work: Callable[[asyncpg.Connection], Awaitable[None]]
    ) -> None:
        """Do `work` on the database's control connection, which serves one at a time.

        A connection that was idle may have been closed by the server without our noticing, so
        the work is tried once more on a new one.
        """
        watched.users += 1
        try:
            async with watched.lock:
                idle = watched.connection is not None
                try:
                    await self._attempt(watched, work)
                except FAILURES:
                    if not idle:
                        raise
                    await self._attempt(watched, work)
        except FAILURES as error:
            raise _unavailable(watched.name, error) from error
        finally:
            watched.users -= 1

    async def _attempt(
        self, watched: Watched, work: Callable[[asyncpg.Connection], Awaitable[None]]
    ) -> None:
        try:
            if watched.connection is None:
                watched.connection = await asyncpg.connect(
                    self._dsn,
                    database=watched.name,
                    server_settings=_SESSION,
                    timeout=CONNECT_SECONDS,
                    command_timeout=STATEMENT_SECONDS + 5,
                )
            await work(watched.connection)
        except FAILURES:
            broken, watched.connection = watched.connection, None
            if broken is not None:
                await _dispose(broken)
            raise

    async def _look(
        self,
        watched: Watched,
        connection: asyncpg.Connection,
        reason: str = "changed elsewhere",
    ) -> None:
        """Ask for the fingerprint, and read the catalog if it is a new one."""
        begun, answers, noted = time.monotonic(), watched.asked, len(watched.recent)
        shown = self.generations.of(watched.name)
        fingerprint = await connection.fetchval(FINGERPRINT_QUERY)
        if (
            watched.snapshot is not None
            and fingerprint == watched.fingerprint
            and (begun - watched.loaded < GAP_SECONDS or not _has_gaps(watched.snapshot))
        ):
            watched.confirmed, watched.done, watched.shown = begun, answers, shown
            watched.recent = watched.recent[noted:]
        else:
            await self._load(watched, connection, reason)

    async def _load(self, watched: Watched, connection: asyncpg.Connection, reason: str) -> None:
        answers, begun, noted = watched.asked, time.monotonic(), len(watched.recent)
        shown = self.generations.of(watched.name)
        # Before the document: a change between the two is seen again at the next poll.
        fingerprint = await connection.fetchval(FINGERPRINT_QUERY)
        recovering = await connection.fetchval("SELECT pg_catalog.pg_is_in_recovery()")
        document, snapshot = await self._read(watched, connection)
        watched.recovering = recovering
        old = watched.snapshot
        if old is None or (snapshot is not None and replace(snapshot, epoch=old.epoch) != old):
            assert snapshot is not None
            self._epoch += 1
            watched.snapshot = replace(snapshot, epoch=self._epoch)
            self.roles = frozenset(role.name for role in snapshot.roles)
            self.databases.add(snapshot.database)
            log.info(
                "catalog read",
                database=watched.name,
                epoch=self._epoch,
                reason=reason,
                milliseconds=round((time.monotonic() - begun) * 1000),
            )
        watched.document = document
        watched.fingerprint, watched.confirmed, watched.done = fingerprint, begun, answers
        watched.loaded, watched.shown = begun, shown
        watched.recent = watched.recent[noted:]
        if old is not None and watched.snapshot is not old and self._on_change is not None:
            assert watched.snapshot is not None
            self._on_change(watched.snapshot)

    async def _read(
        self, watched: Watched, connection: asyncpg.Connection
    ) -> tuple[str, Snapshot | None]:
        """The document and what it shows; None when it is the one read last."""
        # In threads: 30 ms, and 200 with 2,000 tables, are long for everybody else.
        if watched.system is not None and (document := await read_normal(connection)) is not None:
            if document == watched.document:
                return document, None
            try:
                return document, await asyncio.to_thread(
                    parse_snapshot, document, 0, watched.system
                )
            except SystemRowsChanged:
                watched.system = None
        document = await read_document(connection)
        if document == watched.document:
            return document, None
        snapshot, watched.system = await asyncio.to_thread(parse_whole, document, 0)
        return document, snapshot


def _has_gaps(snapshot: Snapshot) -> bool:
    """Whether a view's definition is missing, because its tables were locked most likely."""
    return any(
        r.definition is None
        for r in snapshot.relations
        if r.kind in (RelationKind.VIEW, RelationKind.MATERIALIZED_VIEW)
        and r.schema not in SYSTEM_SCHEMAS
    )


async def _dispose(connection: asyncpg.Connection) -> None:
    """End a connection, politely if the server still answers within a second."""
    try:
        await connection.close(timeout=1)
    except FAILURES:
        connection.terminate()


def _unavailable(database: str, error: Exception) -> CatalogUnavailable:
    """The error for people; server messages about logging in name roles and databases only."""
    if isinstance(error, asyncpg.PostgresError):
        cause = f"{error.sqlstate} {error}"
    elif isinstance(error, TimeoutError):
        cause = "no answer in time"
    else:
        cause = str(error)
    return CatalogUnavailable(
        f'the catalog of database "{database}" cannot be read',
        detail=f"The control connection failed: {cause}",
        hint="Check that the server runs, and that catalog.dsn names a role that may log in and "
        "CONNECT to this database.",
    )
