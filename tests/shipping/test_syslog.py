"""Syslog, received by a receiver that knows nothing of dbguard."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from dbguard.audit.records import EventRecord, Record, RecordKind, Verdict
from dbguard.shipping.delivering import Delivery, GivenUp
from dbguard.shipping.making import make_destination

from .places import QUICK, Said, Trail, decision, settings_of
from .syslog_receiver import Datagrams, Receiver, parse


def shipping(trail: Trail, said: Said, **members: object) -> Delivery:
    settings = settings_of(**({"type": "syslog", "send": ["records"]} | members))
    destination = make_destination(settings, said)
    return Delivery(trail.directory, settings, destination, said, pace=QUICK, by_hand=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not condition():
            await asyncio.sleep(0.005)


def lines(receiver: Receiver | Datagrams) -> list[bytes]:
    return [(message.text or b"") + b"\n" for message in receiver.messages]


KINDS: list[tuple[Record, int]] = [
    (decision(1), 6),
    (decision(1, Verdict.DENY), 4),
    (decision(1, Verdict.ERROR), 3),
    (EventRecord(RecordKind.SECURITY, "", (("event", "tripwire"),)), 1),
    (EventRecord(RecordKind.RECOVERY, "", (("reason", "outage"),)), 3),
    (EventRecord(RecordKind.START, "", (("version", "1"),)), 5),
]


async def test_tcp_with_octet_counting(trail: Trail, said: Said) -> None:
    trail.add(20)
    trail.checkpoint()
    receiver = Receiver()
    await receiver.listen()
    await shipping(
        trail,
        said,
        address=f"127.0.0.1:{receiver.port}",
        transport="tcp",
        send=["records", "checkpoints"],
    ).run(once=True)
    await until(lambda: len(receiver.messages) == trail.count + 1)
    assert lines(receiver)[:-1] == trail.lines()
    first, checkpoint = receiver.messages[0], receiver.messages[-1]
    assert (first.facility, first.application, first.message_id) == (13, "dbguard", "decision")
    assert first.element == "dbguard@32473"
    assert first.parameters["seq"] == "1"
    assert first.parameters["decision"] == "allow"
    assert len(first.parameters["hash"]) == 64
    assert checkpoint.message_id == "checkpoint"
    assert checkpoint.parameters["size"] == str(trail.count)
    await receiver.close()


async def test_severity_says_what_was_decided(trail: Trail, said: Said) -> None:
    trail.add(len(KINDS), lambda number: KINDS[number - 1][0])
    receiver = Receiver()
    await receiver.listen()
    await shipping(trail, said, address=f"127.0.0.1:{receiver.port}", transport="tcp").run(
        once=True
    )
    await until(lambda: len(receiver.messages) == trail.count)
    assert [message.severity for message in receiver.messages] == [level for _, level in KINDS]
    await receiver.close()


async def test_a_receiver_that_hangs_up_misses_nothing(trail: Trail, said: Said) -> None:
    trail.add(30)
    receiver = Receiver(hang_up_after=11)
    await receiver.listen()
    task = shipping(trail, said, address=f"127.0.0.1:{receiver.port}", transport="tcp")
    await task.run(once=True)
    trail.add(5)
    await shipping(trail, said, address=f"127.0.0.1:{receiver.port}", transport="tcp").run(
        once=True
    )
    await until(lambda: set(trail.lines()) <= set(lines(receiver)))
    await receiver.close()


async def test_what_was_sent_last_over_a_broken_connection_is_sent_again(
    trail: Trail, said: Said
) -> None:
    trail.add(3)
    receiver = Receiver()
    await receiver.listen()
    shipper = shipping(trail, said, address=f"127.0.0.1:{receiver.port}", transport="tcp")
    task = asyncio.create_task(shipper.run())
    await until(lambda: len(receiver.messages) == 3)
    await receiver.close()
    again = Receiver()
    await again.listen(port=receiver.port)
    trail.add(1)
    await until(lambda: len(again.messages) == 4)
    assert lines(again) == trail.lines()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await again.close()


async def test_tls_checks_the_receivers_name(trail: Trail, said: Said, tmp_path: Path) -> None:
    trail.add(5)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("localhost").configure_cert(context)
    client = authority.issue_cert("dbguard")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.crt")
    receiver = Receiver()
    await receiver.listen(context)
    tls = {
        "ca": tmp_path / "ca.crt",
        "certificate": tmp_path / "client.crt",
        "key": tmp_path / "client.key",
    }
    await shipping(trail, said, address=f"localhost:{receiver.port}", tls=tls).run(once=True)
    await until(lambda: len(receiver.messages) == 5)
    assert lines(receiver) == trail.lines()
    trail.add(1)
    with pytest.raises(GivenUp, match="certificate is not to be trusted"):
        await shipping(trail, said, address=f"127.0.0.1:{receiver.port}", tls=tls).run(once=True)
    with pytest.raises(GivenUp, match="certificate is not to be trusted"):
        await shipping(trail, said, address=f"localhost:{receiver.port}").run(once=True)
    assert len(receiver.messages) == 5
    await receiver.close()


async def test_too_long_for_a_message(trail: Trail, said: Said) -> None:
    trail.add(3, lambda number: decision(number, text="x" * (5000 if number == 2 else 5)))
    receiver = Receiver()
    await receiver.listen()
    where = {"address": f"127.0.0.1:{receiver.port}", "transport": "tcp", "max_bytes": 3000}
    with pytest.raises(GivenUp, match=r"record 2 is rejected: it is longer than max_bytes \(3000"):
        await shipping(trail, said, **where).run(once=True)
    await shipping(trail, said, **where, on_reject="skip").run(once=True)
    await until(lambda: len(receiver.messages) == 3)
    first, gap, third = receiver.messages
    assert (first.parameters["seq"], third.parameters["seq"]) == ("1", "3")
    assert (gap.message_id, gap.parameters["first"], gap.parameters["reason"]) == (
        "gap",
        "2",
        "rejected",
    )
    await receiver.close()


async def test_datagrams_have_a_limit_and_say_what_they_leave_out(trail: Trail, said: Said) -> None:
    trail.add(3, lambda number: decision(number, text="x" * (5000 if number == 2 else 5)))
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    await shipping(trail, said, address=f"127.0.0.1:{port}", transport="udp").run(once=True)
    await until(lambda: len(protocol.messages) == 3)
    assert max(protocol.sizes) <= 2048
    assert [message.text is None for message in protocol.messages] == [False, True, False]
    assert int(protocol.messages[1].parameters["left-out"]) == len(trail.lines()[1]) - 1
    assert said.events("warning") == [
        "records that are too long for a datagram go without their line"
    ]
    transport.close()


async def test_nobody_listens(trail: Trail, said: Said) -> None:
    trail.add(1)
    with pytest.raises(GivenUp, match="it cannot be reached"):
        await shipping(trail, said, address="127.0.0.1:1", transport="tcp").run(once=True)


@pytest.mark.parametrize(
    "text",
    [
        b"<14>1 2026-11-21T08:00:00.1234567Z h a p m [x@1]",
        b"<192>1 2026-11-21T08:00:00Z h a p m [x@1]",
        b'<14>1 2026-11-21T08:00:00Z h a p m [x@1 a="]"]',
        b"<14>1 2026-11-21T08:00:00Z h a p m [x@1] no mark",
        b"<14>1 2026-11-21T08:00:00Z  a p m [x@1]",
    ],
)
def test_the_receiver_is_strict(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_escapes() -> None:
    from dbguard.shipping.items import Chain, Gap, Position
    from dbguard.shipping.syslog_format import MessageFormat

    reason = 'a "quoted" \\ and ] bracket'
    made = MessageFormat("höst name", 7, "dbguard@32473", 9000).of_gap(
        Gap(Chain("t", "w"), 1, 2, reason, "2026-11-21T08:00:00.000000Z", Position())
    )
    message = parse(made)
    assert message.parameters["reason"] == reason
    assert message.hostname == "hstname"
