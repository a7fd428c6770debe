"""Databases come and go through dbguard: its control connections are in nobody's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg


def test_databases_are_created_copied_renamed_and_dropped(
    guard: Callable[..., Guarded], pg_database: Any
) -> None:
    guarded = guard(pg_database, rules=None)
    server = pg_database.server
    server.create_user("app", options="LOGIN CREATEDB")
    server.execute("ALTER ROLE app CREATEDB")
    mine, copy, renamed = (f"{pg_database.name}_{suffix}" for suffix in ("a", "b", "c"))

    def visit(database: str) -> None:
        dsn = guarded.dsn("app").replace(guarded.database, database)
        with psycopg.connect(dsn) as inside:
            inside.execute("CREATE TABLE IF NOT EXISTS t (a int)")
            assert inside.execute("SELECT count(*) FROM t").fetchone() == (0,)

    with guarded.connect("app", autocommit=True) as work:
        try:
            work.execute(f"CREATE DATABASE {mine}")
            visit(mine)
            work.execute(f"CREATE DATABASE {copy} TEMPLATE {mine}")
            visit(copy)
            work.execute(f"ALTER DATABASE {copy} RENAME TO {renamed}")
            visit(renamed)
            work.execute(f"DROP DATABASE {renamed}")
            work.execute(f"DROP DATABASE {mine}")
            work.execute(f"CREATE DATABASE {mine}")
            visit(mine)
        finally:
            server.execute("ALTER ROLE app NOCREATEDB")
            for name in (mine, copy, renamed):
                server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
