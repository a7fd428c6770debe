"""Startup packets: what clients send, what nobody may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygwire import messages as oracle

from dbguard.errors import ProtocolViolation
from dbguard.wire.startup import (
    PROTOCOL_3_0,
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    decode_startup,
)

text = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)


def startup(*pairs: tuple[str, str]) -> StartupMessage:
    return StartupMessage(PROTOCOL_3_0, pairs)


@given(user=text.filter(bool), others=st.dictionaries(text.filter(bool), text, max_size=5))
def test_round_trip_and_oracle(user: str, others: dict[str, str]) -> None:
    others.pop("user", None)
    message = startup(("user", user), *others.items())
    raw = message.encode()
    assert decode_startup(raw[4:]) == message
    read = oracle.StartupMessage.decode(memoryview(raw[4:]))
    assert read.params == {"user": user, **others}
    assert read.to_wire() == raw


@given(st.binary(max_size=60))
def test_only_protocol_violation_comes_out(payload: bytes) -> None:
    for candidate in (payload, PROTOCOL_3_0.to_bytes(4, "big") + payload):
        try:
            message = decode_startup(candidate)
        except ProtocolViolation:
            continue
        assert message.encode()[4:] == candidate


@pytest.mark.parametrize(
    "message",
    [SSLRequest(), GSSENCRequest(), CancelRequest(4711, b"\x01\x02\x03\x04")],
    ids=lambda m: type(m).__name__,
)
def test_special_requests(message: SSLRequest | GSSENCRequest | CancelRequest) -> None:
    assert decode_startup(message.encode()[4:]) == message


def test_special_requests_against_oracle() -> None:
    assert SSLRequest().encode() == oracle.SSLRequest().to_wire()
    assert GSSENCRequest().encode() == oracle.GSSEncRequest().to_wire()
    theirs = oracle.CancelRequest(process_id=7, secret_key=b"abcd")
    assert CancelRequest(7, b"abcd").encode() == theirs.to_wire()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0\3\0",
        b"\0\3\0\0",
        b"\0\3\0\0user\0ann",
        b"\0\3\0\0user\0ann\0",
        b"\0\3\0\0user\0ann\0\0x",
        b"\0\3\0\0user\0ann\0user\0eve\0\0",
        b"\0\3\0\0database\0d\0\0",
        b"\0\3\0\0user\0\0\0",
        b"\0\3\0\0\0",
        b"\0\2\0\0" + bytes(288),
        b"\x04\xd2\x16\x2f\0",
        b"\x04\xd2\x16\x2e\0\0\0\1abc",
        b"\x04\xd2\x16\x2e\0\0\0\1" + bytes(257),
        b"\x04\xd2\x00\x00",
    ],
)
def test_malformed(payload: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_startup(payload)


def test_database_defaults_to_user() -> None:
    assert startup(("user", "ann")).database == "ann"
    assert startup(("user", "ann"), ("database", "")).database == "ann"
    assert startup(("user", "ann"), ("database", "clinic")).database == "clinic"


@pytest.mark.parametrize(
    ("value", "replication"),
    [
        ("true", True),
        ("database", True),
        ("1", True),
        ("on", True),
        ("nonsense", True),
        ("", True),
        ("o", True),
        ("false", False),
        ("F", False),
        ("off", False),
        ("OF", False),
        ("no", False),
        ("0", False),
    ],
)
def test_replication(value: str, replication: bool) -> None:
    assert startup(("user", "a"), ("replication", value)).replication is replication


def test_no_replication_parameter() -> None:
    assert not startup(("user", "a")).replication


def test_undecodable_bytes_are_kept() -> None:
    payload = b"\0\3\0\0user\0\xe9mile\0\0"
    message = decode_startup(payload)
    assert message.encode()[4:] == payload


def test_nul_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="NUL"):
        startup(("user", "a\0database")).encode()
