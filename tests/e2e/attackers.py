"""Reads attacks from their files and runs them through dbguard."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from psycopg.pq import ConnStatus, ExecStatus, Format, PGconn, PollingStatus, TransactionStatus

FOLDER = Path(__file__).parent / "attacks"

ANSWER_SECONDS = 20
"""Longer than any attack takes; an attack that makes a session hang fails its test."""


class How(StrEnum):
    """The protocol an attack is sent by."""

    SIMPLE = "simple"
    EXTENDED = "extended"
    BINARY = "binary"


@dataclass(frozen=True)
class Attack:
    name: str
    steps: tuple[str, ...]
    user: str = "analyst"
    hows: tuple[How, ...] = tuple(How)


def attacks(file: str) -> list[Attack]:
    """The attacks of a file, each a series of steps."""
    found: list[Attack] = []
    for block in ("\n" + (FOLDER / file).read_text("utf-8")).split("\n--- ")[1:]:
        title, _, body = block.partition("\n")
        name, *words = title.split("|")
        options = dict(w.split("=", 1) for word in words for w in word.split())
        steps = _steps(body)
        hows = tuple(How(h) for h in options.get("how", "simple,extended,binary").split(","))
        found.append(Attack(name.strip(), steps, options.get("as", "analyst"), hows))
    assert len({a.name for a in found}) == len(found)
    return found


def single_statements(file: str, user: str) -> list[Attack]:
    """The attacks of a file in which each step is one."""
    return [Attack(text, (text,), user) for text in paragraphs(FOLDER / file)]


def paragraphs(path: Path) -> tuple[str, ...]:
    """The statements of a file, separated by empty lines; those that begin with # are comments."""
    return _steps(path.read_text("utf-8"))


def _steps(body: str) -> tuple[str, ...]:
    parts = (part.strip("\n") for part in body.split("\n\n"))
    return tuple(p for p in parts if p.strip() and not p.startswith("#"))


@dataclass
class Answers:
    """What came back for a series of steps, in a form that can be compared."""

    rows: list[tuple[bytes | None, ...]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    def take(self, result: Any) -> None:
        if result.status == ExecStatus.TUPLES_OK:
            for row in range(result.ntuples):
                self.rows.append(
                    tuple(result.get_value(row, column) for column in range(result.nfields))
                )
        elif result.status == ExecStatus.FATAL_ERROR:
            state = (result.error_field(ord("C")) or b"").decode()
            self.errors.append((state, (result.error_field(ord("M")) or b"").decode()))


def connected(dsn: str) -> PGconn:
    """Log in without blocking: the relay's threads are in this process."""
    connection = PGconn.connect_start(dsn.encode())
    while True:
        polled = connection.connect_poll()
        if polled == PollingStatus.OK:
            return connection
        assert polled != PollingStatus.FAILED, connection.error_message
        reading = [connection.socket] if polled == PollingStatus.READING else []
        writing = [] if reading else [connection.socket]
        select.select(reading, writing, [], ANSWER_SECONDS)


class Attacker:
    """One session of a hostile client."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.connection = connected(dsn)
        self.answers = Answers()

    def send(self, text: str, how: How) -> None:
        raw = text.encode()
        if how is How.SIMPLE:
            self.connection.send_query(raw)
        else:
            result = Format.BINARY if how is How.BINARY else Format.TEXT
            self.connection.send_query_params(raw, None, result_format=result)
        self.drain()

    def prepare(self, text: str) -> None:
        self.connection.send_prepare(b"s", text.encode())
        self.drain()

    def prepare_typed(self, text: str, parameter_type: int) -> None:
        """Parse with one parameter of a declared type."""
        self.connection.send_prepare(b"s", text.encode(), [parameter_type])
        self.drain()

    def execute(self, how: How, *parameters: str) -> None:
        result = Format.BINARY if how is How.BINARY else Format.TEXT
        values = [p.encode() for p in parameters]
        self.connection.send_query_prepared(b"s", values, result_format=result)
        self.drain()

    def describe(self) -> None:
        self.connection.send_describe_prepared(b"s")
        self.drain()

    def call(self, oid: int, arguments: list[bytes]) -> None:
        """FunctionCall, which libpq does not send asynchronously."""
        body = struct.pack("!IHHH", oid, 1, 0, len(arguments))
        for argument in arguments:
            body += struct.pack("!i", len(argument)) + argument
        body += struct.pack("!H", 0)
        self.raw(b"F" + struct.pack("!i", len(body) + 4) + body)

    def raw(self, frames: bytes) -> None:
        """Send bytes; read until the server side says nothing for a while or is ready."""
        os.write(self.connection.socket, frames)
        got = b""
        while select.select([self.connection.socket], [], [], 1.0)[0]:
            data = os.read(self.connection.socket, 65536)
            got += data
            if not data or got[-6:-1] == b"Z\0\0\0\5":
                break

    def drain(self) -> None:
        """Read everything a command brings, COPY in both directions included."""
        while (result := self._result()) is not None:
            self.answers.take(result)
            if result.status == ExecStatus.COPY_OUT:
                while (size := self.connection.get_copy_data(1)[0]) >= 0:
                    if size == 0:
                        self._wait()
            elif result.status == ExecStatus.COPY_IN:
                self.connection.put_copy_data(b"1\tx\n")
                self.connection.put_copy_end()

    def _result(self) -> Any:
        self.connection.flush()
        while self.usable and self.connection.is_busy():
            self._wait()
        return self.connection.get_result()

    def _wait(self) -> None:
        if not select.select([self.connection.socket], [], [], ANSWER_SECONDS)[0]:
            raise TimeoutError("no answer")
        self.connection.consume_input()

    @property
    def usable(self) -> bool:
        return self.connection.status == ConnStatus.OK

    def reset(self, *, thoroughly: bool = True) -> None:
        """A session like a new one, or a new one."""
        if self.usable and self.connection.transaction_status != TransactionStatus.IDLE:
            self.send("ROLLBACK", How.SIMPLE)
        if self.usable and thoroughly:
            self.send("DISCARD ALL", How.SIMPLE)
        if not self.usable:
            self.connection.finish()
            self.connection = connected(self.dsn)
        self.answers = Answers()

    def close(self) -> None:
        self.connection.finish()


def run(
    attack: Attack,
    how: How,
    open_session: Callable[[], Attacker],
    direct: Callable[[str], list[tuple[Any, ...]]],
    caught_up: Callable[[], None],
) -> Answers:
    """Carry an attack out in sessions of its own. `caught_up` returns when dbguard has noticed what
    was done past it."""
    sessions: list[Attacker] = [open_session()]
    try:
        for step in attack.steps:
            word, _, rest = step.partition(" ") if step.startswith("@") else ("", "", step)
            if word == "":
                sessions[0].send(rest, how)
            elif word == "@direct":
                direct(rest)
            elif word == "@noticed":
                caught_up()
            elif word == "@second":
                if len(sessions) == 1:
                    sessions.append(open_session())
                sessions[1].send(rest, How.SIMPLE)
            elif word == "@prepare":
                sessions[0].prepare(rest)
            elif word == "@typed":
                name, _, text = rest.partition(" ")
                ((oid,),) = direct(f"SELECT '{name}'::regtype::oid::int")
                sessions[0].prepare_typed(text, oid)
            elif word == "@execute":
                sessions[0].execute(how, *rest.split())
            elif word == "@describe":
                sessions[0].describe()
            elif word == "@call":
                name, *arguments = rest.split("|")
                ((oid,),) = direct(f"SELECT '{name}'::regprocedure::oid::int")
                sessions[0].call(oid, [a.encode() for a in arguments])
            else:
                raise AssertionError(step)
        return sessions[0].answers
    finally:
        for session in sessions:
            session.close()


def each(found: list[Attack]) -> Iterator[tuple[Attack, How]]:
    for attack in found:
        for how in attack.hows:
            yield attack, how
