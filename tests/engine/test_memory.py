"""What a session holds before it is used: thousands of them do nothing at the same time."""

from __future__ import annotations

import gc
import tracemalloc

from dbguard.audit.members import kept_text
from dbguard.engine.auditing import SessionIdentity
from dbguard.engine.session import Session, SessionLimits

from .playbook import FakeSurroundings, Play

MANY = 50
LIMITS = SessionLimits()


def held(number: int) -> int:
    """Bytes that so many sessions hold, without what they share."""
    like, surroundings = Play().session.identity, FakeSurroundings()

    def session() -> Session:
        identity = SessionIdentity(
            f"{len(sessions):016x}", like.principal, "127.0.0.1", "app", "production"
        )
        return Session(identity, surroundings, LIMITS, {"client_encoding": "UTF8"})

    sessions: list[Session] = []
    sessions.append(session())
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(number):
            sessions.append(session())
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_session_is_small() -> None:
    assert held(MANY) / MANY < 4096


def test_a_text_that_is_kept_takes_what_it_is_long() -> None:
    tracemalloc.start()
    try:
        texts = [kept_text(f"{number:x}") for number in range(MANY)]
        assert tracemalloc.get_traced_memory()[0] / MANY < 256
    finally:
        tracemalloc.stop()
    assert texts[10] == b'"a"'
