"""What a client is asked for: by what is configured, its connection and its name, and by nothing
that would tell who exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from dbguard.errors import ProtocolViolation
from dbguard.identity.certificate_map import read_map
from dbguard.identity.issuer import issuer_of
from dbguard.identity.known_users import KnownUsers
from dbguard.identity.store import change_users
from dbguard.identity.users import User
from dbguard.policy.decision import Identity, Proof
from dbguard.proxy.identities import Identities
from dbguard.proxy.streams import Stream
from dbguard.token_settings import TokenSettings
from dbguard.wire import backend
from dbguard.wire.framing import BackendSplitter, Frame
from dbguard.wire.scram import make_verifier
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from tests.authority import CN, Authority, O, subject

ISSUER = {
    "issuer": "https://issuer.example",
    "audience": "dbguard",
    "password_users": "pw-*",
    "bearer_users": "*@clinic",
}
MAP = "cn ana ana roles=mapped\ncn ana known roles=mapped\ncn ana off\n"


@dataclass
class Connected:
    """As much of a connection as decides what is asked."""

    uses_tls: bool = True
    is_local: bool = False
    certificate: bytes | None = None

    @property
    def is_protected(self) -> bool:
        return self.uses_tls or self.is_local


class Setup:
    def __init__(self, folder: Path) -> None:
        (folder / "map").write_text(MAP)
        verifier = make_verifier("demo", b"salt of a test!!", 4096)
        names = ("known", "pw-known", "known@clinic", "off")
        users = {n: User(n, verifier, frozenset({"stored"}), disabled=n == "off") for n in names}
        change_users(folder / "users.json", lambda known: known.update(users))
        self.known = KnownUsers(folder / "users.json")
        self.issuer = issuer_of(TokenSettings.model_validate(ISSUER))
        self.map = read_map(folder / "map")

    def asked(self, proofs: str, user: str, client: Connected) -> list[object]:
        """What `user` is told first, with these letters of (u)sers, (t)okens, (c)ertificates."""
        identities = Identities(
            (),
            self.known if "u" in proofs else None,
            b"end point",
            b"secret",
            self.issuer if "t" in proofs else None,
            self.map if "c" in proofs else None,
        )
        startup = StartupMessage(PROTOCOL_3_0, (("user", user), ("database", "clinic")))
        exchange = identities.identifying(startup, cast(Stream, client))
        exchange.begin()
        if exchange.identity is not None:
            return [exchange.identity]
        splitter = BackendSplitter()
        splitter.feed(b"".join(exchange.to_client))
        found: list[object] = []
        while isinstance(item := splitter.next(), Frame):
            found.append(backend.decode(item))
        return found


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return Setup(tmp_path_factory.mktemp("identities"))


TLS, PLAIN, LOCAL = Connected(), Connected(uses_tls=False), Connected(False, True)
BOUND, SCRAM, BEARER = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER"
CELLS: list[tuple[str, str, Connected, tuple[str, ...] | None]] = [
    ("u", "{}", TLS, (BOUND, SCRAM)),
    ("u", "{}", PLAIN, (SCRAM,)),
    ("u", "pw-{}", TLS, (BOUND, SCRAM)),
    ("ut", "{}", TLS, (BOUND, SCRAM, BEARER)),
    ("ut", "{}", LOCAL, (SCRAM, BEARER)),
    ("ut", "{}", PLAIN, (SCRAM,)),
    ("ut", "pw-{}", TLS, None),
    ("ut", "pw-{}", LOCAL, None),
    ("ut", "pw-{}", PLAIN, (SCRAM,)),
    ("ut", "{}@clinic", TLS, (BEARER,)),
    ("ut", "{}@clinic", PLAIN, (SCRAM,)),
    ("t", "{}", TLS, (BEARER,)),
    ("t", "{}", LOCAL, (BEARER,)),
    ("tc", "{}", TLS, (BEARER,)),
    ("utc", "{}", TLS, (BOUND, SCRAM, BEARER)),
]


@pytest.mark.parametrize("name", ["known", "nobody"])
@pytest.mark.parametrize(("proofs", "user", "client", "mechanisms"), CELLS)
def test_what_is_asked(
    setup: Setup,
    proofs: str,
    user: str,
    client: Connected,
    mechanisms: tuple[str, ...] | None,
    name: str,
) -> None:
    """The same of who exists and of who does not; None: a token as a password."""
    expected: object = backend.AuthenticationCleartextPassword()
    if mechanisms is not None:
        expected = backend.AuthenticationSASL(mechanisms)
    assert setup.asked(proofs, user.format(name), client) == [expected]


@pytest.mark.parametrize("user", ["ana", "pw-ana", "ana@clinic"])
@pytest.mark.parametrize("proofs", ["t", "tc"])
def test_no_token_where_it_could_be_read(setup: Setup, proofs: str, user: str) -> None:
    with pytest.raises(ProtocolViolation, match="tokens are taken over TLS only") as caught:
        setup.asked(proofs, user, PLAIN)
    assert caught.value.hint == "Connect with sslmode=require."


ANA = Authority().issue(subject=subject((O, "Clinic"), (CN, "ana"))).der


def failed(told: list[object]) -> tuple[str, str]:
    (message,) = told
    assert isinstance(message, backend.ErrorResponse)
    return message.fields.sqlstate, message.fields.message


@pytest.mark.parametrize("proofs", ["c", "tc", "uc", "utc"])
def test_a_certificate_is_enough(setup: Setup, proofs: str) -> None:
    client = Connected(certificate=ANA)
    mapped = Identity("ana", Proof.CERTIFICATE, frozenset({"mapped"}))
    assert setup.asked(proofs, "ana", client) == [mapped]
    roles = frozenset({"stored" if "u" in proofs else "mapped"})
    known = Identity("known", Proof.CERTIFICATE, roles)
    assert setup.asked(proofs, "known", client) == [known]
    if "u" in proofs:
        failure = ("28000", 'certificate authentication failed for user "off"')
        assert failed(setup.asked(proofs, "off", client)) == failure


@pytest.mark.parametrize("shown", [None, ANA, b"no certificate"], ids=["none", "another's", "junk"])
def test_a_certificate_that_does_not_stand_for_the_user(setup: Setup, shown: bytes | None) -> None:
    client = Connected(certificate=shown)
    for user in ("bob", "Ana", "ana ", "dba"):
        failure = ("28000", f'certificate authentication failed for user "{user}"')
        assert failed(setup.asked("c", user, client)) == failure
        asked: Any = setup.asked("utc", user, client)[0]
        assert asked.mechanisms == (BOUND, SCRAM, BEARER)


def test_a_certificate_means_nothing_without_a_map(setup: Setup) -> None:
    (asked,) = setup.asked("u", "ana", Connected(certificate=ANA))
    assert asked == backend.AuthenticationSASL((BOUND, SCRAM))
