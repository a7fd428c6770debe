"""One worker of `dbguard serve`, which starts it: `python -m dbguard.cli.worker SOCKET NUMBER`.

SOCKET is the number of a file descriptor; what is to be done comes over it. NUMBER is for people
who look at the processes of the machine.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

from dbguard.proxy.worker import work
from dbguard.proxy.worker_channel import Channel, Job

from . import event_loop
from .logs import configure_logs


async def obey(descriptor: int) -> None:
    """Do what comes over the socket, to its end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # of the terminal's group, or the service's: the supervisor says what they mean
        loop.add_signal_handler(number, lambda: None)
    connection = socket.socket(fileno=descriptor)
    channel = Channel(*await asyncio.open_connection(sock=connection))
    job = await channel.hear_command()
    if isinstance(job, Job):
        configure_logs(job.log_level, worker=job.number)
        await work(job, channel)


def main() -> None:
    """Run until the supervisor has had enough, or is gone."""
    event_loop.run(obey(int(sys.argv[1])), os.environ)
    os._exit(0)  # a thread may hang in a file system that is gone


if __name__ == "__main__":
    main()
