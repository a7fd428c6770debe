"""Rows of a statement as backups: for managed services, and for whoever keeps a table of them.

Columns are the members that `stated` knows. The statement runs in a transaction that may only read;
one with `$1` gets the database's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import asyncpg

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource

from .fields import MOST_BACKUPS, Fields, NoInventory
from .stated import Statements

_SESSION: Final = {"application_name": "dbguard backups", "default_transaction_read_only": "on"}


@dataclass(frozen=True, slots=True)
class Sql:
    """The provider of kind `sql`."""

    name: str
    dsn: SecretSource = field(repr=False)
    statement: str = field(repr=False)
    statements: Statements
    seconds: float

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        try:
            dsn = await read_secret(self.dsn)
        except SecretUnavailable:
            raise NoInventory("its dsn cannot be read") from None
        rows = await self._rows(dsn, database)
        return self.statements.entries((_fields(row) for row in rows), database)

    async def _rows(self, dsn: str, database: DatabaseIdentity) -> list[asyncpg.Record]:
        limit = str(int(self.seconds * 1000))
        try:
            connection = await asyncpg.connect(
                dsn, timeout=self.seconds, server_settings=_SESSION | {"statement_timeout": limit}
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            raise NoInventory("its server refuses the login") from None
        except (OSError, ValueError):
            raise NoInventory("its server cannot be reached") from None
        try:
            async with connection.transaction(readonly=True):
                prepared = await connection.prepare(self.statement)
                wanted = len(prepared.get_parameters())
                if wanted > 1:
                    raise NoInventory("its statement has more parameters than $1")
                cursor = await prepared.cursor(*(database.name,) * wanted)
                rows: list[asyncpg.Record] = await cursor.fetch(MOST_BACKUPS + 1)
        except asyncpg.PostgresError as error:
            raise NoInventory(f"its statement fails (SQLSTATE {error.sqlstate})") from None
        except (asyncpg.InterfaceError, OSError, ValueError):
            raise NoInventory("its server went away") from None
        finally:
            connection.terminate()
        if len(rows) > MOST_BACKUPS:
            raise NoInventory(f"its statement gives more than {MOST_BACKUPS} rows")
        return rows


def _fields(row: asyncpg.Record) -> Fields:
    """A row as the members of an entry; NUMERIC, which system identifiers need, as what it is."""
    values = dict(row.items())
    for name, value in values.items():
        whole = isinstance(value, Decimal) and value.is_finite() and abs(value) < 2**64
        if whole and value == value.to_integral_value():
            values[name] = int(value)
    if isinstance(values.get("system_identifier"), int):
        values["system_identifier"] = str(values["system_identifier"])
    return Fields(values, "a row")
