"""What a connection needs to know of the deployment."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from dbguard.engine.session import SessionLimits
from dbguard.wire.framing import FrameLimits

from .authenticating import Authenticating
from .servers import Servers


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """In force when it began."""

    servers: Servers
    authentication: Authenticating
    tls: ssl.SSLContext | None
    tls_required: bool
    startup_timeout: float
    frame_limits: FrameLimits
    session_limits: SessionLimits
    connections_per_user: int = 0
    login_failures: int = 0
    login_pause: float = 10.0
