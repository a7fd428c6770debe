"""Who may see everything gets the same bytes as on a direct connection."""

from __future__ import annotations

import subprocess
from contextlib import closing
from typing import Any

import psycopg
import pytest

from dbguard.wire.backend import ErrorResponse, decode
from dbguard.wire.framing import BackendSplitter, Frame, RowRun
from dbguard.wire.tags import Backend

from .proxies import Guarded, Relay, relayed
from .test_masked_reading import READS

pytestmark = pytest.mark.pg

MORE = [
    "SELECT nosuch FROM clinic.patients",
    "SELECT * FROM nosuch",
    "SELECT ssn::int FROM clinic.patients",
    "SELECT 1/0",
    "SELEC 1",
    "SELECT 1; SELECT 2; SELECT 1/0",
    "",
    "BEGIN; SAVEPOINT a; SELECT 1/0",
    "ROLLBACK TO a; SELECT 1; COMMIT",
    "SHOW server_version",
    "SET application_name = 'x'; SHOW application_name; RESET application_name",
    "COPY (SELECT 1, 'a') TO STDOUT",
    "COPY clinic.providers TO STDOUT",
    "VALUES (1, 'x'), (2, NULL)",
    "LISTEN c; NOTIFY c, 'hello'; UNLISTEN c",
    "EXPLAIN (COSTS OFF) SELECT * FROM clinic.patients WHERE id = 1",
    "DO $$ BEGIN RAISE NOTICE 'hi'; END $$",
]


def conversation(raw: bytes) -> list[bytes]:
    """Server messages from the first ReadyForQuery on; what differs from session to session out."""
    splitter = BackendSplitter()
    # a psql that knows TLS asks for it first; the answer is a single byte
    splitter.feed(raw.lstrip(b"N"))
    found: list[bytes] = []
    ready = False
    last_was_row = False
    while (item := splitter.next()) is not None:
        is_row = isinstance(item, RowRun)
        if isinstance(item, RowRun):
            # how rows are cut into runs depends on timing
            if last_was_row:
                found[-1] += item.data
            else:
                found.append(item.data)
        elif ready:
            found.append(_comparable(item))
        ready = ready or (not isinstance(item, RowRun) and item.tag == Backend.READY_FOR_QUERY)
        last_was_row = is_row
    return found


def _comparable(frame: Frame) -> bytes:
    if frame.tag == Backend.NOTIFICATION_RESPONSE:
        return b"A"  # the process id differs
    message = decode(frame)
    if isinstance(message, ErrorResponse) and message.fields.sqlstate.startswith("42"):
        # a name or syntax error is told by dbguard, which cannot know the server's source line
        return message.fields.without("F", "L", "R").encode_error()
    return frame.raw


def run(port: int, guarded: Guarded, user: str, binary: Any, statements: list[str]) -> str:
    arguments = [item for text in statements for item in ("-c", text)]
    result = subprocess.run(
        [
            binary,
            "-X",
            "-d",
            f"postgresql://{user}:demo@127.0.0.1:{port}/{guarded.database}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


def test_a_clinician_gets_the_same_bytes(clinic: Guarded, pg_server: Any) -> None:
    statements = [t for t in READS if "ANALYZE" not in t and "pg_stats" not in t] + MORE[:-1]
    host, _, port = clinic.upstream.rpartition(":")
    direct = Relay(host, int(port))
    with relayed(clinic) as proxied:
        psql = pg_server.binary("psql")
        shown = run(proxied.port, clinic, "clinician", psql, statements)
        expected = run(direct.port, clinic, "clinician", psql, statements)
    direct.close()
    assert shown == expected
    for got, wanted in zip(
        conversation(bytes(proxied.received)), conversation(bytes(direct.received)), strict=True
    ):
        assert got == wanted


def test_extended_protocol_and_binary(clinic: Guarded, pg_server: Any) -> None:
    rows = []
    direct = pg_server.dsn("clinician", clinic.database)
    for dsn in (direct, clinic.dsn("clinician")):
        with closing(psycopg.connect(dsn, autocommit=True)) as connection:
            cursor = connection.cursor(binary=True)
            found = []
            for text in READS:
                if "EXPLAIN" in text or "pg_stats" in text:
                    continue
                cursor.execute(text.replace("%", "%%").encode(), [])
                description = [
                    (c.name, c.type_code, c.display_size, c.precision)
                    for c in cursor.description or ()
                ]
                found.append((description, cursor.fetchall()))
            rows.append(found)
    assert rows[0] == rows[1]
