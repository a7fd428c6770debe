"""Time-based one-time passwords: what an authenticator app shows beside a password.

Source: RFC 6238 (TOTP) and RFC 4226 (HOTP). SHA-1 and six digits, since that is what every app
knows; HMAC does not rest on SHA-1's resistance to collisions (RFC 6238, section 1.2, RFC 6194).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

STEP_SECONDS: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20
"""The length of the hash, as RFC 4226 asks for (section 4, R6)."""
MIN_SECRET_BYTES: Final = 16
WINDOW: Final = 1
"""Steps before and after the present one that count too: RFC 6238, section 5.2, advises one for the
way of the password and clocks that differ."""


@dataclass(frozen=True, slots=True)
class OneTime:
    """A user's secret, and which of its passwords are used up."""

    secret: bytes = field(repr=False)
    used: int = -1
    """The last step whose password was accepted: it and all before are over."""

    def encode(self) -> str:
        """The secret in base 32, as apps take it."""
        return base64.b32encode(self.secret).decode("ascii").rstrip("=")

    def uri(self, user: str, issuer: str = "dbguard") -> str:
        """What a QR code for authenticator apps holds."""
        label = f"{quote(issuer, safe='')}:{quote(user, safe='')}"
        return (
            f"otpauth://totp/{label}?secret={self.encode()}&issuer={quote(issuer, safe='')}"
            f"&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
        )


def parse_secret(text: str) -> bytes | None:
    """A secret in base 32; None when it is none, or too short to be one."""
    if not text.isascii():
        return None
    try:
        found = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        return None
    return found if len(found) >= MIN_SECRET_BYTES else None


def password_at(secret: bytes, step: int, digits: int = DIGITS, digest: str = "sha1") -> str:
    """The password of one step (RFC 4226, section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), digest)
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


def step_at(seconds: float) -> int:
    """The step of a time in seconds since 1970."""
    return int(seconds // STEP_SECONDS)


def verify(one_time: OneTime, password: str, seconds: float) -> OneTime | None:
    """What to keep from now on when `password` is right at that time, since it must not be taken
    again; None when it is wrong, over or used.

    The password of every step of the window is compared, in constant time.
    """
    now = step_at(seconds)
    found: int | None = None
    for step in range(max(0, now - WINDOW), now + WINDOW + 1):
        right = hmac.compare_digest(
            password_at(one_time.secret, step).encode("ascii"),
            password.encode("utf-8", "backslashreplace"),
        )
        if right and step > one_time.used and found is None:
            found = step
    return None if found is None else replace(one_time, used=found)
