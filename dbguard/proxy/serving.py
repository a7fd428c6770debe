"""Starting and stopping everything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from dbguard import __version__
from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.original_text import TextSealer, load_public
from dbguard.audit.own_chain import own_chain
from dbguard.audit.records import EventRecord
from dbguard.catalog.watching import Catalog
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.guards.backup.guard import BackupGuard
from dbguard.policy.loading import load_policy
from dbguard.policy.model import Policy
from dbguard.settings import Settings
from dbguard.shipping.making import check_installed
from dbguard.shipping.supervising import Shipping
from dbguard.sql.limits import Limits

from .analysis_pool import AnalysisPool
from .cancel import CancelRegistry
from .connection import Connection
from .deployment import Deployment
from .drifting import Drifts
from .hub import Hub
from .listening import Greeting, accept_forever, close_sockets, open_sockets
from .metrics import Metrics
from .milestones import Milestones, last_digest, policy_loaded
from .plan_cache import PlanCache
from .probes import application, probes
from .process_limits import no_core_files
from .reloading import Reload, reload_when_asked
from .sessions import Sessions, sweep
from .shipping_metrics import ShippingMetrics
from .sites import MakeHub, Sites
from .strangers import watch_sessions
from .streams import Stream
from .tasks import spawn
from .trail_sealing import TrailSealing
from .user_sessions import UserSessions
from .users_following import follow_users

log = structlog.get_logger(__name__)

REFUSED_AT_ONCE = 100
"""Clients over the limit that are listened to before they are told; others are hung up on."""
ENTRY = "dbguard.engine.planning:answer"


async def serve(
    settings: Settings, on_ready: Callable[[str, int], None], reload: Reload | None = None
) -> None:
    """Run the proxy until cancelled; cancelled once more, it does not wait for anybody.

    `on_ready` is called with host and port once connections are accepted. `reload` says when to
    read settings and rules again, and how.

    Raises:
        ConfigurationError: something named in the settings cannot be used; what, where and the
            remedy are in the message.
    """
    settings.check_combination()
    no_core_files()
    deployment = Deployment(settings)
    policy = load_policy(settings.rules)
    check_installed(settings.audit.ship)
    async with contextlib.AsyncExitStack() as stack:
        shipping = Shipping(settings.audit.directory, settings.audit.ship)
        stack.push_async_callback(shipping.stop)  # behind the last record and checkpoint
        audit_log = own_chain(settings.audit)
        stack.callback(audit_log.close)
        audit = AsyncAudit(audit_log)
        stack.callback(audit.detach)
        shipping.start()
        pool = AnalysisPool(
            ENTRY,
            workers=settings.limits.analysis_workers,
            timeout_seconds=settings.limits.analysis_timeout,
            memory_bytes=settings.limits.analysis_memory,
        )
        metrics = Metrics()
        metrics.add(ShippingMetrics(shipping))
        make = _maker(settings, pool, audit, metrics)
        sites = Sites(settings.state.path, make, policy, settings.environment)
        stack.push_async_callback(sites.close)
        await sites.start(deployment.connections.servers)
        await pool.start()
        stack.push_async_callback(pool.close)
        hub = sites.front
        milestones = Milestones()
        previous = await asyncio.to_thread(_last_digest, settings)
        await _begin(hub, settings, milestones, previous)
        stack.callback(_event, hub, milestones.stop())
        await _accept(deployment, sites, on_ready, reload)


def _maker(settings: Settings, pool: AnalysisPool, audit: AsyncAudit, metrics: Metrics) -> MakeHub:
    """Makes hubs that share what belongs to the process."""
    cancels, plans, users = CancelRegistry(), PlanCache(), UserSessions()
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
            users=users,
            sealer=sealer,
            site=site,
        )

    return make


def _last_digest(settings: Settings) -> str | None:
    try:
        return last_digest(settings.audit.chain)
    except ConfigurationError as error:  # what is older than its end stops no start
        log.warning("the audit trail cannot be read back", message=error.message)
        return None


async def _begin(
    hub: Hub, settings: Settings, milestones: Milestones, previous: str | None
) -> None:
    _event(hub, milestones.start(settings))
    sequence = _event(hub, policy_loaded(hub.policy, settings.environment, previous))
    try:
        await hub.audit.persisted(sequence)
    except AuditUnavailable as error:
        raise ConfigurationError(
            f"{settings.audit.directory}: {error.message}", detail=error.detail, hint=error.hint
        ) from None


def _event(hub: Hub, record: EventRecord) -> int:
    try:
        return hub.record(record)
    except AuditUnavailable:
        log.warning("the audit log cannot be written", event_kind=record.kind.value)
        return 0


async def _accept(
    deployment: Deployment,
    sites: Sites,
    on_ready: Callable[[str, int], None],
    reload: Reload | None,
) -> None:
    settings, hub = deployment.settings, sites.front
    sessions = Sessions()
    listening = open_sockets(settings.listen.host, settings.listen.port, settings.listen.socket)

    async def handle(client: Stream) -> None:
        refusal = sessions.refusal(deployment.settings.limits.connections)
        if refusal is not None:
            hub.metrics.refused_connection("limit")
            if len(sessions.refused) >= REFUSED_AT_ONCE:
                client.abort()
                return
        await sessions.run(Connection(client, sites, deployment.connections, refusal), refusal)

    def greeting() -> Greeting:
        current = deployment.settings
        return Greeting(
            deployment.connections.tls,
            current.listen.proxy_protocol,
            current.limits.startup_timeout,
            current.limits.connections,
        )

    try:
        app = application(
            lambda: _measured(hub, sessions), lambda: _not_ready(hub, sessions, deployment)
        )
        async with probes(settings.metrics, app):
            background = [
                spawn(accept_forever(one, greeting, handle), "listener") for one in listening
            ]
            background.append(spawn(sweep(lambda: deployment.settings.limits, sessions), "sweep"))
            background.append(spawn(watch_sessions(deployment, sites), "watch sessions"))
            sealing = TrailSealing(lambda: deployment.settings.audit, hub.record, hub.metrics)
            background.append(spawn(sealing.run(), "sealing"))
            background.append(spawn(follow_users(deployment, hub, sessions), "users"))
            if reload is not None:
                background.append(
                    spawn(reload_when_asked(reload, deployment, sites), "reload when asked")
                )
            try:
                on_ready(settings.listen.host, settings.listen.port)
                log.info(
                    "ready",
                    host=settings.listen.host,
                    port=settings.listen.port,
                    version=__version__,
                )
                # none of these ends by itself: one that fails takes the proxy down, loudly
                await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in background:
                    task.cancel()
                close_sockets(listening)
                log.info("stopping", connections=len(sessions.open))
                await sessions.drain(deployment.settings.limits.shutdown_timeout)
    finally:
        close_sockets(listening)


def _measured(hub: Hub, sessions: Sessions) -> bytes:
    metrics = hub.metrics
    metrics.connections.set(len(sessions.open))
    metrics.tasks.set(len(asyncio.all_tasks()))
    metrics.audit_pending.set(hub.audit.pending)
    metrics.audit_available.set(hub.audit.available)
    metrics.audit_signed.set(hub.audit.signed)
    metrics.cached_plans.set(len(hub.plans))
    metrics.cached_bytes.set(hub.plans.size)
    return metrics.render()


async def _not_ready(hub: Hub, sessions: Sessions, deployment: Deployment) -> list[str]:
    """Why clients should go to another dbguard now, in words that name nothing of the database."""
    reasons = []
    if sessions.draining:
        reasons.append("stopping")
    if not hub.audit.available:
        reasons.append("decisions cannot be recorded")
    if not await deployment.connections.servers.any_reachable():
        reasons.append("the database server cannot be reached")
    return reasons
