"""Ways to destroy something of which there is no backup, all that we could think of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .conftest import Factory
from .proxies import Guarded
from .test_backup_coverage import take
from .test_taking import until

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


@contextmanager
def attacked(pg_server: Any, folder: Path, rules: str = RULES) -> Iterator[tuple[Guarded, Any]]:
    database = pg_server.create_database()
    for user in ("refuser", "taker"):
        database.create_user(user, options="LOGIN SUPERUSER")
    database.execute((FOLDER / "schema.sql").read_text("utf-8"))
    database.execute("INSERT INTO clinic.armed VALUES (true)")
    with ExitStack() as stack:
        guarded = Factory(stack, folder)(database, rules=None, started=False, durability="buffered")
        (guarded.folder / "rules" / "allowing.yaml").write_text(rules, "utf-8")
        guarded.start()
        yield guarded, database
    database.drop()


@pytest.fixture(scope="module")
def proxy(
    pg_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Guarded, Any]]:
    with attacked(pg_server, tmp_path_factory.mktemp("attacks")) as found:
        yield found


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


def knows(connection: Any, table: str) -> bool:
    try:
        connection.execute(f"SELECT FROM {table} LIMIT 0")
    except psycopg.errors.UndefinedTable:
        return False
    return True


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


@pytest.fixture(scope="module")
def partly(
    pg_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Guarded, Any]]:
    """Somebody has dropped another table, whose backup counts now."""
    with attacked(pg_server, tmp_path_factory.mktemp("partly")) as (guarded, database):
        database.execute("CREATE TABLE public.decoy (id int)")
        with closing(psycopg.connect(guarded.dsn("taker"), autocommit=True)) as connection:
            until(lambda: knows(connection, "public.decoy"), "dbguard knows the table")
            connection.execute("DROP TABLE public.decoy")
        yield guarded, database


@pytest.mark.parametrize("attack", lines("partial_backup.txt"))
def test_a_backup_of_something_else_does_not_count(
    partly: tuple[Guarded, Any], attack: str
) -> None:
    guarded, database = partly
    before = database.execute(STATE)
    error = first_refusal(guarded, "refuser", attack.split(" ;; "))
    assert database.execute(STATE) == before
    assert error is not None
    assert error.sqlstate == "42501", error
    assert "does not count: " in (error.diag.message_detail or "")


def test_definitions_alone_are_in_any_backup(partly: tuple[Guarded, Any]) -> None:
    """Honest statements that lose no rows pass with the backup of another table."""
    guarded, _ = partly
    for statement in (
        "DROP INDEX clinic.plain_id",
        "DROP VIEW clinic.names",
        "DROP FUNCTION clinic.fire()",
        "DROP TRIGGER IF EXISTS nosuch ON clinic.plain",
        "ALTER TABLE clinic.patients DROP CONSTRAINT patients_pkey",
        "DROP TEXT SEARCH DICTIONARY clinic.dict",
    ):
        with closing(psycopg.connect(guarded.dsn("refuser"))) as connection:
            connection.execute(statement)
            connection.rollback()


CHANGES = {
    "dropped and made again": (
        "DROP TABLE public.shadow; CREATE TABLE public.shadow (id int);"
        " INSERT INTO public.shadow VALUES (7)",
        "DROP TABLE public.shadow",
    ),
    "renamed in its place": (
        "ALTER TABLE clinic.plain RENAME TO away; CREATE TABLE clinic.plain AS SELECT 9 AS id",
        "TRUNCATE clinic.plain",
    ),
    "swapped": (
        "ALTER TABLE clinic.other RENAME TO third; ALTER TABLE clinic.indexed RENAME TO other;"
        " ALTER TABLE clinic.third RENAME TO indexed",
        "TRUNCATE clinic.other",
    ),
    "attached": (
        "CREATE TABLE clinic.parted_2 AS SELECT 20 AS id, 'q' AS x;"
        " ALTER TABLE clinic.parted ATTACH PARTITION clinic.parted_2 FOR VALUES FROM (20) TO (30)",
        "TRUNCATE clinic.parted",
    ),
    "tied by a key": (
        "CREATE TABLE clinic.referring (id int REFERENCES clinic.patients)",
        "TRUNCATE clinic.patients CASCADE",
    ),
    "other options": (
        "ALTER FOREIGN TABLE clinic.far OPTIONS (ADD table_name 'elsewhere')",
        "DROP FOREIGN TABLE clinic.far",
    ),
    "what depends on it": (
        "CREATE VIEW clinic.newer AS SELECT * FROM clinic.armed",
        "DROP TABLE clinic.armed CASCADE",
    ),
}


def test_what_was_changed_behind_the_backup_needs_another_one(
    partly: tuple[Guarded, Any],
) -> None:
    guarded, database = partly
    database.execute("DELETE FROM clinic.armed")  # restoring runs what is in indexes
    take(guarded)
    for _, statement in CHANGES.values():  # as they were, they are in it
        if "FOREIGN" not in statement:
            with closing(psycopg.connect(guarded.dsn("refuser"))) as connection:
                connection.execute(statement)
                connection.rollback()
    # what no dump holds
    for statement in (
        "DROP EXTENSION postgres_fdw CASCADE",
        "DROP TABLE information_schema.misplaced",
        "TRUNCATE clinic.far",
        "TRUNCATE clinic.near",
    ):
        error = first_refusal(guarded, "refuser", [statement])
        assert error is not None, statement
        detail = error.diag.message_detail or ""
        assert "no dump holds" in detail or "on another server" in detail, detail
    for how, (change, statement) in CHANGES.items():
        database.execute(change)
        error = first_refusal(guarded, "refuser", [statement])
        assert error is not None, how
        assert "was made or changed after it" in (error.diag.message_detail or ""), how


ONE_TABLE = """
CREATE TABLE clinic.up (id int PRIMARY KEY);
CREATE TABLE clinic.parent (id int NOT NULL);
CREATE DOMAIN clinic.dom AS int;
ALTER TABLE clinic.patients INHERIT clinic.parent, ADD up int REFERENCES clinic.up,
  ADD d clinic.dom, ADD number int DEFAULT nextval('clinic.numbers');
CREATE VIEW clinic.over_patients AS SELECT id FROM clinic.patients;
CREATE TRIGGER t AFTER INSERT ON clinic.patients EXECUTE FUNCTION clinic.fire();
DELETE FROM clinic.armed;
CREATE TABLE clinic.made_last ()
"""


@pytest.fixture(scope="module")
def one_table(
    pg_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Guarded, Any]]:
    rules = RULES.replace(
        "    actions: [ddl, privilege, code, maintenance]\n",
        "    actions: [ddl, privilege, code, maintenance]\n    tables: [clinic.patients]\n",
    )
    with attacked(pg_server, tmp_path_factory.mktemp("one"), rules) as (guarded, database):
        database.execute(ONE_TABLE)
        with closing(psycopg.connect(guarded.dsn("refuser"), autocommit=True)) as connection:
            until(lambda: knows(connection, "clinic.made_last"), "dbguard knows them")
        yield guarded, database


@pytest.mark.parametrize("attack", lines("one_table.txt"))
def test_a_rule_about_one_table_counts_for_what_takes_it_along(
    one_table: tuple[Guarded, Any], attack: str
) -> None:
    guarded, database = one_table
    before = database.execute(STATE)
    error = first_refusal(guarded, "refuser", attack.split(" ;; "))
    assert database.execute(STATE) == before
    assert error is not None
    assert error.sqlstate == "42501", error
    assert "rule needs-backup; decision " in (error.diag.message_detail or "")


def test_a_rule_about_one_table_says_nothing_of_others(one_table: tuple[Guarded, Any]) -> None:
    guarded, _ = one_table
    for statement in (
        "DROP SCHEMA archive CASCADE",
        "DROP TABLE public.shadow CASCADE",
        "ALTER TABLE clinic.plain DROP COLUMN name CASCADE",
        "TRUNCATE clinic.parted CASCADE",
        "DROP INDEX clinic.plain_id",
    ):
        with closing(psycopg.connect(guarded.dsn("refuser"))) as connection:
            connection.execute(statement)
            connection.rollback()
