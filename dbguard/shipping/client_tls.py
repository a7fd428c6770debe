"""TLS towards destinations: always with a certificate that is checked against its name."""

from __future__ import annotations

import ssl
from typing import Final

from dbguard.authorities import trusting
from dbguard.errors import ConfigurationError
from dbguard.server_settings import TlsVersion
from dbguard.shipping_settings import DestinationTlsSettings

_VERSIONS: Final = {
    TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3,
}


def client_context(name: str, settings: DestinationTlsSettings | None) -> ssl.SSLContext:
    """A context for destination `name`. Raises ConfigurationError."""
    chosen = settings or DestinationTlsSettings()
    hint = f"Name the authority of the certificate of destination {name} in its tls.ca."
    context = trusting(chosen.ca, hint)
    context.minimum_version = _VERSIONS[chosen.minimum_version]
    if chosen.certificate is not None and chosen.key is not None:
        try:
            context.load_cert_chain(chosen.certificate, chosen.key, password=_no_passphrase)
        except (OSError, ssl.SSLError, ValueError):
            raise ConfigurationError(
                f"{chosen.certificate}: not a certificate whose key is {chosen.key}",
                hint="Both must be PEM, belong together, and the key must have no passphrase.",
            ) from None
    return context


def _no_passphrase() -> str:
    raise ValueError("the key is encrypted")
