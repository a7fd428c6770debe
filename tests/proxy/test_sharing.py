"""What several workers share: counts that hold for all of them together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbguard.catalog.activity import Backend
from dbguard.catalog.generations import Generations, SharedGenerations
from dbguard.errors import StateUnavailable
from dbguard.proxy.attempts import ADDRESS_FACTOR, KEPT, WINDOW_SECONDS, TooManyFailures
from dbguard.proxy.endings import TooManyConnections
from dbguard.proxy.sessions import Sessions
from dbguard.proxy.sharing import GENERATIONS, Place, Sharing, among, ledger_of, prepare
from dbguard.proxy.strangers import Strangers


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return prepare(tmp_path, 2)


@pytest.fixture
def workers(place: Place) -> tuple[Sharing, Sharing]:
    return among(place, 1), among(place, 2)


def test_a_process_alone_shares_with_nobody() -> None:
    alone = Sharing()
    assert alone.generations.count("clinic") == alone.generations.of("clinic") == 0
    assert alone.speaks_for_all
    assert isinstance(alone.generations, Generations)
    assert Sharing().users is not alone.users


def test_a_change_is_seen_by_all_and_kept_apart_by_database(
    place: Place, workers: tuple[Sharing, Sharing]
) -> None:
    one, other = (worker.generations for worker in workers)
    assert [one.count("clinic"), other.count("clinic")] == [1, 2]
    assert one.of("clinic") == other.of("clinic") == 2
    assert other.of("billing") == 0
    SharedGenerations(place.folder / GENERATIONS).count_everywhere()
    assert one.of("clinic") == 3
    assert other.of("billing") == 1


def test_generations_are_made_once(tmp_path: Path) -> None:
    SharedGenerations.prepare(tmp_path / "it")
    assert (tmp_path / "it").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        SharedGenerations.prepare(tmp_path / "it")


def test_connections_count_together(workers: tuple[Sharing, Sharing]) -> None:
    one, other = (worker.room for worker in workers)
    assert one.take(0, 3)
    assert one.take(1, 3)
    assert other.take(0, 3)
    assert not other.take(1, 3)
    assert not one.take(2, 3)
    one.hold(1)
    assert other.take(1, 3)


def test_sessions_tell_that_there_is_no_room(place: Place) -> None:
    ledger = ledger_of(place, 1)
    assert among(place, 2).room.take(0, 1)
    sessions = Sessions(among(place, 1).room)
    refusal = sessions.refusal(1)
    assert refusal is not None
    assert refusal.message == "sorry, too many clients already"
    ledger.forget(2)
    assert sessions.refusal(1) is None


def test_nobody_comes_who_cannot_be_counted(place: Place) -> None:
    sharing = among(place, 1)
    sharing.close()
    refusal = Sessions(sharing.room).refusal(9)
    assert isinstance(refusal, StateUnavailable)
    assert refusal.message == "the workers cannot count together"
    sharing.users.leave("app")  # counts on: nobody is let in for it


def test_sessions_of_a_user_count_together(place: Place, workers: tuple[Sharing, Sharing]) -> None:
    one, other = (worker.users for worker in workers)
    one.enter("app", 2)
    other.enter("app", 2)
    other.enter("other", 2)
    for worker in (one, other):
        with pytest.raises(TooManyConnections, match="too many connections for this user"):
            worker.enter("app", 2)
    one.leave("app")
    other.enter("app", 2)
    one.enter("app", 0)
    ledger_of(place, 1).forget(2)
    one.enter("app", 2)


def test_failed_logins_count_together(workers: tuple[Sharing, Sharing]) -> None:
    one, other = (worker.attempts for worker in workers)
    assert not one.failed("app", "10.0.0.1", 0.0, limit=2, pause=10)
    assert other.failed("app", "10.0.0.1", 1.0, limit=2, pause=10)
    for worker in (one, other):
        with pytest.raises(TooManyFailures, match="too many failed logins") as caught:
            worker.check("app", "10.0.0.1", 4.0)
        assert caught.value.hint == "Try again in 7 s."
        worker.check("other", "10.0.0.1", 4.0)
    one.succeeded("app", "10.0.0.1")
    other.check("app", "10.0.0.1", 4.0)
    for number in range(2 * ADDRESS_FACTOR - 3):
        assert not other.failed(f"u{number}", "10.0.0.1", 4.0, limit=2, pause=10)
    assert one.failed("last", "10.0.0.1", 4.0, limit=2, pause=10)
    assert not one.failed("app", "10.0.0.1", 5.0 + WINDOW_SECONDS, limit=2, pause=10)


def test_the_oldest_failures_are_forgotten(
    place: Place, workers: tuple[Sharing, Sharing], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert KEPT > 1000
    monkeypatch.setattr("dbguard.proxy.shared_limits.KEPT", 4)
    for number in range(9):
        workers[number % 2].attempts.failed(f"u{number}", "local", 0.0, limit=2, pause=10)
    assert not workers[0].attempts.failed("u0", "local", 0.0, limit=2, pause=10)
    assert workers[0].attempts.failed("u8", "local", 0.0, limit=2, pause=10)
    ((count,),) = ledger_of(place, 1).ask("SELECT count(*) FROM failures")
    assert count == 4


def test_no_name_is_in_the_ledger(tmp_path: Path, place: Place) -> None:
    sharing = among(place, 1)
    sharing.users.enter("hunter2", 1)
    sharing.attempts.failed("hunter2", "10.0.0.1", 0.0, limit=2, pause=10)
    sharing.close()
    assert all(b"hunter2" not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_session_of_another_worker_is_no_stranger(
    place: Place, workers: tuple[Sharing, Sharing]
) -> None:
    one, other = (worker.backends for worker in workers)
    strangers = Strangers(one)
    began = datetime(2026, 1, 1, tzinfo=UTC)

    def look() -> list[int]:
        now = one.now()
        backends = [
            Backend(number, began, 0.0, "client backend", "app", "clinic", "", "")
            for number in (7, 8)
        ]
        found = list(strangers.found("s", backends, now))
        for key, _ in found:
            strangers.told(key)
        strangers.keep("s", backends, now)
        return [backend.process_id for _, backend in found]

    with other.login() as own:
        assert look() == []
        assert look() == [], "it may be either of the two"
        other.note(own, "s", 7)
        assert look() == [8]
        ledger_of(place, 1).forget(2)
        assert look() == [], "the server's process outlives its worker"
    assert [worker.claim("s", 8, began) for worker in (one, other, one)] == [True, False, False]
    other.disclaim("s", 8, began)
    assert other.claim("s", 8, began)
    strangers.keep("s", [], one.now())
    assert one.known_at("s") == {}
    assert one.claim("s", 8, began), "another process of the same number"
