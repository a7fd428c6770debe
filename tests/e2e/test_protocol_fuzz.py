"""Random conversations through dbguard and with the server itself: the same answers.

FUZZ_SEQUENCES says how many conversations (or FUZZ_SECONDS how long), FUZZ_SEED which is the
first, FUZZ_PROXIES how many are held at a time, each through a dbguard of its own. Many
conversations share a connection; one that differs is held again on new connections, to tell
whether it needs what went before.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dbguard.wire import backend, frontend
from dbguard.wire.framing import Frame
from dbguard.wire.tags import Backend

from .conversations import Conversation, Turn, as_direct, shown
from .protocol_client import Client

pytestmark = pytest.mark.pg

SECONDS = float(os.environ.get("FUZZ_SECONDS", "5"))
SEQUENCES = int(os.environ.get("FUZZ_SEQUENCES", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
PROXIES = int(os.environ.get("FUZZ_PROXIES", "1"))
BATCH = 200
"""Conversations that one task holds; its connections end with it."""

RULES = """
classification:
  - {tag: phi, columns: [other.secret.ssn]}
roles:
  everybody: {users: [app]}
  masked: {users: [viewer]}
masks:
  hidden: {phi: redact}
rules:
  - {id: everything, allow: [all], roles: [everybody], data: [phi]}
  - {id: hidden, allow: [read], roles: [masked], data: [phi], masked: hidden}
  - {id: no-lock, deny: [lock]}
defaults:
  classified: deny
  unclassified:
    {read: allow, write: allow, ddl: allow, privilege: allow, code: allow, maintenance: allow}
"""

SCHEMA = """
CREATE SCHEMA other;
CREATE TABLE t (a int PRIMARY KEY, b text) WITH (autovacuum_enabled = off);
CREATE TABLE other.t (a int PRIMARY KEY, c int) WITH (autovacuum_enabled = off);
CREATE TABLE other.secret (ssn text);
CREATE TABLE fixed AS SELECT i AS a, 'y' || i AS b FROM generate_series(1, 3) i;
CREATE FUNCTION say(a int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN RAISE NOTICE 'row %', a; RETURN a; END $$;
GRANT ALL ON SCHEMA other, public TO app, viewer;
GRANT ALL ON ALL TABLES IN SCHEMA public, other TO app, viewer;
INSERT INTO t SELECT i, 'x' || i FROM generate_series(1, 5) i;
INSERT INTO other.t SELECT i, i * i FROM generate_series(1, 3) i
"""
STATE = """
SELECT (SELECT string_agg(t::text, '|' ORDER BY a) FROM public.t),
       (SELECT string_agg(t::text, '|' ORDER BY a) FROM other.t)
"""
RESET = """
DELETE FROM t; DELETE FROM other.t;
INSERT INTO t SELECT i, 'x' || i FROM generate_series(1, 5) i;
INSERT INTO other.t SELECT i, i * i FROM generate_series(1, 3) i
"""
AGAIN = [b"ROLLBACK", b"DISCARD ALL"]
"""What brings a session back to where it began."""

_ENDS = frozenset(b"123nTCIs")
"""Messages of which one ends the answers to an extended message."""


@dataclass(frozen=True, slots=True)
class Door:
    """One of the two ways to the data: a port, and a database of its own."""

    port: int
    database: str
    server_port: int
    superuser: str
    password: str


@dataclass(frozen=True, slots=True)
class Task:
    """Conversations for one thread."""

    direct: Door
    guarded: Door
    seed: int
    count: int
    ends: float
    """When to stop (seconds since the epoch), done or not."""


class Session:
    """One connection that conversations are held on."""

    def __init__(self, door: Door, user: str, *, direct: bool) -> None:
        self.direct = direct
        self.client = Client(door.port, timeout=5)
        answers = self.client.log_in(user, door.database)
        assert answers, "the server is gone: see which conversation was held last"
        assert answers[-1][0] == Backend.READY_FOR_QUERY
        self.side = Client(door.server_port, timeout=5)
        logged_in = self.side.log_in(door.superuser, door.database, door.password)
        assert logged_in[-1][0] == Backend.READY_FOR_QUERY
        self.skipping = False

    def send(self, turn: Turn) -> None:
        with suppress(ConnectionError):  # its end is what will be read
            self.client.send(*(map(as_direct, turn.messages) if self.direct else turn.messages))

    def answers(self, turn: Turn) -> list[bytes]:
        """Everything up to what ends the turn, or up to what did not come."""
        found: list[bytes] = []
        ready = 0 if turn.marked else turn.ready
        marked_seen = False
        waiting = 0
        if turn.flushed and not self.skipping:
            waiting = sum(not isinstance(m, frontend.Flush) for m in turn.messages)
        try:
            marked = turn.marked
            while ready or waiting or marked:
                message = self.client.message()
                found.append(message)
                if not message:
                    break
                if message[0] == Backend.READY_FOR_QUERY:
                    ready, self.skipping = max(0, ready - 1), False
                    marked = marked and not marked_seen
                elif message[0] == Backend.ERROR_RESPONSE:
                    marked_seen = b'"MARKED"' in message
                    waiting, self.skipping = 0, turn.flushed
                elif waiting and message[0] in _ENDS:
                    described = message[0] == Backend.ROW_DESCRIPTION
                    waiting -= 1 if not described or turn.flushed else 0
        except TimeoutError:
            found.append(b"(no answer)")
        return found

    def state(self) -> bytes:
        """What is in the tables, which are then as they were at first."""
        found = self.side.query(STATE)[1]
        if found != self.fresh:
            self.side.query(RESET)
        return found

    fresh = b""

    def close(self) -> None:
        self.client.close()
        self.side.close()


class Pair:
    """The same conversation held twice."""

    def __init__(self, task: Task, user: str) -> None:
        self.sessions = (
            Session(task.direct, user, direct=True),
            Session(task.guarded, user, direct=False),
        )
        for session in self.sessions:
            session.side.query(RESET)
            session.fresh = session.side.query(STATE)[1]
        self.raw = user == "app"
        self.ended = False
        """Both connections were closed."""

    def difference(self, held: list[Turn]) -> str | None:
        """What differs first; None when nothing does."""
        turns = [*held, *(Turn([frontend.Query(text)], 1) for text in AGAIN)]
        for number, turn in enumerate(turns):
            for session in self.sessions:
                session.send(turn)
            expected, got = ([*self._answers(s, turn)] for s in self.sessions)
            same = 0
            while same < min(len(got), len(expected)) and alike(
                got[same], expected[same], raw=self.raw
            ):
                same += 1
            if same < max(len(got), len(expected)):
                nearby = slice(max(0, same - 3), same + 4)
                sent = [
                    f"{'>>' if n == number else '  '} {shown(m)}"
                    for n, t in enumerate(turns[: number + 1])
                    for m in t.messages
                ]
                return "\n".join(
                    [
                        f"turn {number}, answer {same}",
                        *(f"  server  {show(m)}" for m in expected[nearby]),
                        *(f"  dbguard {show(m)}" for m in got[nearby]),
                        *sent,
                    ]
                )
            if b"" in expected:
                self.ended = True
                break
        expected_state, got_state = (session.state() for session in self.sessions)
        if got_state != expected_state:
            return f"tables: server {expected_state!r}, dbguard {got_state!r}"
        return None

    @staticmethod
    def _answers(session: Session, turn: Turn) -> Iterator[bytes]:
        for message in session.answers(turn):
            if message[:1] == b"A":  # the process id of who notified
                yield message[:5] + bytes(4) + message[9:]
            else:
                yield message

    def close(self) -> None:
        for session in self.sessions:
            session.close()


def alike(got: bytes, expected: bytes, *, raw: bool) -> bool:
    """Equal, or an error of dbguard's own in place of one like it. `raw`: it is for somebody who
    sees everything raw, for whom the server words its errors itself."""
    if got == expected:
        return True
    if got[:1] != expected[:1] or got[:1] not in (b"E", b"N"):
        return False
    ours, theirs = fields_of(got), fields_of(expected)
    if ours.sqlstate in ("42501", "25P02") and "LOCKED" in theirs.message:
        return True  # in a failed transaction the server would not look at it
    if got[:1] == b"N" and not raw:
        # dbguard's questions inside a pipeline make a block of it: as warnings in another place
        ours, theirs = ours.without("F", "L", "R"), theirs.without("F", "L", "R")
    if ours.routine == theirs.routine == "RevalidateCachedQuery":
        # dbguard says this itself where it knows, and adds what to do
        ours, theirs = ours.without("H", "F", "L"), theirs.without("F", "L")
    if not raw and (not ours.routine or ours.sqlstate == "25P02"):
        # where in PostgreSQL's source this would have happened, dbguard cannot know
        ours, theirs = ours.without("F", "L", "R"), theirs.without("F", "L", "R")
    return ours.encode_error() == theirs.encode_error()


def fields_of(raw: bytes) -> Any:
    message = backend.decode(Frame(raw[0], raw[5:]))
    assert isinstance(message, backend.ErrorResponse | backend.NoticeResponse)
    return message.fields


def show(message: bytes) -> str:
    return message[:200].decode("ascii", "replace").replace("\0", ".") if message else "(end)"


def hold(task: Task) -> tuple[int, list[str]]:
    """How many conversations were held, and what differed in which."""
    held, found = 0, []
    user = user_of(task.seed)
    pair = Pair(task, user)
    try:
        for seed in range(task.seed, task.seed + task.count):
            if time.time() > task.ends:
                break
            held += 1
            difference = pair.difference(conversation(seed, user).turns)
            if difference is None and not pair.ended:
                continue
            pair.close()
            if difference is None:
                print(f"FUZZ_SEED={seed}, {user}: ended both", flush=True)
                pair = Pair(task, user)
                continue
            print(f"FUZZ_SEED={seed}, {user}: {difference}", flush=True)  # shortening may fail
            again = shortest(task, user, conversation(seed, user).turns)
            needs = "" if again else f" (only behind {task.seed} to {seed - 1})"
            found.append(f"FUZZ_SEED={seed}{needs}, {user}: {again or difference}")
            pair = Pair(task, user)
    finally:
        pair.close()
    return held, found


def shortest(task: Task, user: str, turns: list[Turn]) -> str | None:
    """The difference that a conversation shows on new connections, without what is not needed."""

    def differs(shorter: list[Turn]) -> str | None:
        with closing(Pair(task, user)) as alone:
            return alone.difference(shorter)

    shown = differs(turns)
    ends = time.monotonic() + 30
    at = 0
    while shown is not None and at < len(turns) and time.monotonic() < ends:
        candidates = [[*turns[:at], *turns[at + 1 :]]]
        candidates += [
            [*turns[:at], replace(turns[at], messages=rest), *turns[at + 1 :]]
            for rest in without_one(turns[at].messages)
        ]
        for shorter in candidates:
            if time.monotonic() > ends:
                break
            found = differs(shorter)
            if found is not None and "(no answer)" not in found:
                turns, shown = shorter, found
                break
        else:
            at += 1
    return shown


def without_one(messages: list[frontend.FrontendMessage]) -> Iterator[list[Any]]:
    """Shorter versions of a turn that wait for as many ReadyForQuery."""
    if len(messages) > 8:
        half = len(messages) // 2
        for kept in (messages[:half], messages[half:]):
            left = [m for m in messages if m in kept or isinstance(m, _READY)]
            if len(left) < len(messages):
                yield left
    for at, message in enumerate(messages):
        if not isinstance(message, _READY):
            yield [*messages[:at], *messages[at + 1 :]]


_READY = (
    frontend.Sync,
    frontend.Query,
    frontend.FunctionCall,
    frontend.Flush,
    frontend.CopyDone,
    frontend.CopyFail,
)
"""Messages without which what is waited for, or in which state, would be another."""


def conversation(seed: int, user: str) -> Conversation:
    return Conversation(random.Random(seed), raw=user == "app")


def user_of(first_seed: int) -> str:
    """Tasks take turns between somebody with raw access to everything and somebody without."""
    chosen = os.environ.get("FUZZ_USER")
    return chosen or ("app", "viewer")[first_seed // BATCH % 2]


def test_the_same_answers(guard: Any, pg_server: Any, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "rules.yaml").write_text(RULES, "utf-8")
    for user in ("app", "viewer"):
        pg_server.create_user(user)
    with ExitStack() as stack:
        template = pg_server.create_database()
        stack.callback(template.drop)
        template.execute(SCHEMA)
        doors: list[tuple[Door, Door]] = []
        guards = []
        for _ in range(PROXIES):
            pair = []
            for guarded in (False, True):
                database = pg_server.create_database(template=template.name)
                stack.callback(database.drop)
                port = pg_server.port
                if guarded:
                    guards.append(guard(database, rules=rules, durability="buffered"))
                    port = guards[-1].port
                pair.append(
                    Door(
                        port,
                        database.name,
                        pg_server.port,
                        pg_server.superuser,
                        pg_server.superuser_password,
                    )
                )
            doors.append((pair[0], pair[1]))
        started = time.time()
        held, found = hold_all(doors, started)
        print(f"{held} conversations, {held / (time.time() - started):.1f} a second")
        assert not found, "\n\n".join(found)
        for guarded_proxy in guards:
            guarded_proxy.stop()
            assert guarded_proxy.verify().ok


def hold_all(doors: list[tuple[Door, Door]], started: float) -> tuple[int, list[str]]:
    """Hold conversations in as many threads as there are pairs of doors."""
    ends = started + SECONDS if not SEQUENCES else float("inf")
    if len(doors) == 1:
        held, found, seed = 0, [], SEED
        while (held < SEQUENCES if SEQUENCES else time.time() < ends or not held) and not found:
            count = min(BATCH - seed % BATCH, SEQUENCES - held if SEQUENCES else BATCH)
            more, found = hold(Task(*doors[0], seed, count, ends))
            held, seed = held + more, seed + count
        return held, found
    total, differing = 0, []
    share = -(-SEQUENCES // len(doors)) if SEQUENCES else 1_000_000
    with ThreadPoolExecutor(len(doors)) as pool:
        waiting = [
            pool.submit(hold_share, pair, SEED + number * share, share, ends)
            for number, pair in enumerate(doors)
        ]
        for done in waiting:
            more, found = done.result()
            total, differing = total + more, [*differing, *found]
    return total, differing


def hold_share(
    pair: tuple[Door, Door], first: int, count: int, ends: float
) -> tuple[int, list[str]]:
    """One thread's part, in tasks with connections of their own; ends after a few differences."""
    held, found, seed = 0, [], first
    while seed < first + count and time.time() < ends and len(found) < 10:
        size = min(BATCH, first + count - seed)
        more, differing = hold(Task(*pair, seed, size, ends))
        held, seed = held + more, seed + size
        found += differing
    return held, found
