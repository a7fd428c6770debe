"""The settings in force, and what new connections are made with; a reload replaces both."""

from __future__ import annotations

from dbguard.engine.session import SessionLimits
from dbguard.settings import ClientCertificate, ServerTlsMode, Settings
from dbguard.wire.framing import FrameLimits

from .authenticating import Authenticating, authenticating
from .connection_settings import ConnectionSettings
from .servers import Servers
from .tls import downstream_context, own_certificate


class Deployment:
    """What the settings make. Raises ConfigurationError when files they name cannot be used."""

    def __init__(self, settings: Settings) -> None:
        settings.check_combination()
        self.settings = settings
        self.connections = _connection_settings(settings)

    def prepared(self, settings: Settings) -> ConnectionSettings:
        """What new connections would be made with. Raises ConfigurationError when `settings` cannot
        be used."""
        settings.check_combination()
        return _connection_settings(settings, self.connections.authentication)

    def replace(self, settings: Settings, connections: ConnectionSettings) -> tuple[str, ...]:
        """Use `settings`, and what was prepared of them, for what comes from now on.

        Returns the names of those that differ and need a restart.
        """
        waiting = tuple(name for name, old, new in _fixed(self.settings, settings) if old != new)
        self.settings, self.connections = settings, connections
        return waiting


def _fixed(old: Settings, new: Settings) -> list[tuple[str, object, object]]:
    """What was built from the settings once, by name."""
    names = (
        "listen.host",
        "listen.port",
        "listen.socket",
        "state",
        "audit",
        "backup",
        "metrics",
        "workers",
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


def _connection_settings(
    settings: Settings, before: Authenticating | None = None
) -> ConnectionSettings:
    """Raises ConfigurationError when certificate files cannot be used."""
    tls = settings.listen.tls
    limits = settings.limits
    context = certificate = None
    if tls is not None and tls.mode is not ServerTlsMode.DISABLE:
        certificates = settings.authentication.certificates
        context = downstream_context(
            tls.certificate,
            tls.key,
            tls.client_ca,
            tls.minimum_version,
            optional=tls.client_certificate is ClientCertificate.OPTIONAL,
            crl=None if certificates is None else certificates.crl,
        )
        certificate = own_certificate(tls.certificate)
    return ConnectionSettings(
        servers=Servers(settings),
        authentication=authenticating(
            settings.authentication, certificate, settings.state.path, before
        ),
        tls=context,
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
        login_failures=limits.login_failures,
        login_pause=limits.login_pause,
    )
