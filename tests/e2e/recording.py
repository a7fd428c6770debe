"""What real clients sent, message by message, to be said again without them.

A transcript is a text file. `>> Q SELECT 1\\x00` is a message of the client (its type, its payload
in Python's escapes), `<< TDCZ` the types of what the server answered before the client went on.
`{people}` stands for the OID of a table.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dbguard.wire.framing import BackendSplitter, FrontendSplitter, pack

from .protocol_client import messages_of

FOLDER = Path(__file__).parent / "transcripts"


@dataclass(slots=True)
class Turn:
    """Messages of the client, and the types of the answers it waited for."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    answers: str = ""

    def encoded(self, oids: dict[str, int]) -> bytes:
        """The messages with the OIDs that tables have now."""
        found = []
        for tag, payload in self.messages:
            for name, oid in oids.items():
                payload = payload.replace(b"{%s}" % name.encode(), b"%d" % oid)
            found.append(pack(tag, payload))
        return b"".join(found)


def read(name: str) -> list[Turn]:
    """The transcript of that name."""
    turns = [Turn()]
    for line in (FOLDER / f"{name}.txt").read_text("ascii").splitlines():
        if line.startswith(">> "):
            if turns[-1].answers:
                turns.append(Turn())
            payload = line[5:].encode("ascii").decode("unicode_escape").encode("latin-1")
            turns[-1].messages.append((ord(line[3]), payload))
        elif line.startswith("<< "):
            turns[-1].answers = line[3:]
    return turns


class Recorder:
    """A relay that writes down one connection after another, from the end of the login on."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self.turns: list[Turn] = [Turn()]
        self._ready = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._ready = False
                threading.Thread(target=self._from_client, args=(client, server)).start()
                self._from_server(server, client)

    def _from_client(self, client: socket.socket, server: socket.socket) -> None:
        splitter = FrontendSplitter()
        with suppress(OSError), client, server:
            while data := client.recv(1 << 16):
                splitter.feed(data)
                while splitter.starting and splitter.next_startup() is not None:
                    pass
                while not splitter.starting and (frame := splitter.next()) is not None:
                    if not self._ready:
                        continue
                    with self._lock:
                        if self.turns[-1].answers:
                            self.turns.append(Turn())
                        self.turns[-1].messages.append((frame.tag, frame.payload))
                server.sendall(data)

    def _from_server(self, server: socket.socket, client: socket.socket) -> None:
        splitter = BackendSplitter()
        with suppress(OSError):
            while data := server.recv(1 << 16):
                splitter.feed(data)
                while (item := splitter.next()) is not None:
                    for message in messages_of(item):
                        if self._ready:
                            with self._lock:
                                self.turns[-1].answers += chr(message[0])
                        self._ready = self._ready or message[:1] == b"Z"
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()

    def write(self, name: str, oids: dict[str, int]) -> None:
        """Write the transcript, tables' OIDs as their names."""
        lines = []
        for turn in self.turns:
            for tag, payload in turn.messages:
                if tag == ord("X"):
                    continue
                for table, oid in oids.items():
                    payload = payload.replace(b"%d" % oid, b"{%s}" % table.encode())
                text = payload.decode("latin-1").encode("unicode_escape").decode("ascii")
                lines.append(f">> {chr(tag)} {text}".rstrip())
            if turn.answers:
                lines.append(f"<< {turn.answers}")
        (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n", "ascii")
