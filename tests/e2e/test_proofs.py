"""Tokens and certificates as clients show them, in front of a server that knows neither."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
import trustme
from cryptography import x509

from dbguard.identity.store import change_users
from dbguard.identity.users import User
from dbguard.wire.scram import make_verifier
from tests.authority import CN, DAY, NOW, Authority, Issued, O, subject
from tests.oidc import LocalIssuer, rsa_key, running

from .conftest import Factory
from .oauth_client import giving
from .proxies import Guarded
from .test_tls import certificate, reload

pytestmark = pytest.mark.pg

RULES = """
roles:
  reader: {identities: []}
  oncologist: {attributes: {department: [oncology]}}
rules:
  - {id: reading, allow: [read], roles: [reader, oncologist]}
defaults:
  unclassified:
    {read: deny, write: deny, ddl: deny, privilege: deny, code: deny, maintenance: deny}
"""
SETTINGS = """
limits: {{analysis_timeout: 1m, idle_timeout: 8s, login_failures: 0}}
authentication:
  mode: identities
  users: users.json
  logins: [{{user: app, password: demo}}]
  tokens:
    issuer: {issuer}
    audience: dbguard
    ca: issuer-ca.crt
    skew: 0
    grace: 1s
    roles: {{claim: realm.groups, map: {{readers: reader}}}}
    attributes: {{department: dept}}
    keys: {{refetch: 1s}}
    password_users: ["pw-*"]
    bearer_users: ["lib*"]
  certificates: {{map: certificates.map, crl: revoked.pem}}
"""
MAP = r"""
cn      /cert-([a-z]+)/           cert-\1     roles=reader
cn      cert-ana                  oncall
email   nobody@clinic.example     stored      roles=reader
"""
LISTENER = (
    "tls: {mode: allow, certificate: server.crt, key: server.key, "
    "client_ca: clients-ca.crt, client_certificate: optional}"
)
READ = "SELECT x FROM public.seen"


@dataclass
class Proofs:
    """A proxy, the issuer that it trusts, and the authority of its clients."""

    proxy: Guarded
    issuer: LocalIssuer
    authority: Authority

    def dsn(self, user: str, password: str = "", **options: object) -> str:
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"{self.proxy.dsn(user, password=password)}?sslmode=require{more}"

    def connect(self, user: str, password: str = "", **options: object) -> Any:
        return closing(psycopg.connect(self.dsn(user, password, **options), autocommit=True))

    def files(self, issued: Issued) -> dict[str, Path]:
        certificate, key = issued.write(self.proxy.folder, "client")
        return {"sslcert": certificate, "sslkey": key}


@pytest.fixture(scope="module")
def database(module_database: Any) -> Any:
    module_database.create_user("app")
    module_database.execute("CREATE TABLE public.seen AS SELECT 7 AS x")
    module_database.execute("GRANT SELECT ON public.seen TO app")
    return module_database


@pytest.fixture(scope="module")
def proofs(database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proofs]:
    with ExitStack() as stack:
        issuer_ca = trustme.CA()
        issuer = stack.enter_context(running(LocalIssuer(), issuer_ca))
        factory = Factory(stack, tmp_path_factory.mktemp("proofs"))
        yield made(factory, database, issuer, issuer_ca)


def made(factory: Factory, database: Any, issuer: LocalIssuer, ca: trustme.CA) -> Proofs:
    settings = SETTINGS.format(issuer=issuer.url)
    proxy = factory(database, rules=None, durability="buffered", started=False, extra=settings)
    (proxy.folder / "rules" / "allowing.yaml").write_text(RULES)
    authority = Authority()
    ca.cert_pem.write_to_path(proxy.folder / "issuer-ca.crt")
    (proxy.folder / "clients-ca.crt").write_bytes(authority.pem)
    (proxy.folder / "revoked.pem").write_bytes(authority.crl())
    (proxy.folder / "certificates.map").write_text(MAP)
    certificate(trustme.CA(), proxy.folder)
    verifier = make_verifier("demo", b"salt of a test!!", 4096)
    users = {
        "stored": User("stored", verifier, attributes=frozenset({("department", "oncology")})),
        "cert-off": User("cert-off", verifier, disabled=True),
        "pw-off": User("pw-off", verifier, disabled=True),
    }
    change_users(proxy.folder / "users.json", lambda known: known.update(users))
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("listen: {", f"listen: {{{LISTENER}, ", 1), "utf-8")
    proxy.start()
    return Proofs(proxy, issuer, authority)


def recorded(proofs: Proofs, user: str, **fields: str) -> dict[str, str]:
    """The record of a login that has these fields; who fails need not wait for it.

    A name that only a token would have proved is not recorded before.
    """
    until = time.monotonic() + 90
    while time.monotonic() < until:
        for record in proofs.proxy.records("authentication"):
            found: dict[str, str] = record["fields"]
            unproved = "identity" not in found and found["user"].startswith("<unknown ")
            named = user in (found["user"], found.get("identity")) or unproved
            if named and fields.items() <= found.items():
                return found
        time.sleep(0.05)
    raise AssertionError("no record")


# tokens


def test_a_token_as_a_password(proofs: Proofs) -> None:
    token = proofs.issuer.token(sub="pw-ana", realm={"groups": ["readers", "x"]}, dept="ward")
    with proofs.connect("pw-ana", token) as session:
        assert session.execute("SELECT current_user, x FROM public.seen").fetchone() == ("app", 7)
    recorded(proofs, "pw-ana", result="accepted", proof="token")
    with proofs.connect("pw-otto", proofs.issuer.token(sub="pw-otto", dept="oncology")) as session:
        assert session.execute(READ).fetchone() == (7,)
    with (
        proofs.connect("pw-nora", proofs.issuer.token(sub="pw-nora", dept="ward")) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(READ)


async def test_asyncpg_with_a_token(proofs: Proofs) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=proofs.proxy.port,
        user="pw-ana",
        password=proofs.issuer.token(sub="pw-ana", realm={"groups": "readers"}),
        database=proofs.proxy.database,
        ssl=context,
    )
    try:
        assert await connection.fetchval(READ) == 7
    finally:
        await connection.close()


WRONG = 'password authentication failed for user "{}"'


@pytest.mark.parametrize(
    ("user", "claims", "reason"),
    [
        ("pw-ana", {"sub": "pw-bob"}, "the token is somebody else's"),
        ("pw-ana", {"exp": 1_500_000_000, "iat": 1_499_999_999}, "expired"),
        ("pw-ana", {"aud": "other"}, "made for another audience"),
        ("pw-ana", {"iss": "https://other.example"}, "made by another issuer"),
        ("pw-off", {"sub": "pw-off"}, "the user is disabled"),
    ],
)
def test_tokens_that_let_nobody_in(
    proofs: Proofs, user: str, claims: dict[str, Any], reason: str
) -> None:
    token = proofs.issuer.token(**{"sub": user, **claims})
    with pytest.raises(psycopg.OperationalError) as caught:
        proofs.connect(user, token)
    assert WRONG.format(user) in str(caught.value)
    recorded(proofs, user, result="failed 28P01", reason=reason)


def test_no_token_without_tls(proofs: Proofs) -> None:
    """A client that need not is not led to send one in clear text."""
    token = proofs.issuer.token(sub="pw-ana")
    dsn = proofs.dsn("pw-ana", token).replace("sslmode=require", "sslmode=disable")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn)
    recorded(proofs, "pw-ana", reason="there is no such user")


def test_libpq_with_a_token(proofs: Proofs) -> None:
    """Its own way: ask where tokens come from, get one, come again."""
    told = []

    def token(configuration: str, scope: str) -> str:
        told.append((configuration, scope))
        return proofs.issuer.token(sub="liba", realm={"groups": ["readers"]})

    options = {
        "oauth_issuer": proofs.issuer.url,
        "oauth_client_id": "test",
        "require_auth": "oauth",
    }
    with giving(token):
        with proofs.connect("liba", **options) as session:
            assert session.execute(READ).fetchone() == (7,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            proofs.connect("libb", **options)
    assert told[0] == (f"{proofs.issuer.url}/.well-known/openid-configuration", "openid")
    recorded(proofs, "liba", reason="it asks where to get a token")
    recorded(proofs, "liba", result="accepted", proof="token")
    recorded(proofs, "libb", reason="the token is somebody else's")


def test_who_has_a_password_is_offered_both(proofs: Proofs) -> None:
    """libpq takes SCRAM then, in the order in which mechanisms stand in the list."""
    with proofs.connect("stored", "demo", require_auth="scram-sha-256"):
        pass
    with pytest.raises(psycopg.OperationalError, match="server requested SCRAM-SHA-256-PLUS"):
        proofs.connect("stored", "demo", require_auth="oauth")


def test_keys_are_rotated(proofs: Proofs) -> None:
    old, new = proofs.issuer.keys, [rsa_key("two", number=1)]
    token = proofs.issuer.token(sub="pw-ana")
    with proofs.connect("pw-ana", token):
        pass
    time.sleep(1)
    try:
        proofs.issuer.keys = new
        with proofs.connect("pw-ana", proofs.issuer.token(sub="pw-ana")):
            pass
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            proofs.connect("pw-ana", token)
    finally:
        proofs.issuer.keys = old
        time.sleep(1)
    with proofs.connect("pw-ana", token):
        pass


def begun(proofs: Proofs) -> tuple[Any, Any, float]:
    """Two sessions, and when their token expires: soon, but not before both have begun."""
    for seconds in (1.5, 6, 30):
        expiry = time.time() + seconds
        token = proofs.issuer.token(sub="pw-ana", exp=expiry, realm={"groups": "readers"})
        dsn = proofs.dsn("pw-ana", token)
        try:
            idle = psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            continue
        try:
            return idle, psycopg.connect(dsn), expiry
        except psycopg.OperationalError:
            idle.close()
    raise AssertionError("too slow")


def test_sessions_end_with_their_token(proofs: Proofs) -> None:
    """One between transactions at once, one in a transaction after the grace."""
    idle, busy, expiry = begun(proofs)
    with closing(idle), closing(busy):
        busy.execute(READ)  # begins its transaction
        for session, grace in ((idle, 0.0), (busy, 1.0)):
            with pytest.raises(psycopg.OperationalError, match="its token has expired"):
                while True:
                    session.execute(READ)  # one alone: on a busy machine both may end at once
                    time.sleep(0.05)
            assert time.time() >= expiry + grace
    until = time.monotonic() + 90
    reason = "terminating connection because its token has expired"
    while sum(r["fields"].get("reason") == reason for r in proofs.proxy.records("disconnect")) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)


# certificates


def holder(proofs: Proofs, name: str, **more: Any) -> Issued:
    return proofs.authority.issue(subject=subject((O, "Clinic"), (CN, name)), **more)


def test_a_certificate(proofs: Proofs) -> None:
    files = proofs.files(holder(proofs, "cert-ana"))
    with proofs.connect("cert-ana", **files) as session:
        assert session.execute(READ).fetchone() == (7,)
    recorded(proofs, "cert-ana", result="accepted", proof="certificate")
    with (
        proofs.connect("oncall", **files) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(READ)


def test_a_certificate_in_direct_tls(proofs: Proofs) -> None:
    if psycopg.pq.version() < 170_000:
        pytest.skip("psycopg's libpq has no sslnegotiation")
    files = proofs.files(holder(proofs, "cert-ana"))
    with proofs.connect("cert-ana", sslnegotiation="direct", **files) as session:
        assert session.execute(READ).fetchone() == (7,)
    files = proofs.files(Authority("another").issue(subject=subject((CN, "cert-ana"))))
    with pytest.raises(psycopg.OperationalError, match="unknown ca"):
        proofs.connect("cert-ana", sslnegotiation="direct", **files)


def test_a_certificate_of_a_known_user(proofs: Proofs) -> None:
    """What the store says counts, not the map."""
    email = x509.RFC822Name("nobody@clinic.example")
    with proofs.connect("stored", **proofs.files(proofs.authority.issue(email))) as session:
        assert session.execute(READ).fetchone() == (7,)
    assert "oncology" in str(recorded(proofs, "stored", proof="certificate"))


@pytest.mark.parametrize("user", ["cert-bob", "stored", "dba"])
def test_a_certificate_for_somebody_else(proofs: Proofs, user: str) -> None:
    """It opens the TLS connection; who somebody is remains to be proved."""
    files = proofs.files(holder(proofs, "cert-ana"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        proofs.connect(user, "wrong", **files)
    with proofs.connect("stored", "demo", **files) as session:
        assert session.execute(READ).fetchone() == (7,)


def test_a_certificate_of_a_disabled_user(proofs: Proofs) -> None:
    files = proofs.files(holder(proofs, "cert-off"))
    with pytest.raises(psycopg.OperationalError, match="certificate authentication failed"):
        proofs.connect("cert-off", **files)
    recorded(proofs, "cert-off", result="failed 28000", reason="the user is disabled")


def test_certificates_that_are_refused(proofs: Proofs) -> None:
    gone = holder(proofs, "cert-gone")
    with proofs.connect("cert-gone", **proofs.files(gone)):
        pass
    cases = {
        "unknown ca": Authority("another").issue(subject=subject((CN, "cert-ana"))),
        "certificate expired": holder(proofs, "cert-ana", end=NOW - DAY / 2),
    }
    for alert, issued in cases.items():
        with pytest.raises(psycopg.OperationalError, match=alert):
            proofs.connect("cert-ana", **proofs.files(issued))
    proofs.authority.revoked.append(gone.certificate)
    (proofs.proxy.folder / "revoked.pem").write_bytes(proofs.authority.crl())
    reload(proofs.proxy)
    with pytest.raises(psycopg.OperationalError, match="certificate revoked"):
        proofs.connect("cert-gone", **proofs.files(gone))
    with proofs.connect("cert-ana", **proofs.files(holder(proofs, "cert-ana"))):
        pass


def test_a_map_with_a_mistake_changes_nothing(proofs: Proofs) -> None:
    table = proofs.proxy.folder / "certificates.map"
    files = proofs.files(holder(proofs, "cert-ana"))
    try:
        table.write_text("cn cert-ana")
        reload(proofs.proxy)
        with proofs.connect("oncall", **files):
            pass
        table.write_text("cn cert-ana cert-ana\n")
        reload(proofs.proxy)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            proofs.connect("oncall", "x", **files)
    finally:
        table.write_text(MAP)
        reload(proofs.proxy)
    assert "certificates.map:1: needs a kind" in proofs.proxy.log.read_text("utf-8")


def test_psql_and_asyncpg_with_a_certificate(proofs: Proofs) -> None:
    files = proofs.files(holder(proofs, "cert-ana"))
    psql = shutil.which("psql")
    if psql is not None:
        for user, code in (("cert-ana", 0), ("cert-bob", 2)):
            done = subprocess.run(
                [psql, proofs.dsn(user, **files), "-Atwc", READ],
                capture_output=True,
                text=True,
                env={**os.environ, "PGCONNECT_TIMEOUT": "20"},
                check=False,
            )
            assert (done.returncode, done.stdout) == (code, "7\n" if code == 0 else "")

    async def read() -> object:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(files["sslcert"], files["sslkey"])
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=proofs.proxy.port,
            user="cert-ana",
            database=proofs.proxy.database,
            ssl=context,
        )
        try:
            return await connection.fetchval(READ)
        finally:
            await connection.close()

    assert asyncio.run(read()) == 7


# what it does not cost


def test_what_is_no_guess_does_not_count(proofs: Proofs) -> None:
    """Asking where tokens come from, and an issuer that cannot be reached."""
    proxy, issuer = proofs.proxy, proofs.issuer
    before = proxy.config.read_text("utf-8")
    strict = before.replace("login_failures: 0", "login_failures: 2")
    proxy.config.write_text(strict.replace("skew: 0", "skew: 0\n    algorithms: [RS256]"))
    issuer.status = 503
    reload(proxy)
    options = {"oauth_issuer": issuer.url, "oauth_client_id": "t", "require_auth": "oauth"}
    token = issuer.token(sub="liba")
    try:
        for _ in range(3):
            with pytest.raises(psycopg.OperationalError) as caught:
                proofs.connect("pw-ana", issuer.token(sub="pw-ana"))
            assert "tokens cannot be checked at present" in str(caught.value)
        issuer.status = 200
        with giving(lambda *_: ""):
            for _ in range(3):
                with pytest.raises(psycopg.OperationalError, match="no OAuth"):
                    proofs.connect("liba", **options)
        time.sleep(1)
        with giving(lambda *_: token), proofs.connect("liba", **options):
            pass
        for words in ("authentication failed", "authentication failed", "too many failed logins"):
            with pytest.raises(psycopg.OperationalError, match=words):
                proofs.connect("pw-bob", token)
    finally:
        issuer.status = 200
        proxy.config.write_text(before)
        reload(proxy)


def test_no_token_is_written_anywhere(proofs: Proofs) -> None:
    token = proofs.issuer.token(sub="pw-ana", secret_claim="Oncology-Secret")
    with proofs.connect("pw-ana", token):
        pass
    with pytest.raises(psycopg.OperationalError):
        proofs.connect("pw-bob", token)
    proofs.proxy.stop()
    parts = token.split(".")
    for path in proofs.proxy.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"Oncology-Secret" not in data, path
            assert parts[1].encode() not in data, path
            assert parts[2].encode() not in data, path
