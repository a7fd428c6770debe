"""Destination `otlp`: OpenTelemetry logs by OTLP/HTTP, JSON.

Source: OpenTelemetry Protocol Specification 1.x, OTLP/HTTP: which answers are worth trying again
(429, 502, 503, 504, with Retry-After), and partial success, which must not be tried again.
"""

from __future__ import annotations

import email.utils
import gzip
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import orjson

from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource

from .destination import Rejected, Unavailable
from .http_post import Answer, post
from .items import CheckpointBatch, Gap, RecordBatch
from .otlp_document import of_checkpoint, of_gap, of_record, request

_LATER: Final = (408, 429, 502, 503, 504)
_REFUSED: Final = (400, 413, 422)
"""The request itself is not what the receiver takes."""


class OtlpReceiver:
    """See the module."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, SecretSource],
        context: ssl.SSLContext,
        *,
        compress: bool,
    ) -> None:
        self._url = url
        self._headers = headers
        self._context = context
        self._compress = compress
        self._host = socket.gethostname()

    async def send_records(self, batch: RecordBatch) -> None:
        await self._send([of_record(batch.chain, record) for record in batch.records])

    async def send_checkpoints(self, batch: CheckpointBatch) -> None:
        await self._send([of_checkpoint(batch.chain, found) for found in batch.checkpoints])

    async def send_gap(self, gap: Gap) -> None:
        await self._send([of_gap(gap)])

    async def close(self) -> None:
        """Every request has a connection of its own."""

    async def _send(self, records: list[dict[str, object]]) -> None:
        now = datetime.now(UTC)
        body = request(records, self._host, now)
        headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
        if self._compress:
            body = gzip.compress(body, 5, mtime=0)
            headers.append(("Content-Encoding", "gzip"))
        for name, source in self._headers.items():
            try:
                value = await read_secret(source)
            except SecretUnavailable as error:
                raise Unavailable(f"header {name} is not to be had: {error}") from None
            if not value.isprintable() or not value.isascii():
                raise Unavailable(f"header {name} holds characters that a header cannot")
            headers.append((name, value))
        _judge(await post(self._url, headers, body, self._context), now)


def _judge(answer: Answer, now: datetime) -> None:
    if answer.status in _LATER:
        raise Unavailable(
            f"it answers with HTTP status {answer.status}",
            retry_after=_retry_after(answer.headers.get("retry-after", ""), now),
        )
    if answer.status in _REFUSED:
        raise Rejected(f"HTTP status {answer.status}")
    if answer.status in (401, 403):
        raise Unavailable(f"it does not let dbguard in (HTTP status {answer.status})")
    if not 200 <= answer.status < 300:
        raise Unavailable(f"it answers with HTTP status {answer.status}")
    rejected = _rejected(answer.body)
    if rejected:
        raise Rejected(f"the receiver took all but {rejected}")


def _rejected(body: bytes) -> int:
    """How many records a partial success has left out."""
    try:
        partial = orjson.loads(body or b"{}").get("partialSuccess") or {}
        return int(partial.get("rejectedLogRecords") or 0)
    except (ValueError, AttributeError, TypeError):
        raise Unavailable("its answer is not one of OTLP") from None


def _retry_after(text: str, now: datetime) -> float | None:
    """Seconds, from a number of them or a date; RFC 9110, 10.2.3."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
