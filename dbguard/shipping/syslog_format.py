"""A record as a syslog message: RFC 5424, and its frame for TCP, RFC 6587."""

from __future__ import annotations

from typing import Final

from .items import Chain, Checkpoint, Gap, Record

FACILITY: Final = 13
"""Log audit; RFC 5424, table 1."""
ALERT: Final = 1
CRITICAL: Final = 2
ERROR: Final = 3
WARNING: Final = 4
NOTICE: Final = 5
INFORMATIONAL: Final = 6
_BY_DECISION: Final = {"deny": WARNING, "error": ERROR, "invalid": NOTICE}
_BY_KIND: Final = {"security": ALERT, "recovery": ERROR, "drift": WARNING, "gap": ERROR}
APPLICATION: Final = "dbguard"
_BOM: Final = b"\xef\xbb\xbf"
"""MSG begins with it when it is UTF-8; RFC 5424, 6.4."""


def severity(kind: str, decision: str) -> int:
    """RFC 5424's severity of a record: by its decision, else by what happened."""
    if kind == "decision":
        return _BY_DECISION.get(decision, INFORMATIONAL)
    return _BY_KIND.get(kind, INFORMATIONAL if kind == "outcome" else NOTICE)


class MessageFormat:
    """Makes messages that come from one host."""

    def __init__(self, host: str, process: int, structured_data_id: str, most: int) -> None:
        name = "".join(c for c in host if 33 <= ord(c) <= 126)[:255]
        self._origin = f"{name or '-'} {APPLICATION} {process}"
        self._id = structured_data_id
        self._most = most

    def of_record(self, chain: Chain, record: Record) -> bytes | None:
        """None when it is longer than a message may be."""
        kind, decision = record.kind, record.decision
        parameters = {
            "trail": chain.trail,
            "writer": chain.writer,
            "seq": str(record.sequence),
            "kind": kind,
            **({"decision": decision} if decision else {}),
            "hash": record.hash,
        }
        level = severity(kind, decision)
        return self._whole(level, record.time, kind, parameters, record.line)

    def of_long_record(self, chain: Chain, record: Record) -> bytes:
        """The message without the line, which says how long that is."""
        parameters = {
            "trail": chain.trail,
            "writer": chain.writer,
            "seq": str(record.sequence),
            "kind": record.kind,
            "hash": record.hash,
            "left-out": str(len(record.line) - 1),
        }
        level = severity(record.kind, record.decision)
        return self._header(level, record.time, record.kind, parameters)

    def of_checkpoint(self, chain: Chain, checkpoint: Checkpoint) -> bytes | None:
        parameters = {
            "trail": chain.trail,
            "writer": chain.writer,
            "seq": str(checkpoint.sequence),
            "kind": "checkpoint",
            "size": str(checkpoint.size),
        }
        return self._whole(NOTICE, checkpoint.time, "checkpoint", parameters, checkpoint.line)

    def of_gap(self, gap: Gap) -> bytes:
        parameters = {
            "trail": gap.chain.trail,
            "writer": gap.chain.writer,
            "kind": "gap",
            "first": str(gap.first),
            "last": str(gap.last),
            "reason": gap.reason,
        }
        return self._header(severity("gap", ""), gap.time, "gap", parameters)

    def _whole(
        self, level: int, time: str, kind: str, parameters: dict[str, str], line: bytes
    ) -> bytes | None:
        header = self._header(level, time, kind, parameters)
        message = header + b" " + _BOM + line.removesuffix(b"\n")
        return message if len(message) <= self._most else None

    def _header(self, level: int, time: str, kind: str, parameters: dict[str, str]) -> bytes:
        data = "".join(f' {name}="{_escaped(value)}"' for name, value in parameters.items())
        text = f"<{FACILITY * 8 + level}>1 {time} {self._origin} {kind} [{self._id}{data}]"
        return text.encode()


def frame(message: bytes) -> bytes:
    """Octet counting; RFC 6587, 3.4.1."""
    return b"%d %b" % (len(message), message)


def _escaped(value: str) -> str:
    """RFC 5424, 6.3.3."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
