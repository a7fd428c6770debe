"""Asks a server what it is like. Reads the catalogs and nothing else."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from dbguard.errors import CatalogUnavailable

from .checks import FILE_FUNCTIONS, POWERS
from .model import HbaRule, LoginRole, Observed, SeenSession

SECONDS: Final = 15.0
_SETTINGS: Final = {
    "application_name": "dbguard doctor",
    "default_transaction_read_only": "on",
    "search_path": "",
}
_FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_SELF = """
SELECT session_user::text AS name,
       coalesce(host(pg_catalog.inet_client_addr()), 'local') AS address,
       pg_catalog.current_setting('listen_addresses') AS listening,
       pg_catalog.current_setting('ssl') = 'on' AS encrypts
"""
_HBA = """
SELECT line_number, type, database, user_name, coalesce(address, '') AS address,
       coalesce(netmask, '') AS netmask, auth_method
FROM pg_catalog.pg_hba_file_rules WHERE error IS NULL ORDER BY line_number
"""
_BROKEN = """
SELECT line_number FROM pg_catalog.pg_hba_file_rules
WHERE error IS NOT NULL AND line_number IS NOT NULL ORDER BY line_number
"""
_ROLES = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolreplication,
       r.oid = 10 AS bootstrap, r.rolcreaterole,
       ARRAY(SELECT p.rolname::text FROM pg_catalog.pg_roles p WHERE p.rolname = ANY($1)
             AND NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')) AS powers,
       ARRAY(SELECT p.rolname::text FROM pg_catalog.pg_roles p WHERE p.rolsuper
             AND NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')) AS superusers,
       ARRAY(SELECT p.rolname::text FROM pg_catalog.pg_roles p
             WHERE p.rolbypassrls AND NOT p.rolsuper AND NOT r.rolsuper AND NOT r.rolbypassrls
             AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')) AS unbound
FROM pg_catalog.pg_roles r WHERE r.rolcanlogin ORDER BY r.rolname
"""
_MD5 = "SELECT rolname FROM pg_catalog.pg_authid WHERE rolpassword LIKE 'md5%' ORDER BY rolname"
_MAY_SEE = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'MEMBER')"
_SESSIONS = """
SELECT usename::text, coalesce(datname::text, '') AS datname,
       coalesce(host(client_addr), 'local') AS address, application_name,
       backend_type = 'walsender' AS replication
FROM pg_catalog.pg_stat_activity
WHERE backend_type IN ('client backend', 'walsender') AND usename IS NOT NULL
  AND pid <> pg_catalog.pg_backend_pid()
"""
_SLOTS = "SELECT slot_name::text FROM pg_catalog.pg_replication_slots ORDER BY slot_name"
_DATABASES = """
SELECT datname::text FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""
_EXTENSIONS = "SELECT extname::text FROM pg_catalog.pg_extension ORDER BY extname"
_SERVERS = """
SELECT s.srvname::text, w.fdwname::text FROM pg_catalog.pg_foreign_server s
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw ORDER BY s.srvname
"""
_LANGUAGES = """
SELECT lanname::text FROM pg_catalog.pg_language
WHERE lanispl AND NOT lanpltrusted ORDER BY lanname
"""
_FILE_FUNCTIONS = """
SELECT p.oid::regprocedure::text,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
FROM pg_catalog.pg_proc p CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY($1)
  AND a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner ORDER BY 1, 2
"""
_PUBLICATIONS = "SELECT pubname::text FROM pg_catalog.pg_publication ORDER BY pubname"


async def look(dsn: str) -> Observed:
    """What the role of `dsn` can see of its server.

    Raises:
        CatalogUnavailable: the server cannot be asked at all.
    """
    try:
        connection = await _connect(dsn)
    except _FAILURES as error:
        raise _unavailable(error) from None
    try:
        own = await connection.fetchrow(_SELF)
        roles = await connection.fetch(_ROLES, sorted(POWERS))
        databases = [row[0] for row in await connection.fetch(_DATABASES)]
        slots = tuple(row[0] for row in await connection.fetch(_SLOTS))
        hba = await _allowed(connection, _HBA)
        broken = await _allowed(connection, _BROKEN)
        md5 = await _allowed(connection, _MD5)
        sees = await connection.fetchval(_MAY_SEE)
        sessions = await connection.fetch(_SESSIONS) if sees else None
    except _FAILURES as error:
        raise _unavailable(error) from None
    finally:
        connection.terminate()
    inside = _Inside()
    for database in databases:
        await inside.look(dsn, database)
    url = urlsplit(dsn)
    return Observed(
        server=f"{url.hostname or 'local'}:{url.port or 5432}",
        user=own["name"],
        address=own["address"],
        listening=tuple(a.strip() for a in own["listening"].split(",") if a.strip()),
        encrypts=own["encrypts"],
        hba=None if hba is None else tuple(map(_rule, hba)),
        roles=tuple(
            LoginRole(
                row["rolname"],
                row["rolsuper"],
                row["rolbypassrls"],
                row["rolreplication"],
                frozenset(row["powers"]),
                row["bootstrap"],
                row["rolcreaterole"],
                frozenset(row["superusers"]),
                frozenset(row["unbound"]),
            )
            for row in roles
        ),
        md5=None if md5 is None else tuple(row[0] for row in md5),
        extensions=tuple(inside.extensions),
        foreign_servers=tuple(inside.servers),
        publications=tuple(inside.publications),
        slots=slots,
        sessions=None if sessions is None else tuple(SeenSession(*row) for row in sessions),
        closed=tuple(inside.closed),
        broken_rules=tuple(row[0] for row in broken or ()),
        languages=tuple(inside.languages),
        file_functions=tuple(inside.file_functions),
    )


class _Inside:
    """What is in the databases of a server."""

    def __init__(self) -> None:
        self.extensions: list[tuple[str, str]] = []
        self.servers: list[tuple[str, str, str]] = []
        self.publications: list[tuple[str, str]] = []
        self.languages: list[tuple[str, str]] = []
        self.file_functions: list[tuple[str, str, str]] = []
        self.closed: list[str] = []

    async def look(self, dsn: str, database: str) -> None:
        try:
            connection = await _connect(dsn, database)
        except _FAILURES:
            self.closed.append(database)
            return
        try:
            found = await connection.fetch(_EXTENSIONS)
            self.extensions += [(database, row[0]) for row in found]
            found = await connection.fetch(_SERVERS)
            self.servers += [(database, row[0], row[1]) for row in found]
            found = await connection.fetch(_PUBLICATIONS)
            self.publications += [(database, row[0]) for row in found]
            found = await connection.fetch(_LANGUAGES)
            self.languages += [(database, row[0]) for row in found]
            found = await connection.fetch(_FILE_FUNCTIONS, sorted(FILE_FUNCTIONS))
            self.file_functions += [(database, *row) for row in found]
        except _FAILURES:
            self.closed.append(database)
        finally:
            connection.terminate()


async def _connect(dsn: str, database: str | None = None) -> asyncpg.Connection:
    return await asyncpg.connect(
        dsn,
        **({} if database is None else {"database": database}),
        timeout=SECONDS,
        command_timeout=SECONDS,
        server_settings=_SETTINGS,
    )


async def _allowed(connection: asyncpg.Connection, query: str) -> list[Any] | None:
    try:
        return list(await connection.fetch(query))
    except asyncpg.InsufficientPrivilegeError:
        return None


def _rule(row: Any) -> HbaRule:
    return HbaRule(
        row["line_number"],
        row["type"],
        tuple(row["database"] or ()),
        tuple(row["user_name"] or ()),
        row["address"],
        row["netmask"],
        row["auth_method"],
    )


def _unavailable(error: Exception) -> CatalogUnavailable:
    if isinstance(error, asyncpg.PostgresError):
        cause = f"The server refuses the control role (SQLSTATE {error.sqlstate})."
    else:
        cause = "The server cannot be reached, or does not answer."
    return CatalogUnavailable(
        "the server cannot be looked at",
        detail=cause,
        hint="Check that PostgreSQL runs there, and catalog.dsn in dbguard's settings.",
    )
