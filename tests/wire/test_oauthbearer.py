"""OAUTHBEARER messages: RFC 7628's own, libpq's, and everything that has to be refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.errors import FeatureNotSupported, ProtocolViolation
from dbguard.wire.oauthbearer import (
    MalformedOauth,
    check_acknowledgement,
    failure,
    parse_response,
)

GOOD = {
    "libpq": (b"n,,\x01auth=Bearer a.b.c\x01\x01", b"a.b.c"),
    "RFC 7628, section 4.1, without its authorization identity": (
        b"n,,\x01host=server.example.com\x01port=143\x01"
        b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01",
        b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
    ),
    "a client that could bind a channel": (b"y,,\x01auth=Bearer x\x01\x01", b"x"),
    "scheme in another case, more spaces": (b"n,,\x01auth=bEARER   x\x01\x01", b"x"),
    "unknown keys": (b"n,,\x01x=\x01auth=Bearer x\x01Auth=y\x01\x01", b"x"),
    "no bearer token": (b"n,,\x01auth=Basic eDp5\x01\x01", None),
    "an empty token": (b"n,,\x01auth=Bearer \x01\x01", None),
    "a token with a space": (b"n,,\x01auth=Bearer a b\x01\x01", None),
    "a token with = in it": (b"n,,\x01auth=Bearer a=b\x01\x01", None),
    "a token with a line end": (b"n,,\x01auth=Bearer a\n\x01\x01", None),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_messages(case: str) -> None:
    message, token = GOOD[case]
    response = parse_response(message)
    assert (response.token, response.discovers) == (token, False)
    assert token is None or token.decode() not in repr(response)


def test_discovery() -> None:
    assert parse_response(b"n,,\x01auth=\x01\x01").discovers


BAD = {
    "empty": (b"", "is empty"),
    "too long": (b"n,,\x01auth=Bearer " + b"x" * 65536 + b"\x01\x01", "too long"),
    "a NUL": (b"n,,\x01auth=Bearer x\x01\x01\0", "does not match"),
    "channel binding": (b"p=tls-unique,,\x01auth=Bearer x\x01\x01", "channel binding"),
    "no flag": (b",,\x01auth=Bearer x\x01\x01", "flag"),
    "another flag": (b"N,,\x01auth=Bearer x\x01\x01", "flag"),
    "flag alone": (b"n", "flag"),
    "no comma": (b"n,", "separator expected"),
    "no separator": (b"n,,", "separator expected"),
    "something before it": (b"n,,x\x01auth=Bearer x\x01\x01", "separator expected"),
    "another attribute": (b"n,b=x,\x01auth=Bearer x\x01\x01", "separator expected"),
    "no pairs": (b"n,,\x01\x01", "does not contain an auth value"),
    "nothing": (b"n,,\x01", "final terminator"),
    "another key": (b"n,,\x01Auth=Bearer x\x01\x01", "does not contain an auth value"),
    "no end of the pair": (b"n,,\x01auth=Bearer x", "final terminator"),
    "no final end": (b"n,,\x01auth=Bearer x\x01", "final terminator"),
    "more behind the end": (b"n,,\x01auth=Bearer x\x01\x01y", "additional data"),
    "one more end": (b"n,,\x01auth=Bearer x\x01\x01\x01", "additional data"),
    "a key alone": (b"n,,\x01auth\x01\x01", "key without a value"),
    "no key": (b"n,,\x01=Bearer x\x01\x01", "invalid key name"),
    "a key with digits": (b"n,,\x01auth2=Bearer x\x01\x01", "invalid key name"),
    "a key with a line end": (b"n,,\x01auth\n=Bearer x\x01\x01", "invalid key name"),
    "other letters": ("n,,\x01auth=Bearer ü\x01\x01".encode(), "invalid value"),
    "a control character": (b"n,,\x01auth=Bearer x\x07\x01\x01", "invalid value"),
    "twice": (b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01", "multiple auth values"),
    "twice, one empty": (b"n,,\x01auth=\x01auth=Bearer y\x01\x01", "multiple auth values"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_messages(case: str) -> None:
    message, words = BAD[case]
    with pytest.raises(MalformedOauth) as caught:
        parse_response(message)
    assert caught.value.message == "malformed OAUTHBEARER message"
    assert words in caught.value.detail


def test_nobody_acts_for_somebody_else() -> None:
    with pytest.raises(FeatureNotSupported, match="authorization identity"):
        parse_response(b"n,a=user@example.com,\x01auth=Bearer x\x01\x01")


def test_the_failure_says_where_to_get_a_token() -> None:
    url = "https://issuer.example/.well-known/openid-configuration"
    assert json.loads(failure(url, "openid email")) == {
        "status": "invalid_token",
        "openid-configuration": url,
        "scope": "openid email",
    }


@pytest.mark.parametrize("message", [b"", b"\x01\x01", b"\x00", b"n,,\x01auth=Bearer x\x01\x01"])
def test_a_failure_has_to_be_acknowledged(message: bytes) -> None:
    check_acknowledgement(b"\x01")
    with pytest.raises(MalformedOauth, match="malformed OAUTHBEARER"):
        check_acknowledgement(message)


@settings(deadline=None)
@given(st.binary(max_size=64) | st.text(alphabet="ny,\x01=authBer x", max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    try:
        response = parse_response(message)
    except (ProtocolViolation, FeatureNotSupported):
        return
    assert response.token is None or response.token in message
