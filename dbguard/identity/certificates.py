"""What a certificate calls its owner. Whether it is to be trusted, TLS has decided before."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

NAME_LENGTH: Final = 255
"""Characters: hosts have 253, addresses of e-mail 254, a CN 64 (RFC 5280, appendix A.1)."""
LONG_NAME_LENGTH: Final = 512
"""Of a whole subject and of a URI: a subject with ten parts has two hundred."""
MAX_NAMES: Final = 64
"""Names of one certificate: each is compared with every line of the map."""


class NameKind(enum.StrEnum):
    """Where in a certificate a name stands."""

    SUBJECT = "dn"
    """The whole subject, as RFC 4514 writes it: the part that stands last comes first."""
    COMMON_NAME = "cn"
    """The subject's CN, when it has one only."""
    DNS = "dns"
    EMAIL = "email"
    URI = "uri"


class NoNames(ValueError):
    """It is no certificate whose names could be told. Quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The names of one certificate, and when it is valid."""

    by_kind: Mapping[NameKind, tuple[str, ...]]
    not_before: datetime
    not_after: datetime


def names_of(der: bytes) -> CertificateNames:
    """The names in a certificate.

    Raises:
        NoNames: they cannot be told, or hold what cannot be seen, which would look like another.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        subject = certificate.subject
        common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        found = _alternative(certificate)
        found[NameKind.SUBJECT] = [subject.rfc4514_string()] if subject.rdns else []
        if len(common) == 1 and isinstance(common[0].value, str):
            found[NameKind.COMMON_NAME] = [common[0].value]
        parts = [attribute.value for attribute in subject]
        validity = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ):
        raise NoNames("its names cannot be read") from None
    every = [(kind, name) for kind, names in found.items() for name in names]
    if (
        len(every) > MAX_NAMES
        or not all(_can_be_seen(name, _length_of(kind)) for kind, name in every)
        or not all(_can_be_seen(part, LONG_NAME_LENGTH) for part in parts)
    ):
        raise NoNames("it has too many names, or one that is too long or cannot be shown")
    names = {kind: tuple(comparable(kind, n) for n in found.get(kind, ())) for kind in NameKind}
    return CertificateNames(names, *validity)


def _alternative(certificate: x509.Certificate) -> dict[NameKind, list[str]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {}
    dns: Iterable[str] = names.get_values_for_type(x509.DNSName)
    return {
        # one for many hosts is the name of none
        NameKind.DNS: [name for name in dns if "*" not in name],
        NameKind.EMAIL: names.get_values_for_type(x509.RFC822Name),
        NameKind.URI: names.get_values_for_type(x509.UniformResourceIdentifier),
    }


def _length_of(kind: NameKind) -> int:
    return LONG_NAME_LENGTH if kind in (NameKind.SUBJECT, NameKind.URI) else NAME_LENGTH


def _can_be_seen(name: str | bytes, length: int) -> bool:
    # bytes: a unique identifier, only ever shown in hexadecimal digits
    return len(name) <= length and (isinstance(name, bytes) or name.isprintable())


def comparable(kind: NameKind, name: str) -> str:
    """A name in the form in which names of its kind are compared: hosts have no case, and so the
    host of an e-mail address (RFC 5280, sections 7.2 and 7.5)."""
    if kind is NameKind.DNS:
        return name.lower()
    if kind is NameKind.EMAIL:
        local, at, host = name.rpartition("@")
        return f"{local}{at}{host.lower()}"
    return name
