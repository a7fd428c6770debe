"""TLS contexts: what handshakes, and what wrong files say."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from dbguard.config import UpstreamTlsMode
from dbguard.errors import ConfigurationError
from dbguard.proxy.tls import downstream_context, upstream_context
from tests.authority import CN, DAY, NOW, Authority, Issued, subject

MODES = UpstreamTlsMode


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority, other = trustme.CA(), trustme.CA()
        server, client = authority.issue_cert("db.example"), authority.issue_cert("client")
        self.ca, self.other_ca = folder / "ca.crt", folder / "other.crt"
        authority.cert_pem.write_to_path(str(self.ca))
        other.cert_pem.write_to_path(str(self.other_ca))
        self.certificate, self.key = folder / "server.crt", folder / "server.key"
        self.client_certificate, self.client_key = folder / "client.crt", folder / "client.key"
        server.cert_chain_pems[0].write_to_path(str(self.certificate))
        server.private_key_pem.write_to_path(str(self.key))
        client.cert_chain_pems[0].write_to_path(str(self.client_certificate))
        client.private_key_pem.write_to_path(str(self.client_key))
        self.junk, self.missing = folder / "junk", folder / "missing"
        self.junk.write_text("not PEM")
        self.broken = folder / "broken"
        self.broken.write_text(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        )
        self.encrypted = folder / "encrypted.key"
        loaded = serialization.load_pem_private_key(self.key.read_bytes(), None)
        self.encrypted.write_bytes(
            loaded.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"x"),
            )
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "db.example") -> str:
    """The TLS version agreed on. Raises what either side raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    for side in sides:
        side.do_handshake()
    if client.verify_mode is ssl.CERT_NONE or client.check_hostname is False:
        assert sides[0].selected_alpn_protocol() == "postgresql"
    return sides[0].version() or ""


@pytest.mark.parametrize(
    ("mode", "with_ca", "name"),
    [
        (MODES.PREFER, False, "whatever"),
        (MODES.REQUIRE, False, "whatever"),
        (MODES.REQUIRE, True, "whatever"),
        (MODES.VERIFY_CA, True, "whatever"),
        (MODES.VERIFY_FULL, True, "db.example"),
    ],
)
def test_handshakes(files: Files, mode: UpstreamTlsMode, with_ca: bool, name: str) -> None:
    server = downstream_context(files.certificate, files.key)
    client = upstream_context(mode, files.ca if with_ca else None)
    assert client is not None
    assert handshake(server, client, name) == "TLSv1.3"


@pytest.mark.parametrize(
    ("mode", "ca", "name"),
    [
        (MODES.REQUIRE, "other_ca", "db.example"),
        (MODES.VERIFY_CA, "other_ca", "db.example"),
        (MODES.VERIFY_FULL, "other_ca", "db.example"),
        (MODES.VERIFY_FULL, "ca", "evil.example"),
        (MODES.VERIFY_FULL, "", "db.example"),
    ],
)
def test_unverified_servers_are_refused(
    files: Files, mode: UpstreamTlsMode, ca: str, name: str
) -> None:
    server = downstream_context(files.certificate, files.key)
    client = upstream_context(mode, getattr(files, ca) if ca else None)
    assert client is not None
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, name)


def test_client_certificates(files: Files) -> None:
    server = downstream_context(files.certificate, files.key, files.ca)
    bare = upstream_context(MODES.REQUIRE)
    shown = upstream_context(
        MODES.REQUIRE, certificate=files.client_certificate, key=files.client_key
    )
    assert bare is not None
    assert shown is not None
    assert handshake(server, shown) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(server, bare)


def test_old_versions_are_refused(files: Files) -> None:
    server = downstream_context(files.certificate, files.key)
    client = upstream_context(MODES.PREFER)
    assert client is not None
    assert server.minimum_version is client.minimum_version is ssl.TLSVersion.TLSv1_2


def test_disable_is_no_context() -> None:
    assert upstream_context(MODES.DISABLE) is None


@pytest.mark.parametrize(
    ("certificate", "key", "named", "words"),
    [
        ("missing", "key", "missing", "cannot be read: no such file"),
        ("certificate", "missing", "missing", "cannot be read: no such file"),
        ("folder", "key", "folder", "cannot be read: is a directory"),
        ("junk", "key", "junk", "no certificate in PEM"),
        ("certificate", "junk", "junk", "no private key in PEM"),
        ("broken", "key", "broken", "not valid"),
        ("certificate", "broken", "certificate", "not valid"),
        ("certificate", "client_key", "client_key", "does not belong"),
        ("certificate", "encrypted", "encrypted", "is encrypted"),
    ],
)
def test_wrong_files(files: Files, certificate: str, key: str, named: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        downstream_context(getattr(files, certificate), getattr(files, key))
    assert caught.value.message.startswith(f"{getattr(files, named)}: ")
    assert words in caught.value.message
    assert caught.value.hint.endswith(".")


@pytest.mark.parametrize("ca", ["missing", "junk", "broken", "key"])
def test_wrong_authorities(files: Files, ca: str) -> None:
    path = getattr(files, ca)
    with pytest.raises(ConfigurationError) as caught:
        upstream_context(MODES.VERIFY_FULL, path)
    assert caught.value.message.startswith(f"{path}: ")
    with pytest.raises(ConfigurationError):
        downstream_context(files.certificate, files.key, path)


def test_wrong_combinations(files: Files) -> None:
    with pytest.raises(ConfigurationError, match="verify-ca"):
        upstream_context(MODES.VERIFY_CA)
    with pytest.raises(ConfigurationError, match="without the other"):
        upstream_context(MODES.REQUIRE, certificate=files.certificate)


AUTHORITY, STRANGER = Authority(), Authority("another authority")
ANA = subject((CN, "ana"))
SHOWN: dict[str, tuple[Issued | None, str]] = {
    "a good one": (AUTHORITY.issue(subject=ANA), ""),
    "none": (None, ""),
    "of another authority": (STRANGER.issue(subject=ANA), "UNKNOWN_CA"),
    "of another authority of the same name": (
        Authority().issue(subject=ANA),
        "(UNKNOWN_CA|DECRYPT_ERROR)",
    ),
    "expired": (AUTHORITY.issue(subject=ANA, end=NOW - DAY / 2), "CERTIFICATE_EXPIRED"),
    "of tomorrow": (AUTHORITY.issue(subject=ANA, start=NOW + DAY), "(BAD_CERT|EXPIRED)"),
    "a server's": (
        AUTHORITY.issue(subject=ANA, usage=ExtendedKeyUsageOID.SERVER_AUTH),
        "UNSUPPORTED_CERTIFICATE",
    ),
    "revoked": (AUTHORITY.issue(subject=ANA), "CERTIFICATE_REVOKED"),
}
revoked = SHOWN["revoked"][0]
assert revoked is not None
AUTHORITY.revoked.append(revoked.certificate)


def told(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """The alert that the client gets, by way of what asyncio does: it sends what there is to send
    whenever more is to be read. "" when the handshake is done."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="db.example")
    for _ in range(6):
        with suppress(ssl.SSLWantReadError):
            theirs.do_handshake()
            theirs.read(1)
            raise AssertionError("something was sent")
        with suppress(ssl.SSLWantReadError):
            ours.do_handshake()
    ours.do_handshake()
    return ""


@pytest.mark.parametrize("case", SHOWN)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_are_told_what_is_wrong(
    files: Files, tmp_path: Path, case: str, version: ssl.TLSVersion
) -> None:
    shown, alert = SHOWN[case]
    ca, crl = tmp_path / "clients.crt", tmp_path / "revoked.pem"
    ca.write_bytes(AUTHORITY.pem)
    crl.write_bytes(AUTHORITY.crl())
    server = downstream_context(files.certificate, files.key, ca, optional=True, crl=crl)
    client = upstream_context(MODES.REQUIRE)
    assert client is not None
    client.minimum_version = client.maximum_version = version
    if shown is not None:
        client.load_cert_chain(*shown.write(tmp_path, "client"))
    if not alert:
        assert told(server, client) == ""
        return
    with pytest.raises(ssl.SSLError, match=alert):
        told(server, client)
    strict = downstream_context(files.certificate, files.key, ca, crl=crl)
    with pytest.raises(ssl.SSLError, match=alert):
        told(strict, client)


def test_no_certificate_where_one_is_required(files: Files, tmp_path: Path) -> None:
    server = downstream_context(files.certificate, files.key, files.ca)
    client = upstream_context(MODES.REQUIRE)
    assert client is not None
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        told(server, client)


def test_a_list_that_is_over_refuses_everybody(files: Files, tmp_path: Path) -> None:
    good = SHOWN["a good one"][0]
    assert good is not None
    ca, crl = tmp_path / "clients.crt", tmp_path / "revoked.pem"
    ca.write_bytes(AUTHORITY.pem)
    client = upstream_context(MODES.REQUIRE)
    assert client is not None
    client.load_cert_chain(*good.write(tmp_path, "client"))
    for text, alert in {
        AUTHORITY.crl(end=NOW - DAY): "CERTIFICATE_EXPIRED",
        STRANGER.crl(): "UNKNOWN_CA",
    }.items():
        crl.write_bytes(text)
        server = downstream_context(files.certificate, files.key, ca, crl=crl)
        with pytest.raises(ssl.SSLError, match=alert):
            told(server, client)
    crl.write_bytes(STRANGER.crl() + AUTHORITY.crl())
    server = downstream_context(files.certificate, files.key, ca, crl=crl)
    assert told(server, client) == ""


@pytest.mark.parametrize("kind", ["missing", "junk", "ca"])
def test_lists_that_are_wrong(files: Files, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=r"revoked|cannot be read") as caught:
        downstream_context(files.certificate, files.key, files.ca, crl=getattr(files, kind))
    assert caught.value.hint.endswith(".")
