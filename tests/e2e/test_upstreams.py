"""Several servers behind one dbguard: each database is on one of them, and nothing is mixed up."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from dbguard.cli.app import app
from dbguard.demo.server import THROWAWAY, EmbeddedServer
from dbguard.wire.framing import pack
from dbguard.wire.startup import CancelRequest
from tests.conftest import PgServer, binaries

from .protocol_client import Client, error_of, startup
from .proxies import Guarded, await_statement

pytestmark = pytest.mark.pg

Pair = tuple[PgServer, PgServer]

ODD = ['eu "quoted"', "eu/ünïcode ' %41", "eu_" + "n" * 60]
RULES = """
classification:
  - tag: phi.secret
    columns: ["public.people.secret"]
roles:
  everybody: {users: [app, analyst, clinician, dba, postgres]}
  readers: {users: [app]}
  masked: {users: [analyst]}
masks:
  hidden: {phi: redact}
rules:
  - {id: raw, allow: [all], roles: [readers], data: [phi]}
  - {id: masked, allow: [read], roles: [masked], data: [phi], masked: hidden}
defaults:
  classified: deny
  unclassified:
    {read: allow, write: allow, ddl: allow, privilege: allow, code: allow, maintenance: allow}
"""


def within(seconds: float, true: Callable[[], object]) -> None:
    until = time.monotonic() + 6 * seconds  # on an idle machine; others take their time
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def events(proxy: Guarded, start: str) -> int:
    lines = proxy.logged()
    return sum(line["event"].startswith(start) for line in lines)


def reload(proxy: Guarded) -> None:
    before = events(proxy, "reload")
    assert proxy.process is not None
    proxy.process.send_signal(signal.SIGHUP)
    within(20, lambda: events(proxy, "reload") > before)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[PgServer, PgServer]]:
    """Two servers made alike: databases of the same names and OIDs, other tables in them."""
    home = Path(tempfile.mkdtemp(prefix="dbguard-pair-"))
    home.chmod(0o755)
    running: list[EmbeddedServer] = []
    try:
        made = []
        for name in ("a", "b"):
            server = EmbeddedServer.create(
                home / name, password="super-demo", settings=THROWAWAY, binaries=binaries()
            )
            server.start()
            running.append(server)
            known = PgServer(name, "127.0.0.1", server.port, "postgres", "super-demo")
            for user in ("dbguard", "app", "analyst"):
                known.create_user(user)
            for database in ("records", "eu_records", *ODD):
                known.execute(f"CREATE DATABASE {sql.Identifier(database[:63]).as_string()}")
                # the same columns, the classified one at another place
                columns = "secret text, plain text" if name == "a" else "plain text, secret text"
                known.execute(
                    f"CREATE TABLE people ({columns}); GRANT ALL ON people TO app, analyst; "
                    "GRANT ALL ON SCHEMA public TO app; "
                    f"INSERT INTO people (secret, plain) VALUES ('SECRET-{name}', 'open-{name}')",
                    database=database[:63],
                )
            made.append(known)
        first, second = made
        oids = "SELECT oid, datname FROM pg_database ORDER BY 1"
        assert first.execute(oids) == second.execute(oids)
        yield first, second
    finally:
        for server in running:
            server.stop()
        shutil.rmtree(home, ignore_errors=True)


def config(proxy: Guarded, pair: Pair, databases: str, extra: str = "") -> None:
    first, second = pair
    proxy.config.write_text(
        f"""
listen: {{host: 127.0.0.1, port: {proxy.port}}}
upstream: {{host: 127.0.0.1, port: {first.port}}}
catalog: {{dsn: "{first.dsn("dbguard")}"}}
backup: {{dsn: "{first.dsn()}", directory: backups}}
upstreams:
  europe:
    databases: {databases}
    host: 127.0.0.1
    port: {second.port}
    # of it the user counts, not the address
    catalog: {{dsn: "{first.dsn("dbguard")}"}}
    backup: {{dsn: "{second.dsn()}", directory: backups}}
rules: rules
audit: {{directory: audit, durability: buffered}}
{extra}
""",
        "utf-8",
    )


@pytest.fixture
def proxy(pair: Pair, guard: Callable[..., Guarded]) -> Guarded:
    class Known:
        name, server = "records", pair[0]

    proxy = guard(Known, rules=None, durability="buffered", started=False)
    (proxy.folder / "rules" / "allowing.yaml").write_text(RULES, "utf-8")
    config(proxy, pair, '[eu_records, "eu*"]')
    return proxy


def open_as(proxy: Guarded, user: str, database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host="127.0.0.1", port=proxy.port, user=user, password="demo", dbname=database,
        autocommit=True,
    )  # fmt: skip


READ = "SELECT secret, plain FROM people"


def test_each_database_is_on_its_server(proxy: Guarded, pair: Pair) -> None:
    proxy.start()
    for database, server in (("records", "a"), ("eu_records", "b"), *((name, "b") for name in ODD)):
        if len(database) > 63 and pair[0].version >= 170_000:
            with pytest.raises(psycopg.OperationalError, match="does not exist"):
                open_as(proxy, "app", database)
            continue
        with closing(open_as(proxy, "app", database)) as session:
            assert session.execute(READ).fetchall() == [(f"SECRET-{server}", f"open-{server}")]
        with closing(open_as(proxy, "analyst", database)) as session:
            rows = session.execute(READ).fetchall() + session.execute("TABLE people").fetchall()
            assert "SECRET" not in str(rows)
            assert str(rows).count(f"open-{server}") == 2
    connects = {
        record["fields"]["database"]: record["fields"].get("upstream", "")
        for record in proxy.records("connect")
    }
    assert connects["records"] == ""
    assert connects["eu_records"] == "europe"
    with pytest.raises(psycopg.OperationalError, match="replication connections do not go through"):
        psycopg.connect(
            f"host=127.0.0.1 port={proxy.port} user=app password=demo dbname=eu_records "
            "replication=database"
        )
    with Client(proxy.port) as client:  # bytes that are no text name no database anywhere
        client.send(startup("app", "eu_x").replace(b"eu_x", b"eu_\xff"))
        assert error_of(client.authenticate("demo"))[0] in ("3D000", "22021")
    with closing(open_as(proxy, "app", "eu_records")) as session, pytest.raises(psycopg.Error):
        session.execute("SELECT * FROM records.public.people")


def assert_refused(proxy: Guarded) -> None:
    with (
        closing(open_as(proxy, "analyst", "records")) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute("SELECT harmless FROM copied")


def test_a_database_that_moves_with_a_reload(proxy: Guarded, pair: Pair) -> None:
    """Sessions stay where they are; the same text means each server's own table."""
    proxy.start()
    with (
        closing(open_as(proxy, "analyst", "records")) as here,
        closing(open_as(proxy, "app", "records")) as raw,
    ):
        cursor = here.execute("TABLE people", prepare=True)
        assert cursor.fetchone()[1] == "open-a"  # type: ignore[index]
        config(proxy, pair, "[records]")
        reload(proxy)
        with closing(open_as(proxy, "analyst", "records")) as there:
            for _ in range(3):
                found = there.execute("TABLE people", prepare=True).fetchall()
                assert found[0][0] == "open-b"
                assert "SECRET" not in str(found)
                found = here.execute("TABLE people", prepare=True).fetchall()
                assert found[0][1] == "open-a"
                assert "SECRET" not in str(found)
        # what is learnt of one server's tables says nothing of the other's
        raw.execute("CREATE TABLE copied AS SELECT secret AS harmless FROM people")
        pair[1].execute(
            "CREATE TABLE copied (harmless text); GRANT ALL ON copied TO analyst",
            database="records",
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            here.execute("SELECT harmless FROM copied")
        with closing(open_as(proxy, "analyst", "records")) as there:
            assert there.execute("SELECT harmless FROM copied").fetchall() == []
    config(proxy, pair, "[eu_records]")
    reload(proxy)
    assert_refused(proxy)
    proxy.stop()
    proxy.start()
    assert_refused(proxy)


def test_a_reload_that_leads_nowhere_changes_nothing(proxy: Guarded, pair: Pair) -> None:
    proxy.start()
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace(f"port: {pair[1].port}", "port: 1"), "utf-8")
    reload(proxy)
    assert events(proxy, "reload failed, what was in force stays") == 1
    assert "upstreams.europe.catalog.dsn" in proxy.log.read_text("utf-8")
    with closing(open_as(proxy, "app", "eu_records")) as session:
        assert session.execute(READ).fetchone() == ("SECRET-b", "open-b")


def test_one_server_that_is_away_takes_nobody_elses_database(proxy: Guarded, pair: Pair) -> None:
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace(f"port: {pair[1].port}", "port: 1"), "utf-8")
    proxy.start()
    assert events(proxy, "upstream cannot be used") == 1
    with closing(open_as(proxy, "app", "records")) as session:
        assert session.execute(READ).fetchone() == ("SECRET-a", "open-a")
    with pytest.raises(psycopg.OperationalError, match="cannot be reached"):
        open_as(proxy, "app", "eu_records")


def test_a_catalog_of_another_server_is_refused(proxy: Guarded, pair: Pair) -> None:
    """Decisions would rest on the wrong catalog; so at the start, and with a reload."""
    text = proxy.config.read_text("utf-8")
    proxy.start()
    swapped = text.replace(
        f"port: {pair[0].port}}}\ncatalog", f"port: {pair[1].port}}}\ncatalog", 1
    )
    assert swapped != text
    proxy.config.write_text(swapped, "utf-8")
    reload(proxy)
    assert events(proxy, "reload failed") == 1
    assert "leads to another server than upstream" in proxy.log.read_text("utf-8")
    with closing(open_as(proxy, "app", "records")) as session:
        assert session.execute(READ).fetchone() == ("SECRET-a", "open-a")
    proxy.stop()
    refused = proxy.run("serve", "--config", str(proxy.config))
    assert refused.returncode == 2
    assert "catalog.dsn: leads to another server than upstream" in refused.stderr


def test_cancels_go_where_the_session_is(proxy: Guarded, pair: Pair) -> None:
    proxy.start()
    for database, server in zip(("records", "eu_records"), pair, strict=True):
        with Client(proxy.port) as client:
            client.send(startup("app", database))
            client.authenticate("demo")
            assert client.key is not None
            client.send(pack(ord("Q"), b"SELECT pg_catalog.pg_sleep(60)\0"))
            await_statement(server.dsn(), "pg_sleep(60)")
            with Client(proxy.port) as other:
                other.send(CancelRequest(client.key.process_id, client.key.secret).encode())
                assert other.message() == b""
            assert error_of(client.until_ready())[0] == "57014"


def test_the_command_line_knows_where_a_database_is(
    proxy: Guarded, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(proxy.folder)
    run = CliRunner().invoke
    checked = run(app, ["check", "--config", str(proxy.config)])
    assert checked.exit_code == 0, checked.output
    assert f"upstream: 127.0.0.1:{pair[0].port}, TLS disable; all other databases" in checked.output
    assert f"upstream europe: 127.0.0.1:{pair[1].port}, TLS disable; eu_records, eu*" in (
        checked.output
    )
    config(proxy, pair, "[records]", "limits: {connections: 0}")
    broken = run(app, ["check", "--config", str(proxy.config)])
    assert broken.exit_code == 2
    config(proxy, pair, "[records]")
    for database, server in (("records", 1),):
        made = run(app, ["backup", "now", "-d", database, "-c", str(proxy.config), "--json"])
        if "no pg_dump" in made.output or "pg_dump is not installed" in made.output:
            pytest.skip("no pg_dump beside this server")
        assert made.exit_code == 0, made.output
        document = json.loads(made.stdout)
        identity = "SELECT system_identifier::text FROM pg_control_system()"
        assert document["server"] == pair[server].execute(identity)[0][0]
        if database == "records":
            verified = run(app, ["backup", "verify", document["id"], "-c", str(proxy.config)])
            assert verified.exit_code == 0, verified.output
            config(proxy, pair, "[eu_records]")
            refused = run(app, ["backup", "verify", document["id"], "-c", str(proxy.config)])
            assert refused.exit_code == 1
            assert "was made on another server" in refused.output
            config(proxy, pair, "[records]")
    explained = run(
        app,
        ["explain", "--config", str(proxy.config), "--database", "records", "--user", "analyst",
         "-c", "SELECT plain FROM people"],
    )  # fmt: skip
    assert explained.exit_code == 0, explained.output
