"""Who is connected to a server: one look at pg_stat_activity, on a connection of its own.

The connection does not stay: it would stand in the way of whoever drops or copies its database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Final

import asyncpg

from dbguard.errors import CatalogUnavailable

from .watching import FAILURES

SECONDS: Final = 10.0
_SETTINGS: Final = {
    "application_name": "dbguard watch",
    "default_transaction_read_only": "on",
    "jit": "off",
    "search_path": "",
    "statement_timeout": "5000",
}
_SELF: Final = """
SELECT session_user::text AS name, pg_catalog.host(pg_catalog.inet_client_addr()) AS address,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees
"""
_BACKENDS: Final = """
SELECT pid, backend_start, backend_type, usename::text AS name,
       coalesce(datname::text, '') AS database, pg_catalog.host(client_addr) AS address,
       coalesce(application_name, '') AS application,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - backend_start)::double precision AS age
FROM pg_catalog.pg_stat_activity
WHERE backend_type IN ('client backend', 'walsender') AND usename IS NOT NULL
  AND pid <> pg_catalog.pg_backend_pid()
"""
"""Who has not logged in yet has no name there."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One session at the server."""

    process_id: int
    started: datetime
    """By the server's clock."""
    age: float
    """Seconds since then, by the server's clock as well."""
    kind: str
    """`client backend`, or `walsender` for replication."""
    user: str
    database: str
    address: str
    """Of the client; empty for the server's own host."""
    application: str


@dataclass(frozen=True, slots=True)
class Activity:
    """Everybody's sessions, but for the one that looked."""

    user: str
    """Who looked."""
    address: str
    """From where; empty for the server's own host."""
    backends: tuple[Backend, ...]


async def look(dsn: str) -> Activity | None:
    """Who is connected; None where the role of `dsn` is not shown others' sessions.

    Raises:
        CatalogUnavailable: the server cannot be asked.
    """
    connection: asyncpg.Connection | None = None
    try:
        connection = await asyncpg.connect(
            dsn, server_settings=_SETTINGS, timeout=SECONDS, command_timeout=SECONDS
        )
        own = await connection.fetchrow(_SELF)
        if not own["sees"]:
            return None
        rows = await connection.fetch(_BACKENDS)
        return Activity(
            own["name"],
            _address(own["address"]),
            tuple(
                Backend(
                    row["pid"],
                    row["backend_start"],
                    row["age"],
                    row["backend_type"],
                    row["name"],
                    row["database"],
                    _address(row["address"]),
                    row["application"],
                )
                for row in rows
            ),
        )
    except FAILURES as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise CatalogUnavailable(
            "the server does not say who is connected",
            detail=f"{reason}.",
            hint="Check that the server runs, and catalog.dsn in dbguard's settings.",
        ) from None
    finally:
        if connection is not None:
            try:
                await connection.close(timeout=SECONDS)
            except FAILURES:
                connection.terminate()


def _address(text: str | None) -> str:
    """A Unix socket and the loopback both lead from the server's own host."""
    return "" if text is None or ip_address(text).is_loopback else text
