"""A server in a few lines: enough of PostgreSQL's message flow to tell what a client should see.

Texts say what they do by their first words, as in `playbook`: `begin`, `commit`, `rollback`,
`fail`, `copyin`; anything else returns nothing.
"""

from __future__ import annotations

from dbguard.wire import frontend
from dbguard.wire.framing import FrontendSplitter

from .playbook import encode_backend


class ToyServer:
    """Takes a client's bytes, returns answers."""

    def __init__(self) -> None:
        self._splitter = FrontendSplitter()
        self._splitter.feed((13).to_bytes(4, "big") + b"\0\3\0\0user\0"[:9])
        self._splitter.next_startup()
        self._status = "I"
        self._skipping = False
        self._copying: bool | None = None
        """In a COPY: by Query (True) or Execute (False)."""
        self._statements: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}

    def take(self, data: bytes) -> bytes:
        """The answers to everything that is complete."""
        self._splitter.feed(data)
        found = []
        while (frame := self._splitter.next()) is not None:
            found.append(self._answer(frontend.decode(frame)))
        lines = [line for line in found if line]
        return encode_backend(" | ".join(lines)) if lines else b""

    def _answer(self, message: object) -> str:
        if self._copying is not None:
            return self._in_copy(message, by_query=self._copying)
        if isinstance(message, frontend.Sync):
            self._skipping = False
            return self._ready()
        if self._skipping or isinstance(
            message,
            frontend.Flush | frontend.CopyData | frontend.CopyDone | frontend.CopyFail,
        ):
            return ""
        match message:
            case frontend.Query(text):
                self._statements.pop(b"", None)
                return self._run(text.decode(), by_query=True)
            case frontend.FunctionCall():
                if self._status == "E":
                    return f"E 25P02 aborted | {self._ready()}"
                return f"V 1 | {self._ready()}"
            case frontend.Parse(name, text):
                if not name:
                    self._statements.pop(name, None)
                if text.startswith(b"refused"):
                    return self._error("42601 syntax error")
                if self._status == "E" and text.split()[:1] not in ([b"rollback"], [b"commit"], []):
                    return self._error("25P02 aborted")
                if name in self._statements:
                    return self._error("42P05 exists")
                self._statements[name] = text.decode()
                return "1"
            case frontend.Bind(portal, statement):
                text_ = self._statements.get(statement)
                if text_ is None:
                    return self._error("26000 no statement")
                if self._status == "E" and text_.split()[:1] not in (["rollback"], ["commit"]):
                    return self._error("25P02 aborted")
                if portal and portal in self._portals:
                    return self._error("42P03 exists")
                self._portals[portal] = text_
                return "2"
            case frontend.Describe(b"S", name):
                return "t | n" if name in self._statements else self._error("26000 no statement")
            case frontend.Describe(_, name):
                return "n" if name in self._portals else self._error("34000 no portal")
            case frontend.Execute(name):
                if name not in self._portals:
                    return self._error("34000 no portal")
                return self._run(self._portals[name], by_query=False)
            case frontend.Close(kind, name):
                (self._statements if kind == b"S" else self._portals).pop(name, None)
                return "3"
        return ""

    def _run(self, text: str, *, by_query: bool) -> str:
        word = text.replace("raw ", "").split()[0] if text.split() else ""
        if self._status == "E" and word not in ("rollback", "commit") and word != "refused":
            return self._error("25P02 aborted", by_query=by_query)
        if word in ("fail", "refused"):
            return self._error("22012 failed" if word == "fail" else "42601 no", by_query=by_query)
        if word == "copyin":
            self._copying = by_query
            return "G"
        if word in ("begin", "commit", "rollback"):
            self._status = "T" if word == "begin" else "I"
        after = f" | {self._ready()}" if by_query else ""
        return f"C {word.upper() or 'EMPTY'}{after}"

    def _in_copy(self, message: object, *, by_query: bool) -> str:
        match message:
            case frontend.CopyData(data) if data != b"bad":
                return ""
            case frontend.CopyDone():
                self._copying = None
                return "C COPY 1" + (f" | {self._ready()}" if by_query else "")
            case frontend.CopyData():
                self._copying = None
                return self._error("22P02 bad row", by_query=by_query)
            case frontend.CopyFail(reason):
                self._copying = None
                return self._error(f"57014 {reason.decode()}", by_query=by_query)
        return ""

    def _error(self, what: str, *, by_query: bool = False) -> str:
        if self._status == "T":
            self._status = "E"
        if by_query:
            return f"E {what} | {self._ready()}"
        self._skipping = True
        return f"E {what}"

    def _ready(self) -> str:
        if self._status == "I":
            self._portals.clear()
        return f"Z {self._status}"
