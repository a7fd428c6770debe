"""One-time passwords: the vectors of RFC 4226 and RFC 6238, and that each is accepted once."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from dbguard.identity.one_time import OneTime, parse_secret, password_at, step_at, verify

RFC = b"12345678901234567890"
HOTP = (
    "755224", "287082", "359152", "969429", "338314",
    "254676", "287922", "162583", "399871", "520489",
)  # fmt: skip
"""RFC 4226, appendix D."""
SEEDS = {"sha1": RFC, "sha256": (RFC * 2)[:32], "sha512": (RFC * 4)[:64]}
TOTP = [
    (59, "94287082", "sha1"),
    (59, "46119246", "sha256"),
    (59, "90693936", "sha512"),
    (1111111109, "07081804", "sha1"),
    (1111111109, "68084774", "sha256"),
    (1111111109, "25091201", "sha512"),
    (1111111111, "14050471", "sha1"),
    (1111111111, "67062674", "sha256"),
    (1111111111, "99943326", "sha512"),
    (1234567890, "89005924", "sha1"),
    (1234567890, "91819424", "sha256"),
    (1234567890, "93441116", "sha512"),
    (2000000000, "69279037", "sha1"),
    (2000000000, "90698825", "sha256"),
    (2000000000, "38618901", "sha512"),
    (20000000000, "65353130", "sha1"),
    (20000000000, "77737706", "sha256"),
    (20000000000, "47863826", "sha512"),
]
"""RFC 6238, appendix B, with the seeds of its erratum 2866."""
NOW = 1111111109.0


@pytest.mark.parametrize(("count", "expected"), list(enumerate(HOTP)))
def test_vectors_of_rfc_4226(count: int, expected: str) -> None:
    assert password_at(RFC, count) == expected


@pytest.mark.parametrize(("seconds", "expected", "digest"), TOTP)
def test_vectors_of_rfc_6238(seconds: int, expected: str, digest: str) -> None:
    assert password_at(SEEDS[digest], step_at(seconds), 8, digest) == expected


@pytest.mark.parametrize(
    ("away", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_clocks_may_differ_by_a_step(away: int, accepted: bool) -> None:
    found = verify(OneTime(RFC), password_at(RFC, step_at(NOW) + away), NOW)
    assert (found is not None) is accepted
    if found is not None:
        assert found == OneTime(RFC, step_at(NOW) + away)


def test_none_is_accepted_twice_nor_one_before() -> None:
    step = step_at(NOW)
    used = verify(OneTime(RFC), password_at(RFC, step), NOW)
    assert used is not None
    for again in (step - 1, step):
        assert verify(used, password_at(RFC, again), NOW) is None
        assert verify(used, password_at(RFC, again), NOW + 15) is None
    after = verify(used, password_at(RFC, step + 1), NOW)
    assert after is not None
    assert verify(after, password_at(RFC, step + 1), NOW + 30) is None


@pytest.mark.parametrize(
    "password",
    ["", "000000", " 081804", "081804 ", "81804", "07081804", "０81804", "\ud800", "x" * 99],
)
def test_what_is_no_password(password: str) -> None:
    assert password_at(RFC, step_at(NOW)) == "081804"
    assert verify(OneTime(RFC), password, NOW) is None


def test_the_beginning_of_time() -> None:
    assert verify(OneTime(RFC), password_at(RFC, 0), 0.0) == OneTime(RFC, 0)


def test_what_an_app_reads() -> None:
    uri = urlsplit(OneTime(RFC).uri("anna m@clinic/x:y", "db guard"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/db%20guard:anna%20m%40clinic%2Fx%3Ay"
    assert parse_qs(uri.query) == {
        "secret": [base64.b32encode(RFC).decode()],
        "issuer": ["db guard"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_secrets_as_text() -> None:
    for length in (16, 19, 20, 32):
        secret = bytes(range(length))
        assert parse_secret(OneTime(secret).encode()) == secret
    for text in ("", "AAAA", "1" * 32, "ä" * 32, "a" * 32):
        assert parse_secret(text) is None
    assert "12345" not in repr(OneTime(RFC))
