"""What the lane took and could not send comes before all that the client has sent since."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.engine.lane import Lane
from dbguard.engine.link import Link
from dbguard.proxy.latch import Latch
from dbguard.proxy.shortcut import Shortcut
from dbguard.proxy.streams import Stream, attach


class TakesAll(Lane):
    """Takes everything. The classes that it stands for are compiled with their types."""

    def __init__(self) -> None:
        self.taken = b""

    def offer(self, data: bytes) -> int:
        self.taken = data
        return 1

    def send(self) -> bytes:
        return self.taken

    def withdraw(self) -> bytes:
        return self.taken


class Told(AsyncAudit):
    """Keeps nothing before it is told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[bool], None]] = []

    def when_known(self, sequence: int, call: Callable[[bool], None]) -> None:
        self.calls.append(call)


@dataclass
class Table:
    shortcut: Shortcut
    client: Stream
    client_peer: socket.socket
    server_peer: socket.socket
    audit: Told
    forwarded: Latch
    link: Link


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    ours, client_peer = socket.socketpair()
    theirs, server_peer = socket.socketpair()
    client_peer.setblocking(False)
    server_peer.setblocking(False)
    client, server = await attach(ours, "client"), await attach(theirs, "server")
    link = Link()
    session: Any = SimpleNamespace(lane=TakesAll(), link=link)
    audit, forwarded = Told(), Latch(is_set=True)
    shortcut = Shortcut(session, client, server, audit, forwarded, lambda: None)
    shortcut.open()
    shortcut.client_waits = True
    with client_peer, server_peer:
        yield Table(shortcut, client, client_peer, server_peer, audit, forwarded, link)
        await client.close()
        await server.close()


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.001)


async def took_one(table: Table) -> Callable[[bool], None]:
    table.client_peer.sendall(b"first,")
    await until(lambda: table.audit.calls)
    assert not table.client.has_unread
    assert not table.forwarded.is_set()
    return table.audit.calls.pop()


async def test_it_is_sent_once_its_decision_is_kept(table: Table) -> None:
    decided = await took_one(table)
    with pytest.raises(BlockingIOError):
        table.server_peer.recv(100)
    decided(True)
    assert table.server_peer.recv(100) == b"first,"
    assert table.forwarded.is_set()
    assert await table.shortcut.withdrawn() == b""


async def test_while_the_client_is_waited_for(table: Table) -> None:
    decided = await took_one(table)
    table.client_peer.sendall(b"second")
    await until(lambda: table.client.has_unread)
    decided(False)
    assert await table.client.read() == b"first,second"
    with pytest.raises(BlockingIOError):
        table.server_peer.recv(100)


async def test_when_more_was_read_meanwhile(table: Table) -> None:
    decided = await took_one(table)
    table.client_peer.sendall(b"second")
    assert await table.client.read() == b"second"
    table.shortcut.client_waits = False
    waiting = asyncio.create_task(table.shortcut.withdrawn())
    await asyncio.sleep(0)
    assert not waiting.done()
    decided(False)
    assert await waiting == b"first,"
    assert await table.shortcut.withdrawn() == b""


async def test_nothing_of_a_session_that_is_over_is_sent(table: Table) -> None:
    decided = await took_one(table)
    table.link.closed = True
    decided(True)
    with pytest.raises(BlockingIOError):
        table.server_peer.recv(100)
    assert table.forwarded.is_set()
