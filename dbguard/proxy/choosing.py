"""Which server of a cluster a client is sent to: libpq's target_session_attrs.

libpq logs in and then looks whether the session is what it wants, and goes on to the next host if
not. dbguard cannot: the client proves its password once, to one server. So it asks each server by a
connection of its own first, and looks once more at what the server tells the client's session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg

from dbguard.errors import DbguardError
from dbguard.server_settings import TargetSessionAttrs
from dbguard.wire import backend
from dbguard.wire.framing import Frame

from .servers import Cluster, Place
from .tasks import spawn
from .upstream import Answered, Upstream, UpstreamUnavailable

KNOWN_SECONDS = 1.0
"""How long an answer holds, so that a burst of logins asks once."""
ASK_SECONDS = 5.0
"""A server that does not answer is passed over; clients wait 30 s for a login by default."""
STARTING = "57P03"
"""cannot_connect_now: libpq tries the next host then, since PostgreSQL 14."""

_ASK = """
SELECT pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('default_transaction_read_only') = 'on'
"""
_WANTS = {
    TargetSessionAttrs.READ_WRITE: "a session that may write",
    TargetSessionAttrs.READ_ONLY: "a session that may only read",
    TargetSessionAttrs.PRIMARY: "a primary",
    TargetSessionAttrs.STANDBY: "a standby",
}


@dataclass(frozen=True, slots=True)
class State:
    """What a server is at the moment."""

    in_recovery: bool
    read_only: bool
    """By its setting default_transaction_read_only."""

    def unfit(self, wanted: TargetSessionAttrs) -> str:
        """Why such a server will not do; "" if it will."""
        match wanted:
            case TargetSessionAttrs.READ_WRITE if self.in_recovery:
                return "session is read-only, the server is a standby"
            case TargetSessionAttrs.READ_WRITE if self.read_only:
                return "session is read-only"
            case TargetSessionAttrs.READ_ONLY if not (self.in_recovery or self.read_only):
                return "session is not read-only"
            case TargetSessionAttrs.PRIMARY if self.in_recovery:
                return "server is in hot standby mode"
            case TargetSessionAttrs.STANDBY if not self.in_recovery:
                return "server is not in hot standby mode"
        return ""


def told_state(parameters: Mapping[str, str]) -> State | None:
    """What a server says in its ParameterStatus messages; before PostgreSQL 14, nothing."""
    if "in_hot_standby" not in parameters:
        return None
    return State(
        parameters["in_hot_standby"] == "on",
        parameters.get("default_transaction_read_only") == "on",
    )


@dataclass(slots=True)
class _Asked:
    at: float
    answer: asyncio.Task[State | str]


@dataclass(slots=True)
class Choosing:
    """Asks servers what they are. Not for more than one event loop."""

    _known: dict[Place, _Asked] = field(default_factory=dict)

    async def greet(self, cluster: Cluster, hello: bytes) -> tuple[Place, Upstream, Answered]:
        """Say `hello` to the first server that will do.

        Raises:
            UpstreamUnavailable: none will; why, for each.
            ProtocolViolation: bytes came in ahead of a TLS handshake.
        """
        if not cluster.chooses:
            ((place, server),) = cluster.servers
            return place, server, await server.greet(hello)
        reasons: list[str] = []
        for wanted in _passes(cluster.wanted):
            reasons.clear()
            for place, server in cluster.servers:
                state = await self._state(place)
                reason = state if isinstance(state, str) else state.unfit(wanted)
                if not reason:
                    try:
                        answered = await server.greet(hello)
                    except UpstreamUnavailable as error:
                        reasons.append(error.detail)
                        continue
                    if not _is_starting(answered):
                        return place, server, answered
                    answered.stream.abort()
                    reason = "the database system is starting up"
                reasons.append(f"{place.host}:{place.port}: {reason}.")
        raise unfit(cluster.wanted, " ".join(reasons))

    async def _state(self, place: Place) -> State | str:
        """What a server is, or why it cannot be asked."""
        known = self._known.get(place)
        now = time.monotonic()
        if known is None or (known.answer.done() and now - known.at > KNOWN_SECONDS):
            known = _Asked(now, spawn(_ask(place), "server asked what it is"))
            self._known[place] = known
        return await asyncio.shield(known.answer)

    def forget(self, places: frozenset[Place]) -> None:
        """Forget all but these."""
        self._known = {place: known for place, known in self._known.items() if place in places}


def _passes(wanted: TargetSessionAttrs) -> tuple[TargetSessionAttrs, ...]:
    if wanted is TargetSessionAttrs.PREFER_STANDBY:
        return (TargetSessionAttrs.STANDBY, TargetSessionAttrs.ANY)
    return (wanted,)


def unfit(wanted: TargetSessionAttrs, detail: str) -> DbguardError:
    """The error when no server will do."""
    return UpstreamUnavailable(
        f"no database server is {_WANTS[wanted]}".replace("is a session", "gives a session")
        if wanted in _WANTS
        else "no database server can be reached",
        detail=detail,
        hint="Check that PostgreSQL runs there, and upstream.host and target_session_attrs in "
        "dbguard's settings.",
    )


def _is_starting(answered: Answered) -> bool:
    if not answered.refused or not isinstance(answered.first, Frame):
        return False
    message = backend.decode(answered.first)
    return isinstance(message, backend.ErrorResponse) and message.fields.sqlstate == STARTING


async def _ask(place: Place) -> State | str:
    try:
        connection = await asyncpg.connect(
            place.dsn,
            timeout=ASK_SECONDS,
            command_timeout=ASK_SECONDS,
            server_settings={"application_name": "dbguard role", "search_path": ""},
        )
    except asyncpg.PostgresError as error:
        return f"the control connection was refused ({error.sqlstate})"
    except TimeoutError:
        return "no answer in time"
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        return (getattr(error, "strerror", None) or "connection failed").lower()
    try:
        row = await connection.fetchrow(_ASK)
        return State(bool(row[0]), bool(row[1]))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return "the control connection was lost"
    finally:
        connection.terminate()
