"""Starting and stopping everything."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import structlog

from dbguard import __version__
from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.writer import AuditLog
from dbguard.catalog.watching import Catalog
from dbguard.engine.session import SessionLimits
from dbguard.errors import AuditUnavailable, CatalogUnavailable, ConfigurationError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.policy.loading import load_policy
from dbguard.policy.model import Policy
from dbguard.settings import ServerTlsMode, Settings, UpstreamTlsMode
from dbguard.sql.limits import Limits
from dbguard.sql.snapshot import Snapshot
from dbguard.wire.errorfields import from_error
from dbguard.wire.framing import FrameLimits

from .analysis_pool import AnalysisPool
from .connection import Connection, ConnectionSettings, TooManyConnections
from .hub import Hub
from .streams import Stream, listen
from .tasks import spawn
from .tls import downstream_context, upstream_context
from .upstream import Upstream

log = structlog.get_logger(__name__)

ENTRY = "dbguard.engine.planning:answer"


async def serve(settings: Settings, on_ready: Callable[[str, int], None]) -> None:
    """Run the proxy until cancelled.

    `on_ready` is called with host and port once connections are accepted.

    Raises:
        ConfigurationError: something named in the settings cannot be used; what, where and the
            remedy are in the message.
    """
    settings.check_combination()
    connection_settings = _connection_settings(settings)
    policy = load_policy(settings.rules)
    async with contextlib.AsyncExitStack() as stack:
        catalog = await stack.enter_async_context(_catalog(settings))
        audit_log = AuditLog.open(settings.audit.directory, durability=settings.audit.durability)
        stack.callback(audit_log.close)
        audit = AsyncAudit(audit_log)
        stack.callback(audit.detach)
        pool = AnalysisPool(
            ENTRY,
            workers=settings.limits.analysis_workers,
            timeout_seconds=settings.limits.analysis_timeout,
            memory_bytes=settings.limits.analysis_memory,
        )
        await pool.start()
        stack.push_async_callback(pool.close)
        hub = Hub(
            policy=policy,
            environment=settings.environment,
            limits=Limits(max_text_bytes=settings.limits.statement_bytes),
            catalog=catalog,
            pool=pool,
            audit=audit,
            guard=BackupGuard(
                BackupRegistry(settings.state.path),
                ServerAccess(settings.catalog.dsn.get_secret_value()),
                lambda: datetime.now(UTC),
            ),
        )
        await _begin(hub, policy, settings)
        stack.callback(_event, audit, RecordKind.STOP)
        await _accept(settings, hub, connection_settings, on_ready)


async def _begin(hub: Hub, policy: Policy, settings: Settings) -> None:
    sequence = _event(hub.audit, RecordKind.START, version=__version__)
    sequence = _event(
        hub.audit, RecordKind.POLICY, digest=policy.digest, rules=str(len(policy.rules))
    )
    try:
        await hub.audit.persisted(sequence)
    except AuditUnavailable as error:
        raise ConfigurationError(
            f"{settings.audit.directory}: {error.message}", detail=error.detail, hint=error.hint
        ) from None


def _event(audit: AsyncAudit, kind: RecordKind, **fields: str) -> int:
    try:
        return audit.append(EventRecord(kind, "", tuple(fields.items())))
    except AuditUnavailable:
        log.warning("the audit log cannot be written", event_kind=kind.value)
        return 0


@contextlib.asynccontextmanager
async def _catalog(settings: Settings) -> AsyncIterator[Catalog]:
    """The catalog, read once so that an unreachable server is told at the start."""
    dsn = settings.catalog.dsn.get_secret_value()

    def changed(snapshot: Snapshot) -> None:
        log.info("catalog changed", database=snapshot.database, epoch=snapshot.epoch)

    catalog = Catalog(dsn, on_change=changed)
    database = urlsplit(dsn).path.lstrip("/") or "postgres"
    try:
        await catalog.snapshot(database)
    except CatalogUnavailable as error:
        await catalog.close()
        raise ConfigurationError(
            f"catalog.dsn: {error.message}", detail=error.detail, hint=error.hint
        ) from None
    watching = spawn(catalog.watch(), "catalog watch")
    try:
        yield catalog
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await catalog.close()


def _connection_settings(settings: Settings) -> ConnectionSettings:
    tls = settings.listen.tls
    mode = settings.upstream.tls.mode
    context = None
    if mode is not UpstreamTlsMode.DISABLE:
        context = upstream_context(
            mode,
            settings.upstream.tls.ca,
            settings.upstream.tls.certificate,
            settings.upstream.tls.key,
        )
    limits = settings.limits
    return ConnectionSettings(
        upstream=Upstream(
            settings.upstream.host,
            settings.upstream.port,
            context,
            tls_required=mode is not UpstreamTlsMode.PREFER,
        ),
        tls=downstream_context(tls.certificate, tls.key, tls.client_ca) if tls else None,
        tls_required=tls is not None and tls.mode is ServerTlsMode.REQUIRE,
        startup_timeout=limits.startup_timeout,
        frame_limits=FrameLimits(
            max_query=min(limits.message_bytes, FrameLimits().max_query),
            max_bind=limits.message_bytes,
            max_copy_data=limits.message_bytes,
        ),
        session_limits=SessionLimits(limits.prepared_statements, limits.pipeline_messages),
    )


async def _accept(
    settings: Settings,
    hub: Hub,
    connection_settings: ConnectionSettings,
    on_ready: Callable[[str, int], None],
) -> None:
    open_connections: set[asyncio.Task[None]] = set()

    async def handle(client: Stream) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(open_connections) >= settings.limits.connections:
            refusal = TooManyConnections(
                "sorry, too many clients already",
                detail=f"dbguard accepts {settings.limits.connections} (limits.connections).",
                hint="Close idle connections, or raise the limit.",
            )
            client.write(from_error(refusal, severity="FATAL").encode_error())
            await client.close()
            return
        open_connections.add(task)
        try:
            await Connection(client, hub, connection_settings).run()
        finally:
            open_connections.discard(task)

    host, port = settings.listen.host, settings.listen.port
    try:
        server = await listen(handle, host, port)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    try:
        on_ready(host, port)
        log.info("ready", host=host, port=port, version=__version__)
        await asyncio.Event().wait()
    finally:
        server.close()
        for task in list(open_connections):
            task.cancel()
        if open_connections:
            await asyncio.wait(open_connections, timeout=settings.limits.shutdown_timeout)


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    where = f"listen: {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"{where} is in use by another program",
            hint="Stop that program, or choose another listen.port.",
        )
    reason = (error.strerror or "cannot be opened").lower()
    return ConfigurationError(
        f"{where} cannot be opened: {reason}",
        hint="Check listen.host (an address of this machine) and listen.port (ports below 1024 "
        "need privileges).",
    )
