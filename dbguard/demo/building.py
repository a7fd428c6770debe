"""From an empty server to the clinic: roles, database, schema, rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources

import asyncpg

from dbguard.demo.generator import generate
from dbguard.demo.people import PASSWORD, PEOPLE
from dbguard.sql.names import quote

CONTROL_ROLE = "dbguard"
"""Reads the catalog: LOGIN, and no privilege on any table."""

BACKUP_ROLE = "dbguard_backup"
"""Reads every table and makes scratch databases."""

READS_ALL = 14
"""The first major version with the role pg_read_all_data."""


async def create_roles(server: asyncpg.Connection, secrets: Mapping[str, str]) -> None:
    """Make everybody, or give those that exist the passwords in `secrets` (PASSWORD if none)."""
    known = {row["rolname"] for row in await server.fetch("SELECT rolname FROM pg_roles")}
    for group in sorted({group for groups in PEOPLE.values() for group in groups} - known):
        await server.execute(f"CREATE ROLE {quote(group)}")
    rights = dict.fromkeys(PEOPLE, "LOGIN") | {
        CONTROL_ROLE: "LOGIN",
        BACKUP_ROLE: "LOGIN CREATEDB",
    }
    for name, options in rights.items():
        verb = "ALTER" if name in known else "CREATE"
        secret = await server.fetchval(
            "SELECT pg_catalog.quote_literal($1)", secrets.get(name, PASSWORD)
        )
        await server.execute(f"{verb} ROLE {quote(name)} {options} PASSWORD {secret}")
    for name, groups in PEOPLE.items():
        for group in groups:
            await server.execute(f"GRANT {quote(group)} TO {quote(name)}")
    if server.get_server_version().major >= READS_ALL:
        await server.execute(f"GRANT pg_read_all_data TO {quote(BACKUP_ROLE)}")
    else:
        await server.execute(f"ALTER ROLE {quote(BACKUP_ROLE)} SUPERUSER")


async def create_schema(database: asyncpg.Connection) -> None:
    """The schema, owned by dba. Run as superuser in an empty database; roles must exist."""
    text = resources.files("dbguard.demo").joinpath("schema.sql").read_text("utf-8")
    name = await database.fetchval("SELECT pg_catalog.current_database()")
    groups = ", ".join(quote(group) for groups in PEOPLE.values() for group in groups)
    everybody = f"{groups}, {quote(CONTROL_ROLE)}, {quote(BACKUP_ROLE)}"
    await database.execute(
        f"ALTER DATABASE {quote(name)} OWNER TO dba;"
        f"REVOKE CONNECT ON DATABASE {quote(name)} FROM PUBLIC;"
        f"GRANT CONNECT ON DATABASE {quote(name)} TO {everybody}"
    )
    await database.execute("SET ROLE dba")
    await database.execute(text)
    # so that `dbguard backup restore --table` can put copies beside the tables
    await database.execute(f"GRANT CREATE, USAGE ON SCHEMA clinic TO {quote(BACKUP_ROLE)}")
    await database.execute("RESET ROLE")


async def fill(
    database: asyncpg.Connection,
    *,
    seed: int = 1,
    patients: int = 4200,
    progress: Callable[[str, int], None] | None = None,
) -> int:
    """Copy the generated rows in, as superuser; returns how many. `progress` gets table, rows."""
    total = 0
    for table in generate(seed, patients):
        await database.copy_records_to_table(
            table.name, schema_name="clinic", columns=table.columns, records=table.rows
        )
        await database.execute(
            "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence($1, 'id'), $2)",
            f"clinic.{table.name}",
            len(table.rows),
        )
        total += len(table.rows)
        if progress is not None:
            progress(table.name, len(table.rows))
    await database.execute("SET ROLE dba")
    await database.execute("REFRESH MATERIALIZED VIEW clinic.diagnosis_counts")
    await database.execute("RESET ROLE")
    await database.execute("ANALYZE")
    return total
