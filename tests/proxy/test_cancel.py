"""Cancel keys: right secret or nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

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


@pytest.mark.parametrize(
    ("age", "outlives", "sent"),
    [(0.0, 0, 1), (0.0, 1, 2), (0.0, 9, 4), (5.0, 9, 1), (None, 9, 1)],
)
@pytest.mark.parametrize("waits", [True, False])
async def test_one_for_a_new_statement_is_sent_again_until_it_helps(
    age: float | None, outlives: int, sent: int, waits: bool
) -> None:
    """A backend ignores it when it has not read the statement yet."""
    under_way = None if age is None else (1, time.monotonic() - age)
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way
        requests.append(await reader.readexactly(18))
        if len(requests) > outlives and under_way is not None:
            under_way = (2, under_way[1])
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    forwarded = asyncio.Event()
    upstream = Upstream("127.0.0.1", server.sockets[0].getsockname()[1])
    target = CancelTarget(upstream, 1, b"secret", forwarded, under_way=lambda: under_way)
    if not waits:
        forwarded.set()
    async with server:
        waiting = asyncio.create_task(target.cancel())
        await asyncio.sleep(0)
        assert not requests
        forwarded.set()
        await waiting
    assert len(requests) == sent
