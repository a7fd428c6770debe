"""How a connection is told that dbguard ends it."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from dbguard.proxy.connection import Connection
from dbguard.proxy.endings import OldSession
from dbguard.proxy.streams import attach
from dbguard.wire.framing import FrameLimits


async def test_it_is_told_once() -> None:
    """However often those that look for old sessions come by before it is gone."""
    ours, peer = socket.socketpair()
    with peer:
        client = await attach(ours, "x")
        sites: Any = SimpleNamespace(front=None)
        settings: Any = SimpleNamespace(frame_limits=FrameLimits())
        connection = Connection(client, sites, settings)
        session: Any = SimpleNamespace(link=SimpleNamespace(closed=False, at_rest=True))
        connection._session = session
        for _ in range(3):
            connection.end_between_transactions(OldSession("it is over"))
        await client.close()
        told = peer.recv(1 << 16)
        assert told.count(b"Mit is over\0") == 1
        assert peer.recv(1) == b""
