"""TLS contexts of clients that check who they talk to."""

from __future__ import annotations

import ssl
from pathlib import Path

from dbguard.errors import ConfigurationError


def trusting(ca: Path | None, hint: str) -> ssl.SSLContext:
    """A context that trusts the authorities of this file, else those of the system, and speaks TLS
    1.2 or later.

    Raises:
        ConfigurationError: the file holds none; `hint` says where it is named.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError):
        raise ConfigurationError(
            f"{ca}: holds no usable certificate authority in PEM format", hint=hint
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
