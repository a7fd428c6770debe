"""The PROXY protocol's header: addresses read, everything else refused."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from dbguard.errors import ProtocolViolation
from dbguard.wire.proxy_header import FIXED_BYTES, SIGNATURE, client_address, header_length


def header(client: str, *, command: int = 0x21, extra: bytes = b"") -> bytes:
    address = ipaddress.ip_address(client)
    server = ipaddress.ip_address("192.0.2.1" if address.version == 4 else "2001:db8::1")
    body = address.packed + server.packed + struct.pack("!HH", 50000, 6432) + extra
    family = 0x11 if address.version == 4 else 0x21
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body)) + body


@pytest.mark.parametrize("client", ["203.0.113.7", "2001:db8::7"])
def test_the_clients_address(client: str) -> None:
    data = header(client, extra=b"\x04\x00\x01x")
    assert header_length(data[:FIXED_BYTES]) == len(data)
    assert client_address(data) == client


@pytest.mark.parametrize(
    "data",
    [
        header("203.0.113.7", command=0x20),
        SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
        SIGNATURE + b"\x21\x00\x00\x00",
    ],
    ids=["the balancer's own check", "unix socket", "unspecified"],
)
def test_the_connections_own_address_stands(data: bytes) -> None:
    assert header_length(data[:FIXED_BYTES]) == len(data)
    assert client_address(data) is None


@pytest.mark.parametrize(
    "start",
    [
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f" + bytes(8),
        b"PROXY TCP4 203.0",
        SIGNATURE + b"\x11\x11\x00\x0c",
        SIGNATURE + b"\x22\x11\x00\x0c",
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
    ids=["no header", "version 1", "wrong version", "unknown command", "too long"],
)
def test_anything_else_is_refused(start: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        header_length(start)
    assert refused.value.message == (
        "no PROXY protocol header came from an address that has to send one"
    )


def test_an_address_that_is_cut_off_is_refused() -> None:
    data = SIGNATURE + b"\x21\x21\x00\x04\x00\x00\x00\x00"
    with pytest.raises(ProtocolViolation) as refused:
        client_address(data)
    assert refused.value.message == "the PROXY protocol header is too short for its addresses"
