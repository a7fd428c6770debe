"""A server in a few lines: enough of PostgreSQL's message flow to tell what a client should see.

Texts say what they do by their first words, as in `playbook`: `begin`, `commit`, `rollback`,
`fail`, `copyin`, `copyout`, `rows`, `marked`; anything else returns nothing.
"""

from __future__ import annotations

from dbguard.wire import frontend
from dbguard.wire.framing import FrontendSplitter, Rest

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
        self._fetched: dict[bytes, int] = {}
        """Rows that portals have given."""
        self._closed = False

    def take(self, data: bytes) -> bytes:
        """The answers to everything that is complete."""
        self._splitter.feed(data)
        found = []
        while not self._closed and (frame := self._splitter.next()) is not None:
            if not isinstance(frame, Rest):  # an Opening's: its names were all that counts here
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
                if name and name in self._statements:
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
                if text_ == "raw fail":  # constants are folded while planning
                    self._portals.pop(portal, None)
                    return self._error("22012 failed")
                self._portals[portal] = text_
                self._fetched.pop(portal, None)
                return "2"
            case frontend.Describe(b"S", name):
                return self._described("t | ", self._statements.get(name), "26000 no statement")
            case frontend.Describe(_, name):
                return self._described("", self._portals.get(name), "34000 no portal")
            case frontend.Execute(name):
                if name not in self._portals:
                    return self._error("34000 no portal")
                return self._run(
                    self._portals[name], by_query=False, limit=message.max_rows, portal=name
                )
            case frontend.Close(kind, name):
                (self._statements if kind == b"S" else self._portals).pop(name, None)
                return "3"
        return ""

    def _described(self, before: str, text: str | None, missing: str) -> str:
        if text is None:
            return self._error(missing)
        if text == "rows":
            return self._error("25P02 aborted") if self._status == "E" else f"{before}T a"
        return f"{before}n"

    def _run(self, text: str, *, by_query: bool, limit: int = 0, portal: bytes = b"") -> str:
        word = text.replace("raw ", "").split()[0] if text.split() else ""
        if word in ("refused", "marked"):
            return self._error("42601 no", by_query=by_query)
        if self._status == "E" and word not in ("rollback", "commit", ""):
            return self._error("25P02 aborted", by_query=by_query)
        after = noticed = ""
        match word:
            case "fail":
                return self._error("22012 failed", by_query=by_query)
            case "copyin":
                self._copying = by_query
                return "G"
            case "begin":
                noticed = "N 25001 already | " if self._status == "T" else ""
                self._status = "T"
            case "commit" | "rollback":
                noticed = "N 25P01 none | " if self._status == "I" else ""
                self._status = "I"
        if by_query:
            after = f" | {self._ready()}"
        match word:
            case "":
                return f"I{after}"
            case "copyout":
                return f"H | d 1 | c | C COPY 1{after}"
            case "rows":
                described = "T a | " if by_query else ""
                if limit:
                    self._fetched[portal] = self._fetched.get(portal, 0) + 1
                    return "D 1 | s" if self._fetched[portal] < 2 else "D 2 | s"
                started = self._fetched.get(portal, 0)
                left = " | ".join([*["D 1", "D 2"][started:], "C SELECT 2"])
                return f"{described}{left}{after}"
        return f"{noticed}C {word.upper()}{after}"

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
            case frontend.Sync() | frontend.Flush():
                return ""
        self._closed = True
        return "E 08P01 unexpected message type | E 08P01 synchronization was lost"

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
