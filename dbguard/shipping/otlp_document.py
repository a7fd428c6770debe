"""Records as OpenTelemetry logs: the JSON of an ExportLogsServiceRequest.

Source: opentelemetry-proto 1.x (`logs/v1/logs.proto`, `collector/logs/v1`), its JSON mapping: names
in lowerCamelCase, 64-bit integers as strings, trace and span ids in hexadecimal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from dbguard import __version__

from .items import Chain, Checkpoint, Gap, Record, moment

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, section 3.2."""
_SEVERITIES: Final = {"deny": (13, "WARN"), "error": (17, "ERROR")}
_KINDS: Final = {"security": (21, "FATAL"), "recovery": (17, "ERROR"), "drift": (13, "WARN")}
_INFO: Final = (9, "INFO")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS: Final = (
    ("session", "dbguard.session"),
    ("principal_user", "db.user"),
    ("database", "db.namespace"),
    ("client_address", "client.address"),
    ("action", "db.operation.name"),
    ("phase", "dbguard.phase"),
    ("fingerprint", "dbguard.fingerprint"),
    ("environment", "deployment.environment.name"),
    ("sqlstate", "db.response.status_code"),
)
_LISTS: Final = (("rules", "dbguard.rules"), ("relations", "dbguard.relations"))


def request(records: list[dict[str, object]], host: str, now: datetime) -> bytes:
    """The whole request."""
    for record in records:
        record["observedTimeUnixNano"] = _nanoseconds(now)
    return orjson.dumps(
        {
            "resourceLogs": [
                {
                    "resource": {
                        "attributes": [
                            _attribute("service.name", "dbguard"),
                            _attribute("service.version", __version__),
                            _attribute("host.name", host),
                        ]
                    },
                    "scopeLogs": [
                        {
                            "scope": {"name": "dbguard.audit", "version": __version__},
                            "logRecords": records,
                        }
                    ],
                }
            ]
        }
    )


def of_record(chain: Chain, record: Record) -> dict[str, object]:
    """A record with what programs search by."""
    members = record.members
    decision = record.decision
    number, text = _SEVERITIES.get(decision) or _KINDS.get(record.kind, _INFO)
    attributes = [
        *_identity(chain, record.kind),
        _number("dbguard.seq", record.sequence),
        _attribute("dbguard.hash", record.hash),
    ]
    if decision:
        attributes.append(_attribute("dbguard.decision", decision))
    attributes += [
        _attribute(name, value)
        for member, name in _TEXTS
        if isinstance(value := members.get(member), str) and value
    ]
    attributes += [
        _list(name, value)
        for member, name in _LISTS
        if isinstance(value := members.get(member), list) and value
    ]
    document = _record(record.time, number, text, record.line, attributes)
    traceparent = members.get("traceparent")
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if match and set(match[1]) != {"0"} and set(match[2]) != {"0"}:
        document |= {"traceId": match[1], "spanId": match[2], "flags": int(match[3], 16)}
    return document


def of_checkpoint(chain: Chain, checkpoint: Checkpoint) -> dict[str, object]:
    attributes = [
        *_identity(chain, "checkpoint"),
        _number("dbguard.seq", checkpoint.sequence),
        _number("dbguard.size", checkpoint.size),
    ]
    return _record(checkpoint.time, *_INFO, checkpoint.line, attributes)


def of_gap(gap: Gap) -> dict[str, object]:
    attributes = [
        *_identity(gap.chain, "gap"),
        _number("dbguard.first", gap.first),
        _number("dbguard.last", gap.last),
    ]
    return _record(gap.time, 17, "ERROR", gap.line, attributes)


def _identity(chain: Chain, kind: str) -> list[dict[str, object]]:
    return [
        _attribute("dbguard.trail", chain.trail),
        _attribute("dbguard.writer", chain.writer),
        _attribute("dbguard.kind", kind),
        _attribute("event.name", f"dbguard.audit.{kind}"),
    ]


def _record(
    time: str, number: int, text: str, line: bytes, attributes: list[dict[str, object]]
) -> dict[str, object]:
    return {
        "timeUnixNano": _nanoseconds(moment(time)),
        "severityNumber": number,
        "severityText": text,
        "body": {"stringValue": line.decode("utf-8", "replace").removesuffix("\n")},
        "attributes": attributes,
    }


def _nanoseconds(time: datetime) -> str:
    return str((time - _EPOCH) // timedelta(microseconds=1) * 1000)


def _attribute(name: str, value: str) -> dict[str, object]:
    return {"key": name, "value": {"stringValue": value}}


def _number(name: str, value: int) -> dict[str, object]:
    return {"key": name, "value": {"intValue": str(value)}}


def _list(name: str, values: list[object]) -> dict[str, object]:
    texts = [{"stringValue": value} for value in values if isinstance(value, str)]
    return {"key": name, "value": {"arrayValue": {"values": texts}}}
