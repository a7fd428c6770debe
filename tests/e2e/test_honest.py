"""Honest work: nothing is refused, and who sees everything gets what the server says."""

from __future__ import annotations

from typing import Any

import pytest

from .attackers import Answers, Attacker, How, paragraphs
from .proxies import ROOT, Guarded

pytestmark = pytest.mark.pg

HONEST = ROOT / "tests" / "e2e" / "honest"
ANALYSTS = paragraphs(HONEST / "analyst.sql")
CAPTURED = [
    text for file in ("psql", "mappers", "reports") for text in paragraphs(HONEST / f"{file}.sql")
]
TOOLS = [
    *paragraphs(HONEST / "tools.sql"),
    *paragraphs(ROOT / "tests" / "sql" / "honest_statements.sql"),
]
STRUCTURE = (
    "CREATE TABLE",
    "CREATE MATERIALIZED",
    "CREATE OR REPLACE",
    "CREATE UNIQUE",
    "CREATE VIEW",
    "ALTER",
    "DROP",
    "GRANT",
)
"""What changes for good is no matter for comparisons: each session would see the others' work."""

BY_POLICY = (
    "SELECT pg_catalog.set_config('search_path'",  # pg_dump's, and who dumps sees everything
    "SELECT a.id FROM clinic.patients a JOIN clinic.patients b ON a.last_name",  # joins on masks
)
"""What analysts are meant not to do."""


def answers(session: Attacker, text: str, how: How) -> Answers:
    session.reset(thoroughly=False)
    if "$1" in text and not text.startswith("PREPARE"):
        session.prepare(text)  # as drivers do; its parameters' values are not known
        session.send("DEALLOCATE ALL", How.SIMPLE)
    else:
        session.send(text, how)
    return session.answers


def differences(
    guarded: Guarded, direct_dsn: str, user: str, statements: list[str], how: How, *, rows: bool
) -> list[tuple[str, object, object]]:
    """Statements that dbguard answers otherwise than the server does."""
    found: list[tuple[str, object, object]] = []
    proxied, direct, again = Attacker(guarded.dsn(user)), Attacker(direct_dsn), Attacker(direct_dsn)
    for text in statements:
        if how is not How.SIMPLE and "; " in text:
            continue
        # what the server measures moves by itself: only a lasting difference counts
        for _ in range(3):
            shown, expected = answers(proxied, text, how), answers(direct, text, how)
            repeated = answers(again, text, how)
            wrong: tuple[str, object, object] | None = None
            if bool(shown.errors) != bool(expected.errors):
                wrong = (text, shown.errors, expected.errors)
            elif "pg_stat_" in text:
                break  # its rows are counters
            elif rows and expected == repeated and shown.rows != expected.rows:
                wrong = (text, shown.rows[:3], expected.rows[:3])
            if wrong is None:
                break
        else:
            assert wrong is not None
            found.append(wrong)
    for session in (proxied, direct, again):
        session.close()
    return found


@pytest.mark.parametrize("how", [How.SIMPLE, How.BINARY])
@pytest.mark.parametrize("user", ["analyst", "clinician", "dba"])
def test_analysis(clinic: Guarded, pg_server: Any, user: str, how: How) -> None:
    direct = pg_server.dsn(user, clinic.database)
    raw = user != "analyst"
    assert differences(clinic, direct, user, ANALYSTS, how, rows=raw) == []


@pytest.mark.parametrize("user", ["analyst", "clinician"])
def test_captured(clinic: Guarded, pg_server: Any, user: str) -> None:
    direct = pg_server.dsn(user, clinic.database)
    rows = user != "analyst"
    assert differences(clinic, direct, user, CAPTURED, How.SIMPLE, rows=rows) == []


def test_migrations(guard: Any, clinic_database: Any, pg_server: Any) -> None:
    guarded = guard(clinic_database, environment="staging", durability="buffered")
    session = Attacker(guarded.dsn("dba"))
    refused = []
    for text in paragraphs(HONEST / "migrations.sql"):
        if text.startswith("merge ") and pg_server.version < 150_000:
            continue  # no such statement
        session.answers = Answers()
        session.send(text, How.SIMPLE)
        if session.answers.errors:
            refused.append((text, session.answers.errors))
    session.close()
    assert refused == []


@pytest.mark.parametrize("user", ["analyst", "clinician", "dba"])
def test_tools(clinic: Guarded, pg_server: Any, user: str) -> None:
    direct = pg_server.dsn(user, clinic.database)
    raw = user != "analyst"
    statements = [t for t in TOOLS if not t.startswith(STRUCTURE)]
    if not raw:
        statements = [t for t in statements if not t.startswith(BY_POLICY)]
    assert differences(clinic, direct, user, statements, How.SIMPLE, rows=raw) == []
