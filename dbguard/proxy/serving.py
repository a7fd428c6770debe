"""Starting and stopping everything, where one process does it all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from dbguard import __version__
from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.own_chain import own_chain
from dbguard.errors import ConfigurationError
from dbguard.policy.loading import load_policy
from dbguard.settings import Settings
from dbguard.shipping.making import check_installed
from dbguard.shipping.supervising import Shipping

from .deployment import Deployment
from .listening import close_sockets, open_sockets
from .metrics import Metrics
from .milestones import Milestones, last_digest
from .polling import turns
from .probes import application, probes
from .process_limits import no_core_files
from .reloading import Reload, reload_when_asked
from .running import running
from .sharing import Sharing
from .shipping_metrics import ShippingMetrics
from .trail_sealing import TrailSealing

log = structlog.get_logger(__name__)


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
        audit = AsyncAudit(audit_log, *turns())
        stack.callback(audit.detach)
        shipping.start()
        metrics = Metrics()
        metrics.add(ShippingMetrics(shipping))
        workers = settings.limits.analysis_workers
        process = await stack.enter_async_context(
            running(deployment, policy, audit, metrics, Sharing(), workers)
        )
        milestones = Milestones()
        await process.begin(milestones, await asyncio.to_thread(previous_digest, settings))
        stack.callback(lambda: process.event(milestones.stop()))
        listening = open_sockets(settings.listen.host, settings.listen.port, settings.listen.socket)
        stack.callback(close_sockets, listening)
        app = application(process.measured, process.not_ready)
        await stack.enter_async_context(probes(settings.metrics, app))
        sealing = TrailSealing(lambda: deployment.settings.audit, process.hub.record, metrics)
        more = {"sealing": sealing.run()}
        if reload is not None:
            more["reload when asked"] = reload_when_asked(reload, deployment, process.sites)
        await process.until_one_ends(listening, more, lambda: say_ready(settings, on_ready))


def say_ready(settings: Settings, on_ready: Callable[[str, int], None]) -> None:
    on_ready(settings.listen.host, settings.listen.port)
    log.info("ready", host=settings.listen.host, port=settings.listen.port, version=__version__)


def previous_digest(settings: Settings) -> str | None:
    try:
        return last_digest(settings.audit.chain)
    except ConfigurationError as error:  # what is older than its end stops no start
        log.warning("the audit trail cannot be read back", message=error.message)
        return None
