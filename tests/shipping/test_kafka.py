"""Kafka, by librdkafka's own mock cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from dbguard.setting_types import SecretSource
from dbguard.shipping.delivering import Delivery, GivenUp
from dbguard.shipping.making import make_destination

from .places import QUICK, Said, Trail, decision, settings_of

kafka: Any = pytest.importorskip("confluent_kafka", reason="needs confluent-kafka (extra kafka)")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The addresses of three brokers that live in a producer of this process."""
    keeper = kafka.Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "nowhere:1"})
    found: dict[int, Any] = {}
    end = time.monotonic() + 90
    while len(found) < 3 and time.monotonic() < end:
        found = keeper.list_topics(timeout=5).brokers
    yield ",".join(f"{broker.host}:{broker.port}" for broker in found.values())
    keeper.flush(1)


def shipping(trail: Trail, said: Said, servers: str, topic: str, **members: object) -> Delivery:
    given = {"type": "kafka", "servers": servers, "topic": topic}
    settings = settings_of(**(given | members))
    destination = make_destination(settings, said)
    return Delivery(trail.directory, settings, destination, said, pace=QUICK, by_hand=True)


def read(servers: str, topic: str, count: int) -> list[Any]:
    consumer = kafka.Consumer(
        {"bootstrap.servers": servers, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([kafka.TopicPartition(topic, number, 0) for number in partitions])
    found: list[Any] = []
    end = time.monotonic() + 90
    while len(found) < count and time.monotonic() < end:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
    consumer.close()
    return found


async def test_messages_are_the_lines_in_order(trail: Trail, said: Said, cluster: str) -> None:
    trail.add(30)
    trail.checkpoint()
    await shipping(trail, said, cluster, "audit").run(once=True)
    found = read(cluster, "audit", trail.count + 1)
    assert [message.value() + b"\n" for message in found[:-1]] == trail.lines()
    assert len({(message.key(), message.partition()) for message in found}) == 1
    headers = dict(found[0].headers())
    assert (headers["seq"], headers["kind"], len(headers["hash"])) == (b"1", b"decision", 64)
    assert dict(found[-1].headers())["kind"] == b"checkpoint"


async def test_nobody_is_there(trail: Trail, said: Said) -> None:
    trail.add(1)
    with pytest.raises(GivenUp, match="Kafka says"):
        await shipping(trail, said, "127.0.0.1:1", "audit", timeout=2).run(once=True)


async def test_too_large_for_the_topic(trail: Trail, said: Said, cluster: str) -> None:
    trail.add(3, lambda number: decision(number, text="x" * (9000 if number == 2 else 5)))
    options = {"message.max.bytes": SecretSource("5000")}
    with pytest.raises(GivenUp, match="record 2 is rejected: Kafka says MSG_SIZE_TOO_LARGE"):
        await shipping(trail, said, cluster, "small", options=options).run(once=True)
    await shipping(trail, said, cluster, "small", options=options, on_reject="skip").run(once=True)
    found = read(cluster, "small", 3)
    assert [dict(message.headers())["kind"] for message in found] == [
        b"decision", b"gap", b"decision",
    ]  # fmt: skip


async def test_options_that_are_none(trail: Trail, said: Said, cluster: str) -> None:
    trail.add(1)
    options = {"sasl.password": SecretSource("s3cret"), "no.such.option": SecretSource("x")}
    with pytest.raises(GivenUp, match="librdkafka does not take the options") as caught:
        await shipping(trail, said, cluster, "audit", options=options).run(once=True)
    assert "s3cret" not in str(caught.value) + str(said)
