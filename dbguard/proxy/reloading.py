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

from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.policy.loading import load_policy
from dbguard.settings import Settings

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
            log.error(
                "reload failed, what was in force stays",
                message=error.message,
                detail=error.detail,
                hint=error.hint,
            )
        reload.ended()


async def _reload(reload: Reload, deployment: Deployment, sites: Sites) -> None:
    hub = sites.front
    settings = await asyncio.to_thread(reload.load)
    policy = await asyncio.to_thread(load_policy, settings.rules)
    connections = deployment.prepared(settings)
    await sites.try_new(connections.servers)
    before = deployment.settings.environment
    if policy.digest != hub.policy.digest or settings.environment != before:
        record = policy_replaced(hub.policy, policy, before, settings.environment)
        # on disk before anything is decided by it
        await hub.audit.persisted(hub.record(record))
    waiting = deployment.replace(settings, connections)
    await sites.use(connections.servers, policy, settings.environment)
    hub.metrics.reloads.labels("done").inc()
    log.info("reloaded", digest=policy.digest, rules=len(policy.rules))
    if waiting:
        log.warning("these settings take effect at the next start", settings=list(waiting))
