"""The settings in force, and what new connections are made with; a reload replaces both."""

from __future__ import annotations

from dbguard.engine.session import SessionLimits
from dbguard.settings import ServerTlsMode, Settings, TlsNegotiation, UpstreamTlsMode
from dbguard.wire.framing import FrameLimits

from .connection_settings import ConnectionSettings
from .tls import downstream_context, upstream_context
from .upstream import Upstream


class Deployment:
    """What the settings make. Raises ConfigurationError when files they name cannot be used."""

    def __init__(self, settings: Settings) -> None:
        settings.check_combination()
        self.settings = settings
        self.connections = _connection_settings(settings)

    def replace(self, settings: Settings) -> tuple[str, ...]:
        """Use `settings` for what comes from now on.

        Returns the names of those that differ and need a restart. Raises ConfigurationError, and
        changes nothing, when they cannot be used.
        """
        settings.check_combination()
        connections = _connection_settings(settings)
        waiting = tuple(name for name, old, new in _fixed(self.settings, settings) if old != new)
        self.settings, self.connections = settings, connections
        return waiting


def _fixed(old: Settings, new: Settings) -> list[tuple[str, object, object]]:
    """What was built from the settings once, by name."""
    names = (
        "listen.host",
        "listen.port",
        "listen.socket",
        "catalog",
        "state",
        "audit",
        "backup",
        "metrics",
        "limits.statement_bytes",
        "limits.analysis_timeout",
        "limits.analysis_memory",
        "limits.analysis_workers",
    )
    return [(name, _at(old, name), _at(new, name)) for name in names]


def _at(settings: Settings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _connection_settings(settings: Settings) -> ConnectionSettings:
    """Raises ConfigurationError when certificate files cannot be used."""
    tls = settings.listen.tls
    mode = settings.upstream.tls.mode
    context = None
    if mode is not UpstreamTlsMode.DISABLE:
        context = upstream_context(
            mode,
            settings.upstream.tls.ca,
            settings.upstream.tls.certificate,
            settings.upstream.tls.key,
            settings.upstream.tls.minimum_version,
        )
    limits = settings.limits
    return ConnectionSettings(
        upstream=Upstream(
            settings.upstream.host,
            settings.upstream.port,
            context,
            mode,
            direct=settings.upstream.tls.negotiation is TlsNegotiation.DIRECT,
        ),
        tls=downstream_context(tls.certificate, tls.key, tls.client_ca, tls.minimum_version)
        if tls is not None and tls.mode is not ServerTlsMode.DISABLE
        else None,
        tls_required=tls is not None and tls.mode is ServerTlsMode.REQUIRE,
        startup_timeout=limits.startup_timeout,
        frame_limits=FrameLimits(
            max_query=min(limits.message_bytes, FrameLimits().max_query),
            max_function_call=limits.message_bytes,
        ),
        session_limits=SessionLimits(
            limits.prepared_statements, limits.prepared_bytes, limits.pipeline_messages
        ),
        connections_per_user=limits.connections_per_user,
    )
