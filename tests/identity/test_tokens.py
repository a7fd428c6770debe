"""Tokens: which prove something, what they prove, and everything that has to be refused."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.identity.claims import ClaimMapping, TokenRefused
from dbguard.identity.keys import MAX_KEYS, NoKeySet, parse_key_set
from dbguard.identity.tokens import MAX_BYTES, TokenRules, VerifiedToken, read_token, verify
from dbguard.policy.decision import Proof
from dbguard.token_settings import TokenAlgorithm
from tests.oidc import Key, claims_of, ec_key, ed_key, key_set, rsa_key, signed

ISSUER = "https://issuer.example/realm"
NOW = 1_800_000_000.0
KEY = rsa_key()
RULES = TokenRules(
    issuer=ISSUER,
    audiences=frozenset({"dbguard", "db"}),
    algorithms=frozenset(TokenAlgorithm),
    mapping=ClaimMapping(
        roles=("realm", "groups"),
        role_map=(("db", ("analyst", "reader")), ("ops", ("operator",))),
        attributes=(("department", ("dept",)), ("purpose", ("why",))),
    ),
)


def checked(
    token: str | bytes, keys: bytes = b"", rules: TokenRules = RULES, now: float = NOW
) -> VerifiedToken:
    text = token.encode() if isinstance(token, str) else token
    read = read_token(text, rules)
    found = parse_key_set(keys or key_set(KEY), rules.algorithms)
    return verify(read, found.fitting(read.key_id, read.algorithm), rules, now)


def token(**more: Any) -> str:
    return signed(claims_of(ISSUER, NOW, **more), KEY)


def refusal(text: str | bytes, **options: Any) -> str:
    with pytest.raises(TokenRefused) as caught:
        checked(text, **options)
    return caught.value.reason


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def resigned(header: object, claims: object) -> str:
    """Header and claims as they are given, with a right signature."""
    text = f"{encoded(header)}.{encoded(claims)}"
    return signed_text(text)


def signed_text(text: str) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signature = KEY.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{encoded(signature)}"


HEADER = {"alg": "RS256", "typ": "JWT", "kid": "one"}


@pytest.mark.parametrize(
    "key",
    [
        *(rsa_key("one", name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        *(ec_key("ec", name) for name in ("ES256", "ES384", "ES512")),
        ed_key(),
    ],
    ids=lambda key: key.algorithm,
)
def test_every_algorithm(key: Key) -> None:
    found = checked(signed(claims_of(ISSUER, NOW), key), key_set(key))
    assert (found.identity.name, found.identity.proof) == ("ana", Proof.TOKEN)
    assert found.expires == NOW + 3600 + 30


def test_claims_become_an_identity() -> None:
    claims = {"realm": {"groups": ["db", "db", "x"]}, "dept": "oncology", "why": ["care", "audit"]}
    identity = checked(token(**claims)).identity
    assert identity.roles == {"analyst", "reader"}
    assert identity.attributes == {
        ("department", "oncology"),
        ("purpose", "care"),
        ("purpose", "audit"),
    }
    assert checked(token(realm={"groups": "ops"})).identity.roles == {"operator"}
    assert checked(token(why=True, dept=7)).identity.attributes == {
        ("purpose", "true"),
        ("department", "7"),
    }


FINE: dict[str, Callable[[], str]] = {
    "several audiences": lambda: token(aud=["other", "db"]),
    "within the skew of clocks": lambda: token(
        iat=int(NOW) + 29, nbf=int(NOW) + 29, exp=int(NOW) + 60
    ),
    "over, within the skew": lambda: token(iat=int(NOW) - 90, exp=int(NOW) - 29),
    "fractions of seconds": lambda: token(iat=NOW - 0.5, exp=NOW + 0.5),
    "the longest": lambda: token(exp=int(NOW) + 86400),
    "an access token": lambda: signed(claims_of(ISSUER, NOW), KEY, typ="at+JWT"),
    "another spelling of the type": lambda: signed(claims_of(ISSUER, NOW), KEY, typ="jwt"),
    "no type": lambda: resigned({"alg": "RS256", "kid": "one"}, claims_of(ISSUER, NOW)),
    "no name of a key, and one key": lambda: resigned({"alg": "RS256"}, claims_of(ISSUER, NOW)),
    "a name with other letters": lambda: token(sub="Ana Müller-Łukasz"),
    "no groups": lambda: token(realm=[]),
    "empty audience beside it": lambda: token(aud=["dbguard", ""]),
    "keys in the header, which mean nothing": lambda: signed(
        claims_of(ISSUER, NOW),
        KEY,
        jku="https://evil.example",
        x5c=["x"],
        x5u="https://evil.example",
    ),
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_fine(case: str) -> None:
    assert checked(FINE[case]()).identity.proof is Proof.TOKEN


CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": ISSUER + "/"}, "another issuer"),
    "no issuer": ({"iss": None}, "another issuer"),
    "issuers": ({"iss": [ISSUER]}, "another issuer"),
    "another audience": ({"aud": "dbguard2"}, "another audience"),
    "audience in another case": ({"aud": "DBGUARD"}, "another audience"),
    "other audiences": ({"aud": ["a", "b"]}, "another audience"),
    "no audience": ({"aud": None}, "no usable audience"),
    "an empty audience": ({"aud": []}, "another audience"),
    "an audience that is no text": ({"aud": {"dbguard": 1}}, "no usable audience"),
    "one of them no text": ({"aud": ["dbguard", 1]}, "no usable audience"),
    "too many audiences": ({"aud": ["dbguard"] * 65}, "no usable audience"),
    "expired": ({"iat": int(NOW) - 90, "exp": int(NOW) - 30}, "expired"),
    "no expiry": ({"exp": None}, "no usable time"),
    "expiry as a text": ({"exp": str(int(NOW) + 60)}, "no usable time"),
    "expiry true": ({"exp": True}, "no usable time"),
    "expiry far away": ({"exp": 1e300}, "no usable time"),
    "expiry below zero": ({"exp": -1}, "no usable time"),
    "no time of issue": ({"iat": None}, "no usable time"),
    "no time of issue, but one from which it is valid": (
        {"iat": None, "nbf": int(NOW)},
        "no usable time of issue",
    ),
    "issued in the future, valid before": ({"iat": int(NOW) + 31, "nbf": 0}, "not valid yet"),
    "issued in the future": ({"iat": int(NOW) + 31}, "not valid yet"),
    "not before": ({"nbf": int(NOW) + 31}, "not valid yet"),
    "not before as a text": ({"nbf": "0"}, "from which"),
    "for too long": ({"exp": int(NOW) + 86401}, "max_lifetime"),
    "for too long, backwards": ({"nbf": int(NOW) - 86400}, "max_lifetime"),
    "no name": ({"sub": None}, "no usable name in claim sub"),
    "an empty name": ({"sub": ""}, "no usable name"),
    "a name that is a number": ({"sub": 7}, "no usable name"),
    "a name with a NUL": ({"sub": "ana\0"}, "no usable name"),
    "a name with a line end": ({"sub": "ana\n"}, "no usable name"),
    "a name with a space": ({"sub": " ana"}, "no usable name"),
    "a name with half a character": ({"sub": "ana\ud800"}, "no usable name"),
    "a name turned around": ({"sub": "\u202eana"}, "no usable name"),
    "a long name": ({"sub": "a" * 256}, "no usable name"),
    "a name long in bytes": ({"sub": "ü" * 128}, "no usable name"),
    "groups that are no texts": ({"realm": {"groups": [1.5]}}, "claim realm.groups"),
    "groups that are an object": ({"realm": {"groups": {"db": 1}}}, "claim realm.groups"),
    "too many groups": ({"realm": {"groups": ["x"] * 1001}}, "too many values"),
    "a long group": ({"realm": {"groups": ["x" * 257]}}, "no usable value"),
    "groups that are elsewhere": ({"_claim_names": {"realm": "src1"}}, "not in the token"),
    "too many values": ({"why": ["x"] * 65}, "too many values of attributes"),
    "a control character": ({"dept": "a\tb"}, "no usable value in claim dept"),
    "bound to a key": ({"cnf": {"jkt": "x"}}, "bound to a key"),
    "about a logout": ({"events": {}}, "another kind"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_claims_that_are_refused(case: str) -> None:
    claims, words = CLAIMS[case]
    assert words in refusal(token(**claims))


def header(**more: Any) -> str:
    return resigned({**HEADER, **more}, claims_of(ISSUER, NOW))


def hs256() -> str:
    """Signed with the public key as if it were a secret: the oldest attack on tokens."""
    public = KEY.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = f"{encoded({**HEADER, 'alg': 'HS256'})}.{encoded(claims_of(ISSUER, NOW))}"
    return f"{text}.{encoded(hmac.digest(public, text.encode(), 'sha256'))}"


def parts() -> list[str]:
    return token().split(".")


OTHER = rsa_key("one", number=1)
TOKENS: dict[str, tuple[Callable[[], str | bytes], str]] = {
    "nothing": (lambda: "", "not a signed token"),
    "two parts": (lambda: ".".join(parts()[:2]), "not a signed token"),
    "four parts": (lambda: token() + ".x", "not a signed token"),
    "encrypted": (lambda: "a.b.c.d.e", "not a signed token"),
    "too long": (lambda: "x" * (MAX_BYTES + 1), "too long"),
    "no signature": (lambda: ".".join([*parts()[:2], ""]), "malformed"),
    "no signature, none": (
        lambda: f"{encoded({'alg': 'none'})}.{parts()[1]}.",
        "malformed",
    ),
    "none": (lambda: f"{encoded({'alg': 'none'})}.{parts()[1]}.eA", "an algorithm that is not"),
    "None": (lambda: f"{encoded({'alg': 'nOnE'})}.{parts()[1]}.eA", "an algorithm that is not"),
    "HS256 with the public key": (hs256, "an algorithm that is not"),
    "no algorithm": (lambda: resigned({}, claims_of(ISSUER, NOW)), "an algorithm that is not"),
    "algorithms": (lambda: header(alg=["RS256"]), "an algorithm that is not"),
    "algorithm in another case": (lambda: header(alg="rs256"), "an algorithm that is not"),
    "another algorithm with the key": (lambda: header(alg="PS256"), "key that the issuer"),
    "an algorithm of other keys": (lambda: header(alg="ES256"), "key that the issuer"),
    "another key": (lambda: signed(claims_of(ISSUER, NOW), OTHER), "wrong signature"),
    "another key, given along": (
        lambda: signed(claims_of(ISSUER, NOW), OTHER, jwk=OTHER.public()),
        "wrong signature",
    ),
    "an unknown key": (
        lambda: signed(claims_of(ISSUER, NOW), rsa_key("two")),
        "key that the issuer",
    ),
    "a name of a key that is none": (lambda: header(kid=["one"]), "malformed"),
    "a name of a key that is a path": (lambda: header(kid="../one"), "key that the issuer"),
    "a long name of a key": (lambda: header(kid="x" * 513), "malformed"),
    "an extension": (lambda: header(crit=["exp"]), "an extension"),
    "an empty list of extensions": (lambda: header(crit=[]), "an extension"),
    "without base64": (lambda: header(b64=False), "an extension"),
    "an encrypted one's header": (lambda: header(enc="A256GCM"), "an extension"),
    "compressed": (lambda: header(zip="DEF"), "an extension"),
    "a token in a token": (lambda: header(cty="JWT"), "another type"),
    "a logout token": (lambda: header(typ="logout+jwt"), "another type"),
    "a proof of possession": (lambda: header(typ="dpop+jwt"), "another type"),
    "a type that is none": (lambda: header(typ=7), "another type"),
    "claims that are no object": (lambda: resigned(HEADER, [1]), "malformed"),
    "claims twice": (
        lambda: resigned(HEADER, json.dumps(claims_of(ISSUER, NOW))[:-1].encode() + b',"sub":"b"}'),
        "malformed",
    ),
    "header twice": (
        lambda: resigned(b'{"alg":"none","alg":"RS256"}', claims_of(ISSUER, NOW)),
        "malformed",
    ),
    "a number that JSON does not have": (lambda: resigned(HEADER, b'{"exp":NaN}'), "malformed"),
    "a number out of bounds": (lambda: resigned(HEADER, b'{"exp":1e999}'), "malformed"),
    "a number without end": (
        lambda: resigned(HEADER, b'{"exp":' + b"9" * 5000 + b"}"),
        "malformed",
    ),
    "a deep claim": (
        lambda: resigned(HEADER, b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}"),
        "malformed",
    ),
    "claims that are no text": (lambda: resigned(HEADER, b'{"a":"\xff"}'), "malformed"),
    "a mark at the beginning": (lambda: resigned(HEADER, b"\xef\xbb\xbf{}"), "malformed"),
    "padding": (lambda: signed_text(parts()[0] + "=." + parts()[1]), "malformed"),
    "other base64": (lambda: f"{parts()[0]}.{parts()[1]}+.{parts()[2]}", "malformed"),
    "a space": (lambda: token() + " ", "malformed"),
    "a line end": (lambda: token() + "\n", "malformed"),
    "bits that mean nothing": (lambda: resigned(HEADER, b'{"a":7}') + "B", "malformed"),
    "a claim changed": (
        lambda: f"{parts()[0]}.{encoded(claims_of(ISSUER, NOW, sub='dba'))}.{parts()[2]}",
        "wrong signature",
    ),
    "a signature cut": (lambda: token()[:-6], "wrong signature"),
}


@pytest.mark.parametrize("case", TOKENS)
def test_tokens_that_are_refused(case: str) -> None:
    make, words = TOKENS[case]
    assert words in refusal(make())


def test_only_pinned_algorithms_count() -> None:
    rules = replace(RULES, algorithms=frozenset({TokenAlgorithm.ES256}))
    both = key_set(KEY, ec_key())
    assert "an algorithm that is not" in refusal(token(), keys=both, rules=rules)


def test_email_counts_when_it_is_verified() -> None:
    rules = replace(RULES, mapping=ClaimMapping(identity=("email",)))
    for verified in (True, "true"):
        found = checked(token(email="ana@clinic.example", email_verified=verified), rules=rules)
        assert found.identity.name == "ana@clinic.example"
    for verified in (None, False, "yes", 1, ["true"]):
        text = token(email="ana@clinic.example", email_verified=verified)
        assert "not verified" in refusal(text, rules=rules)


@pytest.mark.parametrize(
    ("claims", "fits"),
    [
        ({"azp": "cli", "scope": "openid db"}, True),
        ({"azp": "cli", "scope": "openid dbx"}, False),
        ({"azp": "cli", "scope": ["db"]}, True),
        ({"azp": "web", "scope": "db"}, False),
        ({"azp": "", "scope": "db"}, True),
        ({"scope": "db"}, False),
        ({"azp": "cli"}, False),
    ],
)
def test_required_claims(claims: dict[str, Any], fits: bool) -> None:
    rules = replace(RULES, require=((("azp",), ("cli", "")), (("scope",), ("db",))))
    if fits:
        assert checked(token(**claims), rules=rules)
    else:
        assert "tokens.require" in refusal(token(**claims), rules=rules)


def test_a_claim_that_only_has_to_be_there() -> None:
    rules = replace(RULES, require=((("a", "b"), ()),))
    assert checked(token(a={"b": "x"}), rules=rules)
    assert "claim a.b" in refusal(token(a={"c": "x"}), rules=rules)


def test_without_a_name_there_must_be_no_choice() -> None:
    nameless = resigned({"alg": "RS256"}, claims_of(ISSUER, NOW))
    two = key_set(KEY, rsa_key("two", number=1))
    assert "key that the issuer" in refusal(nameless, keys=two)
    assert checked(nameless, key_set(KEY, ec_key())).identity.name == "ana"


def test_keys_of_the_same_name() -> None:
    both = key_set(rsa_key("one", number=1), KEY)
    assert checked(token(), both).identity.name == "ana"
    many = key_set(*[rsa_key("one", number=1)] * 4, KEY)
    assert "wrong signature" in refusal(token(), keys=many)


WEAK = rsa.generate_private_key(65537, 1024)
UNUSABLE: dict[str, bytes | dict[str, Any]] = {
    "no JSON": b"<html>",
    "a list": b"[]",
    "no keys": b"{}",
    "an empty set": b'{"keys":[]}',
    "keys that are none": b'{"keys":[1,null,"x",[]]}',
    "a name twice": b'{"keys":[],"keys":[' + json.dumps(KEY.public()).encode() + b"]}",
    "too many": json.dumps({"keys": [KEY.public()] * (MAX_KEYS + 1)}).encode(),
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "one"},
    "for encryption": KEY.public(use="enc"),
    "for other operations": KEY.public(key_ops=["sign"]),
    "operations that are none": KEY.public(key_ops="verify"),
    "another algorithm": KEY.public(alg="RSA-OAEP"),
    "weak": Key("one", "RS256", WEAK).public(),
    "with its private part": {**KEY.public(), "d": "AQAB"},
    "an even exponent": KEY.public(e="AQAA"),
    "exponent one": KEY.public(e="AQ"),
    "no modulus": KEY.public(n=None),
    "a modulus that is a number": KEY.public(n=7),
    "a modulus that is not base64": KEY.public(n="!!"),
    "a huge modulus": KEY.public(n=encoded(b"\xff" * 2048)),
    "a name that is none": KEY.public(kid=7),
    "a point that is not on the curve": ec_key().public(x="AA" + "A" * 41),
    "another curve": ec_key().public(crv="P-384"),
    "a curve that is none": ec_key().public(crv=["P-256"]),
    "coordinates that are not base64url": ec_key().public(x="A" * 42 + "+"),
    "a short key": ed_key().public(x="AAAA"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_keys_that_cannot_be_used(case: str) -> None:
    data = UNUSABLE[case]
    text = data if isinstance(data, bytes) else json.dumps({"keys": [data]}).encode()
    with pytest.raises(NoKeySet):
        parse_key_set(text, frozenset(TokenAlgorithm))


def test_keys_of_other_algorithms_are_none() -> None:
    with pytest.raises(NoKeySet):
        parse_key_set(key_set(KEY, ec_key()), frozenset({TokenAlgorithm.PS256}))


def test_keys_that_cannot_be_used_do_not_hide_others() -> None:
    keys = [KEY.public(use="enc"), 1, {"kty": "new"}, KEY.public(alg=None), KEY.public()]
    keys[3].pop("alg")  # type: ignore[union-attr]
    assert checked(token(), json.dumps({"keys": keys}).encode()).identity.name == "ana"


def test_nothing_that_is_shown_holds_a_token() -> None:
    read = read_token(token(sub="Ana-Secret").encode(), RULES)
    assert "Ana-Secret" not in repr(read)
    assert token()[:20] not in repr(read)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="ey.J-_A0", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with pytest.raises(TokenRefused):
        checked(text)


TEXTS = st.text("ab.\0\ud800é", max_size=5)
ATOMS = st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e18) | TEXTS
VALUES = ATOMS | st.lists(ATOMS, max_size=3) | st.dictionaries(TEXTS, ATOMS, max_size=3)
NAMES = ["iss", "aud", "sub", "exp", "iat", "nbf", "realm", "dept", "why", "cnf", "_claim_names"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_claims_are_taken_or_refused(claims: dict[str, Any]) -> None:
    text = resigned(HEADER, {**claims_of(ISSUER, NOW), **claims})
    try:
        found = checked(text)
    except TokenRefused:
        return
    assert found.expires > NOW


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["kty", "kid", "crv", "use", "alg", "n", "e", "x"]), VALUES))
def test_any_key_is_taken_or_left(jwk: dict[str, Any]) -> None:
    for known in (KEY.public(), {}):
        try:
            parse_key_set(
                json.dumps({"keys": [{**known, **jwk}]}).encode(), frozenset(TokenAlgorithm)
            )
        except NoKeySet:
            continue


def test_groups_that_did_not_fit_into_the_token() -> None:
    rules = replace(RULES, mapping=ClaimMapping(roles=("groups",)))
    assert "not in the token" in refusal(token(hasgroups=True), rules=rules)
    assert checked(token(hasgroups=False, groups=["a"]), rules=rules)
    assert checked(token(hasgroups=True))
