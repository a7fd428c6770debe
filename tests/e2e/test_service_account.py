"""A service account that may write classified data and not read it: nothing comes back.

It holds every right of the database itself, so that dbguard's policy is all that stands between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from .canaries import canaries, leaks
from .conftest import Factory
from .proxies import Guarded, Relay, relayed

pytestmark = pytest.mark.pg

RULES = """
classification:
  - tag: phi
    columns: [clinic.patients.mrn, clinic.patients.ssn, clinic.patients.first_name,
      clinic.patients.last_name, clinic.patients.dob, clinic.patients.phone, clinic.patients.email,
      clinic.patients.contact, clinic.patients.address, clinic.patients.insurance_id,
      clinic.patients.external_id, clinic.notes.body]
roles:
  feeder: {users: [app]}
rules:
  - {id: feeders-write, allow: [insert, update], roles: [feeder], data: [phi]}
defaults:
  classified: deny
  unclassified: {read: allow, write: allow, ddl: deny, privilege: deny, code: deny,
    maintenance: deny}
"""
SETUP = """
GRANT USAGE ON SCHEMA clinic TO app;
GRANT ALL ON ALL TABLES IN SCHEMA clinic TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA clinic TO app;
CREATE TABLE public.inbox (id bigint PRIMARY KEY, body text);
INSERT INTO public.inbox VALUES (7, 'seven'), (8, 'eight');
GRANT ALL ON public.inbox TO app;
ALTER TABLE clinic.patients ADD CONSTRAINT once UNIQUE (ssn, last_name) DEFERRABLE;
ALTER TABLE clinic.patients ADD CONSTRAINT short CHECK (length(first_name) < 40);
"""
NEW = (
    "INSERT INTO clinic.patients (id, mrn, ssn, first_name, last_name, dob)"
    " VALUES ({id}, 'NEW-{id}', '900-00-{id}', 'New', 'Person', '1990-01-01')"
)
VALUES = NEW.format(id=7)

ALLOWED = [
    NEW.format(id=90001),
    NEW.format(id=90002) + " RETURNING id, sex",
    VALUES + " ON CONFLICT DO NOTHING",
    VALUES + " ON CONFLICT (id) DO NOTHING RETURNING id",
    VALUES + " ON CONFLICT (id) DO UPDATE SET phone = excluded.phone, ssn = excluded.ssn",
    "UPDATE clinic.patients SET phone = '555', email = 'x@y.test' WHERE id = 9 RETURNING id",
    "UPDATE clinic.patients SET phone = i.body FROM public.inbox i WHERE patients.id = i.id",
    "INSERT INTO clinic.notes (encounter_id, patient_id, author_id, written_at, body)"
    " SELECT 1, id, 1, now(), body FROM public.inbox",
    "INSERT INTO clinic.patients (mrn, first_name, last_name, dob) SELECT 'A' || i.id, 'a', 'b',"
    " '1990-01-01' FROM public.inbox i RETURNING clinic.patients.id",
]

READS_PHI = [
    VALUES + " RETURNING *",
    VALUES + " RETURNING ssn",
    VALUES + " RETURNING patients",
    VALUES + " RETURNING to_jsonb(patients)",
    VALUES + " RETURNING length(ssn)",
    VALUES + " ON CONFLICT (id) DO UPDATE SET phone = patients.ssn",
    VALUES + " ON CONFLICT (id) DO UPDATE SET phone = clinic.patients.ssn RETURNING id",
    VALUES + " ON CONFLICT (id) DO UPDATE SET (phone, email) = (SELECT patients.ssn, 'x')",
    VALUES + " ON CONFLICT (id) DO UPDATE SET sex = 'other' WHERE patients.ssn LIKE '1%'",
    VALUES + " ON CONFLICT (id) DO UPDATE SET sex = 'other' RETURNING patients.*",
    VALUES + " ON CONFLICT (id) DO UPDATE SET phone = excluded.phone RETURNING phone",
    "UPDATE clinic.patients SET phone = '1' WHERE id = 7 RETURNING ssn",
    "UPDATE clinic.patients SET phone = '1' WHERE id = 7 RETURNING *",
    "UPDATE clinic.patients p SET phone = '1' WHERE id = 7 RETURNING p",
    "UPDATE clinic.patients SET phone = ssn WHERE id = 7",
    "UPDATE clinic.patients SET phone = ssn || '' WHERE id = 7",
    "UPDATE clinic.patients SET sex = 'other' WHERE ssn LIKE '1%'",
    "UPDATE clinic.patients SET sex = 'other' WHERE ssn IS NULL",
    "UPDATE clinic.patients p SET sex = 'other' WHERE p::text LIKE '%1%'",
    "UPDATE clinic.patients SET state = (SELECT max(last_name) FROM clinic.patients) WHERE id = 7",
    "UPDATE clinic.patients SET phone = q.ssn FROM clinic.patients q WHERE q.id = patients.id",
    "UPDATE clinic.patients SET (phone, email) = (SELECT ssn, mrn FROM clinic.patients LIMIT 1)",
    "UPDATE public.inbox SET body = ssn FROM clinic.patients p WHERE p.id = inbox.id",
    "UPDATE public.inbox SET body = ssn FROM clinic.patients p WHERE p.id = inbox.id"
    " RETURNING body",
    "INSERT INTO public.inbox SELECT id, ssn FROM clinic.patients",
    "INSERT INTO public.inbox SELECT id, ssn FROM clinic.patients RETURNING body",
    "INSERT INTO public.inbox SELECT 1, p::text FROM clinic.patients p",
    "INSERT INTO clinic.notes (patient_id, body) SELECT id, ssn FROM clinic.patients",
    "INSERT INTO public.inbox TABLE clinic.notes",
    "MERGE INTO public.inbox i USING clinic.patients p ON i.id = p.id"
    " WHEN MATCHED THEN UPDATE SET body = p.ssn",
    "MERGE INTO public.inbox i USING clinic.patients p ON i.body = p.ssn WHEN MATCHED THEN DELETE",
    "MERGE INTO clinic.patients p USING public.inbox i ON p.ssn = i.body"
    " WHEN MATCHED THEN UPDATE SET sex = 'other'",
    "MERGE INTO clinic.patients p USING public.inbox i ON p.id = i.id"
    " WHEN MATCHED AND p.ssn LIKE '1%' THEN UPDATE SET sex = 'other'",
    "MERGE INTO clinic.patients p USING public.inbox i ON p.id = i.id"
    " WHEN MATCHED THEN UPDATE SET phone = p.ssn",
    "MERGE INTO public.inbox i USING (TABLE clinic.patients) p ON false"
    " WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.ssn)",
    "DELETE FROM public.inbox i USING clinic.patients p WHERE i.body = p.ssn",
    "DELETE FROM public.inbox i USING clinic.patients p WHERE i.id = p.id RETURNING p.ssn",
    "WITH x AS (UPDATE clinic.patients SET phone = '1' RETURNING ssn) SELECT 1 FROM x",
    "WITH x AS (UPDATE clinic.patients SET phone = '1' RETURNING *) SELECT count(*) FROM x",
    "COPY (UPDATE clinic.patients SET phone = '1' WHERE id = 7 RETURNING ssn) TO STDOUT",
    "EXPLAIN (ANALYZE, VERBOSE) UPDATE clinic.patients SET phone = '1' WHERE id = 7 RETURNING ssn",
    "PREPARE q AS UPDATE clinic.patients SET phone = '1' WHERE id = 7 RETURNING ssn",
    "SELECT ssn FROM clinic.patients",
    "SELECT count(*) FROM clinic.patients WHERE ssn = 'x'",
    "TABLE clinic.patient_overview",
    "COPY clinic.patients TO STDOUT",
    "COPY clinic.patients (id, ssn) TO STDOUT",
    "SELECT id FROM clinic.patients p ORDER BY ssn LIMIT 1 FOR UPDATE",
]
NEWER = {
    180000: [
        "UPDATE clinic.patients SET phone = '1' WHERE id = 7 RETURNING old.ssn",
        "UPDATE clinic.patients SET phone = '1' WHERE id = 7 RETURNING old.*",
        VALUES + " ON CONFLICT (id) DO UPDATE SET sex = 'other' RETURNING old.last_name",
    ],
    170000: [
        "MERGE INTO clinic.patients p USING public.inbox i ON p.id = i.id"
        " WHEN MATCHED THEN UPDATE SET sex = 'other' RETURNING p.ssn",
    ],
}

FAILING = [
    # Each breaks a constraint: the server would name the values.
    (NEW.format(id=90003).replace("'NEW-90003'", "NULL"), "23502"),
    ("UPDATE clinic.patients SET last_name = NULL WHERE id = 7", "23502"),
    ("UPDATE clinic.patients SET first_name = repeat('x', 50) WHERE id = 7", "23514"),
    ("UPDATE clinic.patients SET id = 8 WHERE id = 7", "23505"),
    ("UPDATE clinic.patients SET mrn = 'one' WHERE id IN (7, 8)", "23505"),
    ("UPDATE clinic.patients SET ssn = '1', last_name = 'x' WHERE id IN (7, 8)", "23505"),
    ("DELETE FROM public.inbox WHERE body::int = 1", "22P02"),
]
DEFERRED = "UPDATE clinic.patients SET ssn = '1', last_name = 'x' WHERE id IN (7, 8)"


@pytest.fixture(scope="module")
def guarded(
    module_clinic_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    module_clinic_database.execute(SETUP)
    folder = tmp_path_factory.mktemp("service")
    (folder / "rules").mkdir()
    (folder / "rules" / "rules.yaml").write_text(RULES, "utf-8")
    with ExitStack() as stack:
        factory = Factory(stack, folder)
        yield factory(module_clinic_database, durability="buffered", rules=folder / "rules")


@pytest.fixture(scope="module")
def values(module_clinic_database: Any) -> frozenset[bytes]:
    return canaries(module_clinic_database)


@pytest.fixture
def relay(guarded: Guarded) -> Iterator[Relay]:
    with relayed(guarded) as found:
        yield found


@pytest.fixture
def session(guarded: Guarded, relay: Relay) -> Iterator[psycopg.Connection[Any]]:
    dsn = guarded.dsn("app").replace(f":{guarded.port}/", f":{relay.port}/")
    with closing(psycopg.connect(dsn)) as connection:
        yield connection
        connection.rollback()


def ran(session: psycopg.Connection[Any], text: str) -> psycopg.Error | None:
    """Run one statement and take all it gives."""
    try:
        if text.startswith("COPY"):
            with session.cursor().copy(text.encode()) as copy:
                list(copy)
        else:
            cursor = session.execute(text.encode())
            if cursor.description:
                cursor.fetchall()
    except psycopg.Error as error:
        return error
    return None


def test_writing_is_allowed(session: psycopg.Connection[Any]) -> None:
    for text in ALLOWED:
        assert ran(session, text) is None, text
        session.rollback()


def test_nothing_classified_is_read(
    session: psycopg.Connection[Any],
    relay: Relay,
    values: frozenset[bytes],
    module_clinic_database: Any,
) -> None:
    version = module_clinic_database.server.version
    newer = [t for least, texts in NEWER.items() if version >= least for t in texts]
    for text in READS_PHI + newer:
        error = ran(session, text)
        session.rollback()
        assert isinstance(error, psycopg.errors.InsufficientPrivilege), text
        assert "is not allowed for app" in str(error), text
        assert leaks(bytes(relay.received), values) == [], text


@pytest.mark.parametrize(("text", "sqlstate"), FAILING)
def test_failing_constraints_name_no_value(
    session: psycopg.Connection[Any],
    relay: Relay,
    values: frozenset[bytes],
    text: str,
    sqlstate: str,
) -> None:
    error = ran(session, text)
    assert error is not None
    assert error.sqlstate == sqlstate
    assert leaks(bytes(relay.received), values) == []
    if "clinic" in text:
        assert error.diag.message_detail is None or "(" not in error.diag.message_detail
        assert "withheld" in str(error)
    else:
        assert "seven" in str(error)  # unclassified data: the server's own words


@pytest.mark.parametrize("last", ["COMMIT", "SET CONSTRAINTS ALL IMMEDIATE"])
def test_deferred_constraints_name_no_value(
    session: psycopg.Connection[Any], relay: Relay, values: frozenset[bytes], last: str
) -> None:
    assert ran(session, "SET CONSTRAINTS ALL DEFERRED") is None
    assert ran(session, DEFERRED) is None
    assert ran(session, "SELECT count(*) FROM clinic.encounters") is None
    error = ran(session, last)
    assert error is not None
    assert error.sqlstate == "23505"
    assert error.diag.constraint_name == "once"
    assert "withheld" in str(error)
    assert not error.diag.message_detail or "(" not in error.diag.message_detail
    assert leaks(bytes(relay.received), values) == []
