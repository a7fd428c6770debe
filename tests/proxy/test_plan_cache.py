"""The plan cache is bounded by bytes that plans really take."""

from __future__ import annotations

from dbguard.engine.asks import Planned
from dbguard.engine.plan import Plan, PlanRequest
from dbguard.policy.decision import Principal
from dbguard.proxy.plan_cache import PlanCache
from dbguard.sql.snapshot import SessionView

KEY = ("clinic", 1, "digest")


def request(text: str) -> PlanRequest:
    principal = Principal("u", frozenset({"u"}), "clinic")
    return PlanRequest(text, principal, SessionView("u", ("public",)), "production")


def planned(size: int) -> Planned:
    return Planned(Plan("", None, (), size=size), frozenset(), KEY)


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = PlanCache(max_bytes=100_000)
    for name in "abcdefghijklmnopqrstuvwxyz":
        cache.put(request(name), planned(4_000))
        assert cache.find(request("a"), KEY) is not None
        assert cache.size <= 100_000
    assert cache.find(request("b"), KEY) is None
    assert cache.find(request("z"), KEY) is not None
    assert len(cache) == 100_000 // (cache.size // len(cache))


def test_texts_count_too() -> None:
    cache = PlanCache(max_bytes=1_000_000)
    for number in range(40):
        cache.put(request("x" * 50_000 + str(number)), planned(0))
    assert len(cache) < 20


def test_the_size_goes_back_to_nothing() -> None:
    cache = PlanCache(max_entries=1)
    cache.put(request("a"), planned(5_000))
    once = cache.size
    cache.put(request("a"), planned(5_000))
    cache.put(request("b"), planned(5_000))
    assert (len(cache), cache.size) == (1, once)
    cache.clear()
    assert cache.size == 0


def test_a_plan_that_would_crowd_out_all_others_is_not_kept() -> None:
    cache = PlanCache(max_bytes=160_000)
    cache.put(request("a"), planned(20_000))
    assert len(cache) == 0
