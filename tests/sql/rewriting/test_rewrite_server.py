"""What a server thinks of rewritten statements: plans, parameter types, error positions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.pg

PLANNED = [
    "SELECT * FROM many WHERE id = 7",
    "SELECT secret FROM many m WHERE m.id = 7",
    "SELECT secret FROM many WHERE id BETWEEN 7 AND 9 ORDER BY id",
    "SELECT secret FROM many ORDER BY id LIMIT 5",
    "SELECT secret FROM many ORDER BY id DESC LIMIT 5",
    "SELECT id FROM many WHERE id < 20",
    "SELECT max(id), min(grp) FROM many",
    "SELECT secret FROM many WHERE grp = 3",
    "SELECT a.secret, b.secret FROM many a JOIN many b ON a.id = b.grp WHERE b.id = 4",
    "SELECT secret FROM many WHERE id IN (SELECT grp FROM many WHERE id = 5)",
    "SELECT secret FROM many WHERE id = ANY (ARRAY[1, 2])",
    "SELECT l.secret FROM providers p, LATERAL (SELECT secret FROM many m WHERE m.id = p.id) l",
    "SELECT p.id, m.secret FROM providers p LEFT JOIN many m ON m.id = p.id",
    "SELECT grp, count(*) FROM many GROUP BY grp",
    "SELECT id, secret FROM many WHERE id = 3 FOR UPDATE",
    "UPDATE scratch s SET body = m.secret FROM many m WHERE m.id = s.id",
    "SELECT body FROM events WHERE at = '2024-02-03'",
    "WITH x AS (SELECT * FROM many) SELECT secret FROM x WHERE id = 3",
    "SELECT secret FROM many WHERE EXISTS (SELECT FROM providers p WHERE p.id = many.id)",
]


def nodes(clinic: Any, text: str) -> list[str]:
    """Kinds of plan nodes and the indexes they use, from the top down."""
    with psycopg.connect(clinic.database.dsn()) as connection:
        connection.execute("SET search_path = clinic; SET max_parallel_workers_per_gather = 0")
        row = connection.execute(f"EXPLAIN (FORMAT json) {text}").fetchone()
        assert row is not None
        plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
        return list(walk(plan[0]["Plan"]))


def walk(plan: dict[str, Any]) -> Iterator[str]:
    yield f"{plan['Node Type']} {plan.get('Index Name', '')}".strip()
    for child in plan.get("Plans", ()):
        yield from walk(child)


@pytest.mark.parametrize("text", PLANNED)
def test_plans_stay_as_they_were(clinic: Any, text: str) -> None:
    sent = clinic.rewritten(text).text
    assert sent != text
    assert nodes(clinic, sent) == nodes(clinic, text)


def test_a_key_is_looked_up_in_its_index(clinic: Any) -> None:
    sent = clinic.rewritten("SELECT * FROM many WHERE id = 7").text
    assert nodes(clinic, sent) == ["Index Scan many_pkey"]


PARAMETERS = [
    "SELECT * FROM patients WHERE ssn = $1 AND dob > $2 AND age = $3 AND balance < $4",
    "SELECT ssn FROM patients WHERE id = $1 AND zip LIKE $2 AND ext = $3 AND sex = $4",
    "SELECT coalesce(name, $1), $2 || note FROM patients WHERE tags && $3 AND doc @> $4",
    "SELECT ssn FROM patients WHERE (ssn, id) = ($1, $2) LIMIT $3 OFFSET $4",
    "SELECT CASE WHEN mrn = $1 THEN seen ELSE $2 END, $3::text, $4 = id FROM patients",
    "INSERT INTO scratch SELECT id, $1 FROM patients WHERE bin = $2 AND age = ANY ($3)",
    "UPDATE scratch s SET body = $1 FROM patients p WHERE p.id = s.id AND p.lowered IN ($2, $3)",
]


@pytest.mark.parametrize("text", PARAMETERS)
def test_parameters_and_results_keep_their_types(clinic: Any, text: str) -> None:
    described = []
    for sent in (text, clinic.rewritten(text).text):
        with psycopg.connect(clinic.database.dsn()) as connection:
            connection.execute("SET search_path = clinic")
            low = connection.pgconn
            prepared = low.prepare(b"q", sent.encode())
            assert not prepared.error_message
            result = low.describe_prepared(b"q")
            described.append(
                (
                    [result.param_type(i) for i in range(result.nparams)],
                    [(result.fname(i), result.ftype(i)) for i in range(result.nfields)],
                    [(result.fmod(i), result.fsize(i)) for i in range(result.nfields)],
                )
            )
    assert described[0] == described[1]


WRONG = [
    "SELECT ssn + 1 FROM patients",
    "SELECT 'ä', p.id, p.ssn - p.ssn FROM patients p",
    "SELECT ssn FROM clinic.patients WHERE ssn > 3",
    "SELECT * FROM patients p JOIN visits v ON v.id = p.id WHERE p.dob = 5",
    "SELECT clinic.patients.ssn, dob * 2 FROM patients",
    "SELECT ssn FROM patients p GROUP BY dob",
    "SELECT id, ssn, dob - 'x'::text FROM patients GROUP BY id",
]


def position(clinic: Any, text: str) -> int:
    with psycopg.connect(clinic.database.dsn()) as connection:
        connection.execute("SET search_path = clinic")
        result = connection.pgconn.exec_(text.encode())
        return int(result.error_field(psycopg.pq.DiagnosticField.STATEMENT_POSITION) or b"0")


@pytest.mark.parametrize("text", WRONG)
def test_errors_point_into_the_clients_text(clinic: Any, text: str) -> None:
    direct = position(clinic, text)
    assert direct > 0
    rewritten = clinic.rewritten(text)
    assert rewritten.positions.to_original(position(clinic, rewritten.text)) == direct
