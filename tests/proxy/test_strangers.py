"""Who is a stranger at the server: logins under way, numbers used again, each told once."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from dbguard.catalog.activity import Backend
from dbguard.proxy.backends import OwnBackends
from dbguard.proxy.strangers import Strangers, is_expected
from dbguard.watch_settings import ExpectedSessionSettings

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A server, and this dbguard's sessions at it; time passes as told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.own = OwnBackends(lambda: self.now)
        self.strangers = Strangers(self.own)
        self.running: dict[int, float] = {}
        """Process ids, and when each began."""

    def look(self) -> list[int]:
        """The processes told of at one look."""
        backends = [
            Backend(
                process_id,
                BEGINNING + timedelta(seconds=began),
                self.now - began,
                "client backend",
                "app",
                "clinic",
                "",
                "",
            )
            for process_id, began in self.running.items()
        ]
        found = list(self.strangers.found("s", backends, self.now))
        for key, _ in found:
            self.strangers.told(key)
        self.strangers.keep("s", backends, self.now)
        self.now += 10
        return [backend.process_id for _, backend in found]


def test_a_stranger_is_told_at_the_second_look_and_once() -> None:
    world = World()
    world.running[7] = 0
    assert [world.look() for _ in range(4)] == [[], [7], [], []]


def test_one_that_is_gone_by_then_is_not_told() -> None:
    world = World()
    world.running[7] = 0
    assert world.look() == []
    del world.running[7]
    assert [world.look() for _ in range(3)] == [[], [], []]


def test_the_same_number_again_is_another_session() -> None:
    world = World()
    world.running[7] = 0
    assert [world.look(), world.look()] == [[], [7]]
    world.running[7] = world.now - 5
    assert [world.look() for _ in range(3)] == [[], [7], []]


def test_a_session_of_its_own_is_never_told() -> None:
    world = World()
    with world.own.login() as own:
        world.running[7] = 0
        world.own.note(own, "s", 7)
        assert [world.look() for _ in range(3)] == [[], [], []]


def test_a_login_under_way_is_waited_for() -> None:
    world = World()
    with world.own.login() as own:
        world.running[7] = 0
        assert [world.look() for _ in range(3)] == [[], [], []]
        world.own.note(own, "s", 7)
        assert [world.look() for _ in range(3)] == [[], [], []]


def test_logins_that_begin_later_hold_up_nothing() -> None:
    world = World()
    world.running[7] = 0
    assert world.look() == []
    with world.own.login():
        assert world.look() == [7]


def test_a_login_that_failed_holds_up_nothing() -> None:
    world = World()
    world.running[7] = 0
    with world.own.login():
        assert [world.look() for _ in range(2)] == [[], []]
    assert world.look() == [7]


def test_logins_all_the_time_hold_up_nothing() -> None:
    world = World()
    world.running[7] = 0
    told: list[int] = []
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(world.own.login())
            told += world.look()
            stack.pop_all().close()
            stack.enter_context(world.own.login())
    assert told == [7]


def test_a_process_that_outlives_its_session_is_not_told() -> None:
    world = World()
    world.running[7] = 0
    with world.own.login() as own:
        world.own.note(own, "s", 7)
    assert [world.look() for _ in range(3)] == [[], [], []]
    del world.running[7]
    assert world.look() == []
    assert not world.own.known_at("s")


@pytest.mark.parametrize("seen", [False, True])
def test_who_gets_the_number_of_a_session_that_is_gone_is_told(seen: bool) -> None:
    world = World()
    world.running[7] = 0
    with world.own.login() as own:
        world.own.note(own, "s", 7)
        if seen:
            world.look()
    world.now += 10
    world.running[7] = world.now - 5
    assert [world.look() for _ in range(2)] == [[], [7]]


def test_numbers_of_another_server_are_others() -> None:
    world = World()
    with world.own.login() as own:
        world.own.note(own, "another", 7)
        world.running[7] = 0
        assert [world.look() for _ in range(2)] == [[], [7]]


LOCAL = Backend(1, BEGINNING, 0.0, "client backend", "app", "d", "", "pg_dump")
FAR = Backend(1, BEGINNING, 0.0, "walsender", "replicator", "", "10.0.0.9", "walreceiver")


@pytest.mark.parametrize(
    ("backend", "entry", "fits"),
    [
        (LOCAL, {"user": "app"}, True),
        (LOCAL, {"user": "ap"}, False),
        (LOCAL, {"user": "a*"}, True),
        (LOCAL, {"application": "pg_*"}, True),
        (LOCAL, {"application": "pg_*", "user": "other"}, False),
        (LOCAL, {"networks": ["127.0.0.1/32"]}, True),
        (LOCAL, {"networks": ["10.0.0.0/8"]}, False),
        (FAR, {"networks": ["fd00::/8", "10.0.0.0/8"], "user": "replicator"}, True),
        (FAR, {"networks": ["10.0.0.8/32"]}, False),
    ],
)
def test_expected_sessions(backend: Backend, entry: dict[str, object], fits: bool) -> None:
    assert is_expected(backend, [ExpectedSessionSettings.model_validate(entry)]) is fits
