"""What systemd is told: ready, reloading, stopping.

Source: sd_notify(3), "Notes" (the protocol is stable and may be implemented by hand).
"""

from __future__ import annotations

import socket
import time


class Supervisor:
    """The service manager, if there is one."""

    def __init__(self, address: str | None) -> None:
        """`address` is the variable NOTIFY_SOCKET: a path, or @ and an abstract name."""
        self._address = "\0" + address[1:] if address and address[0] == "@" else address

    def ready(self) -> None:
        self._tell("READY=1")

    def reloading(self) -> None:
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.connect(self._address)
                sender.sendall(state.encode())
            except OSError:
                return  # whoever supervises is gone, or never was there
