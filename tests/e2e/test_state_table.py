"""Every message in every state (DESIGN 2.5): the server's answers, directly and through dbguard.

`tests/engine/states.txt` holds them, a line a cell (state, what led to it, message and what ends
the turn, answers), as PostgreSQL 18 gives them; RECORD_STATES=1 writes it anew. `tests/engine`
plays the same cells without a server.
"""

from __future__ import annotations

import os
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dbguard.wire import backend, frontend
from dbguard.wire.framing import BackendSplitter, RowRun
from dbguard.wire.tags import Backend

from .protocol_client import Client, values

pytestmark = pytest.mark.pg

TABLE = Path(__file__).parents[1] / "engine" / "states.txt"
START = "P st: raw one | P sel: rows | S"
END = "Q raw one | Q marked"
"""The second is an error whatever the state of a transaction: all before it has been answered then.
The first is for PostgreSQL 18, which after a Query inside a pipeline and a Sync answers one
with an internal error (XX000, unexpected state STARTED)."""

STATES = {
    "idle": "",
    "in transaction": "Q begin",
    "failed transaction": "Q begin | Q raw fail",
    "pipeline": "P : raw one | B <- | E",
    "pipeline in transaction": "Q begin | P : raw one | B <-",
    "pipeline after an error": "P : raw fail | B <- | E",
    "pipeline after an error, in transaction": "Q begin | P : raw fail | B <- | E",
    "pipeline in a failed transaction": "Q begin | Q raw fail | P : rollback | B x<-",
    "suspended portal": "Q begin | B x<-sel | L x",
    "suspended portal, in a pipeline": "B x<-sel | L x",
    "COPY in": "Q copyin",
    "COPY in, in transaction": "Q begin | Q copyin",
    "COPY in, extended": "P : copyin | B <- | E",
    "COPY in, extended, Sync ahead": "P : copyin | B <- | E | S",
    "COPY in that has failed": "Q copyin | d bad",
    "COPY in that has failed, extended": "P : copyin | B <- | E | d bad",
    "COPY in that has failed, in transaction": "Q begin | P : copyin | B <- | E | d bad",
    "COPY out": "Q copyout",
    "COPY out, extended": "P : copyout | B <- | E",
}
MESSAGES = (
    "Q raw one",
    "Q raw fail",
    "Q rows",
    "Q",
    "Q begin",
    "Q commit",
    "Q rollback",
    "P : raw one",
    "P st: raw one",
    "P y: raw fail",
    "B <-st",
    "B x<-st",
    "B <-nosuch",
    "D Sst",
    "D Ssel",
    "D Snosuch",
    "D Px",
    "D Pnosuch",
    "E x",
    "L x",
    "E nosuch",
    "C Sst",
    "C Snosuch",
    "C Px",
    "C Pnosuch",
    "S",
    "H",
    "F",
    "d 1",
    "d bad",
    "c",
    "f no",
)


def ending(state: str, message: str) -> str:
    """What brings every cell to its end: data is complete, a pipeline has its Sync."""
    return "c | S" if state.startswith("COPY in") and message[0] not in "cf" else "S"


def short(data: bytes) -> str:
    """Answers by their types, an error with its SQLSTATE, ReadyForQuery with its status."""
    splitter = BackendSplitter()
    splitter.feed(data)
    found = []
    while (item := splitter.next()) is not None:
        if isinstance(item, RowRun):
            found += [chr(item.tag)] * item.count
            continue
        message = backend.decode(item)
        match message:
            case backend.ErrorResponse(fields):
                found.append(f"E{fields.sqlstate}")
            case backend.ReadyForQuery(status):
                found.append(f"Z{status.decode()}")
            case _:
                found.append(chr(item.tag))
    return " ".join(found)


TEXTS = {
    "raw one": "LISTEN nothing",
    "raw fail": "SELECT 1/0 FROM load",
    "rows": "SELECT a FROM generate_series(1, 2) a",
    "copyin": "COPY load FROM STDIN",
    "copyout": "COPY copied TO STDOUT",
    "marked": "MARKED",
}
SCHEMA = """
CREATE TABLE load (a int);
CREATE TABLE copied (a int);
INSERT INTO load VALUES (1);
INSERT INTO copied VALUES (1);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
"""
CALL = struct.pack("!HHi", 0, 2, 2) + b"20" + struct.pack("!i", 2) + b"22" + struct.pack("!H", 0)


def sent(script: str) -> bytes:
    """A script's messages with SQL for their words."""
    return b"".join(map(_sent, filter(None, script.split(" | "))))


def _sent(line: str) -> bytes:
    kind, rest = line[0], line[1:].strip()
    for word, text in TEXTS.items():
        if kind in "QP" and rest.endswith(word):
            rest = rest.removesuffix(word) + text
            break
    name = rest[1:].encode()
    message: frontend.FrontendMessage
    match kind:
        case "Q":
            message = frontend.Query(rest.encode())
        case "P":
            statement, _, text = rest.partition(": ")
            message = frontend.Parse(statement.strip(": ").encode(), text.encode(), ())
        case "B":
            portal, _, statement = rest.partition("<-")
            message = frontend.Bind(portal.encode(), statement.encode(), values())
        case "D":
            message = frontend.Describe(rest[:1].encode(), name)
        case "E" | "L":
            message = frontend.Execute(rest.encode(), int(kind == "L"))
        case "C":
            message = frontend.Close(rest[:1].encode(), name)
        case "F":
            message = frontend.FunctionCall(177, CALL)
        case "d":
            message = frontend.CopyData(rest.encode() + b"\n")
        case "f":
            message = frontend.CopyFail(rest.encode())
        case _:
            message = {"S": frontend.Sync(), "H": frontend.Flush(), "c": frontend.CopyDone()}[kind]
    return message.encode()


def answers(client: Client) -> bytes:
    """Everything up to the end of END's answers, or of the connection."""
    found = []
    marked = False
    while message := client.message():
        found.append(message)
        marked = marked or b'"MARKED"' in message
        if marked and message[0] == Backend.READY_FOR_QUERY:
            break
    return b"".join(found)


class Asked:
    """A connection on which cells are asked for, a new one where the old one was closed."""

    def __init__(self, port: int, database: str) -> None:
        self._at = port, database
        self._client: Client | None = None

    def cell(self, state: str, message: str) -> str:
        if self._client is None:
            self._client = Client(self._at[0], timeout=5)
            assert self._client.log_in("app", self._at[1])[-1][0] == Backend.READY_FOR_QUERY
        client = self._client
        client.send(sent(START))
        client.until_ready()
        client.send(sent(f"{STATES[state]} | {script(state, message)}"))
        try:
            found = short(answers(client))
        except TimeoutError:
            found = "(no answer)"
        if found.endswith(" E42601 Z" + found[-1:]):
            client.query("ROLLBACK")
            client.query("DISCARD ALL")
        else:
            client.close()
            self._client = None
        return found

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def script(state: str, message: str) -> str:
    """What is sent in a cell, behind what led to the state."""
    return f"{message} | {ending(state, message)} | {END}"


def lines(told: dict[tuple[str, str], str]) -> list[str]:
    """The table's lines."""
    return [f"{s} / {STATES[s]} / {script(s, m)} / {told[s, m]}\n" for s, m in told]


def test_every_message_in_every_state(guard: Any, pg_database: Any) -> None:
    pg_database.create_user("app")
    pg_database.execute(SCHEMA)
    guarded = guard(pg_database, rules=None, durability="buffered")
    server = pg_database.server
    with (
        closing(Asked(server.port, pg_database.name)) as direct,
        closing(Asked(guarded.port, pg_database.name)) as through,
    ):
        names = [(state, message) for state in STATES for message in MESSAGES]
        expected = {name: direct.cell(*name) for name in names}
        if "RECORD_STATES" in os.environ:
            TABLE.write_text("".join(lines(expected)), "ascii")
        if server.version // 10_000 == 18:
            assert "".join(lines(expected)) == TABLE.read_text("ascii")
        got = {name: through.cell(*name) for name in names}
    differing = [(n, f"server {expected[n]}", f"dbguard {got[n]}") for n in names]
    assert not [d for d in differing if got[d[0]] != expected[d[0]]]
