"""Settings, certificates and rules read again while sessions go on.

Either everything new is used or nothing: a reload that finds a mistake leaves what was in force,
says so in the log, and is counted. Sessions that are open are decided by the new rules from their
next message on; certificates, limits, servers and which database is on which hold for new
connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from dbguard.audit.records import EventRecord
from dbguard.errors import AuditUnavailable, ConfigurationError, DbguardError
from dbguard.policy.loading import load_policy
from dbguard.policy.model import Policy
from dbguard.settings import Settings

from .connection_settings import ConnectionSettings
from .deployment import Deployment
from .milestones import policy_replaced
from .sites import Sites

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reload:
    """When to read again (`asked` is set), and how."""

    load: Callable[[], Settings]
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    began: Callable[[], None] = lambda: None
    ended: Callable[[], None] = lambda: None


async def reload_when_asked(reload: Reload, deployment: Deployment, sites: Sites) -> None:
    """Reload whenever it is asked for, for as long as the task runs."""
    while True:
        await reload.asked.wait()
        reload.asked.clear()
        reload.began()
        try:
            await _reload(reload, deployment, sites)
        except (ConfigurationError, AuditUnavailable) as error:
            sites.front.metrics.reloads.labels("failed").inc()
            tell_failed(error)
        reload.ended()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be in force, looked at and found good."""

    settings: Settings
    policy: Policy
    connections: ConnectionSettings


async def prepare(
    settings: Settings, policy: Policy, deployment: Deployment, sites: Sites
) -> Prepared:
    """Raises ConfigurationError when they cannot be used; nothing has changed then."""
    connections = deployment.prepared(settings)
    await sites.try_new(connections.servers)
    return Prepared(settings, policy, connections)


def change(prepared: Prepared, deployment: Deployment, sites: Sites) -> EventRecord | None:
    """The record of putting it in force; None when nothing is decided otherwise by it."""
    settings, policy, current = prepared.settings, prepared.policy, sites.front.policy
    before = deployment.settings.environment
    if policy.digest == current.digest and settings.environment == before:
        return None
    return policy_replaced(current, policy, before, settings.environment)


async def use(prepared: Prepared, deployment: Deployment, sites: Sites) -> tuple[str, ...]:
    """Put it in force; returns the settings that need a restart."""
    waiting = deployment.replace(prepared.settings, prepared.connections)
    servers = prepared.connections.servers
    await sites.use(servers, prepared.policy, prepared.settings.environment)
    return waiting


async def _reload(reload: Reload, deployment: Deployment, sites: Sites) -> None:
    hub = sites.front
    settings = await asyncio.to_thread(reload.load)
    policy = await asyncio.to_thread(load_policy, settings.rules)
    prepared = await prepare(settings, policy, deployment, sites)
    record = change(prepared, deployment, sites)
    if record is not None:
        # on disk before anything is decided by it
        await hub.audit.persisted(hub.record(record))
    waiting = await use(prepared, deployment, sites)
    hub.metrics.reloads.labels("done").inc()
    tell_reloaded(policy, waiting)


def tell_reloaded(policy: Policy, waiting: tuple[str, ...]) -> None:
    log.info("reloaded", digest=policy.digest, rules=len(policy.rules))
    if waiting:
        log.warning("these settings take effect at the next start", settings=list(waiting))


def tell_failed(error: DbguardError) -> None:
    log.error(
        "reload failed, what was in force stays",
        message=error.message,
        detail=error.detail,
        hint=error.hint,
    )
