"""Past the backup by time: portals executed late, names that change their meaning while the client
waits, backups that others began before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from dbguard.wire import frontend

from .protocol_client import Client, error_of, tags
from .proxies import Guarded
from .test_backup_attacks import RULES
from .test_backup_coverage import take
from .test_taking import (
    PATIENCE,
    TAKING,
    backup_events,
    connect,
    create,
    dumping,
    dumps,
    nothing_left,
    restored,
    taking,
    until,
    waits,
    with_programs,
)

__all__ = ["taking", "with_programs"]
pytestmark = pytest.mark.pg

UNTIL_GO = 'while [ ! -e "$(dirname "$0")/../go" ]; do sleep 0.1; done'
SYNC = frontend.Sync()


def bound(statement: str) -> list[frontend.FrontendMessage]:
    return [
        frontend.Parse(b"s", statement.encode(), ()),
        frontend.Bind(b"p", b"s", b"\0\0\0\0\0\0"),
    ]


@pytest.fixture
def backed_up(guard: Any, pg_database: Any) -> Guarded:
    """A database with a fresh backup, behind a rule that takes none."""
    pg_database.create_user("refuser", options="LOGIN SUPERUSER")
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id; CREATE TABLE other AS SELECT 2 AS id")
    guarded: Guarded = guard(pg_database, rules=None, started=False)
    (guarded.folder / "rules" / "allowing.yaml").write_text(RULES, "utf-8")
    guarded.start()
    take(guarded)
    return guarded


@pytest.fixture
def session(backed_up: Guarded) -> Iterator[Client]:
    with Client(backed_up.port, timeout=PATIENCE) as client:
        client.log_in("refuser", backed_up.database)
        yield client


def test_a_portal_is_judged_again_when_it_is_executed_later(
    session: Client, pg_database: Any
) -> None:
    session.query("BEGIN")
    session.send(*bound("DROP TABLE gone"), SYNC)
    assert tags(session.until_ready()) == "12Z"
    pg_database.execute("ALTER TABLE gone ADD COLUMN late int")
    session.send(frontend.Execute(b"p", 0), SYNC)
    state, message = error_of(session.until_ready())
    assert (state, "a verified backup" in message) == ("42501", True)
    session.query("COMMIT")
    assert pg_database.execute("SELECT id FROM gone") == [(1,)]


def test_a_portal_is_judged_again_when_something_ran_in_between(
    session: Client, pg_database: Any
) -> None:
    """In one go, so that no time passes: when it was bound, the name meant nothing that lasts."""
    pg_database.execute("ALTER TABLE other ADD COLUMN late int")
    session.query("BEGIN")
    session.query("CREATE TABLE own (id int, late int) PARTITION BY RANGE (id)")
    session.send(
        *bound("DROP TABLE own"),
        frontend.Parse(
            b"", b"ALTER TABLE own ATTACH PARTITION other FOR VALUES FROM (0) TO (9)", ()
        ),
        frontend.Bind(b"", b"", b"\0\0\0\0\0\0"),
        frontend.Execute(b"", 0),
        frontend.Execute(b"p", 0),
        SYNC,
    )
    assert error_of(session.until_ready())[0] == "42501"
    session.query("COMMIT")
    assert pg_database.execute("SELECT id FROM other") == [(2,)]


def test_behind_others_in_a_pipeline(session: Client, pg_database: Any) -> None:
    pg_database.execute("ALTER TABLE gone ADD COLUMN late int")
    session.send(
        frontend.Parse(b"", b"INSERT INTO other VALUES (3)", ()),
        frontend.Bind(b"", b"", b"\0\0\0\0\0\0"),
        frontend.Execute(b"", 0),
        *bound("DROP TABLE gone"),
        frontend.Execute(b"p", 0),
        SYNC,
    )
    assert error_of(session.until_ready())[0] == "42501"
    # nothing of it is done, and one that fails by itself says so
    assert pg_database.execute("SELECT id FROM other") == [(2,)]
    session.send(
        frontend.Parse(b"", b"INSERT INTO other VALUES (1 / 0)", ()),
        frontend.Bind(b"", b"", b"\0\0\0\0\0\0"),
        frontend.Execute(b"", 0),
        *bound("DROP TABLE other"),
        frontend.Execute(b"p", 0),
        SYNC,
    )
    assert error_of(session.until_ready())[0] == "22012"
    assert pg_database.execute("SELECT id FROM other") == [(2,)]
    assert tags(session.query("SELECT 1")) == "TDCZ"


def test_a_portal_bound_a_moment_ago_runs(session: Client, pg_database: Any) -> None:
    session.send(*bound("DROP TABLE gone"), frontend.Execute(b"p", 0), SYNC)
    assert tags(session.until_ready()) == "12CZ"
    assert pg_database.execute("SELECT to_regclass('gone')") == [(None,)]


def slow_restore(guarded: Guarded) -> None:
    """pg_restore says that it has begun, and waits."""
    program = guarded.folder / "bin" / "pg_restore"
    text = program.read_text()
    said = f'touch "$(dirname "$0")/../begun"; {UNTIL_GO}'
    program.write_text(text.replace("\n\nexec", f"\n{said}\nexec"))


def test_a_name_that_means_another_table_behind_the_dump(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    """The rows are the same, the table is not: it is in no backup."""
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id; CREATE TABLE other AS SELECT 1 AS id")
    guarded = with_programs("")
    slow_restore(guarded)
    connection, thread, ends = waits(guarded, "DROP TABLE gone")
    until(dumping(guarded), "it is dumped")
    pg_database.execute("ALTER TABLE gone RENAME TO away; ALTER TABLE other RENAME TO gone")
    (guarded.folder / "go").touch()
    thread.join(PATIENCE)
    connection.close()
    assert isinstance(ends[0], psycopg.errors.InsufficientPrivilege)
    assert "table public.gone is not in it" in (ends[0].diag.message_detail or "")
    assert pg_database.execute("SELECT id FROM gone") == [(1,)]


def test_definitions_changed_behind_the_dump_are_backed_up_as_well(
    with_programs: Callable[..., Guarded], pg_database: Any, pg_server: Any
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id")
    guarded = with_programs("")
    slow_restore(guarded)
    connection, thread, ends = waits(guarded, "DROP TABLE gone")
    until(dumping(guarded), "it is dumped")
    pg_database.execute("ALTER TABLE gone ALTER COLUMN id SET DEFAULT 7")
    (guarded.folder / "go").touch()
    thread.join(PATIENCE)
    connection.close()
    assert ends == [None]
    assert backup_events(guarded) == ["begun", "taken", "begun", "taken"]
    (found,) = [r for r in guarded.records("decision") if r["text"].startswith("DROP TABLE gone")]
    dump = guarded.folder / "backups" / f"{found['requirements'][0].split()[1]}.dump"
    default = "SELECT column_default FROM information_schema.columns WHERE table_name = 'gone'"
    assert restored(guarded, pg_server, default, dump) == [("7",)]


def test_what_was_changed_before_a_backup_was_joined_is_in_another_one(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    """Who comes later waits for the same backup, finds that it is older than his own table, and
    has another one taken instead of being refused."""
    pg_database.execute("CREATE TABLE gone (a int, b int)")
    guarded = with_programs("")
    slow_restore(guarded)
    first = waits(guarded, "ALTER TABLE gone ALTER COLUMN a TYPE bigint")
    until(dumping(guarded), "it is dumped")
    pg_database.execute("ALTER TABLE gone ADD COLUMN c int")
    second = waits(guarded, "ALTER TABLE gone ALTER COLUMN b TYPE bigint")
    (guarded.folder / "go").touch()
    for connection, thread, _ in (first, second):
        thread.join(PATIENCE)
        connection.close()
    assert (first[2], second[2]) == ([None], [None])
    assert set(backup_events(guarded)) == {"begun", "taken"}


def test_functions_that_tables_use_go_with_their_definitions(
    taking: Guarded, pg_database: Any
) -> None:
    create(
        pg_database,
        taking,
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE FUNCTION seven() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7';"
        "CREATE TABLE used (a int DEFAULT seven(), CHECK (a < seven()));"
        "CREATE TRIGGER touched BEFORE INSERT ON used FOR EACH ROW EXECUTE FUNCTION touch();"
        "CREATE POLICY own ON used USING (true); CREATE TABLE large AS SELECT 1 AS a",
        "large",
    )
    with closing(connect(taking)) as connection:
        connection.execute("DROP FUNCTION touch() CASCADE")
        connection.execute("DROP FUNCTION seven() CASCADE")
        connection.execute("DROP POLICY own ON used")
    sizes = [r["fields"]["rows"] for r in taking.records("backup") if "rows" in r["fields"]]
    assert set(sizes) == {"0"}  # nobody's rows had to be dumped


def test_rows_that_a_statement_returns_are_described(guard: Any, pg_database: Any) -> None:
    """In the simple protocol a lock cannot be held in front of it: what was written is told."""
    pg_database.create_user("ddl_owner", options="LOGIN SUPERUSER")
    pg_database.execute("CREATE TABLE gone AS SELECT i AS id FROM generate_series(1, 3) i")
    guarded: Guarded = guard(pg_database, rules=None, started=False)
    rules = TAKING.replace("[drop, truncate, alter, revoke]", "[delete]")
    (guarded.folder / "rules" / "allowing.yaml").write_text(rules, "utf-8")
    guarded.start()
    with closing(connect(guarded)) as connection:
        assert connection.execute("DELETE FROM gone WHERE id = 1 RETURNING id").fetchall() == [(1,)]
        connection.execute("TRUNCATE gone")  # the backup is of what was there
    with Client(guarded.port, timeout=PATIENCE) as client:
        client.log_in("ddl_owner", guarded.database)
        client.query("INSERT INTO gone VALUES (5)")
        (guarded.folder / "backups").joinpath(dumps(guarded)[0].name).unlink()
        answer = client.query("DELETE FROM gone RETURNING id")
        assert tags([m for m in answer if m[:1] != b"N"]) == "TDCZ"
    nothing_left(guarded, pg_database)


def test_what_the_role_may_not_lock_is_named(taking: Guarded, pg_database: Any) -> None:
    pg_database.create_user("schema_owner")
    tables = (
        "CREATE SCHEMA mixed AUTHORIZATION schema_owner;"
        "CREATE TABLE mixed.mine AS SELECT 1 AS a; ALTER TABLE mixed.mine OWNER TO schema_owner;"
        "CREATE TABLE mixed.theirs AS SELECT 2 AS a"
    )
    create(pg_database, taking, tables, "mixed.theirs")
    with closing(connect(taking)) as connection:
        connection.execute("SET ROLE schema_owner")
        connection.execute("DROP SCHEMA mixed CASCADE")
    (found,) = [r for r in taking.records("decision") if r["text"].startswith("DROP SCHEMA mixed")]
    met = found["requirements"][0]
    assert met.endswith("rows held against writers since, but for mixed.theirs")
