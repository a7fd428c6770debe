"""The same limits as in one process, where several workers share them: what each counts is in the
ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from dbguard.errors import StateUnavailable

from .attempts import KEPT, Attempts, Counted
from .backends import OwnBackend, OwnBackends, SessionId
from .ledger import Ledger
from .room import Room
from .user_sessions import UserSessions, too_many

log = structlog.get_logger(__name__)


@contextmanager
def _tolerated() -> Iterator[None]:
    """What cannot be taken out counts on, which lets nobody in who should not be."""
    try:
        yield
    except StateUnavailable as error:
        log.error(error.message, detail=error.detail)


@dataclass(slots=True)
class SharedRoom(Room):
    """Connections of all workers."""

    ledger: Ledger

    def take(self, own: int, limit: int) -> bool:
        with self.ledger.changing() as connection:
            (others,) = connection.execute(
                "SELECT coalesce(sum(open), 0) FROM connections WHERE worker <> ?",
                (self.ledger.worker,),
            ).fetchone()
            if own + others >= limit:
                return False
            connection.execute(_SET_OPEN, (self.ledger.worker, own + 1))
            return True

    def hold(self, own: int) -> None:
        with _tolerated(), self.ledger.changing() as connection:
            connection.execute(_SET_OPEN, (self.ledger.worker, own))


_SET_OPEN = "INSERT OR REPLACE INTO connections VALUES (?, ?)"


class SharedUserSessions(UserSessions):
    """Sessions of a user at all workers."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def enter(self, user: str, most: int) -> None:
        name = self._ledger.hashed(user)
        with self._ledger.changing() as connection:
            (count,) = connection.execute(
                "SELECT coalesce(sum(sessions), 0) FROM users WHERE name = ?", (name,)
            ).fetchone()
            if most and count >= most:
                raise too_many(most)
            connection.execute(
                "INSERT INTO users VALUES (?, ?, 1) "
                "ON CONFLICT (name, worker) DO UPDATE SET sessions = sessions + 1",
                (self._ledger.worker, name),
            )

    def leave(self, user: str) -> None:
        own = (self._ledger.worker, self._ledger.hashed(user))
        with _tolerated(), self._ledger.changing() as connection:
            connection.execute(
                "UPDATE users SET sessions = sessions - 1 WHERE worker = ? AND name = ?", own
            )
            connection.execute(
                "DELETE FROM users WHERE worker = ? AND name = ? AND sessions <= 0", own
            )


class SharedAttempts(Attempts):
    """Failed logins at all workers."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._ledger.changing():
            yield

    def _find(self, key: tuple[str, str]) -> Counted | None:
        found = self._ledger.ask(
            "SELECT since, failures, until FROM failures WHERE name = ?", self._ledger.hashed(*key)
        )
        for since, failures, until in found:
            return Counted(float(str(since)), int(str(failures)), float(str(until)))
        return None

    def _keep(self, key: tuple[str, str], counted: Counted) -> None:
        self._ledger.ask(
            "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, "
            "(SELECT coalesce(max(turn), 0) + 1 FROM failures))",
            self._ledger.hashed(*key),
            counted.since,
            counted.failures,
            counted.until,
        )

    def _drop(self, key: tuple[str, str]) -> None:
        self._ledger.ask("DELETE FROM failures WHERE name = ?", self._ledger.hashed(*key))

    def _trim(self) -> None:
        self._ledger.ask(
            "DELETE FROM failures WHERE name IN (SELECT name FROM failures ORDER BY turn "
            "LIMIT max(0, (SELECT count(*) FROM failures) - ?))",
            KEPT,
        )


class SharedBackends(OwnBackends):
    """Sessions of all workers. Their clock is one: monotonic time is the machine's."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def login(self) -> OwnBackend:
        with self._ledger.changing() as connection:
            number = connection.execute(
                "INSERT INTO backends (worker) VALUES (?)", (self._ledger.worker,)
            ).lastrowid
        assert number is not None
        return OwnBackend(self, number)

    def ended(self, own: OwnBackend) -> None:
        with _tolerated(), self._ledger.changing() as connection:
            connection.execute(
                "DELETE FROM backends WHERE number = ? AND server = ''", (own.number,)
            )
            connection.execute("UPDATE backends SET gone = 1 WHERE number = ?", (own.number,))

    def note(self, own: OwnBackend, server: str, process_id: int) -> None:
        own.server, own.process_id, own.known = server, process_id, self.now()
        with self._ledger.changing() as connection:
            connection.execute(
                "UPDATE backends SET server = ?, process_id = ?, known = ? WHERE number = ?",
                (server, process_id, own.known, own.number),
            )

    @property
    def under_way(self) -> frozenset[SessionId]:
        found = self._ledger.ask("SELECT number FROM backends WHERE server = ''")
        return frozenset(int(str(number)) for (number,) in found)

    def known_at(self, server: str) -> dict[int, float]:
        found = self._ledger.ask(
            "SELECT process_id, max(known) FROM backends WHERE server = ? GROUP BY process_id",
            server,
        )
        return {int(str(process_id)): float(str(known)) for process_id, known in found}

    def claim(self, server: str, process_id: int, began: object) -> bool:
        with self._ledger.changing() as connection:
            made = connection.execute(
                "INSERT OR IGNORE INTO strangers VALUES (?, ?, ?)", (server, process_id, str(began))
            )
            return made.rowcount == 1

    def disclaim(self, server: str, process_id: int, began: object) -> None:
        with _tolerated(), self._ledger.changing() as connection:
            connection.execute(
                "DELETE FROM strangers WHERE server = ? AND process_id = ? AND began = ?",
                (server, process_id, str(began)),
            )

    def forget_gone(self, server: str, before: float, present: frozenset[int]) -> None:
        told = self._ledger.ask("SELECT process_id FROM strangers WHERE server = ?", server)
        found = self._ledger.ask(
            "SELECT number, process_id FROM backends WHERE gone AND server = ? AND known <= ?",
            server,
            before,
        )
        with self._ledger.changing() as connection:
            connection.executemany(
                "DELETE FROM backends WHERE number = ?",
                [(number,) for number, process_id in found if process_id not in present],
            )
            connection.executemany(
                "DELETE FROM strangers WHERE server = ? AND process_id = ?",
                [(server, process_id) for (process_id,) in told if process_id not in present],
            )
