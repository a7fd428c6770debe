"""Ways to destroy something of which there is no backup, all that we could think of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .conftest import Factory
from .proxies import Guarded

pytestmark = pytest.mark.pg

FOLDER = Path(__file__).parent / "backup_attacks"
RULES = """
roles:
  refuser: {users: [refuser]}
  taker: {users: [taker]}
rules:
  - {id: everything, allow: [all], roles: [refuser, taker]}
  - id: needs-backup
    require: {backup: {max_age: 1h, on_missing: refuse}}
    actions: [ddl, privilege, code, maintenance]
    unless: additive
    roles: [refuser]
  - id: takes-backup
    require: {backup: {max_age: 1h, on_missing: take}}
    actions: [drop]
    roles: [taker]
defaults:
  classified: deny
  unclassified:
    {read: allow, write: allow, ddl: allow, privilege: allow, code: allow, maintenance: allow}
"""
STATE = """
SELECT (SELECT count(home) FROM clinic.patients), (SELECT count(name) FROM clinic.plain),
  (SELECT count(*) FROM public.shadow), (SELECT count(x) FROM clinic.parted),
  (SELECT count(*) FROM clinic.parted_1), (SELECT count(*) FROM clinic.of_extension),
  (SELECT count(*) FROM information_schema.misplaced), to_regclass('clinic.plain_id')::text,
  (SELECT count(*) FROM clinic.names), (SELECT count((home).town) FROM clinic.patients),
  (SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute a
   WHERE a.attrelid = 'clinic.plain'::regclass AND NOT a.attisdropped AND a.attnum > 0)
"""


def lines(name: str) -> list[str]:
    text = (FOLDER / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def proxy(
    pg_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Guarded, Any]]:
    database = pg_server.create_database()
    for user in ("refuser", "taker"):
        database.create_user(user, options="LOGIN SUPERUSER")
    database.execute((FOLDER / "schema.sql").read_text("utf-8"))
    database.execute("INSERT INTO clinic.armed VALUES (true)")
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("attacks"))
        guarded = factory(database, rules=None, started=False, durability="buffered")
        (guarded.folder / "rules" / "allowing.yaml").write_text(RULES, "utf-8")
        guarded.start()
        yield guarded, database
    database.drop()


def first_refusal(guarded: Guarded, user: str, steps: list[str]) -> psycopg.Error | None:
    """The first error of the steps, after which the transaction is committed if it can be."""
    with closing(psycopg.connect(guarded.dsn(user), autocommit=True)) as connection:
        try:
            for step in steps:
                connection.execute(step)
        except psycopg.Error as error:
            return error
        finally:
            with suppress(psycopg.Error):
                connection.execute("COMMIT")
    return None


@pytest.mark.parametrize("attack", lines("no_backup.txt"))
def test_nothing_is_destroyed_without_a_backup(proxy: tuple[Guarded, Any], attack: str) -> None:
    guarded, database = proxy
    before = database.execute(STATE)
    error = first_refusal(guarded, "refuser", attack.split(" ;; "))
    assert database.execute(STATE) == before
    assert error is not None
    assert error.sqlstate == "42501", error
    assert "rule needs-backup; decision " in (error.diag.message_detail or "")
    assert error.diag.message_hint


def test_migrations_that_take_nothing_away_need_no_backup(guard: Any, pg_database: Any) -> None:
    """One after the other: later ones build on earlier ones."""
    pg_database.create_user("refuser", options="LOGIN SUPERUSER")
    pg_database.execute((FOLDER / "honest_schema.sql").read_text("utf-8"))
    guarded: Guarded = guard(pg_database, rules=None, started=False)
    (guarded.folder / "rules" / "allowing.yaml").write_text(RULES, "utf-8")
    guarded.start()
    sequences = lines("honest.txt")
    assert len(sequences) >= 40
    refused = [
        (line, str(error))
        for line in sequences
        if (error := first_refusal(guarded, "refuser", line.split(" ;; "))) is not None
    ]
    assert refused == []
