"""Random conversations that a client may hold: legal messages in every order that has a meaning.

A conversation is a list of turns. In a turn the client sends messages and then reads until what it
waits for has come: `ready` ReadyForQuery, or with Flush instead of Sync one answer a message.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

from dbguard.wire import frontend
from dbguard.wire.frontend import FrontendMessage

from .protocol_client import values

REFUSED = "LOCK TABLE t"
FAILING = "LOCKED t"
"""What is sent in place of a refused statement when dbguard is not there to refuse it."""

READING = [
    "SELECT 1",
    "SELECT a, b FROM t ORDER BY a",
    "SELECT * FROM t ORDER BY 1",
    "TABLE other.t ORDER BY 1",
    "SELECT i FROM generate_series(1, 200) i",
    "SELECT b::int FROM t WHERE a = 1",
    "SELECT 1/0",
    "SELECT 1/(a - 3) FROM t WHERE a < 5 ORDER BY a",
    "SELEC 1",
    "SELECT * FROM nosuch",
    "SELECT nosuch FROM t",
    "SHOW search_path",
    "SHOW client_encoding",
    "SHOW application_name",
    "VALUES (1, 'one'), (2, 'é')",
    "SELECT name, from_sql FROM pg_prepared_statements WHERE name <> '' ORDER BY 1",
    "SELECT name, is_holdable FROM pg_cursors WHERE name <> '' ORDER BY 1",
    "EXPLAIN (COSTS off) SELECT a FROM t",
]
WRITING = [
    "INSERT INTO t VALUES (6, 'six')",
    "INSERT INTO t VALUES (7, 'seven') RETURNING *",
    "INSERT INTO t SELECT a + 20, b FROM t WHERE a < 20 ON CONFLICT DO NOTHING",
    "UPDATE t SET b = 'y' WHERE a = 2",
    "UPDATE t SET b = 'z' WHERE a = 1 RETURNING a, b",
    "DELETE FROM t WHERE a = 3",
]
TRANSACTION = [
    "BEGIN",
    "BEGIN",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "START TRANSACTION READ ONLY",
    "COMMIT",
    "COMMIT AND CHAIN",
    "ROLLBACK",
    "END",
    "SAVEPOINT s",
    "SAVEPOINT s2",
    "ROLLBACK TO s",
    "ROLLBACK TO SAVEPOINT s2",
    "RELEASE s",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
]
SETTINGS = [
    "SET search_path = other",
    "SET LOCAL search_path = other",
    "SET search_path = public, other",
    "RESET search_path",
    "SET application_name = 'fuzz'",
    "SET LOCAL application_name = 'local'",
    "SET client_encoding = 'LATIN1'",
    "SET LOCAL client_encoding = 'LATIN1'",
    "SET NAMES 'UTF8'",
    "RESET client_encoding",
    "SET DateStyle = 'German'",
    "SELECT set_config('application_name', 'configured', false)",
    "RESET ALL",
]
NAMED = [
    "PREPARE q AS SELECT * FROM t ORDER BY a",
    "PREPARE p1 AS SELECT count(*) FROM t",
    "EXECUTE q",
    "EXECUTE p1",
    "DEALLOCATE q",
    "DEALLOCATE p1",
    "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a",
    "DECLARE h CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY a",
    "DECLARE p2 SCROLL CURSOR FOR SELECT a, b FROM t ORDER BY a",
    "FETCH 2 FROM c",
    "FETCH 1 FROM h",
    "FETCH ALL FROM p2",
    "MOVE 1 IN c",
    "CLOSE c",
    "CLOSE ALL",
    "DISCARD PLANS",
]
SAYING = [
    "DO $$ BEGIN RAISE NOTICE 'hello'; END $$",
    "DO $$ BEGIN RAISE WARNING 'careful'; PERFORM 1/0; END $$",
    "SELECT say(a) FROM t ORDER BY a",
    "LISTEN n",
    "UNLISTEN *",
    "NOTIFY n, 'payload'",
    "SELECT pg_notify('n', 'other')",
    "DROP TABLE IF EXISTS nosuch",
]
COPIED_OUT = [
    "COPY public.fixed TO STDOUT",
    "COPY (SELECT a, b FROM public.t ORDER BY a) TO STDOUT",
    "COPY public.fixed TO STDOUT (FORMAT binary)",
]
EMPTY = ["", "  ", ";", "-- nothing"]
TEXTS = (
    READING * 2 + WRITING + TRANSACTION * 2 + SETTINGS + NAMED * 2 + SAYING + COPIED_OUT + EMPTY
) + [REFUSED] * 4
OPAQUE = (
    *("DO ", "SELECT say", "SELECT pg_notify", "NOTIFY ", "SELECT name", "SELECT set_config"),
    *("EXECUTE ", "FETCH ", "MOVE "),
)
"""Beginnings of what is refused to those who do not see everything raw, and of what names something
that may not exist, which they are told at Bind already."""
STRINGS = [
    "SELECT 1; SELECT 2",
    "INSERT INTO t VALUES (8, 'eight'); SELECT 1/0; SELECT 2",
    "BEGIN; INSERT INTO t VALUES (9, 'nine'); SELECT 1/0",
    "BEGIN; SELECT 1; COMMIT; SELECT 2",
    "BEGIN; INSERT INTO t VALUES (10, 'ten'); SAVEPOINT s; SELECT 1; ROLLBACK TO s",
    "SET search_path = other; SELECT 1/0",
    "BEGIN; SET LOCAL search_path = other; ROLLBACK; SHOW search_path",
    "COPY public.fixed TO STDOUT; SELECT 1",
    "COPY (SELECT 1) TO STDOUT; SELECT 1/0",
    "SET application_name = 'one'; SET application_name = 'two'",
    "PREPARE q AS SELECT 1; EXECUTE q; DEALLOCATE q",
    "DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a; FETCH 1 FROM c; FETCH 1 FROM c",
    "SELECT 1;;SELECT 2;",
    "SELECT 1; " + REFUSED,
    "DISCARD ALL",  # not in pipelines, where dbguard's questions in front make a transaction of it
]
COPIES = [
    "COPY t FROM STDIN",
    "COPY t (a) FROM STDIN WHERE a > 20",
    "COPY t FROM STDIN (FORMAT csv)",
    "COPY t FROM STDIN (FORMAT binary)",
]
COPY_STRINGS = [
    "COPY t FROM STDIN; SELECT count(*) FROM t",
    "BEGIN; COPY t FROM STDIN; COMMIT",
    "COPY t FROM STDIN; COPY other.t FROM STDIN",
]
PARAMETERS = ["SELECT $1::int", "SELECT a FROM t WHERE a > $1 ORDER BY a", "SELECT $1::int / 0"]
NAMES = [b"", b"", b"p1", b"p2"]
CURSORS = [b"", b"p1", b"p2", b"c", b"h", b"q"]
FUNCTIONS = [(177, (b"20", b"22")), (154, (b"1", b"0")), (99_999, ()), (177, (b"x", b"1"))]
"""int4pl, int4div, none, int4pl with what is no number."""

_BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)


MARK = frontend.Query(b"MARKED")
"""Wrong in any state of a transaction, and easy to find."""


@dataclass(slots=True)
class Turn:
    """What is sent at once, and what is waited for then."""

    messages: list[FrontendMessage] = field(default_factory=list)
    ready: int = 0
    """ReadyForQuery messages that end the turn."""
    flushed: bool = False
    """No Sync at the end: an answer to each message ends the turn, or an error."""

    @property
    def marked(self) -> bool:
        """How many ReadyForQuery there will be cannot be told: the error of MARK ends the turn."""
        return MARK in self.messages


class Conversation:
    """One conversation of a few turns."""

    def __init__(self, rng: random.Random, *, raw: bool = True) -> None:
        """Without `raw` only what may be run by somebody who sees masked data."""
        self._rng = rng
        self._texts = TEXTS if raw else [t for t in TEXTS if not t.startswith(OPAQUE)]
        self._functions = FUNCTIONS if raw else FUNCTIONS[:2]
        self.turns: list[Turn] = []
        self._unclear = False
        """A Sync stands in the middle of data, where the server may ignore it."""
        for _ in range(rng.randint(1, 4)):
            if rng.random() < 0.2:
                self._flush_driven()
            else:
                turn = Turn()
                for _ in range(rng.choice((1, 1, 2, 3))):
                    kinds = (self._simple, self._simple, self._pipeline, self._pipeline)
                    made, ready = rng.choice((*kinds, self._pipeline, self._copy, self._call))()
                    turn.messages += made
                    turn.ready += ready
                if self._unclear:
                    turn.messages.append(MARK)
                    self._unclear = False
                self.turns.append(turn)

    # -- whole cycles ---------------------------------------------------------

    def _simple(self) -> tuple[list[FrontendMessage], int]:
        return [frontend.Query(self._text(STRINGS).encode())], 1

    def _copy(self) -> tuple[list[FrontendMessage], int]:
        text = self._rng.choice(COPIES + COPY_STRINGS)
        made: list[FrontendMessage] = [frontend.Query(text.encode()), *self._copied(text)]
        if text.count("STDIN") == 2:
            made += self._copied(text)
        return made, 1

    def _call(self) -> tuple[list[FrontendMessage], int]:
        oid, given = self._rng.choice(self._functions)
        rest = struct.pack("!HH", 0, len(given))
        rest += b"".join(struct.pack("!i", len(value)) + value for value in given)
        return [frontend.FunctionCall(oid, rest + struct.pack("!H", 0))], 1

    def _pipeline(self) -> tuple[list[FrontendMessage], int]:
        rng = self._rng
        found: list[FrontendMessage] = []
        for _ in range(rng.choice((0, 1, 1, 2, 3, 5, 12) if rng.random() < 0.95 else (60,))):
            found += self._part()
            if rng.random() < 0.15:
                found.append(frontend.Flush())
        return [*found, frontend.Sync()], 1

    def _part(self) -> list[FrontendMessage]:
        rng = self._rng
        if rng.random() < 0.12:
            return self._copy_run()
        return self._odd() if rng.random() < 0.2 else self._run()

    def _flush_driven(self) -> None:
        """A client that asks for answers by Flush and goes on by what they are."""
        for _ in range(self._rng.randint(1, 4)):
            part = self._odd() if self._rng.random() < 0.2 else self._run(copies=False)
            self.turns.append(Turn([*part, frontend.Flush()], flushed=True))
        self.turns.append(Turn([frontend.Sync()], 1))

    # -- parts of them --------------------------------------------------------

    def _text(self, more: list[str] = []) -> str:  # noqa: B006 - not written to
        return self._rng.choice(self._texts + more * 2)

    def _run(self, *, copies: bool = True) -> list[FrontendMessage]:
        rng = self._rng
        name, portal = rng.choice(NAMES), rng.choice(NAMES)
        found: list[FrontendMessage] = []
        given: tuple[str, ...] = ()
        if rng.random() < 0.75:
            if rng.random() < 0.2:
                text, given = rng.choice(PARAMETERS), (str(rng.randint(0, 4)),)
            else:
                text = self._text()
            if text.startswith("FETCH"):
                text = "MOVE 1 IN c"  # described without its cursor, it crashes the server
            if name and rng.random() < 0.7:
                found.append(frontend.Close(b"S", name))
            found.append(frontend.Parse(name, text.encode(), ()))
        if rng.random() < 0.35:
            found.append(frontend.Describe(b"S", name))
        binary = rng.random() < 0.15
        bound = values(*given)
        found.append(
            frontend.Bind(portal, name, bound[:-2] + struct.pack("!HH", 1, 1) if binary else bound)
        )
        if rng.random() < 0.35:
            found.append(frontend.Describe(b"P", portal))
        limit = rng.choice((0, 0, 0, 1, 3))
        found += [frontend.Execute(portal, limit)] * rng.choice((0, 1, 1, 1, 2))
        if rng.random() < 0.2:
            found.append(
                rng.choice((frontend.Describe(b"S", name), frontend.Describe(b"P", portal)))
            )
        if rng.random() < 0.3:
            found.append(frontend.Close(b"P", portal))
        if rng.random() < 0.1:
            found.append(frontend.Close(b"S", name))
        return found

    def _odd(self) -> list[FrontendMessage]:
        rng = self._rng
        kind = rng.choice((b"S", b"P"))
        name = rng.choice(CURSORS if kind == b"P" else NAMES)
        return [
            rng.choice(
                (
                    frontend.Close(kind, name),
                    frontend.Describe(kind, name),
                    # not the one without a name, which in a failed transaction may be a Query's:
                    # its text is gone, and the server crashes when it looks at it
                    frontend.Execute(rng.choice(CURSORS[1:]), rng.choice((0, 1))),
                    frontend.Bind(rng.choice(NAMES), rng.choice(NAMES), values()),
                )
            )
        ]

    def _copied(self, text: str) -> list[FrontendMessage]:
        """Data for a COPY, right or wrong, whole or in the middle of a row."""
        rng = self._rng
        number = rng.randint(1, 30)
        if "binary" in text:
            row = struct.pack("!hii", 2, 4, number) + struct.pack("!i", 1) + b"z"
            rows = _BINARY_HEADER + row + (struct.pack("!h", -1) if rng.random() < 0.8 else b"")
        elif "csv" in text:
            rows = b'%d,"z\nz"\n' % number
        elif "(a)" in text:
            rows = b"%d\n" % number
        else:
            rows = b"%d\tz\n" % number
            rows += rng.choice((b"", b"", b"x\ty\n", b"31\tz\textra\n", b"\\.\n", b"32\tw\n"))
        cut = rng.randint(0, len(rows))
        data: list[FrontendMessage] = [frontend.CopyData(rows[:cut]), frontend.CopyData(rows[cut:])]
        if rng.random() < 0.1:
            for _ in range(rng.choice((1, 1, 3))):
                data.insert(rng.randint(0, 2), rng.choice((frontend.Flush(), frontend.Sync())))
            self._unclear = True
        if rng.random() < 0.25:
            return [*data, frontend.CopyFail(b"changed my mind")]
        return [*data, frontend.CopyDone()]

    def _copy_run(self) -> list[FrontendMessage]:
        text = self._rng.choice(COPIES)
        return [  # under names that nothing else runs: a COPY without its data ends a session
            frontend.Close(b"S", b"copy"),
            frontend.Parse(b"copy", text.encode(), ()),
            frontend.Bind(b"copy", b"copy", values()),
            frontend.Execute(b"copy", 0),
            *self._copied(text),
            frontend.Close(b"P", b"copy"),
        ]


def as_direct(message: FrontendMessage) -> FrontendMessage:
    """The message that the server alone answers as dbguard answers this one."""
    old, new = REFUSED.encode(), FAILING.encode()
    match message:
        case frontend.Query(text) if old in text:
            # refused, no part of a string runs: a grammar error has the same effect
            return frontend.Query(text.replace(old, new))
        case frontend.Parse(name, query, types) if query == old:
            return frontend.Parse(name, new, types)
    return message


def shown(message: FrontendMessage) -> str:
    """One line for a report."""
    fields = [getattr(message, name) for name in type(message).__slots__]
    return f"{type(message).__name__} " + " ".join(map(repr, fields))
