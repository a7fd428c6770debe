"""Scratch databases: where a dump is restored to prove that it can be.

A scratch database holds a full copy of protected data, so nobody may get in: it is created
with connections forbidden even to superusers, PUBLIC loses CONNECT, and only then it is opened.
Its name is written to a *marker* file before it is created. A marker that is still there later
tells of a run that was killed, and what to clean up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import (
    Connection,
    ServerAccess,
    disconnect,
    quote_identifier,
)
from dbguard.sql.names import literal

PREFIX: Final = "dbguard_scratch_"
MARKER_SUFFIX: Final = ".scratch"


@asynccontextmanager
async def scratch_database(
    access: ServerAccess, like: str, backup_id: str, directory: Path
) -> AsyncIterator[str]:
    """A scratch database with the encoding and locale of database `like`; gives its name.

    It is dropped at the end, whatever happens inside. Raises BackupError.
    """
    name = PREFIX + backup_id
    marker = directory / (backup_id + MARKER_SUFFIX)
    connection = await access.connect(access.database)
    try:
        marker.write_text(name + "\n", "utf-8")
        try:
            await create_closed(connection, name, like)
            yield name
        except BaseException:
            # The first failure (or the interruption) is the one to tell.
            with suppress(BackupError):
                await drop_database(access, connection, name)
                marker.unlink(missing_ok=True)
            raise
        await drop_database(access, connection, name)
        marker.unlink(missing_ok=True)
    finally:
        await disconnect(connection)


async def drop_leftovers(access: ServerAccess, directory: Path) -> None:
    """Drop what killed runs left: scratch databases named by markers. Raises BackupError."""
    markers = await asyncio.to_thread(lambda: list(directory.glob("*" + MARKER_SUFFIX)))
    if not markers:
        return
    connection = await access.connect(access.database)
    try:
        for marker in markers:
            await drop_database(
                access, connection, PREFIX + marker.name.removesuffix(MARKER_SUFFIX)
            )
            marker.unlink(missing_ok=True)
    finally:
        await disconnect(connection)


async def create_closed(connection: Connection, name: str, like: str) -> None:
    """A database with the encoding and locale of `like`, to which only its owner and superusers may
    connect. Raises BackupError."""
    quoted = quote_identifier(name)
    try:
        await connection.execute(
            f"CREATE DATABASE {quoted} TEMPLATE template0 ALLOW_CONNECTIONS false "
            + await _locale(connection, like)
        )
        await connection.execute(f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC")
        await connection.execute(f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS true")
    except asyncpg.InsufficientPrivilegeError:
        raise BackupError(
            "scratch database cannot be created",
            detail="The backup role may not create databases, so a dump cannot be restored.",
            hint="Run as a superuser: ALTER ROLE … CREATEDB; with the role of backup.dsn.",
        ) from None
    except asyncpg.PostgresError as error:
        raise BackupError(
            "scratch database cannot be created",
            detail=f"The server answers with SQLSTATE {error.sqlstate}.",
            hint="The server's log says more; 53100 means that its disk is full.",
        ) from None
    except (OSError, asyncpg.InterfaceError):
        raise _lost() from None


async def drop_database(access: ServerAccess, connection: Connection, name: str) -> None:
    """Drop it over `connection`, or over a new one: a restore can outlast a firewall's patience."""
    statement = f"DROP DATABASE IF EXISTS {quote_identifier(name)} WITH (FORCE)"
    try:
        try:
            await connection.execute(statement)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
            second = await access.connect(access.database)
            try:
                await second.execute(statement)
            finally:
                await disconnect(second)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, BackupError):
        raise BackupError(
            f'scratch database "{name}" could not be dropped',
            detail="It holds a copy of the data; only its owner and superusers may connect to it.",
            hint="The next backup tries again; or run DROP DATABASE as its owner.",
        ) from None


async def _locale(connection: Connection, like: str) -> str:
    """The options of CREATE DATABASE that make text sort and compare as in `like`."""
    row = await connection.fetchrow(
        "SELECT d.*, pg_catalog.pg_encoding_to_char(d.encoding) AS encoding_name "
        "FROM pg_catalog.pg_database d WHERE d.datname IN ($1, pg_catalog.current_database()) "
        "ORDER BY d.datname = $1 DESC LIMIT 1",
        like,
    )
    options = [f"ENCODING {literal(row['encoding_name'])}"]
    options.append(f"LC_COLLATE {literal(row['datcollate'])}")
    options.append(f"LC_CTYPE {literal(row['datctype'])}")
    # Providers came with 15; their locale is daticulocale until 16 and datlocale from 17.
    provider = row.get("datlocprovider")
    locale = row.get("datlocale") or row.get("daticulocale")
    if provider == b"i" and locale:
        options.append(f"LOCALE_PROVIDER icu ICU_LOCALE {literal(locale)}")
        if row.get("daticurules"):
            options.append(f"ICU_RULES {literal(row['daticurules'])}")
    elif provider == b"b" and locale:
        options.append(f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(locale)}")
    elif provider == b"c":
        options.append("LOCALE_PROVIDER libc")
    return " ".join(options)


def _lost() -> BackupError:
    return BackupError(
        "connection to the server was lost during the backup",
        detail="The dump could not be verified and was removed.",
        hint="Check the server's log and try again.",
    )
