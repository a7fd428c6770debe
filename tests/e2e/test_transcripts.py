"""What psql, psycopg, asyncpg and pgbench once sent, said again: the same answers, in order.

RECORD_TRANSCRIPTS=1 lets the clients say it anew and writes the transcripts.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from dbguard.wire.tags import Backend

from .conftest import Factory
from .protocol_client import Client
from .proxies import Guarded
from .recording import FOLDER, Recorder, Turn, read
from .test_protocol_fuzz import show

pytestmark = pytest.mark.pg

NAMES = ("psql", "psycopg", "asyncpg", "pgbench")
TABLES = ("people", "load")
SCHEMA = """
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, born date);
CREATE TABLE load (a int, b text);
CREATE INDEX load_b ON load (b);
INSERT INTO people SELECT i, 'person ' || i, date '1980-01-01' + i FROM generate_series(1, 20) i;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON SCHEMA public TO app;
"""

PSQL = r"""
\d people
\dt
\df nosuch
SELECT * FROM people WHERE id < 4 ORDER BY id;
SELECT 1/0;
SELEC;
COPY load FROM STDIN;
1	one
2	zwölf
\.
COPY load FROM STDIN;
x	bad
\.
COPY (SELECT * FROM load ORDER BY a) TO STDOUT;
\copy load FROM STDIN WITH (FORMAT csv)
3,"three, 3"
\.
SELECT 'SELECT ' || i FROM generate_series(1, 3) i \gexec
SELECT 1 \; SELECT 2 \; BEGIN \; SELECT 3;
SAVEPOINT s;
SELECT * FROM nosuch;
SELECT 4;
ROLLBACK TO s;
COMMIT;
\set FETCH_COUNT 3
SELECT id FROM people ORDER BY id LIMIT 8;
SET client_encoding = 'LATIN1';
SELECT b FROM load ORDER BY a;
PREPARE q(int) AS SELECT name FROM people WHERE id = $1;
EXECUTE q(2);
DO $$ BEGIN RAISE NOTICE 'hello'; END $$;
LISTEN c;
NOTIFY c, 'x';
DISCARD ALL;
"""
PGBENCH = """
\\set who random(1, 20)
BEGIN;
SELECT name FROM people WHERE id = :who;
UPDATE people SET name = 'person ' || :who WHERE id = :who;
END;
"""


@pytest.fixture(scope="module")
def doors(pg_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two equal databases, and a dbguard in front of the second."""
    pg_server.create_user("app")
    template = pg_server.create_database()
    template.execute(SCHEMA)
    with ExitStack() as stack:
        stack.callback(template.drop)
        copies = [pg_server.create_database(template=template.name) for _ in range(2)]
        for database in copies:
            stack.callback(database.drop)
        factory = Factory(stack, tmp_path_factory.mktemp("transcripts"))
        guarded = factory(copies[1], rules=None, durability="buffered")
        yield copies, guarded


def oids_of(database: Any) -> dict[str, int]:
    listed = "', '".join(TABLES)
    query = f"SELECT relname, oid::int FROM pg_class WHERE relname IN ('{listed}')"
    return dict(database.execute(query))


def answers(client: Client, turn: Turn) -> list[bytes]:
    """What comes until the message that ended the turn, or until an error in its place."""
    last = turn.answers[-1]
    left = turn.answers.count(last)
    found = []
    while left:
        message = client.message()
        found.append(message)
        if not message or (message[:1] == b"E" and last != "Z"):
            break
        left -= message[:1] == last.encode()
    return found


def comparable(message: bytes) -> bytes:
    return message[:5] + bytes(4) + message[9:] if message[:1] == b"A" else message


@pytest.mark.parametrize("name", NAMES)
def test_the_same_answers_in_order(doors: tuple[list[Any], Guarded], name: str) -> None:
    (database, behind), guarded = doors
    for each in (database, behind):
        each.execute("DELETE FROM load")
    oids = oids_of(database)
    turns = read(name)
    assert len(turns) > 10
    with (
        closing(Client(database.server.port)) as direct,
        closing(Client(guarded.port)) as through,
    ):
        for client, at in ((direct, database.name), (through, guarded.database)):
            assert client.log_in("app", at)[-1][0] == Backend.READY_FOR_QUERY
        for number, turn in enumerate(turns):
            if not turn.answers:
                assert number == len(turns) - 1
                break
            for client in (direct, through):
                client.send(turn.encoded(oids))
            expected = [comparable(m) for m in answers(direct, turn)]
            got = [comparable(m) for m in answers(through, turn)]
            for at, (ours, theirs) in enumerate(zip(got, expected, strict=False)):
                assert ours == theirs, f"turn {number}, answer {at}: {show(ours)}"
            assert len(got) == len(expected), f"turn {number}"
            if database.server.version // 10_000 == 18:  # what it was recorded with
                assert "".join(chr(m[0]) for m in got) == turn.answers
    assert guarded.log.read_text() == "" or "Traceback" not in guarded.log.read_text()


def test_transcripts_name_no_machine() -> None:
    for name in NAMES:
        text = (FOLDER / f"{name}.txt").read_text("ascii")
        assert str(Path.home()) not in text
        assert "/tmp" not in text
        assert os.uname().nodename not in text


# -- recording ----------------------------------------------------------------


@pytest.mark.skipif(
    "RECORD_TRANSCRIPTS" not in os.environ, reason="RECORD_TRANSCRIPTS=1 records anew"
)
@pytest.mark.parametrize("name", NAMES)
def test_record(pg_database: Any, pg_server: Any, tmp_path: Path, name: str) -> None:
    pg_server.create_user("app")
    pg_database.execute(SCHEMA)
    recorder = Recorder("127.0.0.1", pg_server.port)
    with closing(recorder):
        dsn = f"postgresql://app:demo@127.0.0.1:{recorder.port}/{pg_database.name}"
        match name:
            case "psql":
                told = ["psql", "-X", "-q", "-d", f"{dsn}?sslmode=disable&gssencmode=disable"]
                run(pg_server, told, PSQL)
            case "pgbench":
                (tmp_path / "script.sql").write_text(PGBENCH)
                for mode in ("simple", "extended", "prepared"):
                    told = ["pgbench", "-n", "-t", "3", "-M", mode, "-f", "script.sql"]
                    run(
                        pg_server,
                        [*told, f"{dsn}?sslmode=disable&gssencmode=disable"],
                        "",
                        tmp_path,
                    )
            case "psycopg":
                with psycopg.connect(f"{dsn}?sslmode=disable&gssencmode=disable") as connection:
                    use_psycopg(connection)
            case "asyncpg":
                asyncio.run(use_asyncpg(dsn))
    recorder.write(name, oids_of(pg_database))


def run(server: Any, told: list[str], text: str, folder: Path | None = None) -> None:
    subprocess.run(
        [str(server.binary(told[0])), *told[1:]],
        input=text.encode(),
        check=True,
        capture_output=True,
        cwd=folder,
    )


def use_psycopg(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT name FROM people WHERE id = %s", (3,))
    connection.commit()
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("SELECT 1/%s::int", (0,))
    connection.rollback()
    for number in range(7):  # prepared from the sixth on
        connection.execute("SELECT born FROM people WHERE id = %s", (number,))
    with connection.cursor(binary=True) as cursor:
        cursor.execute("SELECT * FROM people WHERE id < %s ORDER BY id", (5,))
    with connection.cursor("named") as cursor:
        cursor.execute("SELECT id FROM people ORDER BY id")
        cursor.fetchmany(3)
        cursor.scroll(2)
        cursor.fetchall()
    with connection.cursor() as cursor:
        with cursor.copy("COPY load FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            copy.write_row((10, "zehn"))
        with cursor.copy("COPY (SELECT * FROM load ORDER BY a) TO STDOUT") as copy:
            list(copy.rows())
        cursor.executemany("INSERT INTO load VALUES (%s, %s)", [(n, "x") for n in range(4)])
    connection.commit()
    with connection.pipeline():
        for number in range(3):
            connection.execute("UPDATE load SET b = 'y' WHERE a = %s", (number,))
    with pytest.raises(psycopg.errors.UndefinedTable), connection.pipeline():
        connection.execute("SELECT 1")
        connection.execute("SELECT * FROM nosuch")
        connection.execute("SELECT 2")
    connection.rollback()
    with connection.transaction(), connection.transaction():
        connection.execute("DELETE FROM load WHERE a = 10")


async def use_asyncpg(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, ssl=False)
    assert await connection.fetchval("SELECT count(*) FROM people WHERE id > $1", 5) == 15
    with pytest.raises(asyncpg.DivisionByZeroError):
        await connection.fetch("SELECT 1/$1::int", 0)
    await connection.execute("SET search_path = public; SELECT 1")
    async with connection.transaction():
        statement = await connection.prepare("SELECT * FROM people ORDER BY id")
        cursor = await statement.cursor()
        await cursor.fetch(3)
        await cursor.forward(2)
        await cursor.fetchrow()
        with pytest.raises(asyncpg.UndefinedColumnError):
            async with connection.transaction():
                await connection.fetch("SELECT nosuch FROM people")
    await connection.executemany("INSERT INTO load VALUES ($1, $2)", [(n, "z") for n in range(5)])
    with pytest.raises(asyncpg.UniqueViolationError):
        rows = [(100, "a"), (1, "b")]
        await connection.executemany("INSERT INTO people VALUES ($1, $2)", rows)
    await connection.copy_records_to_table("load", records=[(7, "seven"), (8, None)])
    heard: list[Any] = []
    await connection.add_listener("c", lambda *told: heard.append(told))
    await connection.execute("NOTIFY c, 'said'")
    await connection.reset()
    await connection.close()
