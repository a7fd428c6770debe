"""Who has to wait after failed logins, and who does not."""

from __future__ import annotations

import pytest

from dbguard.proxy.attempts import ADDRESS_FACTOR, KEPT, WINDOW_SECONDS, Attempts, TooManyFailures

LIMIT, PAUSE = 3, 10.0


def fail(attempts: Attempts, user: str, address: str, now: float, times: int = 1) -> bool:
    waits = False
    for _ in range(times):
        waits = attempts.failed(user, address, now, limit=LIMIT, pause=PAUSE)
    return waits


def test_a_user_at_an_address_waits_and_may_try_again() -> None:
    attempts = Attempts()
    assert not fail(attempts, "app", "10.0.0.1", 0.0, LIMIT - 1)
    attempts.check("app", "10.0.0.1", 0.0)
    assert fail(attempts, "app", "10.0.0.1", 1.0)
    with pytest.raises(TooManyFailures) as caught:
        attempts.check("app", "10.0.0.1", 4.0)
    assert caught.value.message == "too many failed logins"
    assert caught.value.detail.startswith("3 within a minute, for this user from here")
    assert caught.value.hint == "Try again in 7 s."
    attempts.check("other", "10.0.0.1", 4.0)
    attempts.check("app", "10.0.0.2", 4.0)
    attempts.check("app", "10.0.0.1", 11.0)
    assert fail(attempts, "app", "10.0.0.1", 11.0), "one more is enough, within the window"


def test_an_address_that_tries_many_users_waits() -> None:
    attempts = Attempts()
    for number in range(LIMIT * ADDRESS_FACTOR):
        fail(attempts, f"user{number}", "10.0.0.1", 0.0)
    with pytest.raises(TooManyFailures, match="too many failed logins") as caught:
        attempts.check("somebody", "10.0.0.1", 1.0)
    assert "from this address" in caught.value.detail
    attempts.check("somebody", "10.0.0.2", 1.0)


def test_addresses_of_one_network_are_one() -> None:
    attempts = Attempts()
    for number in range(LIMIT):
        fail(attempts, "app", f"2001:db8::{number:x}", 0.0)
    with pytest.raises(TooManyFailures):
        attempts.check("app", "2001:db8::ffff", 1.0)
    attempts.check("app", "2001:db8:0:1::1", 1.0)
    for _ in range(LIMIT):
        fail(attempts, "app", "::ffff:10.0.0.1", 0.0)
    attempts.check("app", "::ffff:10.0.0.2", 1.0)


def test_a_unix_socket_is_no_address() -> None:
    attempts = Attempts()
    for number in range(LIMIT * ADDRESS_FACTOR):
        fail(attempts, f"user{number}", "local", 0.0)
    attempts.check("somebody", "local", 1.0)


def test_long_names_neither_fill_memory_nor_count_apart() -> None:
    attempts = Attempts()
    for number in range(LIMIT):
        fail(attempts, "n" * 63 + str(number) * 9_000, "10.0.0.1", 0.0)
    with pytest.raises(TooManyFailures):
        attempts.check("n" * 63, "10.0.0.1", 1.0)
    assert max(len(user) for user, _ in attempts._known) == 63


def test_success_and_time_forget() -> None:
    attempts = Attempts()
    fail(attempts, "app", "10.0.0.1", 0.0, LIMIT - 1)
    attempts.succeeded("app", "10.0.0.1")
    assert not fail(attempts, "app", "10.0.0.1", 1.0, LIMIT - 1)
    assert not fail(attempts, "app", "10.0.0.1", 2.0 + WINDOW_SECONDS, LIMIT - 1)


def test_no_limit_and_bounded_memory() -> None:
    attempts = Attempts()
    for _ in range(100):
        assert not attempts.failed("app", "10.0.0.1", 0.0, limit=0, pause=PAUSE)
    attempts.check("app", "10.0.0.1", 0.0)
    for number in range(KEPT + 100):
        fail(attempts, f"user{number}", "10.0.0.9", 0.0)
    assert len(attempts._known) <= KEPT
