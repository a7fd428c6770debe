"""Clients that work with known sums, so that any wrong answer shows."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

ACCOUNTS = 24
BALANCE = 100
SECRET = "canary-4711"
"""What the reader must never see: behind a mask."""

SCHEMA = f"""
CREATE TABLE public.accounts (id int PRIMARY KEY, balance int NOT NULL);
INSERT INTO public.accounts SELECT g, {BALANCE} FROM generate_series(1, {ACCOUNTS}) g;
CREATE TABLE public.transfers (worker int, number int, PRIMARY KEY (worker, number));
CREATE TABLE public.people (id int PRIMARY KEY, ssn text NOT NULL);
INSERT INTO public.people SELECT g, '{SECRET}-' || g FROM generate_series(1, 500) g;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app, reader;
"""
RULES = """
classification:
  - {tag: secret.number, columns: [public.people.ssn]}
masks:
  hidden: {secret: redact}
roles:
  working: {users: [app]}
  reading: {users: [reader]}
rules:
  - {id: working, allow: [all], roles: [working], data: [secret]}
  - {id: reading, allow: [read], roles: [reading], data: [secret], masked: hidden}
defaults:
  classified: deny
  unclassified: {read: allow, write: allow}
"""
KILLED = "The analysis process ended (signal 9)."
"""It costs one statement its analysis."""
ALLOWED = {
    KILLED,
    "",  # the connection broke
    "57P01",  # terminated by an administrator
    "57P02",  # crash of another server process
    "57P03",  # the server starts up, shuts down or recovers
    "08001",  # dbguard cannot reach the server
    "08006",
    "58000",  # the catalog cannot be read at present
}
"""SQLSTATEs that clients may meet while servers, networks and proxies die."""


ALLOWED_WORDS = (
    "terminating connection",
    "the database system is",
    "the database server cannot be reached",
    'the catalog of database "postgres" cannot be read',
)
"""How FATAL errors without a SQLSTATE begin: libpq gives none while connecting."""


def kind_of(error: psycopg.Error) -> str:
    """The SQLSTATE; failing that what a FATAL error says, "" for a broken connection."""
    if error.sqlstate is not None:
        return KILLED if KILLED in str(error) else error.sqlstate
    _, found, text = str(error).partition("FATAL:  ")
    return text.splitlines()[0] if found else ""


class WrongAnswer(Exception):
    """What must never happen."""


@dataclass
class Worker:
    """One client that reconnects for as long as it may."""

    number: int
    user: str
    connect: Callable[[str], psycopg.Connection[Any]]
    stop: threading.Event
    done: int = 0
    acknowledged: set[int] = field(default_factory=set)
    attempted: set[int] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def run(self) -> None:
        chance = random.Random(self.number)
        while not self.stop.is_set():
            try:
                with self.connect(self.user) as connection:
                    connection.autocommit = True
                    connection.prepare_threshold = chance.choice([None, 0, 2])
                    self._work(connection, chance)
            except psycopg.Error as error:
                kind = kind_of(error)
                self.errors[kind] += 1
                if kind not in ALLOWED and not kind.startswith(ALLOWED_WORDS):
                    self.wrong.append(f"{kind}: {error}")
                    return
                time.sleep(chance.uniform(0, 0.05))
            except WrongAnswer as error:
                self.wrong.append(str(error))
                return

    def _work(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        steps = [self._echo, self._many, self._copied, self._sum]
        if self.user == "app":
            steps += [self._transfer] * 4
        else:
            steps += [self._masked] * 4
        while not self.stop.is_set():
            chance.choice(steps)(connection, chance)
            self.done += 1

    def _expect(self, what: str, good: bool) -> None:
        if not good:
            raise WrongAnswer(f"worker {self.number}: {what}")

    def _echo(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        token = chance.randrange(1 << 30)
        name = f"mark_{self.number}_{chance.randrange(40)}"
        row = connection.execute(f"SELECT %s::int AS {name}", [token]).fetchone()  # type: ignore[arg-type]
        self._expect("another's answer", row == (token,))

    def _many(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        most = chance.randrange(1, 3000)
        found = connection.execute(
            "SELECT g, repeat('ab', 40) FROM generate_series(1, %s) g", [most]
        ).fetchall()
        self._expect("rows are missing", [r[0] for r in found] == list(range(1, most + 1)))

    def _copied(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        with connection.cursor().copy("COPY (SELECT generate_series(1, 2000)) TO STDOUT") as copy:
            total = sum(int(row[0]) for row in copy.rows())
        self._expect("copied rows are missing", total == 2001000)

    def _sum(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        row = connection.execute("SELECT sum(balance) FROM public.accounts").fetchone()
        self._expect("money was made or lost", row == (ACCOUNTS * BALANCE,))

    def _masked(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        most = chance.randrange(1, 500)
        query = "SELECT id, ssn FROM public.people WHERE id <= %s ORDER BY id"
        found = connection.execute(query, [most]).fetchall()
        self._expect("people are missing", [r[0] for r in found] == list(range(1, most + 1)))
        self._expect("a raw value", not any(SECRET in (r[1] or "") for r in found))

    def _transfer(self, connection: psycopg.Connection[Any], chance: random.Random) -> None:
        low, high = sorted(chance.sample(range(1, ACCOUNTS + 1), 2))
        amount, number = chance.randrange(-50, 50), len(self.attempted)
        self.attempted.add(number)
        with connection.transaction():
            update = "UPDATE public.accounts SET balance = balance + %s WHERE id = %s"
            connection.execute(update, [amount, low])
            connection.execute(update, [-amount, high])
            connection.execute(
                "INSERT INTO public.transfers VALUES (%s, %s)", [self.number, number]
            )
        self.acknowledged.add(number)


class Load:
    """Workers in threads of their own."""

    def __init__(self, connect: Callable[[str], psycopg.Connection[Any]], count: int) -> None:
        self._stop = threading.Event()
        self.workers = [
            Worker(n, "reader" if n % 3 == 2 else "app", connect, self._stop) for n in range(count)
        ]
        self._threads = [threading.Thread(target=w.run, daemon=True) for w in self.workers]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def everybody_works(self, more: int, seconds: float) -> None:
        """Return when every worker has done `more` steps from now on."""
        before = [worker.done for worker in self.workers]
        until = time.monotonic() + seconds
        while any(w.done < b + more for w, b in zip(self.workers, before, strict=True)):
            self.nothing_wrong()
            assert time.monotonic() < until, f"somebody cannot work: {self.errors}"
            time.sleep(0.01)

    def nothing_wrong(self) -> None:
        wrong = [text for worker in self.workers for text in worker.wrong]
        assert not wrong, wrong

    @property
    def errors(self) -> Counter[str]:
        return sum((w.errors for w in self.workers), Counter())
