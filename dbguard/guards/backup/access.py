"""Reaching the server: from asyncpg and, without a password on any command line, from pg_dump."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.model import DatabaseIdentity

CONNECT_SECONDS: Final = 15.0
"""A server in the same network answers in milliseconds; a person waits for the error."""
_CLOSE_SECONDS: Final = 5.0
"""How long the server may take to notice that a connection ends."""
_SECRET_PARAMETERS: Final = frozenset({"password", "sslpassword"})
_SESSION: Final = {
    "application_name": "dbguard backup",
    # A dump may take hours, and the connection that holds its snapshot is idle all the time.
    "statement_timeout": "0",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "0",
    # Row security must raise an error rather than hide rows from a backup.
    "row_security": "off",
    "search_path": "pg_catalog",
}
_NO_IDLE_TIMEOUT: Final = """
SELECT pg_catalog.set_config(name, '0', false)
FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'
"""
"""Not among the settings above, since servers before 14 do not know it."""
_IDENTITY: Final = """
SELECT d.oid, d.datname,
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS tells
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""

_POSITION: Final = """
SELECT pg_catalog.pg_wal_lsn_diff(
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
       ELSE pg_catalog.pg_current_wal_lsn() END, '0/0')::pg_catalog.int8
"""

Connection = Any
"""asyncpg.Connection; the package ships no types that this project reads."""


class NoSuchDatabase(BackupError):
    """The server has no database of that name."""


class ServerAccess:
    """A connection URL that never shows itself: no repr, no error text holds it."""

    __slots__ = ("_dsn",)

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def __repr__(self) -> str:
        return "ServerAccess(…)"

    @property
    def database(self) -> str:
        """The database in the URL, `postgres` when it names none."""
        return unquote(urlsplit(self._dsn).path.removeprefix("/")) or "postgres"

    @property
    def password(self) -> str | None:
        url = urlsplit(self._dsn)
        if url.password is not None:
            return unquote(url.password)
        return dict(parse_qsl(url.query)).get("password")

    @property
    def needs_tls(self) -> bool:
        """True when the URL insists on TLS; the embedded programs are built without."""
        mode = dict(parse_qsl(urlsplit(self._dsn).query)).get("sslmode", "")
        return mode in ("require", "verify-ca", "verify-full")

    @property
    def address(self) -> str:
        """`HOST:PORT` as the URL says it."""
        url = urlsplit(self._dsn)
        parameters = dict(parse_qsl(url.query))
        host = url.hostname or parameters.get("host", "localhost")
        return f"{host}:{url.port or parameters.get('port', 5432)}"

    def command_line_url(self, database: str) -> str:
        """The URL for `database` without any secret: fit for a command line."""
        url = urlsplit(self._dsn)
        user, at, place = url.netloc.rpartition("@")
        query = [(k, v) for k, v in parse_qsl(url.query) if k not in _SECRET_PARAMETERS]
        text = urlencode([(k, v) for k, v in query if k != "dbname"], quote_via=quote)
        place = user.partition(":")[0] + at + place
        return f"postgresql://{place}/{quote(database, safe='')}" + (f"?{text}" if text else "")

    async def connect(self, database: str) -> Connection:
        """An asyncpg connection to `database`, set up for backups. Raises BackupError."""
        try:
            connection = await asyncpg.connect(
                self._dsn, database=database, timeout=CONNECT_SECONDS, server_settings=_SESSION
            )
            try:
                await connection.execute(_NO_IDLE_TIMEOUT)
            except BaseException:
                connection.terminate()
                raise
            return connection
        except asyncpg.InvalidCatalogNameError:
            raise NoSuchDatabase(
                f'database "{database}" does not exist',
                detail=f"The server at {self.address} has none with that name.",
                hint="List the databases with psql -l, and mind upper and lower case.",
            ) from None
        except asyncpg.PostgresError as error:
            # Errors of the login phase name the user, the database and the host, no data.
            raise BackupError(
                f'database "{database}" refuses the login of the backup role',
                detail=f"The server at {self.address} says: {error.args[0] if error.args else ''}.",
                hint="Check backup.dsn and the server's pg_hba.conf.",
            ) from None
        except (OSError, TimeoutError, asyncpg.InterfaceError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise BackupError(
                "PostgreSQL server cannot be reached for the backup",
                detail=f"{self.address}: {reason}.",
                hint="Check that the server runs and that backup.dsn names its host and port.",
            ) from None


async def identify(connection: Connection, access: ServerAccess) -> DatabaseIdentity:
    """Which database `connection` is connected to."""
    row = await connection.fetchrow(_IDENTITY)
    server = f"address:{access.address}"
    if row["tells"]:
        server = str(
            await connection.fetchval(
                "SELECT system_identifier FROM pg_catalog.pg_control_system()"
            )
        )
    return DatabaseIdentity(server, row["datname"], row["oid"])


async def wal_position(connection: Connection) -> int | None:
    """Where the server's WAL is, in bytes; on a standby, how far it has come in it."""
    position: int | None = await connection.fetchval(_POSITION)
    return position


async def disconnect(connection: Connection) -> None:
    """Close a connection that may be broken already: that is no news to anybody."""
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # TimeoutError is an OSError
        connection.terminate()


def quote_identifier(name: str) -> str:
    """`name` as an SQL identifier, always in double quotes."""
    return '"' + name.replace('"', '""') + '"'
