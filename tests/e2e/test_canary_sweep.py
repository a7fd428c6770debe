"""Nothing that dbguard writes holds a value, whichever way it came by.

Values that stand nowhere else are pushed through every route of the protocol by somebody who sees
everything masked, somebody who sees everything, and a superuser. Then all that dbguard wrote is
searched for them, also for what they look like encoded, cut and turned around.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import os
import signal
import socket
import struct
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from dbguard.audit.original_text import load_private, make_keys, open_text
from dbguard.wire import frontend
from dbguard.wire.startup import CancelRequest

from .conftest import Factory
from .protocol_client import Client, startup
from .proxies import Guarded

pytestmark = pytest.mark.pg

NAME = "Zyxwanda Qportheim"
SSN = "987-65-4329"
NUMBER = "8675309421"
MAIL = "zyxwanda.q@qportheim.example"
CODE = "9D7K3"
"""Five characters: what fits into an SQLSTATE."""
CANARIES = (NAME, SSN, NUMBER, MAIL, CODE)
PARTS = ("Zyxwanda", "Qportheim", "987-65", "65-4329", "987654329", "86753094")

RULES = """
classification:
  - {tag: phi, columns: [public.people.name, public.people.ssn, public.people.number]}
roles:
  seer: {users: [app, postgres]}
  viewer: {users: [viewer]}
masks:
  hidden: {phi: redact}
rules:
  - {id: all, allow: [all], roles: [seer], data: ["*"]}
  - {id: rest, allow: [all], roles: [seer]}
  - {id: masked, allow: [read], roles: [viewer], data: [phi], masked: hidden}
defaults:
  classified: deny
  unclassified: {read: allow, write: allow, ddl: deny, privilege: deny, code: deny,
    maintenance: deny}
"""
SETUP = f"""
CREATE TABLE public.people (id int PRIMARY KEY, name text, ssn text UNIQUE, number numeric);
INSERT INTO public.people VALUES (1, '{NAME}', '{SSN}', {NUMBER}), (2, '{MAIL}', '{CODE}', 0);
CREATE TABLE public.log (id int, note text CHECK (note <> 'never'));
GRANT ALL ON public.people, public.log TO PUBLIC;
GRANT CREATE ON SCHEMA public TO app;
CREATE FUNCTION public.say(what text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RAISE NOTICE 'it is %', what; RETURN what; END $$;
CREATE FUNCTION public.fail(what text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'it is %', what USING DETAIL = what, HINT = what; END $$;
"""
STATEMENTS = Path(__file__).with_name("canary_statements.sql")


def statements() -> list[str]:
    """The file's statements, one a paragraph, with the values put in."""
    text = STATEMENTS.read_text("utf-8")
    paragraphs = (p.strip() for p in text.split("\n\n") if not p.startswith("-- #"))
    words = {"NAME": NAME, "SSN": SSN, "NUMBER": NUMBER, "MAIL": MAIL, "CODE": CODE}
    found = []
    for paragraph in filter(None, paragraphs):
        for word, value in words.items():
            paragraph = paragraph.replace(f"<{word}>", value)
        found.append(paragraph)
    return found


# -- routes -------------------------------------------------------------------


EVERYTHING = "DBGUARD_CANARIES" in os.environ
"""Every statement by everybody, which takes longer."""


def some_queries(client: Client) -> None:
    simple_queries(client, 1 if EVERYTHING else 4)


def simple_queries(client: Client, step: int = 1) -> None:
    for text in statements()[::step]:
        client.send(frontend.Query(text.encode()))
        drain(client)
        clean(client)


def clean(client: Client) -> None:
    for text in (b"ROLLBACK", b"DISCARD ALL"):
        client.send(frontend.Query(text))
        drain(client)


def drain(client: Client, *, pipelined: bool = False) -> None:
    """Read to ReadyForQuery, and answer COPY FROM STDIN with values; a Sync in front of them was
    part of the COPY."""
    while message := client.message():
        if message[:1] == b"G":
            row = f"7\t{NAME}\t{SSN}\t{MAIL}\n".encode()
            client.send(frontend.CopyData(row), frontend.CopyData(NUMBER.encode()))
            client.send(frontend.CopyFail(NAME.encode()), *[frontend.Sync()] * pipelined)
        if message[:1] == b"Z":
            return


def extended_queries(client: Client) -> None:
    for text in statements():
        client.send(
            frontend.Parse(b"", text.encode(), ()),
            frontend.Bind(b"", b"", NO_VALUES),
            frontend.Describe(b"P", b""),
            frontend.Execute(b"", 0),
            frontend.Sync(),
        )
        drain(client, pipelined=True)
        clean(client)


NO_VALUES = struct.pack("!HHH", 0, 0, 0)


def parameters(*values: bytes, binary: bool) -> bytes:
    parts = [struct.pack("!HHH", 1, int(binary), len(values))]
    parts += [struct.pack("!i", len(value)) + value for value in values]
    return b"".join(parts) + struct.pack("!H", 0)


def bound_values(client: Client) -> None:
    """Names of statements and portals, values in both formats, right ones and wrong ones."""
    name = NAME.encode()
    for binary in (False, True):
        for value in CANARIES:
            raw = value.encode()
            for text in (
                b"SELECT id FROM people WHERE name = $1",
                b"SELECT $1::int",
                b"SELECT $1::date + 1",
                b"INSERT INTO log VALUES (3, $1)",
                b"UPDATE log SET note = $1 WHERE note = $1",
                b"SELECT say($1), $1",
                b"SELECT fail($1)",
            ):
                client.send(
                    frontend.Parse(name, text, ()),
                    frontend.Describe(b"S", name),
                    frontend.Bind(raw, name, parameters(raw, binary=binary)),
                    frontend.Describe(b"P", raw),
                    frontend.Execute(raw, 1),
                    frontend.Close(b"P", raw),
                    frontend.Close(b"S", name),
                    frontend.Sync(),
                )
                drain(client)
    for lone in (
        frontend.Bind(b"", name, parameters(name, binary=False)),
        frontend.Execute(name, 0),
        frontend.Describe(b"P", name),
        frontend.Close(b"S", name),
        frontend.Parse(b"_dbguard_" + name, b"SELECT 1", ()),
        frontend.Parse(name * 8, b"SELECT 1", ()),
        frontend.Parse(b"", b"SELECT $1", (NUMBER_OID,)),
    ):
        client.send(lone, frontend.Sync())
        drain(client)
    call = struct.pack("!HHH", 1, 0, 1) + struct.pack("!i", len(name)) + name
    for oid in (870, 952, NUMBER_OID):  # lower(text), lo_open, none
        client.send(frontend.FunctionCall(oid, call + struct.pack("!H", 0)))
        drain(client)


NUMBER_OID = int(NUMBER) % (1 << 31)


def copies(client: Client) -> None:
    row = f"9\t{NAME}\t{SSN}\t{NUMBER}\n".encode()
    for text, data, last in (
        ("COPY people FROM STDIN", row, frontend.CopyDone()),
        ("COPY people FROM STDIN", row, frontend.CopyDone()),  # 23505
        ("COPY log FROM STDIN", f"{NAME}\t{SSN}\n".encode(), frontend.CopyDone()),  # 22P02
        ("COPY log FROM STDIN", row, frontend.CopyFail(MAIL.encode())),
        ("COPY log FROM STDIN", row, frontend.Query(f"SELECT '{NAME}'".encode())),
    ):
        client.send(frontend.Query(text.encode()))
        while message := client.message():
            if message[:1] in b"GZ":
                break
        if message[:1] == b"G":
            client.send(frontend.CopyData(data), last)
            drain(client)
    for text in ("COPY people TO STDOUT", "COPY (SELECT * FROM people) TO STDOUT (FORMAT csv)"):
        client.query(text)


def logins(guarded: Guarded) -> None:
    port, database = guarded.port, guarded.database
    odd = {"application_name": SSN, "options": f"-c app.patient={SSN}"}
    tries = [
        (NAME, database, "demo", {}),
        (SSN, database, "demo", {}),
        (MAIL, MAIL, "demo", {}),
        ("app", NAME, "demo", {}),
        ("app", database, NAME, odd),
        ("app", database, "demo", {"client_encoding": NAME}),
        ("app", database, "demo", {"search_path": f'"{NAME}"', "application_name": MAIL}),
        ("app", database, "demo", {NAME: SSN}),
        ("app", database, "demo", {"role": NAME}),
        ("app", database, "demo", {"options": f"-c application_name={NUMBER}"}),
        ("app", database, "demo", {"replication": NAME}),
        ("viewer", database, "demo", odd),
        ("viewer", database, "demo", {"_pq_." + NAME: SSN}),
    ]
    for user, where, password, more in tries:
        with Client(port) as client:
            client.log_in(user, where, password, **more)
            with contextlib.suppress(OSError):
                client.query("SELECT name FROM people")
    name = NAME.encode()
    for data in (
        name,
        b"\x16\x03\x01" + name,
        struct.pack("!II", 8 + len(name), 3 << 16) + name,
        struct.pack("!I", 9_999) + name,
        startup(NAME, database) + name,
        startup("app", database) + b"Q" + struct.pack("!I", 9 + len(name)) + name,
    ):
        with Client(port) as client:
            client.send(data)
            with contextlib.suppress(OSError):  # dbguard has hung up already
                client.socket.shutdown(socket.SHUT_WR)
            while client.message():
                pass


def broken_packets(guarded: Guarded) -> None:
    name = NAME.encode()
    for data in (
        b"\xff" + struct.pack("!I", 4 + len(name)) + name,
        b"Q" + struct.pack("!I", 4 + len(name)) + name,  # without its zero
        b"Q" + struct.pack("!I", 1 << 30) + name,
        b"B" + struct.pack("!I", 4 + len(name)) + name,
        b"P" + struct.pack("!I", 6 + len(name)) + name + b"\0",
        b"p" + struct.pack("!I", 4 + len(name)) + name,
        frontend.CopyData(name).encode() + frontend.Sync().encode(),
        b"S" + struct.pack("!I", 4 + len(name)) + name,
        b"F" + struct.pack("!I", 4 + len(name)) + name,
        b"Q" + struct.pack("!I", 500) + b"SELECT '" + name,  # and gone
    ):
        with Client(guarded.port) as client:
            client.log_in("viewer", guarded.database)
            client.send(data)
            with contextlib.suppress(OSError):  # dbguard has hung up already
                client.socket.shutdown(socket.SHUT_WR)
            while client.message():
                pass


def odd_texts(client: Client) -> None:
    for raw in (
        f"SELECT '{NAME}' -- ".encode() + b"x" * 5_000,
        f"SELECT '{NAME}', '{SSN}', {', '.join([NUMBER] * 3_000)}".encode(),
        (f"SELECT '{NAME}'" + "; SELECT 1" * 1_200).encode(),
        (f"SELECT '{NAME}' || " + "(" * 2_000 + f"'{SSN}'" + ")" * 2_000).encode(),
        f"SELECT '{NAME}'\xa0, 1".encode(),
        b"SELECT '\xff\xfe" + NAME.encode() + b"'",
        f'SELECT 1 AS "{NAME * 200}"'.encode(),
        f"SELECT '{NAME}".encode(),
        f"{NAME} was born, {SSN} is the number".encode(),
        f"Patient {NAME}".encode(),
        f"SELECT name FROM people WHERE name = {NAME.split()[0]}".encode(),
        f'SELECT name FROM people WHERE name = "{NAME.split()[1]}"'.encode(),
        f"SELECT {'a' * 70}{NUMBER}".encode(),
    ):
        client.send(frontend.Query(raw))
        drain(client)


def endings(guarded: Guarded, database: Any) -> None:
    """Cancelled, terminated, hung up, and planned by a worker that dies."""
    for how in ("cancel", "terminate", "leave", "worker"):
        with Client(guarded.port) as client:
            client.log_in("app", guarded.database)
            assert client.key is not None
            wait = "" if how == "worker" else ", pg_sleep(20)"
            client.send(frontend.Query(f"SELECT '{NAME} {how}', '{SSN}'{wait}".encode()))
            if how == "worker":
                for worker in workers(guarded):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
            else:
                time.sleep(0.2)
            if how == "cancel":
                with socket.create_connection(("127.0.0.1", guarded.port)) as other:
                    key = client.key
                    other.sendall(CancelRequest(key.process_id, key.secret).encode())
            if how == "terminate":
                database.execute(f"SELECT pg_terminate_backend({client.key.process_id})")
            if how != "leave":
                drain(client)


def workers(guarded: Guarded) -> list[int]:
    assert guarded.process is not None
    children = Path(f"/proc/{guarded.process.pid}/task/{guarded.process.pid}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


# -- what was written ---------------------------------------------------------


def written(guarded: Guarded, extra: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Everything that dbguard wrote, by name."""
    yield from extra.items()
    for path in sorted(guarded.folder.rglob("*")):
        inside = path.relative_to(guarded.folder)
        if path.is_file() and inside.parts[0] not in ("rules", "backups"):
            yield str(inside), path.read_bytes()
    audit = ("--audit", str(guarded.audit))
    for arguments in (
        ("report", *audit),
        ("report", *audit, "--json"),
        ("audit", "show", *audit, "--limit", "0"),
        ("audit", "tail", *audit, "-n", "100000", "--json"),
        ("audit", "verify", *audit),
    ):
        result = guarded.run(*arguments, COLUMNS="2000")
        assert result.returncode == 0, result.stderr
        yield " ".join(arguments), (result.stdout + result.stderr).encode()


@cache
def traces() -> dict[bytes, str]:
    """What to look for: bytes in lower case, and what they are."""
    found: dict[bytes, str] = {}
    for value in (*CANARIES, *PARTS):
        raw = value.encode()
        found[raw.lower()] = value
        found[raw[::-1].lower()] = f"{value} backwards"
        if len(value) < 8:
            continue
        found[raw.hex().encode()] = f"{value} in hex"
        found["".join(f"%{b:02x}" for b in raw).encode()] = f"{value} percent-encoded"
        found[value.replace(" ", "%20").lower().encode()] = f"{value} in a URL"
        for encoding in ("utf-16-le", "utf-16-be"):
            found[codecs.encode(value, encoding).lower()] = f"{value} in {encoding}"
        for offset in range(3):
            whole = base64.b64encode(b"\0" * offset + raw)
            inner = whole[4 if offset else 0 : -4]
            found[inner.lower()] = f"{value} in base64"
    return found


def leaks(data: bytes) -> list[str]:
    lower = data.lower()
    joined = lower
    for mark in (b'\\"?\\"', b'"?"', b"?", b'\\"', b'"', b" "):
        joined = joined.replace(mark, b"")
    hits = {what for trace, what in traces().items() if trace in lower}
    bare = {v.lower().replace(" ", "").encode(): v for v in CANARIES if len(v) > 8}
    return sorted(hits | {f"{what}, pieced together" for v, what in bare.items() if v in joined})


def leaking(guarded: Guarded) -> list[tuple[list[str], bytes]]:
    """The first records that hold something."""
    paths = guarded.audit.glob("*.jsonl")
    lines = (line for path in paths for line in path.read_bytes().splitlines())
    return list(islice(((hits, line[:600]) for line in lines if (hits := leaks(line))), 20))


def test_the_search_finds_what_it_looks_for() -> None:
    for value in (NAME, SSN, NUMBER, MAIL):
        raw = value.encode()
        for form in (
            raw,
            raw.upper(),
            raw[::-1],
            raw.hex().encode(),
            base64.b64encode(b"say: " + raw + b"!"),
            value.encode("utf-16-le"),
            "".join(f"%{b:02X}" for b in raw).encode(),
        ):
            assert leaks(b'{"text": "' + form + b'"}'), form
    assert leaks(b'zyxwanda "?" qportheim')
    assert not leaks(b'{"text": "SELECT ? FROM people"}')


@pytest.fixture
def guarded(pg_database: Any, tmp_path: Path) -> Iterator[Guarded]:
    for user in ("app", "viewer"):
        pg_database.create_user(user)
    for statement in SETUP.split(";\n"):
        if statement.strip():
            pg_database.execute(statement)
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "rules.yaml").write_text(RULES)
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path, whole=True)
        extra = "limits: {analysis_timeout: 1m, login_failures: 3, login_pause: 1}\n"
        proxy = factory(
            pg_database,
            rules=rules,
            durability="buffered",
            metrics=True,
            started=False,
            extra=extra,
        )
        proxy.start("--log-level", "debug")
        yield proxy


def test_only_the_auditor_reads_what_was_sent(guarded: Guarded, tmp_path: Path) -> None:
    """With `audit.original_text`; bound values are no part of a statement."""
    guarded.stop()
    key = tmp_path / "auditor.key"
    make_keys(key)
    config = guarded.config.read_text().replace(
        "audit: {", f"audit: {{original_text: {{public_key: '{key.with_suffix('.pub')}'}}, "
    )
    guarded.config.write_text(config)
    guarded.start("--log-level", "debug")
    two = f"SELECT '{NAME}' /* {MAIL} */; SELECT '{SSN}'"
    with Client(guarded.port) as client:
        client.log_in("viewer", guarded.database)
        client.query(two)
        client.query(f"{NAME} is no SQL")
        bound = parameters(NUMBER.encode(), binary=False)
        client.send(
            frontend.Parse(b"", b"SELECT $1::numeric", ()),
            frontend.Bind(b"", b"", bound),
            frontend.Execute(b"", 0),
            frontend.Sync(),
        )
        drain(client)
    guarded.stop()
    assert {name: hits for name, data in written(guarded, {}) if (hits := leaks(data))} == {}
    private = load_private(key)
    opened = [
        open_text(record["sealed"], private, record["session"], record["fingerprint"]).text
        for record in guarded.records("decision")
    ]
    first, _, second = two.partition(" SELECT '9")
    assert opened == [
        f"{first} ",
        f"SELECT '9{second}",
        f"{NAME} is no SQL",
        *["SELECT $1::numeric"] * 2,
    ]
    name = str(guarded.records("decision")[-1]["seq"])
    arguments = ("audit", "open", name, "--audit", str(guarded.audit), "--key", str(key))
    shown = guarded.run(*arguments)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == "SELECT $1::numeric\n"


def test_nothing_that_is_written_holds_a_value(guarded: Guarded, pg_database: Any) -> None:
    superuser = pg_database.server.superuser
    for user, routes in (
        ("viewer", (simple_queries, extended_queries, bound_values, copies, odd_texts)),
        ("app", (simple_queries, bound_values, copies, odd_texts)),
        (superuser, (some_queries, extended_queries if EVERYTHING else copies)),
    ):
        for route in routes:
            with Client(guarded.port) as client:
                client.log_in(user, guarded.database, pg_database.server.password(user))
                route(client)
    endings(guarded, pg_database)
    broken_packets(guarded)
    logins(guarded)
    url = f"http://127.0.0.1:{guarded.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        metrics = answer.read()
    process = guarded.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    extra = {"metrics": metrics, "stdout": said.encode()}
    found = {name: hits for name, data in written(guarded, extra) if (hits := leaks(data))}
    assert found == {}, leaking(guarded)
    assert len(guarded.records("decision")) > 800
    assert guarded.verify().ok
