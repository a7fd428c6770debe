"""What has drifted in each database: in memory, and in the state file before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dbguard.catalog.drift_registry import DriftRegistry
from dbguard.policy.drift import Filling, filled_relation
from dbguard.policy.remembering import ColumnKey, Remembered
from dbguard.sql.snapshot import Snapshot


@dataclass(slots=True)
class _Known:
    oid: int
    filled: dict[Filling, str]
    """Each with the session that may still take it back: it made a table whose name has not been
    seen in the catalog yet. Empty: it counts for good."""
    revision: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Drifts:
    """Fillings by database, of which those of temporary tables belong to one session."""

    def __init__(self, registry: DriftRegistry) -> None:
        self._registry = registry
        self._databases: dict[str, _Known] = {}
        self._own: dict[str, dict[Filling, None]] = {}
        """By session: what went into its temporary tables."""

    def revision(self, database: str) -> int:
        """Grows with every change to what has drifted."""
        known = self._databases.get(database)
        return known.revision if known is not None else 0

    def own_count(self, session: str) -> int:
        """Grows with every filling of one of the session's temporary tables."""
        return len(self._own.get(session, ()))

    def of(self, database: str, session: str = "") -> tuple[Filling, ...]:
        """What is known of a database, as this session sees it."""
        known = self._databases.get(database)
        return (*(known.filled if known else ()), *self._own.get(session, ()))

    async def load(
        self, snapshot: Snapshot, *, again: bool = False
    ) -> Mapping[ColumnKey, Remembered] | None:
        """Read what an earlier process left, once; returns the columns that are remembered, with
        `again` also when they were read before.

        Raises:
            StateUnavailable: the state file cannot be used.
        """
        known = self._databases.get(snapshot.database)
        arguments = (snapshot.database, snapshot.database_oid)
        if known is not None and known.oid == snapshot.database_oid:
            if not again:
                return None
            return await asyncio.to_thread(self._registry.read_remembered, *arguments)
        filled = await asyncio.to_thread(self._registry.read_filled, *arguments)
        remembered = await asyncio.to_thread(self._registry.read_remembered, *arguments)
        before = self._databases.get(snapshot.database)
        if before is not known:  # somebody else read it meanwhile, and may have added to it
            return remembered
        revision = self.revision(snapshot.database) + 1 if known else 0
        found = _Known(snapshot.database_oid, dict.fromkeys(filled, ""), revision)
        self._databases[snapshot.database] = found
        return remembered

    async def remember(
        self, snapshot: Snapshot, remembered: Mapping[ColumnKey, Remembered]
    ) -> None:
        """Keep which columns are classified.

        Raises:
            StateUnavailable: the state file cannot be used.
        """
        await asyncio.to_thread(
            self._registry.write_remembered,
            snapshot.database,
            snapshot.database_oid,
            remembered,
        )

    async def fill(self, database: str, session: str, fillings: Iterable[Filling]) -> list[Filling]:
        """Keep these fillings; returns those that were not known.

        Raises:
            StateUnavailable: the state file cannot be used.
        """
        known = self._databases[database]
        async with known.lock:
            new = []
            for filling in fillings:
                if filling.temporary:
                    self._own.setdefault(session, {})[filling] = None
                elif filling not in known.filled:
                    new.append(filling)
            if new:
                waits = {f: "" if f.relation else session for f in new}
                await self._replace(database, known, {**known.filled, **waits})
        return new

    async def settle(self, snapshot: Snapshot) -> None:
        """Bind fillings of new tables to their OIDs, and forget tables that are gone.

        `snapshot` has to show what was committed. Raises StateUnavailable.
        """
        known = self._databases.get(snapshot.database)
        if known is None or not known.filled:
            return
        async with known.lock:
            kept = {}
            for filling, session in known.filled.items():
                relation = filled_relation(snapshot, filling)
                if relation is not None:
                    kept[_bound(filling, snapshot)] = ""
                elif session:
                    kept[filling] = session
            if kept != known.filled:
                await self._replace(snapshot.database, known, kept)

    async def bind(self, snapshot: Snapshot, session: str) -> None:
        """Bind fillings of tables that a session has made and not committed yet, and of those that
        it alone sees, to their OIDs, so that renaming them does not lose them.

        Raises StateUnavailable.
        """
        if own := self._own.get(session):
            self._own[session] = {_bound(filling, snapshot): None for filling in own}
        known = self._databases.get(snapshot.database)
        if known is None or not any(known.filled.values()):
            return
        async with known.lock:
            bound = {
                (_bound(f, snapshot) if session else f): session
                for f, session in known.filled.items()
            }
            if bound != known.filled:
                await self._replace(snapshot.database, known, bound)

    def waits(self, database: str, session: str) -> bool:
        """Whether the session made tables that the catalog has not shown yet."""
        known = self._databases.get(database)
        return known is not None and session in known.filled.values()

    async def take_back(self, snapshot: Snapshot, session: str) -> None:
        """The session's transaction is over, and `snapshot` read after it: what is not there was
        never made. Raises StateUnavailable."""
        known = self._databases.get(snapshot.database)
        if known is None or session not in known.filled.values():
            return
        async with known.lock:
            kept = {
                _bound(f, snapshot) if s == session else f: "" if s == session else s
                for f, s in known.filled.items()
                if s != session or filled_relation(snapshot, f) is not None
            }
            await self._replace(snapshot.database, known, kept)

    def leave(self, session: str) -> None:
        """The session is over, and its temporary tables with it."""
        self._own.pop(session, None)

    async def _replace(self, database: str, known: _Known, filled: dict[Filling, str]) -> None:
        """On disk first: what would be forgotten must not have happened."""
        await asyncio.to_thread(self._registry.write_filled, database, known.oid, list(filled))
        known.filled = filled
        known.revision += 1


def _bound(filling: Filling, snapshot: Snapshot) -> Filling:
    """The filling under the name that its column has now."""
    relation = filled_relation(snapshot, filling)
    if relation is None:
        return filling
    column = (
        relation.column(filling.number)
        if filling.relation
        else relation.column_by_name.get(filling.column)
    )
    return replace(
        filling,
        relation=relation.oid,
        number=column.number if column else filling.number,
        schema=relation.schema,
        table=relation.name,
        column=column.name if column else "",
    )
