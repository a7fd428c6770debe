"""What has drifted in each database: in memory, and in the state file before it counts.

Where several workers share the file, each changes what stands there, not what it knows of it, and
counts that in the database's generation before and behind: one that finds the generation moved
reads the file again before it decides anything (`catch_up`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from dbguard.catalog.drift_registry import DriftRegistry, Filled
from dbguard.catalog.generations import Generations
from dbguard.policy.drift import Filling, filled_relation
from dbguard.policy.remembering import ColumnKey, Remembered
from dbguard.sql.snapshot import Snapshot


@dataclass(slots=True)
class _Known:
    oid: int
    filled: Filled
    """Each with the session that may still take it back: it made a table whose name has not been
    seen in the catalog yet. Empty: it counts for good."""
    remembered: Mapping[ColumnKey, Remembered] = field(default_factory=dict)
    """As in the state file."""
    generation: int = 0
    """What other workers put there up to this one is known; -1: it has to be read again."""
    revision: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Drifts:
    """Fillings by database, of which those of temporary tables belong to one session."""

    def __init__(self, registry: DriftRegistry, generations: Generations | None = None) -> None:
        self._registry = registry
        self._generations = generations or Generations()
        self._shared = registry.shared
        self._databases: dict[str, _Known] = {}
        self._own: dict[str, dict[Filling, None]] = {}
        """By session: what went into its temporary tables."""

    def standing(self, database: str) -> int | None:
        """The revision, or None where another worker may know more: asked before each statement."""
        if self._shared and self.behind(database):
            return None
        known = self._databases.get(database)
        return known.revision if known is not None else 0

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
            known.remembered = await asyncio.to_thread(self._registry.read_remembered, *arguments)
            return known.remembered
        generation = self._generations.of(_counter(snapshot.database))
        filled = await asyncio.to_thread(self._registry.read_shared, *arguments)
        remembered = await asyncio.to_thread(self._registry.read_remembered, *arguments)
        before = self._databases.get(snapshot.database)
        if before is not known:  # somebody else read it meanwhile, and may have added to it
            return remembered
        revision = self.revision(snapshot.database) + 1 if known else 0
        found = _Known(snapshot.database_oid, filled, remembered, generation, revision)
        self._databases[snapshot.database] = found
        return remembered

    @property
    def shared(self) -> bool:
        """Whether other workers use the same state file."""
        return self._shared

    def behind(self, database: str) -> bool:
        """Whether another worker may have learnt what is not known here."""
        if not self._shared:
            return False
        known = self._databases.get(database)
        return known is not None and known.generation != self._generations.of(_counter(database))

    async def catch_up(
        self, snapshot: Snapshot, memory: Mapping[ColumnKey, Remembered]
    ) -> Mapping[ColumnKey, Remembered]:
        """Read again what is in the state file; returns the columns that are remembered. The
        revision grows when they are others than in `memory`, too.

        Raises:
            StateUnavailable: the state file cannot be used.
        """
        known = self._databases[snapshot.database]
        arguments = (snapshot.database, snapshot.database_oid)
        async with known.lock:
            generation = self._generations.of(_counter(snapshot.database))
            filled = await asyncio.to_thread(self._registry.read_shared, *arguments)
            remembered = await asyncio.to_thread(self._registry.read_remembered, *arguments)
            if filled != known.filled or remembered != memory:
                known.filled = filled
                known.revision += 1
            known.remembered, known.generation = remembered, generation
        return remembered

    async def remember(
        self, snapshot: Snapshot, remembered: Mapping[ColumnKey, Remembered]
    ) -> bool:
        """Keep which columns are classified; False when another worker has just kept others.

        Raises:
            StateUnavailable: the state file cannot be used.
        """
        arguments = (snapshot.database, snapshot.database_oid)
        known = self._databases[snapshot.database]
        if not self._shared:
            await asyncio.to_thread(self._registry.write_remembered, *arguments, remembered)
        else:
            async with known.lock:
                counted = _Counted(self._generations, snapshot.database, known)
                if not await asyncio.to_thread(
                    self._registry.replace_remembered,
                    *arguments,
                    known.remembered,
                    remembered,
                    counted.written,
                ):
                    known.generation = -1
                    return False
                counted.done()
        known.remembered = remembered
        return True

    async def fill(
        self, database: str, session: str, fillings: Iterable[Filling], shown: Snapshot | None
    ) -> list[Filling]:
        """Keep these fillings; returns those that were not known. `shown` is the catalog that all
        sessions share: what it does not show waits for the end of the session's transaction.

        Raises:
            StateUnavailable: the state file cannot be used.
        """
        known = self._databases[database]
        asked = list(fillings)
        for filling in asked:
            if filling.temporary:
                self._own.setdefault(session, {})[filling] = None
        lasting = [filling for filling in asked if not filling.temporary]
        new: list[Filling] = []

        def added(filled: Filled) -> Filled:
            new[:] = [f for f in dict.fromkeys(lasting) if f not in filled]
            return {**filled, **{f: session if _is_new(f, shown) else "" for f in new}}

        async with known.lock:
            if lasting and (self._shared or not known.filled.keys() >= set(lasting)):
                await self._change(database, known, added)
        return new

    async def settle(self, snapshot: Snapshot) -> None:
        """Bind fillings of new tables to their OIDs, and forget tables that are gone.

        `snapshot` has to show what was committed. Raises StateUnavailable.
        """
        known = self._databases.get(snapshot.database)
        if known is None or not known.filled:
            return

        def settled(filled: Filled) -> Filled:
            kept = {}
            for filling, session in filled.items():
                relation = filled_relation(snapshot, filling)
                if relation is not None:
                    kept[_bound(filling, snapshot)] = ""
                elif session:
                    kept[filling] = session
            return kept

        async with known.lock:
            if settled(known.filled) != known.filled:
                await self._change(snapshot.database, known, settled)

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

        def bound(filled: Filled) -> Filled:
            return {(_bound(f, snapshot) if s else f): s for f, s in filled.items()}

        async with known.lock:
            if bound(known.filled) != known.filled:
                await self._change(snapshot.database, known, bound)

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

        def kept(filled: Filled) -> Filled:
            return {
                _bound(f, snapshot) if s == session else f: "" if s == session else s
                for f, s in filled.items()
                if s != session or filled_relation(snapshot, f) is not None
            }

        async with known.lock:
            await self._change(snapshot.database, known, kept)

    def leave(self, session: str) -> None:
        """The session is over, and its temporary tables with it."""
        self._own.pop(session, None)

    async def _change(
        self, database: str, known: _Known, change: Callable[[Filled], Filled]
    ) -> None:
        """On disk first: what would be forgotten must not have happened."""
        if not self._shared:
            filled = change(known.filled)
            await asyncio.to_thread(self._registry.write_filled, database, known.oid, filled)
        else:
            counted = _Counted(self._generations, database, known)
            filled = await asyncio.to_thread(
                self._registry.exchange, database, known.oid, change, counted.written
            )
            counted.done()
        if filled != known.filled:
            known.filled = filled
            known.revision += 1


class _Counted:
    """One change of the state file, counted before others can see it and when they can: whoever
    reads between the two reads once more."""

    def __init__(self, generations: Generations, database: str, known: _Known) -> None:
        self._generations, self._counter, self._known = generations, _counter(database), known
        self._before = generations.of(self._counter)
        self._first = 0

    def written(self) -> None:
        self._first = self._generations.count(self._counter)

    def done(self) -> None:
        """It can be seen."""
        if not self._first:
            return
        alone = self._known.generation == self._before == self._first - 1
        if self._generations.count(self._counter) == self._first + 1 and alone:
            self._known.generation = self._first + 1  # nobody else has done anything meanwhile


def _counter(database: str) -> str:
    """The generation of what has drifted, which is not that of the database's catalog: nobody has
    to read the one for a change of the other. No database has such a name."""
    return f"drift\0{database}"


def _is_new(filling: Filling, shown: Snapshot | None) -> bool:
    """Whether nobody but the session that fills the table has seen it committed."""
    known = filling.relation and shown is not None and filling.relation in shown.relation_by_oid
    return not known


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
