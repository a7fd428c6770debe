"""What one process runs to serve clients: rules, servers, analysis, and those who are connected.

It is the same whether the process is the only one or a worker among several; what differs is who
opens the sockets, answers probes and seals the trail (`serving`, `worker`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass

import structlog

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.original_text import TextSealer, load_public
from dbguard.audit.records import EventRecord
from dbguard.catalog.watching import Catalog
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.guards.backup.guard import BackupGuard
from dbguard.policy.model import Policy
from dbguard.settings import Settings
from dbguard.sql.limits import Limits

from .analysis_pool import AnalysisPool
from .backup_takers import backup_takers, clean_up, end_takers
from .cancel import CancelRegistry
from .connection import Connection
from .deployment import Deployment
from .drifting import Drifts
from .hub import Hub
from .listening import Greeting, accept_forever, close_sockets
from .metrics import Metrics
from .milestones import Milestones, policy_loaded
from .plan_cache import PlanCache
from .sessions import Sessions, sweep
from .sharing import Sharing
from .sites import MakeHub, Sites
from .strangers import watch_sessions
from .streams import Stream
from .tasks import spawn
from .users_following import follow_users

log = structlog.get_logger(__name__)

REFUSED_AT_ONCE = 100
"""Clients over the limit that are listened to before they are told; others are hung up on."""
ENTRY = "dbguard.engine.planning:answer"


@dataclass(frozen=True, slots=True)
class Running:
    """All of it."""

    deployment: Deployment
    sites: Sites
    sessions: Sessions
    cancels: CancelRegistry
    sharing: Sharing

    @property
    def hub(self) -> Hub:
        return self.sites.front

    async def measured(self) -> bytes:
        """The metrics of this process."""
        metrics, audit, plans = self.hub.metrics, self.hub.audit, self.hub.plans
        metrics.connections.set(len(self.sessions.open))
        metrics.tasks.set(len(asyncio.all_tasks()))
        metrics.audit_pending.set(audit.pending)
        metrics.audit_available.set(audit.available)
        metrics.audit_signed.set(audit.signed)
        metrics.cached_plans.set(len(plans))
        metrics.cached_bytes.set(plans.size)
        return metrics.render()

    async def not_ready(self) -> list[str]:
        """Why clients should go to another dbguard now, in words that name nothing of the
        database."""
        reasons = []
        if self.sessions.draining:
            reasons.append("stopping")
        if not self.hub.audit.available:
            reasons.append("decisions cannot be recorded")
        if not await self.deployment.connections.servers.any_reachable():
            reasons.append("the database server cannot be reached")
        return reasons

    def event(self, record: EventRecord) -> int:
        """Put it on record if that can be done."""
        try:
            return self.hub.record(record)
        except AuditUnavailable:
            log.warning("the audit log cannot be written", event_kind=record.kind.value)
            return 0

    async def begin(self, milestones: Milestones, previous: str | None) -> None:
        """Put the start and the policy on record.

        Raises:
            ConfigurationError: they cannot be.
        """
        settings = self.deployment.settings
        self.event(milestones.start(settings))
        sequence = self.event(policy_loaded(self.hub.policy, settings.environment, previous))
        try:
            await self.hub.audit.persisted(sequence)
        except AuditUnavailable as error:
            raise ConfigurationError(
                f"{settings.audit.directory}: {error.message}", detail=error.detail, hint=error.hint
            ) from None

    async def until_one_ends(
        self,
        listening: list[socket.socket],
        more: dict[str, Coroutine[object, object, None]],
        ready: Callable[[], None],
        close: Callable[[list[socket.socket]], None] = close_sockets,
    ) -> None:
        """Serve whoever connects, and run `more` by their names, until one of it all ends or this
        is cancelled; then sessions may come to their end. `ready` is called when it has begun."""
        background = [
            spawn(accept_forever(one, self._greeting, self._handle), "listener")
            for one in listening
        ]
        background.append(
            spawn(sweep(lambda: self.deployment.settings.limits, self.sessions), "sweep")
        )
        background.append(spawn(watch_sessions(self.deployment, self.sites), "watch sessions"))
        following = follow_users(
            self.deployment, self.hub, self.sessions, tells=self.sharing.speaks_for_all
        )
        background.append(spawn(following, "users"))
        background += [spawn(work, name) for name, work in more.items()]
        try:
            ready()
            # none of these ends by itself: one that fails takes the process down, loudly
            await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in background:
                task.cancel()
            close(listening)
            log.info("stopping", connections=len(self.sessions.open))
            await self.sessions.drain(self.deployment.settings.limits.shutdown_timeout)

    def _handle(self, client: Stream) -> Coroutine[object, object, None]:
        """No coroutine of its own, which would wait for as long as the client stays."""
        refusal = self.sessions.refusal(self.deployment.settings.limits.connections)
        if refusal is not None:
            self.hub.metrics.refused_connection("limit")
            if len(self.sessions.refused) >= REFUSED_AT_ONCE:
                client.abort()
                return asyncio.sleep(0)
        connection = Connection(
            client, self.sites, self.deployment.connections, self.sessions.over, refusal
        )
        return self.sessions.run(connection, refusal)

    def _greeting(self) -> Greeting:
        current = self.deployment.settings
        return Greeting(
            self.deployment.connections.tls,
            current.listen.proxy_protocol,
            current.limits.startup_timeout,
            current.limits.connections,
        )


@contextlib.asynccontextmanager
async def running(
    deployment: Deployment,
    policy: Policy,
    audit: AsyncAudit,
    metrics: Metrics,
    sharing: Sharing,
    analysis_workers: int,
) -> AsyncIterator[Running]:
    """All that is needed to serve, for the time of the block.

    Raises:
        ConfigurationError: something that the settings name cannot be used.
    """
    settings = deployment.settings
    async with contextlib.AsyncExitStack() as stack:
        pool = AnalysisPool(
            ENTRY,
            workers=analysis_workers,
            timeout_seconds=settings.limits.analysis_timeout,
            memory_bytes=settings.limits.analysis_memory,
        )
        cancels = CancelRegistry(routes=sharing.routes)
        make = _maker(settings, pool, audit, metrics, cancels, sharing)
        takers = backup_takers(settings, audit)
        stack.push_async_callback(end_takers, takers)
        spawn(clean_up(takers), "clean up behind backups")
        sites = Sites(settings.state.path, make, policy, settings.environment, sharing, takers)
        stack.push_async_callback(sites.close)
        await sites.start(deployment.connections.servers)
        await pool.start()
        stack.push_async_callback(pool.close)
        yield Running(deployment, sites, Sessions(sharing.room), cancels, sharing)


def _maker(
    settings: Settings,
    pool: AnalysisPool,
    audit: AsyncAudit,
    metrics: Metrics,
    cancels: CancelRegistry,
    sharing: Sharing,
) -> MakeHub:
    """Makes hubs that share what belongs to the process."""
    plans = PlanCache()
    kept = settings.audit.original_text
    sealer = None if kept is None else TextSealer(load_public(kept.public_key), kept.max_bytes)

    def make(
        site: str,
        policy: Policy,
        environment: str,
        catalog: Catalog,
        guard: BackupGuard,
        drifts: Drifts,
    ) -> Hub:
        return Hub(
            policy=policy,
            environment=environment,
            limits=Limits(max_text_bytes=settings.limits.statement_bytes),
            catalog=catalog,
            pool=pool,
            audit=audit,
            guard=guard,
            drifts=drifts,
            cancels=cancels,
            plans=plans,
            metrics=metrics,
            users=sharing.users,
            sealer=sealer,
            writer=settings.audit.writer,
            site=site,
        )

    return make
