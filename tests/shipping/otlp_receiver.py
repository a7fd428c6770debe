"""An OTLP/HTTP receiver for logs: strict about HTTP and about the JSON mapping."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

HEX = set("0123456789abcdef")


def as_protobuf(document: dict[str, Any]) -> Any:
    """The request as OpenTelemetry's own messages read it. Unknown members are errors."""
    service = pytest.importorskip(
        "opentelemetry.proto.collector.logs.v1.logs_service_pb2",
        reason="needs opentelemetry-proto (extra shipping)",
    )
    from base64 import b64encode

    from google.protobuf import json_format

    for record in records_of(document):  # hexadecimal in OTLP, base64 in protobuf's own mapping
        for name in ("traceId", "spanId"):
            if name in record:
                record[name] = b64encode(bytes.fromhex(record[name])).decode()
    return json_format.ParseDict(document, service.ExportLogsServiceRequest())


def records_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        record
        for resource in document["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]


def value_of(value: dict[str, Any]) -> Any:
    """An AnyValue. Raises ValueError when it is not exactly one."""
    ((kind, inner),) = value.items()
    if kind == "stringValue" and isinstance(inner, str):
        return inner
    if kind == "intValue" and isinstance(inner, str):
        return int(inner)
    if kind == "arrayValue" and set(inner) == {"values"}:
        return [value_of(found) for found in inner["values"]]
    raise ValueError(f"not an AnyValue: {value}")


def check(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The log records, attributes as a dictionary. Raises ValueError for what is not OTLP."""
    if set(document) != {"resourceLogs"}:
        raise ValueError("not an ExportLogsServiceRequest")
    found = []
    for record in records_of(document):
        known = {
            "timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "body",
            "attributes", "traceId", "spanId", "flags",
        }  # fmt: skip
        if set(record) - known:
            raise ValueError(f"unknown members: {set(record) - known}")
        for name in ("timeUnixNano", "observedTimeUnixNano"):
            if not isinstance(record[name], str) or len(str(int(record[name]))) != 19:
                raise ValueError(f"{name} is not a fixed64 as a string")
        if not 1 <= record["severityNumber"] <= 24:
            raise ValueError("severityNumber")
        for name, size in (("traceId", 32), ("spanId", 16)):
            if name in record and (len(record[name]) != size or set(record[name]) - HEX):
                raise ValueError(f"{name} is not hexadecimal")
        attributes = {entry["key"]: value_of(entry["value"]) for entry in record["attributes"]}
        if len(attributes) != len(record["attributes"]):
            raise ValueError("an attribute stands there twice")
        found.append(record | {"attributes": attributes, "body": value_of(record["body"])})
    return found


@dataclass
class Receiver:
    """Answers with what `answers` holds, one by one, and with success when it is empty."""

    records: list[dict[str, Any]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    def listen(self, context: ssl.SSLContext | None = None) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                status, headers, body = receiver.take(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def take(self, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.headers.append(dict(request.headers.items()))
        if self.answers:
            return self.answers.pop(0)
        try:
            if request.path != "/v1/logs" or request.headers["Content-Type"] != "application/json":
                raise ValueError("not OTLP/HTTP with JSON")
            if request.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            document = json.loads(body)
            self.records += check(document)
            self.documents.append(document)
        except (ValueError, KeyError) as error:
            self.problems.append(str(error))
            return 400, {}, b"{}"
        return 200, {}, b"{}"
