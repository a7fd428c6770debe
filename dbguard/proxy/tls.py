"""TLS contexts for both legs, from settings that may be wrong.

Nothing older than TLS 1.2 (NIST SP 800-52 rev. 2, to which HIPAA guidance on data in motion
refers). No session tickets: PostgreSQL's clients don't resume, and tickets outlive forward
secrecy.
"""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from dbguard.errors import ConfigurationError
from dbguard.server_settings import TlsVersion, UpstreamTlsMode

from .streams import ALPN_POSTGRESQL

log = structlog.get_logger(__name__)

_CRL_BEGIN: Final = b"-----BEGIN X509 CRL-----"
_VERSIONS: Final = {
    TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3,
}


class _Encrypted(Exception):
    pass


class _TellingWhy(ssl.SSLObject):
    """Tells a client what is wrong with its certificate.

    asyncio hangs up when a handshake fails, without sending the alert that OpenSSL has made. So it
    is told first that more is to be read, which makes it send; the client then hangs up itself, and
    whatever else comes, or limits.startup_timeout, ends it.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            known = isinstance(error, ssl.SSLCertVerificationError)
            if not known and error.reason != "PEER_DID_NOT_RETURN_A_CERTIFICATE":
                raise
            self._failure = error
            reason = getattr(error, "verify_message", "") or "none was shown"
            log.warning("a client's certificate is not accepted", reason=reason)
            raise ssl.SSLWantReadError from None


def downstream_context(
    certificate: Path,
    key: Path,
    client_ca: Path | None = None,
    minimum: TlsVersion = TlsVersion.TLS_1_2,
    *,
    optional: bool = False,
    crl: Path | None = None,
) -> ssl.SSLContext:
    """Context for clients. With `client_ca`, a client must show a certificate signed by it, or
    none at all if that is `optional`; with `crl`, one that no list in that file revokes.

    Raises ConfigurationError with the file and the remedy.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, minimum)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    _load_pair(context, certificate, key)
    if client_ca is not None:
        _load_authorities(context, client_ca)
        context.sslobject_class = _TellingWhy
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
        if crl is not None:
            _load_revoked(context, crl)
    return context


def upstream_context(
    mode: UpstreamTlsMode,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    minimum: TlsVersion = TlsVersion.TLS_1_2,
) -> ssl.SSLContext | None:
    """Context for the server, None for `disable`. Modes mean what libpq's sslmode means.

    `allow`, `prefer` and `require` check no certificate, except with `ca`, as in libpq.
    `verify-full` without `ca` trusts the system's authorities. With `verify-full` pass the
    server's name as server_hostname; the context checks it. Raises ConfigurationError with the
    file and the remedy.
    """
    if mode is UpstreamTlsMode.DISABLE:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, minimum)
    context.check_hostname = mode is UpstreamTlsMode.VERIFY_FULL
    verify = mode in (UpstreamTlsMode.VERIFY_CA, UpstreamTlsMode.VERIFY_FULL)
    if not verify and ca is None:
        context.verify_mode = ssl.CERT_NONE
    elif ca is not None:
        _load_authorities(context, ca)
    elif mode is UpstreamTlsMode.VERIFY_FULL:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        raise ConfigurationError(
            "upstream TLS mode verify-ca has no authority to verify with",
            hint="Name the server's certificate authority in upstream.tls.ca, or use verify-full.",
        )
    if certificate is not None or key is not None:
        if certificate is None or key is None:
            raise ConfigurationError(
                "upstream TLS has a certificate or a key without the other",
                hint="Set both upstream.tls.certificate and upstream.tls.key, or neither.",
            )
        _load_pair(context, certificate, key)
    return context


def own_certificate(path: Path) -> bytes:
    """The first certificate of a file in PEM format, which is the one that is shown, in DER.

    Raises ConfigurationError when there is none.
    """
    try:
        found = x509.load_pem_x509_certificate(_read(path, "TLS certificate"))
    except ValueError:
        raise ConfigurationError(
            f"{path}: holds no valid certificate in PEM format",
            hint="Check it with openssl x509.",
        ) from None
    return found.public_bytes(serialization.Encoding.DER)


def end_point_of(certificate: bytes) -> bytes | None:
    """tls-server-end-point data: the hash of a certificate in DER, by the algorithm it was signed
    with, SHA-256 in place of MD5 and SHA-1. None where the signature names none (Ed25519).

    Source: RFC 5929, section 4.1; pgtls_get_peer_certificate_hash of PostgreSQL.
    """
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
    return hashlib.new(name, certificate).digest()


def _harden(context: ssl.SSLContext, minimum: TlsVersion) -> None:
    context.minimum_version = _VERSIONS[minimum]
    context.set_alpn_protocols([ALPN_POSTGRESQL])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _read(path: Path, what: str) -> bytes:
    """Read a file here, since OpenSSL's errors do not say which one failed."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise ConfigurationError(
            f"{path}: {what} cannot be read: {reason}",
            hint="Correct the path, or let the user that runs dbguard read the file.",
        ) from None


def _refuse_passphrase() -> str:
    raise _Encrypted


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    certificate_text = _read(certificate, "TLS certificate")
    key_text = _read(key, "TLS key")
    if b"-----BEGIN CERTIFICATE-----" not in certificate_text:
        raise ConfigurationError(
            f"{certificate}: holds no certificate in PEM format",
            hint="A certificate in PEM format begins with -----BEGIN CERTIFICATE-----.",
        )
    if b"PRIVATE KEY-----" not in key_text:
        raise ConfigurationError(
            f"{key}: holds no private key in PEM format",
            hint="A key in PEM format begins with -----BEGIN PRIVATE KEY-----.",
        )
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except _Encrypted:
        raise ConfigurationError(
            f"{key}: private key is encrypted, and nobody is there to type its passphrase",
            hint="Store it decrypted (openssl pkey -in KEY -out NEW) with file mode 0600.",
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(
                f"{key}: private key does not belong to certificate {certificate}",
                hint="Name the key that the certificate was made with; the server's own "
                "certificate comes first in its file, the intermediate ones follow.",
            ) from None
        raise ConfigurationError(
            f"{certificate}: certificate or its key {key} is not valid",
            detail=f"OpenSSL: {error.reason or 'not valid PEM'}.",
            hint="Check both with openssl x509 and openssl pkey.",
        ) from None


def _load_revoked(context: ssl.SSLContext, path: Path) -> None:
    """As PostgreSQL's ssl_crl_file: each authority of a client's chain needs a list, and one that
    is over refuses everybody until there is a new one."""
    text = _read(path, "list of revoked certificates")
    lists = [_CRL_BEGIN + part for part in text.split(_CRL_BEGIN)[1:]]
    try:
        loaded = [x509.load_pem_x509_crl(part) for part in lists]
        context.load_verify_locations(cafile=path)
    except (ValueError, ssl.SSLError):
        loaded = []
    if not loaded:
        raise ConfigurationError(
            f"{path}: holds no usable list of revoked certificates in PEM format",
            hint="A list in PEM format begins with -----BEGIN X509 CRL-----; openssl crl converts.",
        )
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
    now = datetime.now(UTC)
    for found in loaded:
        until = found.next_update_utc
        if until is not None and until < now:
            log.error(
                "a list of revoked certificates is over, so its authority's clients are refused",
                path=str(path),
                until=until.isoformat(),
            )


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    _read(path, "certificate authority")
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{path}: holds no usable certificate authority in PEM format",
            detail=f"OpenSSL: {error.reason or 'no certificate found'}.",
            hint="A certificate in PEM format begins with -----BEGIN CERTIFICATE-----.",
        ) from None
