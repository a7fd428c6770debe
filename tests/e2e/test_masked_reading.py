"""The analyst: every honest way to read, nothing refused, no protected byte on the wire."""

from __future__ import annotations

import datetime
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg import sql

from .canaries import canaries, leaks
from .proxies import Guarded, Relay, relayed

pytestmark = pytest.mark.pg

READS = [
    "SELECT * FROM clinic.patients ORDER BY id",
    "SELECT p FROM clinic.patients p",
    "SELECT row_to_json(p) FROM clinic.patients p",
    "SELECT to_jsonb(p.*) FROM clinic.patients p",
    "SELECT p.*::text FROM clinic.patients p",
    "SELECT (p).ssn, (p.*).dob FROM clinic.patients p",
    "SELECT ssn(p) FROM clinic.patients p",
    "SELECT id FROM clinic.patients WHERE ssn LIKE '1%'",
    "SELECT id, dob FROM clinic.patients ORDER BY dob, id",
    "SELECT count(*), count(ssn), min(dob), max(dob), max(ssn) FROM clinic.patients",
    "SELECT array_agg(ssn ORDER BY id), string_agg(last_name, ',') FROM clinic.patients",
    "SELECT id, ssn, dob, last_name FROM clinic.patients GROUP BY id ORDER BY id",
    "SELECT dob, count(*) FROM clinic.patients GROUP BY dob HAVING count(*) > 0 ORDER BY 1",
    "WITH x AS (SELECT * FROM clinic.patients) SELECT x.ssn, x.dob FROM x WHERE x.id < 9",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) "
    "SELECT n.i, p.ssn FROM n JOIN clinic.patients p ON p.id = n.i",
    "SELECT ssn FROM clinic.patients UNION SELECT mrn FROM clinic.patients",
    "SELECT (SELECT max(ssn) FROM clinic.patients), EXISTS (SELECT ssn FROM clinic.patients)",
    "SELECT p.last_name, e.reason FROM clinic.patients p "
    "JOIN clinic.encounters e ON e.patient_id = p.id",
    "SELECT x.s FROM clinic.patients p, LATERAL (SELECT p.ssn AS s) x",
    "SELECT rank() OVER (ORDER BY dob), ssn FROM clinic.patients",
    "SELECT DISTINCT ON (zip) zip, ssn FROM clinic.patients ORDER BY zip, id",
    "SELECT CASE WHEN ssn IS NULL THEN 'none' ELSE ssn END FROM clinic.patients",
    "SELECT clinic.patients.ssn FROM clinic.patients",
    "SELECT upper(email), length(address), contact ->> 'name' FROM clinic.patients",
    "SELECT coalesce(phone, email), contact #>> '{emergency,name}' FROM clinic.patients",
    "TABLE clinic.patients",
    "SELECT * FROM ONLY clinic.patients AS q (a, b, c)",
    "SELECT * FROM clinic.patients TABLESAMPLE BERNOULLI (100) REPEATABLE (1)",
    "SELECT * FROM clinic.patient_overview",
    "SELECT * FROM clinic.notes",
    "SELECT body FROM clinic.notes WHERE body ~ '[0-9]{3}-'",
    "SELECT ctid, tableoid, ssn FROM clinic.patients",
    "EXPLAIN SELECT * FROM clinic.patients WHERE ssn = '123-45-6789'",
    "EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) "
    "SELECT ssn FROM clinic.patients ORDER BY dob",
    "SELECT * FROM pg_catalog.pg_stats WHERE schemaname = 'clinic'",
]


@pytest.fixture(scope="module")
def values(clinic: Guarded, module_clinic_database: Any) -> frozenset[bytes]:
    module_clinic_database.execute("ANALYZE")
    found = canaries(module_clinic_database)
    assert len(found) > 400
    return found


@pytest.fixture
def relay(clinic: Guarded) -> Iterator[Relay]:
    with relayed(clinic) as found:
        yield found


def through(clinic: Guarded, relay: Relay) -> str:
    return clinic.dsn("analyst").replace(f":{clinic.port}/", f":{relay.port}/")


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg(clinic: Guarded, relay: Relay, values: frozenset[bytes], *, binary: bool) -> None:
    with closing(psycopg.connect(through(clinic, relay), autocommit=True)) as connection:
        for text in READS:
            cursor = connection.cursor(binary=binary)
            if binary and not text.startswith("EXPLAIN"):
                cursor.execute(text.replace("%", "%%").encode(), [])
            else:
                cursor.execute(text.encode())
            assert cursor.fetchall() is not None, text
            assert leaks(bytes(relay.received), values) == [], text


async def test_asyncpg(clinic: Guarded, relay: Relay, values: frozenset[bytes]) -> None:
    connection = await asyncpg.connect(through(clinic, relay))
    try:
        for text in READS:
            if "pg_stats" in text:
                continue  # asyncpg cannot read its anyarray columns, with or without dbguard
            rows = await connection.fetch(text)
            for row in rows:
                for name, value in row.items():
                    if name == "dob" and value is not None:
                        assert isinstance(value, datetime.date)
                        assert (value.month, value.day) == (1, 1), text
            assert leaks(bytes(relay.received), values) == [], text
        async with connection.transaction():
            cursor = await connection.cursor("SELECT ssn, dob FROM clinic.patients ORDER BY id")
            assert len(await cursor.fetch(5)) == 5
            assert len(await cursor.fetch(1000)) > 5
        assert leaks(bytes(relay.received), values) == []
    finally:
        await connection.close()


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_psql(
    clinic: Guarded,
    relay: Relay,
    values: frozenset[bytes],
    pg_server: Any,
    locale: str,
) -> None:
    script = ";\n".join(READS) + ";\n"
    script += """
    BEGIN;
    DECLARE c SCROLL CURSOR FOR SELECT ssn, dob FROM clinic.patients ORDER BY id;
    FETCH 3 FROM c; MOVE 2 IN c; FETCH BACKWARD 1 FROM c; CLOSE c;
    COMMIT;
    PREPARE q(bigint) AS SELECT ssn FROM clinic.patients WHERE id = $1;
    EXECUTE q(1); EXPLAIN EXECUTE q(2); DEALLOCATE q;
    COPY clinic.patients TO STDOUT;
    COPY clinic.patients (id, ssn, dob) TO STDOUT WITH (FORMAT csv, HEADER);
    COPY (SELECT ssn FROM clinic.patients) TO STDOUT WITH (FORMAT binary);
    SET search_path = clinic, public;
    SELECT ssn FROM patients;
    """
    result = subprocess.run(
        [
            pg_server.binary("psql"),
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            through(clinic, relay),
        ],
        input=script,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": locale},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "ERROR" not in result.stderr
    assert leaks(bytes(relay.received), values) == []


def test_a_failing_cast_shows_the_masked_value_only(
    clinic: Guarded, relay: Relay, values: frozenset[bytes]
) -> None:
    with (
        closing(psycopg.connect(through(clinic, relay), autocommit=True)) as connection,
        pytest.raises(psycopg.errors.InvalidTextRepresentation, match=r"\*\*\*-\*\*-"),
    ):
        connection.execute("SELECT ssn::int FROM clinic.patients")
    assert leaks(bytes(relay.received), values) == []


def test_the_result_is_the_masked_data_and_the_record_says_so(clinic: Guarded) -> None:
    with closing(clinic.connect("analyst", autocommit=True)) as connection:
        rows = connection.execute("SELECT id, ssn, dob FROM clinic.patients").fetchall()
    assert len(rows) == 60
    shown = {ssn for _, ssn, _ in rows if ssn is not None}
    assert all(ssn.startswith("***-**-") and len(ssn) == 11 for ssn in shown)
    record = [r for r in clinic.records("decision") if r["decision"] == "masked"][-1]
    assert {m["column"] for m in record["masked"]} == {
        "clinic.patients.ssn",
        "clinic.patients.dob",
    }


def test_statement_names_and_large_results_pass(clinic: Guarded) -> None:
    with closing(clinic.connect("analyst", autocommit=True)) as connection:
        connection.prepare_threshold = 0
        query = sql.SQL("SELECT ssn FROM clinic.patients WHERE id = %s")
        for number in range(1, 6):
            (row,) = connection.execute(query, [number]).fetchall()
            assert row[0].startswith("***-**-")
        rows = connection.execute(
            "SELECT p.ssn, repeat('x', 1000) FROM clinic.patients p, generate_series(1, 500)"
        ).fetchall()
    assert len(rows) == 60 * 500
