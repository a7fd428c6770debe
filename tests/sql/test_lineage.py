"""Where a view's values come from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.sql.lineage import column_sources, unreadable_views
from dbguard.sql.snapshot import RelationKind, Snapshot

from .catalogs import SNAPSHOT, table

PATIENT_ID, SSN, LAST_NAME = (101, 1), (101, 3), (101, 4)


def with_view(definition: str | None, columns: str, oid: int = 500) -> Snapshot:
    view = table(oid, f"v{oid}", columns, kind=RelationKind.VIEW, definition=definition)
    return replace(SNAPSHOT, relations=(*SNAPSHOT.relations, view))


def test_columns_of_a_view() -> None:
    sources = column_sources(SNAPSHOT)
    assert sources[105, 1] == {PATIENT_ID}
    assert sources[105, 2] == {LAST_NAME}


def test_views_over_views_and_counts() -> None:
    sources = column_sources(SNAPSHOT)
    assert sources[111, 1] == {LAST_NAME, (105, 2)}
    assert (111, 2) not in sources


def test_partitions_share_their_parents_meaning() -> None:
    sources = column_sources(SNAPSHOT)
    assert sources[108, 4] == {(107, 4)}
    assert sources[107, 4] == {(108, 4)}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("SELECT upper(ssn) AS a FROM clinic.patients;", {SSN}),
        ("SELECT ssn IS NULL AS a FROM clinic.patients;", set()),
        ("SELECT 1 AS a FROM clinic.patients WHERE ssn = '1';", set()),
        (
            "SELECT ssn AS a FROM clinic.patients UNION SELECT last_name FROM clinic.patients;",
            {SSN, LAST_NAME},
        ),
        ("WITH q AS (SELECT ssn FROM clinic.patients) SELECT max(ssn) AS a FROM q;", {SSN}),
        ("SELECT max(ssn) OVER (ORDER BY last_name) AS a FROM clinic.patients;", {SSN}),
    ],
)
def test_expressions(definition: str, expected: set[tuple[int, int]]) -> None:
    snapshot = with_view(definition, "a text")
    assert column_sources(snapshot).get((500, 1), frozenset()) == expected
    assert not unreadable_views(snapshot)


@pytest.mark.parametrize(
    "definition",
    [
        None,
        "SELECT broken",
        "SELECT ssn AS a, 1 AS b FROM clinic.patients;",
        "SELECT pg_read_file('x') AS a;",
        "SELECT public.bmi(1, 2) AS a;",
        "SELECT ssn OPERATOR(public.===) 'x' AS a FROM clinic.patients;",
    ],
)
def test_what_cannot_be_read(definition: str | None) -> None:
    assert unreadable_views(with_view(definition, "a text")) == {500}


def test_functions_declared_safe() -> None:
    snapshot = with_view("SELECT public.bmi(1, 2) AS a;", "a text")
    assert not unreadable_views(snapshot, ["public.bmi(numeric, numeric)"])


def test_what_reads_an_unreadable_view_is_unreadable() -> None:
    snapshot = with_view(None, "a text")
    over = table(
        501, "w", "a text", kind=RelationKind.VIEW, definition="SELECT a FROM clinic.v500;"
    )
    assert unreadable_views(replace(snapshot, relations=(*snapshot.relations, over))) == {500, 501}
