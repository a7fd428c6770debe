"""`python …/forwarder.py PORT SERVER_PORT`: dbguard's loop and channels without anything between
them, which tells what is the lane's and what is the records' of a transaction's cost."""

from __future__ import annotations

import asyncio
import socket
import sys

from dbguard.cli import event_loop
from dbguard.proxy.streams import Stream, attach, connect


async def forward(port: int, server_port: int) -> None:
    """Accept for ever. Says `ready` when it does."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", port), backlog=256) as listening:
        listening.setblocking(False)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        open_ones: list[Stream] = []
        while True:
            accepted, _ = await loop.sock_accept(listening)
            server = await connect("127.0.0.1", server_port)
            client = await attach(accepted, "client")
            join(client, server)
            join(server, client)
            open_ones = [one for one in (*open_ones, client, server) if not one.is_gone]


def join(source: Stream, sink: Stream) -> None:
    def passes(data: bytes) -> bool:
        sink.write(data)
        return True

    source.tap(passes)


if __name__ == "__main__":
    event_loop.run(forward(int(sys.argv[1]), int(sys.argv[2])), {})
