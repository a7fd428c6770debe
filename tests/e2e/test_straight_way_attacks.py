"""Attacks on the straight way: what a session has learnt stands for nothing but itself.

Everything here is sent by sessions that have sent their probe often enough to have it go straight
(`engine/lane.py`). Values that nobody may see raw begin with `canary`.
"""

from __future__ import annotations

import json
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest

from dbguard.wire import frontend

from .conftest import Factory
from .protocol_client import Client, error_of, rows, tags, values
from .proxies import Guarded
from .test_full_disk import small_disk as small_disk  # a fixture
from .test_straight_way import Run, by_name, by_query, by_unnamed

pytestmark = pytest.mark.pg

RULES = """
classification:
  - {tag: phi, columns: ["*.people*.ssn"]}
roles:
  seer: {groups: [way_seers]}
  viewer: {groups: [way_viewers]}
  dba: {users: [way_dba]}
masks:
  hidden: {phi: redact}
rules:
  - {id: see, allow: [read, write], roles: [seer], data: ["*"]}
  - {id: hides, allow: [read], roles: [viewer], data: [phi], masked: hidden}
  - {id: all, allow: [all], roles: [dba], data: ["*"]}
  - {id: objects, allow: [all], roles: [dba]}
functions: {safe: ["public.look(text)", "public.become(text)"]}
"""
FUNCTIONS = """
CREATE SCHEMA other AUTHORIZATION way_dba;
GRANT ALL ON SCHEMA public, other TO PUBLIC;
CREATE FUNCTION public.look(path text) RETURNS text LANGUAGE plpgsql
  AS $$ BEGIN RETURN set_config('search_path', path, false); END $$;
CREATE FUNCTION public.become(name text) RETURNS text LANGUAGE plpgsql
  AS $$ BEGIN RETURN set_config('role', name, false); END $$;
CREATE TABLE public.log (id serial, data bytea);
GRANT ALL ON public.log, public.log_id_seq TO PUBLIC;
SET ROLE way_dba;
"""
TABLES = """
CREATE TABLE public.people{n} (id int PRIMARY KEY, ssn text, note text);
INSERT INTO public.people{n} VALUES (1, 'canary-71', 'n1'), (2, 'canary-82', 'n2');
CREATE TABLE other.people{n} (id int PRIMARY KEY, ssn text, note text);
INSERT INTO other.people{n} VALUES (1, 'canary-93', 'm1');
CREATE VIEW public.shown{n} AS SELECT id, note FROM public.people{n};
GRANT ALL ON public.people{n}, other.people{n}, public.shown{n} TO PUBLIC;
"""
CANARY = b"canary"
MASKED, WIDE = "way_viewer", "way_wide"
"""Who sees masked values, and who may see raw ones, by one of two roles."""
WAYS: tuple[Run, ...] = (by_query, by_unnamed, by_name)
Answer = str
"""A row as text, or a SQLSTATE."""


@dataclass(frozen=True)
class Script:
    """What happens between learning the probe and sending it again."""

    steps: tuple[str, ...]
    expected: Answer


def scripts(text: str) -> list[Script]:
    """Lines of steps behind each other, and what the probe answers then."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        steps, _, expected = line.rpartition(" => ")
        found.append(Script(tuple(steps.split(" ;; ")), expected))
    return found


SESSION = scripts("""
SET search_path = other => [redacted] m1
BEGIN ;; SET LOCAL search_path = other => [redacted] m1
BEGIN ;; SET LOCAL search_path = other ;; ROLLBACK => [redacted] n1
BEGIN ;; SET search_path = other ;; COMMIT => [redacted] m1
BEGIN ;; SAVEPOINT a ;; SET search_path = other ;; ROLLBACK TO a => [redacted] n1
BEGIN ;; SAVEPOINT a ;; SET search_path = other ;; RELEASE a ;; COMMIT => [redacted] m1
BEGIN ;; SET search_path = other ;; SELECT 1/0 ;; ROLLBACK => [redacted] n1
SET search_path = other ;; RESET search_path => [redacted] n1
SET search_path = other ;; RESET ALL => [redacted] n1
SET search_path = other; SELECT 1 => [redacted] m1
SELECT set_config('search_path', 'other', false) => [redacted] m1
SELECT set_config('search_path', 'other', true) => [redacted] n1
SELECT look('other') => [redacted] m1
BEGIN ;; SELECT look('other') ;; ROLLBACK => [redacted] n1
CREATE TEMP TABLE people0 AS SELECT 1 AS id, 'mine' AS ssn, 'own' AS note => mine own
CREATE TEMP TABLE people0 (id int, ssn text, note text) ;; DROP TABLE people0 => [redacted] n1
BEGIN ;; CREATE TEMP TABLE people0 (id int, ssn text, note text) ;; ROLLBACK => [redacted] n1
CREATE TEMP VIEW people0 AS SELECT 1 AS id, 'mine' AS ssn, 'own' AS note => [redacted] own
SET client_encoding = LATIN1 => [redacted] n1
SET standard_conforming_strings = off => 0A000
PREPARE x AS SELECT 1 ;; EXECUTE x => [redacted] n1
DISCARD TEMP => [redacted] n1
BEGIN ;; SELECT 1/0 => 25P02
BEGIN ;; SELECT 1/0 ;; COMMIT => [redacted] n1
LISTEN x ;; NOTIFY x, 'y' => [redacted] n1
""")
ROLE = scripts("""
SET ROLE way_viewers => [redacted] n1
SET ROLE way_nobody => 42501
SET ROLE way_viewers ;; RESET ROLE => canary-71 n1
SET ROLE way_nobody ;; RESET ALL => 42501
BEGIN ;; SET LOCAL ROLE way_viewers => [redacted] n1
BEGIN ;; SET LOCAL ROLE way_viewers ;; COMMIT => canary-71 n1
BEGIN ;; SET ROLE way_viewers ;; ROLLBACK => canary-71 n1
BEGIN ;; SET ROLE way_viewers ;; COMMIT => [redacted] n1
BEGIN ;; SAVEPOINT a ;; SET ROLE way_viewers ;; ROLLBACK TO a => canary-71 n1
SELECT set_config('role', 'way_viewers', false) => [redacted] n1
SELECT become('way_viewers') => [redacted] n1
BEGIN ;; SELECT become('way_viewers') ;; ROLLBACK => canary-71 n1
SET SESSION AUTHORIZATION DEFAULT => canary-71 n1
""")
WORDS = {
    "making": "CREATE FUNCTION swap{n}() RETURNS void {code} CREATE OR REPLACE {shows}; END'",
    "procedure": "CREATE PROCEDURE does{n}() {code} PERFORM swap{n}(); END'",
    "code": "LANGUAGE plpgsql AS 'BEGIN",
    "shows": "VIEW shown{n} AS SELECT id, ssn AS note FROM people{n}",
    "away": "ALTER VIEW shown{n} RENAME TO old{n}",
    "rename": "ALTER TABLE people{n} RENAME",
}
ELSEWHERE = scripts("""
CREATE OR REPLACE {shows} => [redacted]
BEGIN ;; CREATE OR REPLACE {shows} ;; COMMIT => [redacted]
BEGIN; CREATE OR REPLACE {shows}; COMMIT => [redacted]
DO 'BEGIN CREATE OR REPLACE {shows}; END' => [redacted]
{making} ;; SELECT swap{n}() => [redacted]
{making} ;; BEGIN ;; SELECT swap{n}() ;; COMMIT => [redacted]
{making} ;; PREPARE p{n} AS SELECT swap{n}() ;; EXECUTE p{n} => [redacted]
{making} ;; {procedure} ;; CALL does{n}() => [redacted]
{away} ;; CREATE {shows} ;; GRANT SELECT ON shown{n} TO PUBLIC => [redacted]
{away} ;; {rename} note TO x ;; {rename} ssn TO note ;; {rename} TO shown{n} => [redacted]
UPDATE people{n} SET note = ssn => 42501
INSERT INTO people{n} (id, note) SELECT 0, ssn FROM people{n} WHERE id = 1 => 42501
DROP VIEW shown{n} => 42P01
""")
PROBE = "SELECT ssn, note FROM people0 WHERE id = 1"


@dataclass(frozen=True)
class Place:
    guarded: Guarded
    database: Any


@pytest.fixture(scope="module")
def place(pg_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("way")
    rules = folder / "rules"
    rules.mkdir()
    (rules / "rules.yaml").write_text(RULES, "utf-8")
    pg_server.create_user("way_dba")
    pg_server.create_user(MASKED, "way_viewers")
    pg_server.create_user(WIDE, "way_viewers", "way_seers", "way_nobody")
    database = pg_server.create_database(owner="way_dba")
    tables = (TABLES.replace("{n}", str(n)) for n in range(len(ELSEWHERE) + 1))
    database.execute(FUNCTIONS + "".join(tables))
    with ExitStack() as stack:
        stack.callback(database.drop)
        guarded = Factory(stack, folder)(database, rules=rules, durability="buffered")
        yield Place(guarded, database)


def session(place: Place, user: str) -> Client:
    client = Client(place.guarded.port)
    client.log_in(user, place.guarded.database)
    return client


def told(answer: list[bytes]) -> Answer:
    if "E" in tags(answer):
        return error_of(answer)[0]
    (row,) = rows(answer)[:1]
    return b" ".join(value or b"" for value in row).decode()


@pytest.mark.parametrize("who", [MASKED, WIDE])
def test_what_the_session_does_to_itself(place: Place, who: str) -> None:
    """Nothing that texts mean by now is taken for what they meant."""
    wrong = []
    for number, script in enumerate(SESSION if who == MASKED else ROLE):
        run = WAYS[number % len(WAYS)]
        with session(place, who) as client:
            learnt = [told(run(client, PROBE)) for _ in range(4)]
            assert len(set(learnt)) == 1
            for step in script.steps:
                client.query(step)
            found = [told(run(client, PROBE)) for _ in range(3)]
            if found != [script.expected] * 3:
                wrong.append((run.__name__, *script.steps, *found))
    assert wrong == []


def test_what_another_session_does(place: Place) -> None:
    """DDL through dbguard, and copies, count for what is sent next."""
    wrong = []
    dsn = place.guarded.dsn("way_dba")
    with closing(psycopg.connect(dsn, autocommit=True)) as dba, ExitStack() as stack:
        for number, script in enumerate(ELSEWHERE, 1):
            text = f"SELECT note FROM shown{number} WHERE id < 2 ORDER BY id"
            clients = [stack.enter_context(session(place, MASKED)) for _ in WAYS]
            for run, client in zip(WAYS, clients, strict=True):
                assert [told(run(client, text)) for _ in range(4)] == ["n1"] * 4
            for step in script.steps:
                for word, meaning in [*WORDS.items(), ("n", str(number))]:
                    step = step.replace(f"{{{word}}}", meaning)
                dba.execute(cast(LiteralString, step))
            for run, client in zip(WAYS, clients, strict=True):
                answers = [run(client, text) for _ in range(3)]
                found = [told(answer) for answer in answers]
                kept = CANARY not in b"".join(map(b"".join, answers))
                if found != [script.expected] * 3 or not kept:
                    wrong.append((run.__name__, *script.steps, *found))
    assert wrong == []


# -- messages -----------------------------------------------------------------------

RUN = frontend.Execute(b"", 0).encode() + frontend.Sync().encode()
DESCRIBED = frontend.Describe(b"P", b"").encode() + RUN


def query(text: str) -> bytes:
    return frontend.Query(text.encode()).encode()


def bound(name: bytes, *parameters: str, formats: bytes = b"\0\0") -> bytes:
    """Bind to Sync, with these result formats."""
    rest = values(*parameters)[:-2] + formats
    return frontend.Bind(b"", name, rest).encode() + DESCRIBED


def parsed(name: bytes, text: str) -> bytes:
    return frontend.Parse(name, text.encode(), ()).encode()


SSN = "SELECT ssn FROM people0 WHERE id = $1"
NOTE = "SELECT note FROM people0 WHERE id = $1"
KNOWN_TEXT = b"SELECT ssn FROM people0 WHERE id = 1"
CLOSED = frontend.Close(b"S", b"s").encode()
SYNC = frontend.Sync().encode()
MESSAGES: dict[str, list[tuple[bytes, Answer]]] = {
    "another format": [(bound(b"s", "1", formats=b"\0\1\0\1"), "[redacted]")],
    "formats for more": [(bound(b"s", "1", formats=b"\0\2\0\1\0\1"), "08P01")],
    "more parameters": [(bound(b"s", "1", "2"), "08P01")],
    "a value that is none": [(bound(b"s", "1; SELECT ssn"), "22P02")],
    "made anew": [(CLOSED + parsed(b"s", NOTE) + SYNC, ""), (bound(b"s", "1"), "n1")],
    "made anew in one pipeline": [(CLOSED + parsed(b"s", NOTE) + bound(b"s", "1"), "n1")],
    "not made anew": [(parsed(b"s", NOTE) + SYNC, "42P05"), (bound(b"s", "1"), "[redacted]")],
    "deallocated": [(query("DEALLOCATE s"), ""), (bound(b"s", "1"), "26000")],
    "deallocated and taken back": [
        (query("BEGIN"), ""),
        (query("DEALLOCATE s"), ""),
        (query("ROLLBACK"), ""),
        (bound(b"s", "1"), "26000"),
    ],
    "another one by SQL": [
        (query("DEALLOCATE s"), ""),
        (query(f"PREPARE s(int) AS {NOTE}"), ""),
        (bound(b"s", "1"), "n1"),
        (query("EXECUTE s(1)"), "n1"),
        (bound(b"s", "2"), "n2"),
    ],
    "another one in a string": [
        (query(f"DEALLOCATE ALL; PREPARE s(int) AS {NOTE}"), ""),
        (bound(b"s", "1"), "n1"),
    ],
    "an unnamed one that a Query ends": [
        (parsed(b"", "SELECT 7") + SYNC, ""),
        (query("SELECT ssn FROM people0 WHERE id = 1"), "[redacted]"),
        (bound(b""), "26000"),
    ],
    "literals": [
        (query("SELECT ssn FROM people0 WHERE id = 2"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 02"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 0x2"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 9999999999 OR true"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 1--"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 1/**/"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 1_0 OR true"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 1) x"), "42601"),
    ],
    "bytes behind the end of a text": [
        (b"Q" + struct.pack("!I", 50) + KNOWN_TEXT + b"\0SELECT 1\0", "08P01"),
    ],
    "a failed transaction": [
        (query("BEGIN"), ""),
        (bound(b"s", "1"), "[redacted]"),
        (query("SELECT ssn FROM people0 WHERE id = 1 / (id - id)"), "22012"),
        (bound(b"s", "1"), "25P02"),
        (query("SELECT ssn FROM people0 WHERE id = 1"), "25P02"),
        (query("COMMIT"), ""),
        (bound(b"s", "1"), "[redacted]"),
    ],
}  # fmt: skip


def test_messages_that_look_like_known_ones(place: Place) -> None:
    wrong = []
    for title, messages in MESSAGES.items():
        with session(place, MASKED) as client:
            client.send(parsed(b"s", SSN), SYNC)
            client.until_ready()
            for _ in range(4):
                for known in (bound(b"s", "1"), query("SELECT ssn FROM people0 WHERE id = 1")):
                    client.send(known)
                    assert told(client.until_ready()) == "[redacted]"
            for number, (message, expected) in enumerate(messages):
                client.send(message)
                answer = client.until_ready()
                found = told(answer) if "D" in tags(answer) or "E" in tags(answer) else ""
                if found != expected or CANARY in b"".join(answer):
                    wrong.append((title, number, found))
    assert wrong == []


def test_a_known_message_inside_of_another(place: Place) -> None:
    """However it is cut, the outer one is what runs, once, with its record."""
    place.database.execute("TRUNCATE public.log")
    text = "INSERT INTO log (data) VALUES ($1)"
    inner_query = query("INSERT INTO log (data) VALUES ('inner')")

    def inserting(value: bytes) -> bytes:
        rest = struct.pack("!HHHi", 1, 1, 1, len(value)) + value + b"\0\0"
        return frontend.Bind(b"", b"s", rest).encode() + RUN

    expected: Counter[bytes] = Counter()
    with session(place, WIDE) as client:
        client.send(parsed(b"s", text), SYNC)
        client.until_ready()
        inner_bind = inserting(b"inner")
        for _ in range(4):
            for known in (inner_bind, inner_query):
                client.send(known)
                assert tags(client.until_ready())[-2:] == "CZ"
                expected[b"inner"] += 1
        for inner in (inner_bind, inner_query):
            for payload in (inner, b"before" + inner):
                message = inserting(payload)
                start = message.index(inner)
                for cut in (1, 4, 5, 7, start, start + 1, start + len(inner), len(message) - 5):
                    client.send(message[:cut])
                    client.send(message[cut:])
                    assert tags(client.until_ready()) == "2CZ"
                    expected[payload] += 1
        for first in (inner_bind, inner_query):  # and one behind the other
            for second in (inner_bind, inner_query, SYNC):
                for cut in (0, 3, len(first) - 1, len(first), len(first) + 2):
                    client.send((first + second)[:cut] or b"")
                    client.send((first + second)[cut:])
                    answered = tags(client.until_ready(2))
                    assert answered.count("Z") == 2
                    expected[b"inner"] += answered.count("C")
    ran = Counter(bytes(row[0]) for row in place.database.execute("SELECT data FROM log"))
    assert ran == expected
    for _ in range(500):
        kept = [
            r for r in place.guarded.records("decision")
            if r["text"].startswith("INSERT INTO log") and r["phase"] in ("bind", "query")
        ]  # fmt: skip
        if len(kept) == ran.total():
            break
        time.sleep(0.02)
    assert len(kept) == ran.total()


# -- no record ----------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["durable", "buffered"])
def test_nothing_runs_that_a_full_disk_has_no_record_of(
    guard: Any, pg_database: Any, small_disk: Path, durability: str
) -> None:
    pg_database.create_user("app")
    pg_database.execute(
        "CREATE TABLE log (id serial, way text); GRANT ALL ON log, log_id_seq TO PUBLIC"
    )
    guarded: Guarded = guard(pg_database, rules=None, started=False, durability=durability)
    config = guarded.config.read_text("utf-8")
    guarded.config.write_text(config.replace("directory: audit,", f'directory: "{small_disk}",'))
    guarded.start()
    over, refused = threading.Event(), Counter[str]()
    ran: Counter[str] = Counter()

    def insert(run: Run) -> None:
        with Client(guarded.port) as client:
            client.log_in("app", guarded.database)
            while not over.is_set():
                answer = run(client, f"INSERT INTO log (way) VALUES ('{run.__name__}')")
                if not answer:
                    break
                (refused if "E" in tags(answer) else ran)[run.__name__] += 1

    def until(count: Counter[str], more: int) -> None:
        """Each of them counts so many more, or a minute has passed."""
        wanted = {run.__name__: count[run.__name__] + more for run in WAYS}
        deadline = time.monotonic() + 60
        while any(count[name] < least for name, least in wanted.items()):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    threads = [threading.Thread(target=insert, args=(run,)) for run in WAYS]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            until(ran, 10)
            filler = small_disk / "filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 512)
                except OSError:
                    pass
            until(refused, 10)
            filler.unlink()
        until(ran, 10)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    guarded.stop()
    (last,) = pg_database.execute("SELECT last_value FROM log_id_seq")[0]
    lines = [
        line for path in small_disk.glob("audit-*.jsonl") for line in path.read_bytes().splitlines()
    ]
    records = [json.loads(line) for line in lines]
    kept = [
        r for r in records
        if r["kind"] == "decision" and "INTO log" in r["text"] and r["phase"] in ("bind", "query")
    ]  # fmt: skip
    assert ran.total() == last == len(kept)
