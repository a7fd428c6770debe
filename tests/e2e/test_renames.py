"""Names change while sessions live: protection stays with the data."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg


def test_a_renamed_column_keeps_its_protection(guard: Any, clinic_database: Any) -> None:
    guarded: Guarded = guard(clinic_database, durability="buffered")
    with closing(guarded.connect("analyst", autocommit=True)) as connection:
        connection.execute("SELECT ssn FROM clinic.patients LIMIT 1")
        clinic_database.execute("ALTER TABLE clinic.patients RENAME COLUMN ssn TO number")
        with closing(guarded.connect("analyst", autocommit=True)) as second:
            for session in (connection, second):
                until = time.monotonic() + 60
                while time.monotonic() < until:
                    try:
                        (row,) = session.execute(
                            "SELECT number FROM clinic.patients WHERE id = 1"
                        ).fetchall()
                    except psycopg.errors.UndefinedColumn:
                        continue
                    break
                assert row[0].startswith("***-**-")
        clinic_database.execute("ALTER TABLE clinic.patients RENAME TO people")
        clinic_database.execute("ALTER SCHEMA clinic RENAME TO hospital")
        (row,) = connection.execute("SELECT number FROM hospital.people WHERE id = 1").fetchall()
        assert row[0].startswith("***-**-")


def test_views_keep_their_protection_under_a_search_path(guard: Any, clinic_database: Any) -> None:
    guarded: Guarded = guard(clinic_database, durability="buffered")
    with closing(guarded.connect("analyst", autocommit=True)) as connection:
        columns = "SELECT * FROM patient_overview ORDER BY 1 LIMIT 3"
        connection.execute("SET search_path = clinic, public")
        before = connection.execute(columns).fetchall()
        connection.execute("CREATE TEMP TABLE own AS SELECT 1 AS a")
        # the catalog is now read on the session itself, whose search_path the view's text follows
        assert connection.execute(columns).fetchall() == before
        assert connection.execute("SELECT a FROM own").fetchall() == [(1,)]


def noticed(answer: Callable[[], bool]) -> bool:
    """Whether DDL that dbguard did not carry is noticed."""
    until = time.monotonic() + 60  # a busy machine takes its time
    while not (found := answer()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def test_a_view_that_is_replaced_between_parse_and_bind(guard: Any, clinic_database: Any) -> None:
    clinic_database.execute(
        "CREATE VIEW clinic.board AS SELECT id, state::text AS word FROM clinic.patients"
    )
    clinic_database.execute("GRANT SELECT ON clinic.board TO analysts")
    guarded: Guarded = guard(clinic_database, durability="buffered")
    with closing(guarded.connect("analyst", autocommit=True)) as connection:
        connection.prepare_threshold = 0
        text = "SELECT word FROM clinic.board WHERE id = %s"
        (row,) = connection.execute(text, [1]).fetchall()
        assert len(row[0]) == 2
        clinic_database.execute(
            "CREATE OR REPLACE VIEW clinic.board AS SELECT id, ssn AS word FROM clinic.patients"
        )
        raw = {s for (s,) in clinic_database.execute("SELECT ssn FROM clinic.patients")}
        assert noticed(lambda: connection.execute(text, [1]).fetchall()[0][0] not in raw)
        for _ in range(3):
            (row,) = connection.execute(text, [1]).fetchall()
            assert row[0] not in raw


def test_who_leaves_a_role_loses_its_grants(guard: Any, clinic_database: Any) -> None:
    clinic_database.create_user("nurse", "clinicians")
    guarded: Guarded = guard(clinic_database, durability="buffered")
    with closing(guarded.connect("nurse", autocommit=True)) as connection:
        text = "SELECT ssn FROM clinic.patients WHERE id = 1"
        assert connection.execute(text).fetchall()
        clinic_database.execute("GRANT USAGE ON SCHEMA clinic TO nurse")
        clinic_database.execute("GRANT SELECT ON clinic.patients TO nurse")
        clinic_database.execute("REVOKE clinicians FROM nurse")

        def refused() -> bool:
            try:
                connection.execute(text)
            except psycopg.errors.InsufficientPrivilege as error:
                return "is not allowed for nurse" in str(error)
            return False

        assert noticed(refused)
        clinic_database.execute("GRANT clinicians TO nurse")
        assert noticed(lambda: not refused())
        assert connection.execute(text).fetchall()
