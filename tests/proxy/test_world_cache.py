"""Worlds are kept for the databases used last, one for each."""

from __future__ import annotations

from dbguard.engine.plan import StateKey
from dbguard.proxy.world_cache import WorldCache


def key(database: str, epoch: int = 1) -> StateKey:
    return (database, epoch, "digest", 0)


def test_the_world_of_another_state_is_not_given() -> None:
    worlds = WorldCache()
    worlds.put(key("a"), b"old")
    assert worlds.find(key("a")) == b"old"
    assert worlds.find(key("a", 2)) is None
    worlds.put(key("a", 2), b"new")
    assert worlds.find(key("a")) is None
    assert worlds.find(key("a", 2)) == b"new"


def test_the_database_that_was_not_used_for_longest_goes() -> None:
    worlds = WorldCache(kept=2)
    worlds.put(key("a"), b"a")
    worlds.put(key("b"), b"b")
    assert worlds.find(key("a")) == b"a"
    worlds.put(key("c"), b"c")
    assert worlds.find(key("b")) is None
    assert (worlds.find(key("a")), worlds.find(key("c"))) == (b"a", b"c")
