"""What a session sees of the hub: the catalog and rules in force for it, and its records."""

from __future__ import annotations

import time

from dbguard.audit.records import Record
from dbguard.audit.rendering import Rendered
from dbguard.catalog.loading import (
    NORMAL_QUERY,
    SNAPSHOT_QUERY,
    SystemRowsChanged,
    parse_snapshot,
)
from dbguard.engine.asks import Planned
from dbguard.engine.plan import PlanRequest, StateKey
from dbguard.engine.stencil import Stencil
from dbguard.errors import NotUnderstood
from dbguard.policy.model import Policy
from dbguard.sql.changes import EVERYTHING, CatalogChange
from dbguard.sql.shape import Shape
from dbguard.sql.snapshot import Snapshot

from .hub import Hub
from .impersonal import personal


class SessionSurroundings:
    """A session's view of the hub: `engine.asks.Surroundings`."""

    __slots__ = (
        "_audit",
        "_count",
        "_database",
        "_hub",
        "_key",
        "_key_of",
        "_last",
        "_standing",
        "monotonic",
    )
    whole_overlay_query = SNAPSHOT_QUERY

    def __init__(self, hub: Hub, snapshot: Snapshot) -> None:
        self._hub = hub
        self._database = snapshot.database
        self._last = snapshot
        self._key: StateKey | None = None
        self._key_of: tuple[Snapshot, Policy] | None = None
        """What `_key` was made of, beside its last member: it is asked for at each statement."""
        self._standing = hub.standing(snapshot.database)
        self._audit = hub.audit
        self._count = hub.metrics.decided
        self.monotonic = time.monotonic

    def record(self, record: Record | Rendered) -> int:
        if isinstance(record, Rendered):
            if record.counted is not None:
                self._count(record.counted)
            return self._audit.append(record)
        return self._hub.record(record)

    def record_outcome(self, record: Rendered) -> int:
        return self._audit.append_outcome(record)

    def snapshot(self) -> Snapshot:
        current = self._hub.catalog.current(self._database)
        if current is not None:
            self._last = current
        return self._last

    def state_key(self) -> StateKey:
        return self._key_for(self.snapshot(), self._hub.drifts.revision(self._database))

    def standing_key(self) -> StateKey | None:
        key = self._standing.key()
        if key is not None and self._standing.snapshot is not None:
            self._last = self._standing.snapshot
        return key

    def _key_for(self, snapshot: Snapshot, revision: int) -> StateKey:
        hub, key = self._hub, self._key
        if key is not None and self._key_of is not None:
            made_of, policy = self._key_of
            if made_of is snapshot and policy is hub.policy and key[3] == revision:
                return key
        self._key_of = (snapshot, hub.policy)
        self._key = key = hub.key_of(snapshot)
        return key

    def changed(self, changes: tuple[CatalogChange, ...]) -> None:
        self._hub.catalog.note(self._database, changes)

    def recent(self) -> tuple[CatalogChange, ...]:
        recent = self._hub.catalog.recent(self._database)
        if self._hub.drifts.behind(self._database):
            return (*recent, EVERYTHING)  # what another worker has learnt is to be read first
        return recent

    def known_plan(self, request: PlanRequest) -> Planned | None:
        current = self._hub.catalog.current(self._database)
        if current is None or self._hub.drifts.behind(self._database):
            return None
        found = self._hub.known(self._hub.shared(request), self._hub.key_of(current))
        return None if found is None else personal(found, request.principal.name)

    def stencil(self, request: PlanRequest, shape: Shape) -> Stencil | None:
        current = self._hub.catalog.current(self._database)
        if current is None:
            return None
        hub = self._hub
        return hub.plans.stencil(hub.shared(request), hub.key_of(current), shape)

    @property
    def overlay_query(self) -> str:
        known = self._hub.catalog.system(self._database) is not None
        return NORMAL_QUERY if known else SNAPSHOT_QUERY

    def read_overlay(self, document: bytes, query: str) -> Snapshot | None:
        system = self._hub.catalog.system(self._database) if query == NORMAL_QUERY else None
        if system is None and query == NORMAL_QUERY:
            return None
        try:
            return parse_snapshot(document.decode("utf-8"), self._last.epoch, system)
        except SystemRowsChanged:
            return None
        except (ValueError, KeyError, TypeError):
            raise NotUnderstood(
                "the session's own view of the catalog cannot be read",
                hint="Reconnect and try again.",
            ) from None

    def seal(self, text: str, session: str, fingerprint: str) -> str:
        sealer = self._hub.sealer
        return "" if sealer is None else sealer.seal(text, session, fingerprint)
