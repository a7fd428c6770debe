"""SCRAM: the RFC's own example, scramp as an oracle, and everything that has to be refused."""

from __future__ import annotations

import base64
import hashlib

import pytest
import scramp
from hypothesis import given
from hypothesis import strategies as st
from scramp.utils import saslprep as scramp_saslprep

from dbguard.errors import DbguardError, FeatureNotSupported
from dbguard.wire.scram import (
    MAX_ITERATIONS,
    SCRAM_SHA_256,
    Keys,
    MalformedScram,
    NoKeys,
    Password,
    RecoveredKeys,
    ScramClient,
    ScramServer,
    Verifier,
    WrongProof,
    WrongServer,
    keys_of,
    make_verifier,
    mock_verifier,
    parse_verifier,
)

PLUS = "SCRAM-SHA-256-PLUS"
SALT = b"0123456789abcdef"
END_POINT = hashlib.sha256(b"certificate").digest()
VERIFIER = make_verifier("secret", SALT, 64)

# RFC 7677, section 3
RFC_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
RFC_CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
RFC_SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
RFC_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
RFC_SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
RFC_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
RFC_SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def server(*, bound: bool = False, known: bool = True) -> ScramServer:
    return ScramServer(VERIFIER, "servernonce", END_POINT if bound else None, known)


def client(password: str = "secret", *, bound: bool = False) -> ScramClient:
    return ScramClient(Password(password), "clientnonce", END_POINT if bound else None)


def test_the_example_of_the_rfc_as_a_server() -> None:
    verifier = make_verifier("pencil", RFC_SALT)
    exchange = ScramServer(verifier, RFC_SERVER_NONCE)
    assert exchange.first(SCRAM_SHA_256, RFC_FIRST) == RFC_SERVER_FIRST
    proved = exchange.final(RFC_FINAL)
    assert proved.final == RFC_SERVER_FINAL
    assert proved.keys == keys_of("pencil", RFC_SALT, 4096)


def test_the_example_of_the_rfc_as_a_client() -> None:
    exchange = ScramClient(Password("pencil"), RFC_CLIENT_NONCE, user="user")
    assert exchange.first((SCRAM_SHA_256,)) == (SCRAM_SHA_256, RFC_FIRST)
    assert exchange.final(RFC_SERVER_FIRST) == RFC_FINAL
    exchange.check(RFC_SERVER_FINAL)


@pytest.mark.parametrize("bound", [False, True])
def test_both_sides_and_on_to_a_server_with_what_was_recovered(bound: bool) -> None:
    """The way of a login through dbguard: the keys come out of the client's proof."""
    ours, theirs = server(bound=bound), client(bound=bound)
    mechanism, message = theirs.first(ours.mechanisms)
    assert mechanism == (PLUS if bound else SCRAM_SHA_256)
    proved = ours.final(theirs.final(ours.first(mechanism, message)))
    theirs.check(proved.final)
    source = RecoveredKeys(VERIFIER, proved.keys)
    onward, upstream = ScramClient(source, "other"), ScramServer(VERIFIER, "upstream")
    again = upstream.final(onward.final(upstream.first(*onward.first(upstream.mechanisms))))
    onward.check(again.final)


@given(st.text(min_size=1, max_size=30), st.binary(min_size=8, max_size=24))
def test_scramp_agrees_as_a_client(password: str, salt: bytes) -> None:
    verifier = make_verifier(password, salt, 4096)
    try:
        if not scramp_saslprep(password):
            return  # nothing is left of it: PostgreSQL takes it as it is
        theirs = scramp.ScramClient(["SCRAM-SHA-256"], "user", password, c_nonce="abc")
        first = theirs.get_client_first()
        ours = ScramServer(verifier, "xyz")
        theirs.set_server_first(ours.first(SCRAM_SHA_256, first.encode()).decode())
        final = theirs.get_client_final()
    except scramp.ScramException:
        return  # a password that SASLprep forbids: PostgreSQL takes it as it is
    theirs.set_server_final(ours.final(final.encode()).final.decode())


def test_scramp_agrees_as_a_server() -> None:
    mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
    salt, stored, key, iterations = mechanism.make_auth_info("pässword", salt=SALT)
    theirs = mechanism.make_server(lambda _: (salt, stored, key, iterations), s_nonce="xyz")
    ours = ScramClient(Password("pässword"), "abc", user="user")
    theirs.set_client_first(ours.first((SCRAM_SHA_256,))[1].decode())
    theirs.set_client_final(ours.final(theirs.get_server_first().encode()).decode())
    ours.check(theirs.get_server_final().encode())


@pytest.mark.parametrize(
    ("given", "as_well"),
    [
        ("I\u00adX", "IX"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0627\u0031", "\u0627\u0031"),  # mixed directions: taken as it is
        ("\u0007x\u00e9", "\u0007x\u00e9"),  # a control character: taken as it is
    ],
)
def test_passwords_that_look_the_same(given: str, as_well: str) -> None:
    """Examples of RFC 4013, section 3."""
    assert keys_of(given, SALT, 2) == keys_of(as_well, SALT, 2)


def test_verifiers_are_kept_as_postgresql_keeps_them() -> None:
    assert parse_verifier(VERIFIER.encode()) == VERIFIER
    for wrong in (
        "",
        "md5c4ca4238a0b923820dcc509a6f75849b",
        "SCRAM-SHA-1$4096:AAAA$AAAA:AAAA",
        VERIFIER.encode()[:-4],
        VERIFIER.encode() + "x",
        VERIFIER.encode().replace("$64:", "$0:"),
        VERIFIER.encode().replace("$64:", f"${MAX_ITERATIONS + 1}:"),
    ):
        assert parse_verifier(wrong) is None


def test_a_mock_is_the_same_each_time_and_nobody_proves_it() -> None:
    mock = mock_verifier(b"secret of the process", "nobody")
    assert mock == mock_verifier(b"secret of the process", "nobody")
    assert mock.salt != mock_verifier(b"secret of the process", "somebody").salt
    assert mock.salt != mock_verifier(b"another process", "nobody").salt
    ours = ScramServer(mock, "n", known=False)
    theirs = client()
    with pytest.raises(WrongProof):
        ours.final(theirs.final(ours.first(*theirs.first(ours.mechanisms))))


def test_a_wrong_password() -> None:
    ours, theirs = server(), client("Secret")
    with pytest.raises(WrongProof):
        ours.final(theirs.final(ours.first(*theirs.first(ours.mechanisms))))


def test_nobody_is_let_in_by_a_proof_for_a_mock() -> None:
    """Even the right password is not enough where the user may not log in."""
    ours, theirs = server(known=False), client()
    with pytest.raises(WrongProof):
        ours.final(theirs.final(ours.first(*theirs.first(ours.mechanisms))))


FIRSTS = {
    "nothing": (SCRAM_SHA_256, b"", False),
    "no comma": (SCRAM_SHA_256, b"n", False),
    "no nonce": (SCRAM_SHA_256, b"n,,n=", False),
    "an empty nonce": (SCRAM_SHA_256, b"n,,n=,r=", False),
    "a nonce with a space": (SCRAM_SHA_256, b"n,,n=,r=a b", False),
    "a nonce that is no ASCII": (SCRAM_SHA_256, b"n,,n=,r=\xc3\xa4", False),
    "a zero byte": (SCRAM_SHA_256, b"n,,n=,r=a\0b", False),
    "another flag": (SCRAM_SHA_256, b"x,,n=,r=a", False),
    "the wrong order": (SCRAM_SHA_256, b"n,,r=a,n=", False),
    "something in place of an identity": (SCRAM_SHA_256, b"n,x,n=,r=a", False),
    "rest that is no attribute": (SCRAM_SHA_256, b"n,,n=,r=a,zzz", False),
    "a mechanism nobody offered": ("SCRAM-SHA-1", b"n,,n=,r=a", False),
    "binding where there is no TLS": (PLUS, b"p=tls-server-end-point,,n=,r=a", False),
    "binding by the weaker mechanism": (SCRAM_SHA_256, b"p=tls-server-end-point,,n=,r=a", True),
    "the stronger mechanism without binding": (PLUS, b"n,,n=,r=a", True),
    "another kind of binding": (PLUS, b"p=tls-unique,,n=,r=a", True),
    "taken for a downgrade": (SCRAM_SHA_256, b"y,,n=,r=a", True),
    "more than anybody sends": (SCRAM_SHA_256, b"n,,n=,r=" + b"a" * 70_000, False),
}


@pytest.mark.parametrize("name", FIRSTS)
def test_first_messages_that_are_refused(name: str) -> None:
    mechanism, message, bound = FIRSTS[name]
    with pytest.raises(MalformedScram) as caught:
        server(bound=bound).first(mechanism, message)
    assert "SCRAM" in caught.value.message or "SASL" in caught.value.message


@pytest.mark.parametrize("message", [b"n,a=admin,n=,r=x", b"n,,m=ext,n=,r=x"])
def test_what_postgresql_does_not_offer_either(message: bytes) -> None:
    with pytest.raises(FeatureNotSupported):
        server().first(SCRAM_SHA_256, message)


def finals(*, bound: bool) -> tuple[ScramServer, bytes]:
    ours, theirs = server(bound=bound), client(bound=bound)
    return ours, theirs.final(ours.first(*theirs.first(ours.mechanisms)))


ALTERED = {
    "nothing": lambda m: b"",
    "without the proof": lambda m: m.rpartition(b",p=")[0],
    "half of the proof": lambda m: m[:-20],
    "a proof that is no base64": lambda m: m[:-4] + b"####",
    "a longer proof": lambda m: m.rpartition(b",p=")[0] + b",p=" + base64.b64encode(b"x" * 33),
    "something behind the proof": lambda m: m + b",x=1",
    "another nonce": lambda m: m.replace(b"servernonce", b"serverNonce"),
    "the client's nonce only": lambda m: m.replace(b"servernonce", b""),
    "the wrong order": lambda m: b",".join((m.split(b",")[1], m.split(b",")[0], m.split(b",")[2])),
    "binding flags of another exchange": lambda m: b"c=eSws" + m[m.index(b",") :],
    "an attribute that is none": lambda m: m.replace(b",p=", b",zz,p="),
}


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("name", ALTERED)
def test_final_messages_that_are_refused(name: str, bound: bool) -> None:
    ours, right = finals(bound=bound)
    with pytest.raises(MalformedScram):
        ours.final(ALTERED[name](right))


def test_a_final_message_out_of_turn() -> None:
    with pytest.raises(MalformedScram):
        server().final(finals(bound=False)[1])


def test_a_replayed_exchange() -> None:
    """What another connection has sent is of no use with another nonce, or another certificate."""
    ours, theirs = server(), client()
    first = theirs.first(ours.mechanisms)
    final = theirs.final(ours.first(*first))
    later = ScramServer(VERIFIER, "othernonce")
    later.first(*first)
    with pytest.raises(MalformedScram, match="invalid SCRAM response"):
        later.final(final)


def test_somebody_in_the_middle_with_another_certificate() -> None:
    ours, theirs = server(bound=True), client(bound=True)
    theirs.end_point = hashlib.sha256(b"another certificate").digest()
    first = theirs.first(ours.mechanisms)
    with pytest.raises(MalformedScram, match="channel binding check failed"):
        ours.final(theirs.final(ours.first(*first)))


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"r=clientnonce,s=AAAA,i=4096",  # nothing was added: a message of long ago would do
        b"r=othernonceandmore,s=AAAA,i=4096",
        b"r=clientnonceX,s=,i=4096",
        b"r=clientnonceX,s=#,i=4096",
        b"r=clientnonceX,s=AAAA,i=0",
        b"r=clientnonceX,s=AAAA,i=-5",
        b"r=clientnonceX,s=AAAA,i=99999999999",
        b"r=clientnonceX,s=AAAA",
        b"s=AAAA,r=clientnonceX,i=4096",
    ],
)
def test_servers_that_play_games(first: bytes) -> None:
    exchange = client()
    exchange.first((SCRAM_SHA_256,))
    with pytest.raises(MalformedScram):
        exchange.final(first)


@pytest.mark.parametrize("final", [b"", b"v=", b"v=AAAA", b"e=invalid-proof", b"v=####"])
def test_servers_that_do_not_know_the_password(final: bytes) -> None:
    exchange = client()
    exchange.first((SCRAM_SHA_256,))
    exchange.final(b"r=clientnonceX,s=AAAA,i=2")
    with pytest.raises(WrongServer):
        exchange.check(final)


def test_recovered_keys_are_for_their_own_salt_only() -> None:
    source = RecoveredKeys(VERIFIER, Keys(b"c" * 32, b"s" * 32))
    for salt, iterations in ((b"other", 64), (SALT, 65)):
        with pytest.raises(NoKeys):
            source.keys(salt, iterations)


def test_a_server_that_offers_nothing_known() -> None:
    with pytest.raises(FeatureNotSupported):
        client().first(("OAUTHBEARER",))


@given(st.binary(max_size=80), st.binary(max_size=80), st.booleans())
def test_no_bytes_break_it(first: bytes, final: bytes, bound: bool) -> None:
    exchange = server(bound=bound)
    try:
        exchange.first(PLUS if bound else SCRAM_SHA_256, first)
        exchange.final(final)
    except (DbguardError, WrongProof):
        return
    raise AssertionError("somebody got in")


def test_nothing_secret_is_shown() -> None:
    ours, right = finals(bound=True)
    proved = ours.final(right)
    shown = repr((ours, client("hidden"), proved, VERIFIER, Password("hidden"), Verifier))
    assert "hidden" not in shown
    for part in (SALT, VERIFIER.stored_key, VERIFIER.server_key, proved.keys.client_key, right):
        assert repr(part)[2:-1] not in shown
