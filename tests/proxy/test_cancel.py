"""Cancel keys: right secret or nothing."""

from __future__ import annotations

from collections.abc import Callable

from dbguard.proxy.cancel import SECRET_BYTES, CancelRegistry, CancelTarget
from dbguard.proxy.upstream import Upstream

TARGET = CancelTarget(Upstream("db", 5432), 4711, b"server")


def replay(*values: bytes) -> Callable[[int], bytes]:
    left = iter(values)
    return lambda size: next(left)


def test_register_find_unregister() -> None:
    registry = CancelRegistry()
    key = registry.register(TARGET)
    assert key.process_id == TARGET.process_id
    assert len(key.secret) == SECRET_BYTES
    assert registry.find(key.process_id, key.secret) == TARGET
    wrong = bytes([key.secret[0] ^ 1]) + key.secret[1:]
    for process_id, secret in ((4711, wrong), (4711, b""), (4711, b"server"), (1, key.secret)):
        assert registry.find(process_id, secret) is None
    registry.unregister(key)
    registry.unregister(key)
    assert registry.find(key.process_id, key.secret) is None
    assert len(registry) == 0


def test_sessions_that_share_a_process_id() -> None:
    other = CancelTarget(Upstream("replica", 5433), 4711, b"other!")
    registry = CancelRegistry(replay(b"aaaa", b"aaaa", b"bbbb"))
    first, second = registry.register(TARGET), registry.register(other)
    assert (first.secret, second.secret) == (b"aaaa", b"bbbb")
    assert registry.find(4711, b"aaaa") == TARGET
    assert registry.find(4711, b"bbbb") == other
    registry.unregister(first)
    assert registry.find(4711, b"aaaa") is None
    assert registry.find(4711, b"bbbb") == other


def test_no_secret_in_repr() -> None:
    registry = CancelRegistry(replay(b"hush"))
    assert "hush" not in repr(registry.register(TARGET))
    assert "server" not in repr(TARGET)
