"""OpenTelemetry logs, taken by a receiver that checks them against the specification."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from dbguard.audit.records import EventRecord, RecordKind, Verdict
from dbguard.setting_types import SecretSource
from dbguard.shipping.delivering import Delivery, GivenUp
from dbguard.shipping.making import make_destination

from .otlp_receiver import Receiver, as_protobuf
from .places import QUICK, Said, Trail, decision, settings_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.listen()
    yield made
    made.close()


def shipping(trail: Trail, said: Said, url: str, **members: object) -> Delivery:
    settings = settings_of(**({"type": "otlp", "url": url} | members))
    destination = make_destination(settings, said)
    return Delivery(trail.directory, settings, destination, said, pace=QUICK, by_hand=True)


def url(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.port}/v1/logs"


@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_records_as_logs(
    trail: Trail, said: Said, receiver: Receiver, compression: str
) -> None:
    trail.add(1)
    trail.add(1, lambda number: decision(number, Verdict.DENY))
    trail.add(1, lambda number: EventRecord(RecordKind.SECURITY, "", (("event", "tripwire"),)))
    trail.checkpoint()
    await shipping(trail, said, url(receiver), compression=compression).run(once=True)
    assert receiver.problems == []
    assert [record["body"].encode() + b"\n" for record in receiver.records[:3]] == trail.lines()
    assert [record["severityText"] for record in receiver.records] == [
        "INFO", "WARN", "FATAL", "INFO",
    ]  # fmt: skip
    attributes = receiver.records[1]["attributes"]
    assert attributes["dbguard.seq"] == 2
    assert attributes["dbguard.decision"] == "deny"
    assert attributes["db.user"] == "ana"
    assert attributes["dbguard.relations"] == ["clinic.patients"]
    assert len(attributes["dbguard.hash"]) == 64
    assert receiver.records[3]["attributes"]["dbguard.kind"] == "checkpoint"


async def test_opentelemetrys_own_messages_read_it(
    trail: Trail, said: Said, receiver: Receiver
) -> None:
    traced = replace(decision(1), traceparent=f"00-{TRACE}-{SPAN}-01")
    trail.add(1, lambda number: traced)
    trail.add(3)
    await shipping(trail, said, url(receiver)).run(once=True)
    assert receiver.records[0]["traceId"] == TRACE
    assert "traceId" not in receiver.records[1]
    message = as_protobuf(receiver.documents[0])
    (resource,) = message.resource_logs
    first = resource.scope_logs[0].log_records[0]
    assert (first.trace_id.hex(), first.span_id.hex(), first.flags) == (TRACE, SPAN, 1)
    assert first.body.string_value.encode() + b"\n" == trail.lines()[0]
    assert {entry.key for entry in resource.resource.attributes} >= {"service.name"}


async def test_what_is_worth_trying_again(trail: Trail, said: Said, receiver: Receiver) -> None:
    trail.add(3)
    receiver.answers = [
        (503, {"Retry-After": "Mon, 20 Nov 99999999999999999999 19:12:08 -0500"}, b""),
        (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b""),
    ]
    await shipping(trail, said, url(receiver)).run(once=True)
    assert len(receiver.records) == 3
    assert said.events() == [
        "a destination is away", "a destination is away", "a destination takes records again",
    ]  # fmt: skip


async def test_a_partial_success_is_not_tried_again(
    trail: Trail, said: Said, receiver: Receiver
) -> None:
    trail.add(1)
    partial = b'{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}'
    receiver.answers = [(200, {}, partial)]
    with pytest.raises(GivenUp, match="record 1 is rejected: the receiver took all but 1"):
        await shipping(trail, said, url(receiver)).run(once=True)
    assert len(receiver.headers) == 1
    receiver.answers = [(200, {}, b'{"partialSuccess":{"errorMessage":"deprecated"}}')]
    await shipping(trail, said, url(receiver)).run(once=True)


async def test_one_record_that_is_too_large_is_found(
    trail: Trail, said: Said, receiver: Receiver
) -> None:
    trail.add(4)
    receiver.answers = [(413, {}, b""), (413, {}, b""), (413, {}, b"")]
    with pytest.raises(GivenUp, match="record 1 is rejected: HTTP status 413"):
        await shipping(trail, said, url(receiver)).run(once=True)


async def test_headers_are_read_anew_and_never_shown(
    trail: Trail, said: Said, receiver: Receiver, tmp_path: Path
) -> None:
    trail.add(1)
    secret = tmp_path / "secret"
    secret.write_text("Bearer s3cret-1\n")
    receiver.answers = [(401, {}, b"Bearer s3cret-1 is wrong")] * 3
    headers = {"Authorization": SecretSource(file=secret)}
    delivery = shipping(trail, said, url(receiver), headers=headers)
    with pytest.raises(GivenUp, match=r"does not let dbguard in \(HTTP status 401\)") as caught:
        await delivery.run(once=True)
    assert receiver.headers[0]["Authorization"] == "Bearer s3cret-1"
    cursor = (trail.directory / "shipping" / "place.json").read_text()
    assert not any("s3cret" in text for text in (str(caught.value), str(said), cursor))
    secret.write_text("Bearer s3cret-2\n")
    await shipping(trail, said, url(receiver), headers=headers).run(once=True)
    assert receiver.headers[-1]["Authorization"] == "Bearer s3cret-2"


async def test_tls_checks_the_name(trail: Trail, said: Said, tmp_path: Path) -> None:
    trail.add(1)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    receiver = Receiver()
    receiver.listen(context)
    tls = {"ca": tmp_path / "ca.crt"}
    for host in ("127.0.0.1", "localhost"):
        where = f"https://{host}:{receiver.port}/v1/logs"
        if host == "127.0.0.1":
            with pytest.raises(GivenUp, match="certificate is not to be trusted"):
                await shipping(trail, said, where, tls=tls).run(once=True)
        else:
            await shipping(trail, said, where, tls=tls).run(once=True)
    assert len(receiver.records) == 1
    receiver.close()


async def test_what_does_not_speak_otlp(trail: Trail, said: Said, receiver: Receiver) -> None:
    trail.add(1)
    for answer, words in (
        ((200, {}, b"<html>"), "not one of OTLP"),
        ((301, {"Location": "http://elsewhere/"}, b""), "HTTP status 301"),
        ((404, {}, b""), "HTTP status 404"),
    ):
        receiver.answers = [answer] * 3
        with pytest.raises(GivenUp, match=words):
            await shipping(trail, said, url(receiver)).run(once=True)
