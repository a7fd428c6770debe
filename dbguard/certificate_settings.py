"""Certificates that clients show in TLS."""

from __future__ import annotations

from pydantic import Field

from .server_settings import Section
from .setting_types import ReadableFile


class CertificateSettings(Section):
    """Whom the certificates of `listen.tls.client_ca` stand for, and which of them are revoked."""

    map: ReadableFile | None = Field(default=None, examples=["certificates.map"])
    """Lines of a kind of name, a name and a user."""
    crl: ReadableFile | None = Field(default=None, examples=["revoked.pem"])
    """Lists of revoked certificates, one for each authority, in PEM format."""
