"""Bulk statements and misspelt functions through the proxy."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg


def test_a_long_list_on_masked_data(clinic: Guarded) -> None:
    listed = ", ".join(str(n) for n in range(1, 40_000))
    with closing(clinic.connect("analyst")) as connection:
        rows = connection.execute(
            f"SELECT id, ssn FROM clinic.patients WHERE id IN ({listed})"
        ).fetchall()
        (count,) = connection.execute("SELECT count(*) FROM clinic.patients").fetchone() or (0,)
    assert 0 < len(rows) == count


def test_many_rows_of_constants(clinic: Guarded) -> None:
    rows = ", ".join(f"({n}, 'it''s number {n}')" for n in range(10_000))
    with closing(clinic.connect("analyst")) as connection:
        connection.execute("CREATE TEMP TABLE bulk (n int, t text)")
        connection.execute(f"INSERT INTO bulk VALUES {rows}")
        found = connection.execute("SELECT count(*), sum(n), max(t) FROM bulk").fetchone()
    assert found == (10_000, 49_995_000, "it's number 9999")


def test_a_misspelt_function_until_somebody_makes_it(
    clinic: Guarded, module_clinic_database: Any
) -> None:
    sql = "SELECT id, nosuch(id) FROM clinic.patients LIMIT 1"
    superuser = module_clinic_database.server.dsn(None, module_clinic_database.name)
    with closing(clinic.connect("analyst", autocommit=True)) as analyst:
        with closing(clinic.connect("dba", autocommit=True)) as dba:
            for connection in (analyst, dba):
                with pytest.raises(psycopg.errors.UndefinedFunction) as caught:
                    connection.execute(sql)
                assert caught.value.diag.statement_position == "12"
        with closing(psycopg.connect(superuser, autocommit=True)) as other:
            other.execute(
                "CREATE FUNCTION public.nosuch(bigint) RETURNS int LANGUAGE sql AS 'SELECT 1'"
            )
        assert len(analyst.execute(sql).fetchall()) == 1
