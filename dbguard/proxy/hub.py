"""What all connections share, and the answers to what sessions ask."""

from __future__ import annotations

import pickle
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.original_text import TextSealer
from dbguard.audit.records import EventRecord, Record, RecordKind
from dbguard.audit.rendering import Rendered
from dbguard.catalog.watching import Catalog
from dbguard.engine.asks import (
    AskFilling,
    AskPlan,
    AskRequirement,
    Overlay,
    Planned,
    RequirementAnswer,
)
from dbguard.engine.auditing import identity_fields
from dbguard.engine.plan import (
    FunctionCallRequest,
    Plan,
    PlannedStatement,
    PlanRequest,
    Refusal,
    RememberRequest,
    RestrictedRequest,
    StateKey,
)
from dbguard.engine.planning import Memory, World
from dbguard.engine.recorded_text import UNREADABLE_TEXT
from dbguard.errors import LimitExceeded, StatementError, sqlstate_of
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.waiting import BackupTaker
from dbguard.policy.decision import Decision, Effect, Principal
from dbguard.policy.model import Policy
from dbguard.sql.facts import Action
from dbguard.sql.limits import Limits
from dbguard.sql.snapshot import Snapshot

from .analysis_frames import loads
from .analysis_pool import AnalysisPool
from .cancel import CancelRegistry
from .drifting import Drifts
from .impersonal import impersonal, personal
from .metrics import Lookup, Metrics
from .naming import recorded_column
from .plan_cache import PlanCache
from .standing import Standing
from .taking import answer_of
from .under_way import UnderWay
from .user_sessions import UserSessions
from .world_cache import WorldCache

Restricted = frozenset[tuple[int, int]]
_Request = TypeVar("_Request", bound=PlanRequest | FunctionCallRequest)

OVERLAY = "overlay "
"""What keys of a session's own view of the catalog begin with."""
_IMPERSONAL_KEPT = 10_000
"""People whose roles are remembered."""
_RESTRICTED_KEPT = 1000
"""Sets of restricted columns kept, one for each principal and state."""
_RESTRICTED_PAIRS = 200_000
"""Columns in all of them together: at about 130 bytes each, 26 MB."""


@lru_cache(maxsize=256)
def _key(site: str, database: str, epoch: int, digest: str, revision: int) -> StateKey:
    """All sessions have the same one."""
    return (f"{site}:{database}", epoch, digest, revision)


@dataclass(slots=True)
class Hub:
    """Shared by all connections to one server.

    Of several servers each has a hub with a catalog, a guard and drifts of its own; pool, audit,
    keys, plans and counters are those of the process.
    """

    policy: Policy
    environment: str
    limits: Limits
    catalog: Catalog
    pool: AnalysisPool
    audit: AsyncAudit
    guard: BackupGuard
    drifts: Drifts
    cancels: CancelRegistry = field(default_factory=CancelRegistry)
    plans: PlanCache = field(default_factory=PlanCache)
    metrics: Metrics = field(default_factory=Metrics)
    under_way: UnderWay = field(default_factory=UnderWay)
    users: UserSessions = field(default_factory=UserSessions)
    taker: BackupTaker | None = None
    """Takes backups while clients wait; None: the settings do not say how."""
    sealer: TextSealer | None = None
    """Keeps statements as they came, for an auditor."""
    writer: str = ""
    """Name of the chain of the audit trail."""
    site: str = ""
    """Which server this is, in keys of what the servers share: another one may have databases of
    the same names, and epochs count for each by itself."""
    _restricted: dict[tuple[StateKey, Principal], Restricted] = field(default_factory=dict)
    _standings: dict[str, Standing] = field(default_factory=dict)
    _worlds: WorldCache = field(default_factory=WorldCache)
    _memories: dict[str, tuple[StateKey, Memory]] = field(default_factory=dict)
    """By database: what was classified, so that renaming does not take tags off."""
    _impersonal: dict[Principal, Principal] = field(default_factory=dict)
    _policies: dict[str, Policy] = field(default_factory=dict)
    """By digest: the one in force and the one before, for what was begun under it."""

    def __post_init__(self) -> None:
        self._policies[self.policy.digest] = self.policy

    def use_policy(self, policy: Policy) -> None:
        """Put `policy` in force: whatever is decided from now on is decided by it."""
        self._policies = {self.policy.digest: self.policy, policy.digest: policy}
        self.policy = policy
        self._impersonal.clear()

    def shared(self, request: _Request) -> _Request:
        """The same request of somebody whose plans are everybody's who holds the same roles, under
        the policy that is in force now: the one of a key that is made now."""
        principal = request.principal
        if principal.identity is None:
            return request
        known = self._impersonal.get(principal)
        if known is None:
            if len(self._impersonal) >= _IMPERSONAL_KEPT:
                self._impersonal.clear()
            known = self._impersonal[principal] = impersonal(self.policy, principal)
        return replace(request, principal=known)

    def standing(self, database: str) -> Standing:
        """What the sessions of a database, each of which has entered it, ask before statements."""
        watched = self.catalog.watched(database)
        found = self._standings.get(database)
        if found is None or found.watched is not watched:
            found = self._standings[database] = Standing(self, watched)
        return found

    def record(self, record: Record | Rendered) -> int:
        """Append to the audit trail, and count."""
        if type(record) is not Rendered:
            self.metrics.recorded(record)
        elif record.counted is not None:
            self.metrics.decided(record.counted)
        return self.audit.append(record)

    def key_of(self, snapshot: Snapshot) -> StateKey:
        revision = self.drifts.revision(snapshot.database)
        return _key(self.site, snapshot.database, snapshot.epoch, self.policy.digest, revision)

    def known(self, request: PlanRequest, key: StateKey) -> Planned | None:
        """A cached plan for a request that `shared` gave."""
        found = self.plans.find(request, key)
        if found is not None:
            self.metrics.looked_up(Lookup.FOUND)
            return found
        found = self.plans.find_alike(request, key)
        if found is not None:
            self.metrics.looked_up(Lookup.ALIKE)
        return found

    async def plan(self, ask: AskPlan) -> Planned:
        """Plan a text in a worker, and remember it.

        Raises:
            CatalogUnavailable: there is no current snapshot.
        """
        overlay = ask.overlay
        await self.catch_up(ask.request.principal.database)
        if overlay is None:
            snapshot = await self.catalog.snapshot(ask.request.principal.database)
            key = self.key_of(snapshot)
            if self._memories.get(snapshot.database, (None, {}))[0] != key:
                await self.remember(snapshot.database)
                snapshot = await self.catalog.snapshot(snapshot.database)
                key = self.key_of(snapshot)
        else:
            snapshot = overlay.snapshot
            await self.drifts.bind(snapshot, _session_of(overlay.key))
            key = self._overlay_key(overlay)
        request, name = self.shared(ask.request), ask.request.principal.name
        if isinstance(request, PlanRequest):
            known = self.known(request, key)
            if known is not None:
                return personal(known, name)
            place = self.plans.place(request, key)
            if not await self.under_way.waited_for(place):
                try:
                    return await self._made(request, key, snapshot, name)
                finally:
                    self.under_way.over(place)
            known = self.known(request, key)
            if known is not None:
                return personal(known, name)
        return await self._made(request, key, snapshot, name)

    async def _made(
        self,
        request: PlanRequest | FunctionCallRequest,
        key: StateKey,
        snapshot: Snapshot,
        name: str,
    ) -> Planned:
        """A plan from a worker, for a request that `shared` gave."""
        if isinstance(request, PlanRequest):
            self.metrics.looked_up(Lookup.NOT_FOUND)
        try:
            plan = await self._run(key, snapshot, request)
            assert isinstance(plan, Plan)
            restricted = await self._restricted_for(key, snapshot, request.principal)
        except StatementError as error:
            lost = _lost(request, error, keeps_original=self.sealer is not None)
            return Planned(lost, frozenset(), key, lost=True)
        planned = Planned(plan, restricted, key)
        if isinstance(request, PlanRequest):
            self.plans.put(request, planned)
        return personal(planned, name)

    def _overlay_key(self, overlay: Overlay) -> StateKey:
        revision = self.drifts.revision(overlay.snapshot.database)
        own = self.drifts.own_count(_session_of(overlay.key))
        name = f"{OVERLAY}{overlay.key}"
        return (name, overlay.snapshot.epoch, self.policy.digest, revision + own)

    async def _restricted_for(
        self, key: StateKey, snapshot: Snapshot, principal: Principal
    ) -> Restricted:
        known = self._restricted.get((key, principal))
        if known is not None:
            return known
        answer = await self._run(key, snapshot, RestrictedRequest(principal, self.environment))
        assert isinstance(answer, frozenset)
        self._restricted[(key, principal)] = answer
        pairs = sum(map(len, self._restricted.values()))
        while len(self._restricted) > 1 and (
            len(self._restricted) > _RESTRICTED_KEPT or pairs > _RESTRICTED_PAIRS
        ):
            pairs -= len(self._restricted.pop(next(iter(self._restricted))))
        return answer

    async def _run(self, key: StateKey, snapshot: Snapshot, request: object) -> object:
        state_key: tuple[Hashable, ...] = key

        def state() -> bytes:
            return self._world(key, snapshot)

        answer = await self.pool.run(state_key, state, pickle.dumps(request))
        return loads(answer)

    def _world(self, key: StateKey, snapshot: Snapshot) -> bytes:
        known = self._worlds.find(key)
        if known is None:
            _, memory = self._memories.get(snapshot.database, (key, {}))
            policy = self._policies.get(key[2])
            if policy is None:
                raise LimitExceeded(
                    "the rules were replaced twice while this statement waited for its analysis",
                    hint="Send it again.",
                )
            session = _session_of(key[0]) if key[0].startswith(OVERLAY) else ""
            filled = self.drifts.of(snapshot.database, session)
            keeps = self.sealer is not None
            known = pickle.dumps(World(snapshot, policy, self.limits, memory, filled, keeps))
            if not session:
                self._worlds.put(key, known)
        return known

    async def remember(self, database: str) -> None:
        """Note how the database's columns are classified now, before anybody can rename them.

        Raises:
            CatalogUnavailable, StatementError: it cannot be told.
        """
        await self.catch_up(database)
        while not await self._remembered(database):
            await self.catch_up(database)  # another worker knows something else: begin with that

    async def catch_up(self, database: str) -> None:
        """Take over what other workers have learnt of a database.

        Raises:
            CatalogUnavailable, StateUnavailable: it cannot be told.
        """
        while self.drifts.behind(database):
            snapshot = await self.catalog.snapshot(database)
            if await self.drifts.load(snapshot) is not None:
                self._memories.pop(database, None)  # another database of the same name
                return
            _, known = self._memories.get(database, (None, {}))
            left = await self.drifts.catch_up(snapshot, known)
            if left != known:
                self._memories[database] = (("", 0, "", 0), left)

    async def _remembered(self, database: str) -> bool:
        """One attempt; False when another worker wrote down something else meanwhile."""
        snapshot = await self.catalog.snapshot(database)
        left = await self.drifts.load(snapshot, again=database not in self._memories)
        if left is not None and database not in self._memories:
            self._memories[database] = (("", 0, "", 0), left)
        # A standby shows less than was done: it is no proof that anything is gone.
        lags = self.catalog.lags(database)
        if not lags:
            await self.drifts.settle(snapshot)
        key = self.key_of(snapshot)
        before, known = self._memories.get(database, (None, {}))
        if before == key:
            return True
        answer = await self._run(key, snapshot, RememberRequest())
        assert isinstance(answer, dict)
        new = answer != known and not lags
        if new and self.drifts.shared and not await self.drifts.remember(snapshot, answer):
            return False
        if self._memories.get(database, (None, {}))[0] != key:
            self._memories[database] = (key, answer)
            self._report_kept(snapshot, answer, known)
        if new and not self.drifts.shared:
            await self.drifts.remember(snapshot, answer)
        return True

    def forget_memories(self) -> None:
        """Nobody was here for a while: what was learnt elsewhere since is in the state file."""
        self._memories.clear()

    def _report_kept(self, snapshot: Snapshot, now: Memory, before: Memory) -> None:
        for key, column in now.items():
            if column.kept and not (key in before and before[key].kept):
                self._drift_event(
                    "",
                    database=snapshot.database,
                    column=column.name,
                    tags=", ".join(sorted(column.tags)),
                    why="protected under an earlier name, or as part of another table",
                )

    async def filling(self, ask: AskFilling, session: str, principal: Principal) -> None:
        """Keep where classified values are about to go, and put it on record.

        Raises:
            StateUnavailable, AuditUnavailable: it cannot be kept, so it must not happen.
        """
        shown = self.catalog.current(principal.database)
        for filling in await self.drifts.fill(principal.database, session, ask.fillings, shown):
            self._drift_event(
                session,
                user=principal.user,
                **identity_fields(principal.identity),
                database=principal.database,
                column=recorded_column(filling, shown),
                sources=", ".join(s.name for s in filling.sources),
                tags=", ".join(sorted(filling.tags)),
                why="filled with classified values, and not classified",
            )

    def _drift_event(self, session: str, **fields: str) -> None:
        self.record(EventRecord(RecordKind.DRIFT, session, tuple(fields.items())))

    async def settled(self, session: str, database: str) -> None:
        """A session's transaction is over: tables that it did not make after all are forgotten.

        Raises:
            CatalogUnavailable, StateUnavailable: it cannot be told; they are remembered.
        """
        if self.drifts.waits(database, session):
            snapshot = await self.catalog.refresh(database, "tables made")
            await self.drifts.take_back(snapshot, session)

    async def requirement(
        self, ask: AskRequirement, database: str, process_id: int
    ) -> RequirementAnswer:
        """Whether what a decision requires is there. `process_id` is of the session's backend."""
        verdict = await self.guard.check(
            ask.requirement, database, ask.destroyed, process_id if ask.settled else 0
        )
        self.metrics.requirement(verdict.satisfied)
        return answer_of(verdict)


def _session_of(overlay: str) -> str:
    """The session that an overlay's key names."""
    return overlay.removeprefix(OVERLAY).rpartition("/")[0]


def _lost(
    request: PlanRequest | FunctionCallRequest, error: StatementError, *, keeps_original: bool
) -> Plan:
    """The plan for a text that its worker could not plan: refused, and recorded."""
    text = request.text if isinstance(request, PlanRequest) else ""
    statement = PlannedStatement(
        action=Action.EMPTY,
        wrapper=None,
        decision=Decision(Effect.DENY, rules=("analysis",)),
        effects=(),
        recorded=replace(UNREADABLE_TEXT, original=text if keeps_original else ""),
        relations=(),
        columns=(),
    )
    refusal = Refusal(
        sqlstate=sqlstate_of(error),
        message=error.message,
        detail=error.detail,
        hint=error.hint,
        rule="analysis",
    )
    return Plan(text, None, (statement,), refusal)
