"""How a connection is told that dbguard ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from dbguard.proxy.connection import Connection
from dbguard.proxy.endings import OldSession
from dbguard.proxy.sessions import Sessions
from dbguard.proxy.streams import attach
from dbguard.wire.framing import FrameLimits


class WaitsForMore:
    """A relay whose client is served to the end of its messages as soon as that is let be."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.closed = False

    async def serve_client(self) -> bool:
        self.begun += 1
        await self.go_on.wait()
        return True

    async def close(self) -> None:
        self.closed = True

    def hurry(self) -> None:
        """There is nothing to wait for."""


@dataclass
class Table:
    sessions: Sessions
    connection: Connection
    relay: WaitsForMore
    peer: socket.socket
    told: bytes = field(default=b"")

    async def ended(self) -> bool:
        """Wait until it is over; whether all of it was."""
        while self.sessions.open:
            await asyncio.sleep(0)
        self.told = self.peer.recv(1 << 16)
        return self.relay.closed and self.peer.recv(1) == b""


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    ours, peer = socket.socketpair()
    with peer:
        sites: Any = SimpleNamespace(front=SimpleNamespace(drifts=SimpleNamespace(leave=set().add)))
        settings: Any = SimpleNamespace(frame_limits=FrameLimits())
        sessions = Sessions()
        client = await attach(ours, "x")
        connection = Connection(client, sites, settings, sessions.over)
        relay: Any = WaitsForMore()
        connection._relay = relay
        sessions.run(connection, None).close()  # its login is over
        yield Table(sessions, connection, relay, peer)
        await client.close()


async def test_it_is_told_once(table: Table) -> None:
    """However often those that look for old sessions come by before it is gone."""
    session: Any = SimpleNamespace(link=SimpleNamespace(closed=False, at_rest=True))
    table.connection._session = session
    for _ in range(3):
        table.connection.end_between_transactions(OldSession("it is over"))
    await table.connection._client.close()
    told = table.peer.recv(1 << 16)
    assert told.count(b"Mit is over\0") == 1
    assert table.peer.recv(1) == b""


@pytest.mark.parametrize("turns", [None, 0, 1, 2])
@pytest.mark.parametrize("times", [1, 2])
async def test_whatever_it_does_it_can_be_stopped(
    table: Table, turns: int | None, times: int
) -> None:
    """While it waits for its client, before the task for what has come has begun, and later."""
    if turns is not None:
        table.connection._client_came()
        for _ in range(turns):
            await asyncio.sleep(0)
    for _ in range(times):
        table.connection.displace(OldSession("it is over"))
    assert await table.ended()
    assert table.told.count(b"Mit is over\0") == 1
    assert table.relay.begun == (1 if turns else 0)


async def test_one_task_serves_the_client_at_a_time(table: Table) -> None:
    for _ in range(2):
        table.connection._client_came()
        await asyncio.sleep(0)
    assert table.relay.begun == 1
    table.relay.go_on.set()
    while table.connection._task is not None:
        await asyncio.sleep(0)
    table.connection._client_came()
    await asyncio.sleep(0)
    assert table.relay.begun == 2
    assert not table.relay.closed


async def test_draining_waits_for_all_of_them(table: Table) -> None:
    table.connection._client_came()
    await table.sessions.drain(0.01)
    assert not table.sessions.open
    assert table.relay.closed
    assert b"dbguard is stopping\0" in table.peer.recv(1 << 16)


async def test_a_defect_ends_it(table: Table) -> None:
    del table.relay.go_on
    table.connection._client_came()
    assert await table.ended()
    assert b"dbguard failed and has closed this connection\0" in table.told
