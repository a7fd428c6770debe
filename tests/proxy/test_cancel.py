"""Cancel keys: right secret or nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dbguard.proxy.cancel import SECRET_BYTES, CancelRegistry, CancelTarget
from dbguard.proxy.cancel_routes import CancelRoutes
from dbguard.proxy.upstream import Upstream
from dbguard.wire.startup import CancelRequest

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

    class Work:
        at_rest = False

        @property
        def under_way(self) -> tuple[int, float] | None:
            return under_way

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
    target = CancelTarget(upstream, 1, b"secret", forwarded, Work())
    if not waits:
        forwarded.set()
    async with server:
        waiting = asyncio.create_task(target.cancel())
        await asyncio.sleep(0)
        assert not requests
        forwarded.set()
        await waiting
    assert len(requests) == sent


def test_every_key_belongs_to_one_worker_and_keeps_all_its_bits(tmp_path: Path) -> None:
    routes = [CancelRoutes(tmp_path, number, 3, b"s" * 32) for number in (1, 2, 3)]
    seen = set()
    for own in routes:
        registry = CancelRegistry(routes=own)
        for _ in range(64):
            key = registry.register(TARGET)
            assert [r.is_own(key.process_id, key.secret) for r in routes].count(True) == 1
            assert own.is_own(key.process_id, key.secret)
            seen.update(enumerate(key.secret))
    assert len({value for at, value in seen if at == 0}) > 64, "no part of it is the worker"


class Noted(CancelRegistry):
    """Notes who asked for what, in place of asking a server."""

    def __init__(self, routes: CancelRoutes) -> None:
        super().__init__(routes=routes)
        self.found: list[bool] = []

    async def cancel_here(self, request: CancelRequest) -> None:
        self.found.append(self.find(request.process_id, request.secret) is not None)


async def test_a_request_reaches_the_worker_that_has_the_session(tmp_path: Path) -> None:
    routes = [CancelRoutes(tmp_path, number, 2, b"s" * 32) for number in (1, 2)]
    here, there = Noted(routes[0]), Noted(routes[1])
    async with routes[0].answering(here.cancel_here), routes[1].answering(there.cancel_here):
        key = there.register(TARGET)
        await here.cancel(CancelRequest(key.process_id, key.secret))
        await there.cancel(CancelRequest(key.process_id, key.secret))
        assert (here.found, there.found) == ([], [True, True])
        wrong = next(
            secret
            for secret in (number.to_bytes(4) for number in range(99))
            if routes[1].is_own(4711, secret) and secret != key.secret
        )
        await here.cancel(CancelRequest(4711, wrong))
        assert (here.found, there.found) == ([], [True, True, False])
    await here.cancel(CancelRequest(key.process_id, key.secret))  # it is gone: as an unknown key
    assert there.found == [True, True, False]


async def test_what_is_no_request_is_hung_up_on(tmp_path: Path) -> None:
    routes = CancelRoutes(tmp_path, 1, 2, b"s" * 32)
    registry = Noted(routes)
    async with routes.answering(registry.cancel_here):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "1.cancel")
        writer.write(b"\0\0\0\x01\0\x04ab")
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert registry.found == []
