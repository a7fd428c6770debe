"""EXPLAIN's row estimates come from statistics of real values: none of masked columns gets out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from .conftest import Factory
from .proxies import Guarded

pytestmark = pytest.mark.pg

SETUP = """
INSERT INTO clinic.patients (mrn, ssn, first_name, last_name, dob, email, zip)
  SELECT 'E' || n, CASE WHEN n % 10 > 0 THEN '900-11-0000' ELSE '901-' || n END, 'Ann',
    CASE WHEN n % 10 > 0 THEN 'Frequent' ELSE 'Rare' || n END,
    CASE WHEN n % 10 > 0 THEN date '1970-05-05' ELSE date '1950-02-03' + n END,
    CASE WHEN n % 10 > 0 THEN 'frequent@x.test' ELSE 'rare' || n || '@x.test' END,
    CASE WHEN n % 10 > 0 THEN '90012' ELSE '10' || (n % 1000) END
  FROM generate_series(1, 3000) n;
CREATE INDEX ON clinic.patients (ssn);
CREATE STATISTICS clinic.both_of_them (mcv, dependencies) ON ssn, last_name FROM clinic.patients;
ANALYZE clinic.patients;
"""
VALUES = {
    "ssn": ("900-11-0000", "901-10"),
    "last_name": ("Frequent", "Rare10"),
    "dob": ("1970-05-05", "1950-02-13"),
    "email": ("frequent@x.test", "rare10@x.test"),
    "zip": ("90012", "10010"),
}
"""What most rows hold, and what one does."""

PREDICATES = [
    "SELECT * FROM clinic.patients WHERE {column} = '{value}'",
    "SELECT * FROM public.seen WHERE {column} = '{value}'",
    "SELECT id FROM clinic.patients WHERE {column} <> '{value}'",
    "SELECT id FROM clinic.patients WHERE {column} <= '{value}'",
    "SELECT id FROM clinic.patients WHERE {column} IN ('{value}', '1800-01-01')",
    "SELECT id FROM clinic.patients WHERE {column}::text LIKE '{value}%'",
    "SELECT id FROM ONLY clinic.patients p WHERE p.{column} = '{value}' AND p.{column} = '{value}'",
    "SELECT count(*) FROM clinic.patients GROUP BY {column} HAVING {column} = '{value}'",
    "SELECT x.a FROM (SELECT {column} AS a FROM clinic.patients) x WHERE x.a = '{value}'",
    "WITH x AS MATERIALIZED (TABLE clinic.patients) SELECT id FROM x WHERE {column} = '{value}'",
    "SELECT e.id FROM clinic.encounters e JOIN clinic.patients p ON p.id = e.patient_id"
    " WHERE p.{column} = '{value}'",
    "SELECT (SELECT count(*) FROM clinic.patients WHERE {column} = '{value}')",
    "DELETE FROM public.marks m USING clinic.patients p WHERE m.id = p.id AND"
    " p.{column} = '{value}'",
]


@pytest.fixture(scope="module")
def guarded(
    module_clinic_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    module_clinic_database.execute(SETUP)
    module_clinic_database.execute(
        "CREATE TABLE public.marks (id bigint); GRANT ALL ON public.marks TO analyst;"
        "CREATE VIEW public.seen AS TABLE clinic.patients; GRANT SELECT ON public.seen TO analyst"
    )
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("estimates"))
        yield factory(module_clinic_database, durability="buffered")


def estimates(connection: psycopg.Connection[Any], text: str) -> list[object]:
    """Rows, widths and costs of every node of the plan, and which nodes it has."""
    ((document,),) = connection.execute(f"EXPLAIN (FORMAT JSON) {text}".encode()).fetchall()
    found: list[object] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            figures = ("Node Type", "Plan Rows", "Plan Width", "Startup Cost", "Total Cost")
            found.extend(node[key] for key in figures if key in node)
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(json.loads(document) if isinstance(document, str) else document)
    return found


@pytest.mark.parametrize("text", PREDICATES)
def test_a_frequent_value_is_estimated_like_a_rare_one(guarded: Guarded, text: str) -> None:
    with closing(guarded.connect("analyst", autocommit=True)) as connection:
        for column, values in VALUES.items():
            frequent, rare = (
                estimates(connection, text.format(column=column, value=value)) for value in values
            )
            assert frequent == rare, column
            assert frequent


def test_the_server_itself_tells_them_apart(module_clinic_database: Any, guarded: Guarded) -> None:
    with closing(psycopg.connect(module_clinic_database.dsn())) as connection:
        for column, values in VALUES.items():
            frequent, rare = (
                estimates(connection, PREDICATES[0].format(column=column, value=value))
                for value in values
            )
            assert frequent != rare, column
