"""Sockets as they have to be set, whichever side opened them."""

from __future__ import annotations

import asyncio
import socket

from dbguard.proxy.streams import Stream, attach, connect


async def test_short_answers_are_not_held_back() -> None:
    """Nagle's algorithm keeps a second short answer until the first is acknowledged."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        opening = asyncio.create_task(connect("127.0.0.1", listener.getsockname()[1]))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        streams: list[Stream] = [await attach(connection, "somebody"), await opening]
    for stream in streams:
        found = stream._writer.get_extra_info("socket")
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await stream.close()


async def test_what_nobody_can_read_on_its_way() -> None:
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener, theirs:
        listener.setblocking(False)
        opening = asyncio.create_task(connect("127.0.0.1", listener.getsockname()[1]))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        local, remote, other = await attach(ours, "x"), await attach(connection, "x"), await opening
        assert (local.is_protected, remote.is_protected, other.is_protected) == (True, False, False)
        for stream in (local, remote, other):
            await stream.close()
