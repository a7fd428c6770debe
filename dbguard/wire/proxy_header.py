"""The PROXY protocol, version 2: a load balancer's word on who the client is.

Source: HAProxy, "The PROXY protocol", section 2.2 (binary header format).
"""

from __future__ import annotations

import ipaddress
from typing import Final

from dbguard.errors import ProtocolViolation

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_BYTES: Final = 16
"""Signature, version and command, family, and the length of what follows."""
MAX_BYTES: Final = 4096
"""Addresses take at most 216 bytes; the rest is for extensions (TLVs), which are not read."""

_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


def header_length(fixed: bytes) -> int:
    """Bytes of the whole header, told by its first FIXED_BYTES.

    Raises:
        ProtocolViolation: this is no header of version 2.
    """
    length = FIXED_BYTES + int.from_bytes(fixed[14:16], "big")
    if not fixed.startswith(SIGNATURE) or fixed[12] not in (_LOCAL, _PROXY) or length > MAX_BYTES:
        raise ProtocolViolation(
            "no PROXY protocol header came from an address that has to send one",
            hint="Switch on the PROXY protocol, version 2, in the load balancer, or take its "
            "address out of listen.proxy_protocol.",
        )
    return length


def client_address(header: bytes) -> str | None:
    """The client's address, None where the header leaves the connection's own to stand (a health
    check of the balancer itself, or a family that is not TCP over IP).

    Raises:
        ProtocolViolation: the header is too short for its family.
    """
    command, family = header[12], header[13]
    if command == _LOCAL or family not in (_TCP4, _TCP6):
        return None
    size = 4 if family == _TCP4 else 16
    packed = header[FIXED_BYTES : FIXED_BYTES + size]
    if len(header) < FIXED_BYTES + 2 * size + 4:  # two addresses, two ports
        raise ProtocolViolation("the PROXY protocol header is too short for its addresses")
    return str(ipaddress.ip_address(packed))
