"""Where the offline commands get their catalog from: a live database or a saved file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from dbguard.catalog.loading import load_snapshot
from dbguard.catalog.saved import dump, load
from dbguard.engine.planning import effective_view
from dbguard.errors import ConfigurationError
from dbguard.policy.loading import read_text
from dbguard.sql.snapshot import SessionView, Snapshot

_CONNECT_SECONDS = 10
"""A database that does not answer within this time is reported instead of waited for."""
DEFAULT_PATH = '"$user", public'
"""search_path as PostgreSQL ships it."""

CatalogOption = Annotated[
    str | None,
    typer.Option(
        "--catalog", metavar="DSN|FILE", help="A database, or a catalog saved from one.",
        show_default=False,
    ),
]  # fmt: skip
SearchPathOption = Annotated[
    str | None,
    typer.Option(
        metavar="SCHEMAS",
        help="Schemas to look names up in, separated by commas, as in SET search_path "
        "[default: what the user's session starts with].",
        show_default=False,
    ),
]


def is_dsn(source: str) -> bool:
    """Whether `source` names a database: a URL, or libpq's `host=… dbname=…`."""
    return "://" in source or ("=" in source and not Path(source).exists())


def load_catalog(source: str, database: str = "") -> Snapshot:
    """The catalog of a database (a DSN, with `database` in place of its own) or of a saved file.

    Raises:
        ConfigurationError: it can't be reached or read.
    """
    if is_dsn(source):
        return asyncio.run(_read_database(source, database or None))
    path = Path(source)
    try:
        return load(read_text(path))
    except ConfigurationError as error:
        if error.message.startswith(str(path)):
            raise
        raise ConfigurationError(
            f"{path}: {error.message}", detail=error.detail, hint=error.hint
        ) from error


def save_catalog(snapshot: Snapshot, path: Path) -> None:
    """Write a catalog to a file that `load_catalog` reads.

    Raises:
        ConfigurationError: it can't be written.
    """
    try:
        path.write_text(dump(snapshot), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be written ({error.strerror})") from None


async def _read_database(dsn: str, database: str | None) -> Snapshot:
    try:
        connection = await asyncpg.connect(
            dsn,
            database=database,
            timeout=_CONNECT_SECONDS,
            # texts of views name everything in full then; a locked view is not waited for
            server_settings={"search_path": "", "lock_timeout": "5s"},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(
            f"the database can't be reached ({type(error).__name__})",
            hint="Check host, port, user and password of the DSN.",
        ) from None
    except ValueError:
        raise ConfigurationError(
            "the DSN can't be read", hint="Write postgresql://user@host:port/database."
        ) from None
    try:
        return await load_snapshot(connection, 0)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ConfigurationError(
            f"the catalog can't be read from the database ({type(error).__name__})",
            hint="Try again; somebody may hold a lock on a view.",
        ) from None
    finally:
        await connection.close()


def session_view(snapshot: Snapshot, user: str, search_path: str | None) -> SessionView:
    """How a session of `user` finds names; without `search_path`, as it does after login."""
    if search_path is None:
        role = snapshot.role_by_name.get(user)
        search_path = dict(role.settings if role else ()).get("search_path", DEFAULT_PATH)
    return effective_view(snapshot, user, search_path)
