"""A certificate authority for tests that signs whatever names it is asked to."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
CN, OU, O, C = (  # noqa: E741 - as names in certificates are written
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.COUNTRY_NAME,
)
Part = tuple[x509.ObjectIdentifier, str]


def subject(*parts: Part | Sequence[Part]) -> x509.Name:
    """A name; a sequence of parts is one with several values."""
    return x509.Name(
        [
            x509.RelativeDistinguishedName(
                x509.NameAttribute(oid, value)
                for oid, value in ([part] if isinstance(part[0], x509.ObjectIdentifier) else part)  # type: ignore[misc,list-item]
            )
            for part in parts
        ]
    )


@dataclass
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """The files of certificate and key, as libpq wants them."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        key.chmod(0o600)
        return certificate, key


@dataclass
class Authority:
    """Signs certificates and lists of revoked ones."""

    name: str = "test authority"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    revoked: list[x509.Certificate] = field(default_factory=list)

    @property
    def own_name(self) -> x509.Name:
        return subject((CN, self.name))

    @property
    def pem(self) -> bytes:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        made = (
            self._builder(self.own_name, self.key, 1, NOW - DAY, NOW + 9 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(self._key_id, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    @property
    def _key_id(self) -> x509.SubjectKeyIdentifier:
        return x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())

    def _builder(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        serial: int,
        start: datetime.datetime,
        end: datetime.datetime,
    ) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(self.own_name, name, key.public_key(), serial, start, end)

    def issue(
        self,
        *names: x509.GeneralName,
        subject: x509.Name | None = None,
        start: datetime.datetime = NOW - DAY,
        end: datetime.datetime = NOW + 9 * DAY,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> Issued:
        """A certificate with these alternative names."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([]) if subject is None else subject
        builder = self._builder(name, key, x509.random_serial_number(), start, end)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
            critical=False,
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return Issued(builder.sign(self.key, hashes.SHA256()), key)

    def crl(self, end: datetime.datetime = NOW + 9 * DAY) -> bytes:
        """The list of those revoked."""
        builder = x509.CertificateRevocationListBuilder(self.own_name, NOW - 2 * DAY, end)
        for certificate in self.revoked:
            one = x509.RevokedCertificateBuilder(certificate.serial_number, NOW - DAY)
            builder = builder.add_revoked_certificate(one.build())
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)
