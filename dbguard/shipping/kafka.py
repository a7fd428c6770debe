"""Destination `kafka`: one message a record, by librdkafka's idempotent producer.

The writer is the key, so the records of a chain stay in one partition, in order. A batch counts as
taken when all replicas in sync have each of its messages (`acks=all`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource

from .destination import Rejected, Unavailable
from .items import Chain, CheckpointBatch, Gap, RecordBatch
from .one_thread import OneThread

_TOO_LARGE: Final = (
    "MSG_SIZE_TOO_LARGE",
    "_INVALID_ARG",
    "INVALID_RECORD",
    "RECORD_LIST_TOO_LARGE",
)
Message = tuple[bytes, bytes, list[tuple[str, bytes]]]
"""Key, value and headers."""


class KafkaTopic:
    """See the module."""

    def __init__(
        self,
        name: str,
        servers: str,
        topic: str,
        options: Mapping[str, SecretSource],
        timeout: float,
    ) -> None:
        self._servers = servers
        self._topic = topic
        self._options = options
        self._timeout = timeout
        self._thread = OneThread(f"ship-{name}")
        self._producer: Any = None
        self._failure = ""

    async def send_records(self, batch: RecordBatch) -> None:
        await self._send(
            [
                _message(batch.chain, record.sequence, record.kind, record.line, record.hash)
                for record in batch.records
            ]
        )

    async def send_checkpoints(self, batch: CheckpointBatch) -> None:
        await self._send(
            [
                _message(batch.chain, found.sequence, "checkpoint", found.line, found.root)
                for found in batch.checkpoints
            ]
        )

    async def send_gap(self, gap: Gap) -> None:
        await self._send([_message(gap.chain, gap.last, "gap", gap.line, "")])

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(TimeoutError):  # its thread may hang
                async with asyncio.timeout(3):
                    await self._thread.run(lambda: _abandon(producer))
        self._thread.end()

    async def _send(self, messages: list[Message]) -> None:
        configuration = await self._configuration() if self._producer is None else {}
        await self._thread.run(lambda: self._produce(messages, configuration))

    async def _configuration(self) -> dict[str, object]:
        found: dict[str, object] = {
            "client.id": "dbguard",
            "linger.ms": 5,
            "compression.type": "zstd",
            "message.timeout.ms": int(self._timeout * 600),
            "socket.timeout.ms": int(min(self._timeout * 600, 60_000)),
        }
        for name, source in self._options.items():
            try:
                found[name] = await read_secret(source)
            except SecretUnavailable as error:
                raise Unavailable(f"option {name} is not to be had: {error}") from None
        return found | {
            "bootstrap.servers": self._servers,
            "enable.idempotence": True,
            "acks": "all",
            "error_cb": self._note,
            "logger": _silent(),
        }

    def _note(self, error: Any) -> None:
        self._failure = str(error.name())

    def _produce(self, messages: list[Message], configuration: dict[str, object]) -> None:
        from confluent_kafka import KafkaException, Producer

        if self._producer is None:
            try:
                self._producer = Producer(configuration)
            except (KafkaException, ValueError, TypeError):
                raise Unavailable("librdkafka does not take the options that are given") from None
        producer = self._producer
        failures: list[str] = []

        def told(error: Any, _: object) -> None:
            if error is not None:
                failures.append(str(error.name()))

        end = time.monotonic() + self._timeout * 0.75
        try:
            for key, value, headers in messages:
                while True:
                    try:
                        producer.produce(self._topic, value, key, headers=headers, on_delivery=told)
                        break
                    except BufferError:
                        producer.poll(0.1)
                        if time.monotonic() > end:
                            raise
            waiting = producer.flush(max(0.1, end - time.monotonic()))
        except KafkaException as error:
            failures.append(str(error.args[0].name()))
            waiting = 0
        except BufferError:
            waiting = 1
        if failures or waiting:
            # what is left in its queue must not be delivered behind what comes next
            self._producer = None
            _abandon(producer)
            _raise(failures[0] if failures else self._failure or "_TIMED_OUT")
        self._failure = ""


def _abandon(producer: Any) -> None:
    producer.purge()
    producer.flush(1)


def _raise(name: str) -> None:
    if name in _TOO_LARGE:
        raise Rejected(f"Kafka says {name}")
    raise Unavailable(f"Kafka says {name}")


def _message(chain: Chain, sequence: int, kind: str, line: bytes, digest: str) -> Message:
    headers = [
        ("trail", chain.trail.encode()),
        ("writer", chain.writer.encode()),
        ("seq", str(sequence).encode()),
        ("kind", kind.encode()),
        ("hash", digest.encode()),
    ]
    return (chain.writer or chain.trail).encode(), line.removesuffix(b"\n"), headers


def _silent() -> logging.Logger:
    """librdkafka's own lines may show what it is configured with."""
    found = logging.getLogger("dbguard.shipping.kafka")
    found.disabled = True
    return found
