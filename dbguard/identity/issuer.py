"""An issuer of tokens: where its keys are, and the ones that it has at the moment."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from jwt import PyJWK

from dbguard.authorities import trusting
from dbguard.errors import ConfigurationError, DbguardError
from dbguard.token_settings import TokenAlgorithm, TokenSettings, check_url

from .claims import TokenRefused
from .fetching import NotFetched, fetch
from .key_schedule import KeySchedule
from .keys import MAX_BYTES, NoKeySet, SigningKeys, parse_key_set
from .strict_json import NotJson, parse_object
from .tokens import TokenRules, VerifiedToken, check_claims, read_token, rules_of, verify

log = structlog.get_logger(__name__)

CONFIGURATION_PATH: Final = "/.well-known/openid-configuration"
"""OpenID Connect Discovery 1.0, section 4."""
CONFIGURATION_BYTES: Final = 128 * 1024
_AUTHORITY: Final = "Name the authority of the issuer's certificate in authentication.tokens.ca."


class IssuerUnavailable(DbguardError):
    """The issuer's keys cannot be read, so no token can be verified."""

    sqlstate = "58000"


def _log_trouble(issuer: Issuer, reason: str) -> None:
    log.warning(
        "keys of the token issuer cannot be read",
        issuer=issuer.settings.issuer,
        reason=reason,
        usable=issuer.schedule.is_usable(issuer.monotonic()),
    )


@dataclass(slots=True)
class Issuer:
    """Verifies the tokens of one issuer. Not for more than one event loop."""

    settings: TokenSettings
    rules: TokenRules
    context: ssl.SSLContext = field(repr=False)
    schedule: KeySchedule
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    on_trouble: Callable[[Issuer, str], None] = _log_trouble
    """Is told why the keys could not be read."""
    _keys: SigningKeys | None = field(default=None, repr=False)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def configuration_url(self) -> str:
        """Where clients find out how to get a token."""
        return self.settings.issuer.rstrip("/") + CONFIGURATION_PATH

    async def verify(self, text: bytes) -> VerifiedToken:
        """Who a token is about.

        Raises:
            TokenRefused: it proves nothing.
            IssuerUnavailable: nobody can tell at present.
        """
        token = read_token(text, self.rules)
        # what nobody has signed for us must not make us ask the issuer for its key
        check_claims(token.claims, self.rules, self.wall())
        keys = await self._fitting(token.key_id, token.algorithm)
        return verify(token, keys, self.rules, self.wall())

    async def _fitting(self, key_id: str | None, algorithm: TokenAlgorithm) -> tuple[PyJWK, ...]:
        if self.settings.jwks_file is None:
            await self._read_when_due(key_id, algorithm)
            if not self.schedule.is_usable(self.monotonic()):
                raise IssuerUnavailable(
                    "tokens cannot be checked at present",
                    detail="The keys of their issuer cannot be read.",
                    hint="Try again later, or log in with a password.",
                )
        return () if self._keys is None else self._keys.fitting(key_id, algorithm)

    async def _read_when_due(self, key_id: str | None, algorithm: TokenAlgorithm) -> None:
        """Read the keys if it is time to. Whoever comes meanwhile waits for the same answer, unless
        there is a key that will do: a slow issuer must not hold up everybody."""
        if not self._is_due(key_id, algorithm) or (
            self._reading.locked() and self._has(key_id, algorithm)
        ):
            return
        async with self._reading:
            if self._is_due(key_id, algorithm):
                await self._read()

    def _is_due(self, key_id: str | None, algorithm: TokenAlgorithm) -> bool:
        missing = self._keys is None or not self._keys.fitting(key_id, algorithm)
        return self.schedule.is_due(self.monotonic(), missing=missing)

    def _has(self, key_id: str | None, algorithm: TokenAlgorithm) -> bool:
        if self._keys is None or not self.schedule.is_usable(self.monotonic()):
            return False
        return bool(self._keys.fitting(key_id, algorithm))

    async def _read(self) -> None:
        try:
            url = self.settings.jwks or await self._discovered()
            data = await fetch(url, self.context, MAX_BYTES)
            self._keys = parse_key_set(data, self.rules.algorithms)
        except (NotFetched, NoKeySet) as error:
            self.schedule.failed(self.monotonic())
            self.on_trouble(self, str(error))
        else:
            self.schedule.succeeded(self.monotonic())

    async def _discovered(self) -> str:
        """Where the issuer says that its keys are."""
        data = await fetch(self.configuration_url, self.context, CONFIGURATION_BYTES)
        try:
            document = parse_object(data)
        except NotJson:
            raise NotFetched("its configuration is no JSON object") from None
        if document.get("issuer") != self.settings.issuer:
            raise NotFetched("its configuration is that of another issuer")
        where = document.get("jwks_uri")
        try:
            url = check_url(where if isinstance(where, str) else "")
        except ValueError:
            raise NotFetched("its configuration names no usable address of keys") from None
        if url.scheme == "http" and not self.settings.issuer.startswith("http:"):
            raise NotFetched("its configuration names an address of keys without TLS")
        return url.geturl()


def issuer_of(settings: TokenSettings, before: Issuer | None = None) -> Issuer:
    """The issuer of tokens; `before` is the one that was in force, whose keys are used until new
    ones can be read, when they come from the same place.

    Raises:
        ConfigurationError: a file that the settings name cannot be used.
    """
    rules = rules_of(settings)
    keys = settings.keys
    schedule = KeySchedule(keys.lifetime, keys.refetch, keys.stale)
    made = Issuer(settings, rules, trusting(settings.ca, _AUTHORITY), schedule)
    if (path := settings.jwks_file) is not None:
        made._keys = _keys_of_file(path, rules.algorithms)
    elif before is not None and _source(before.settings) == _source(settings):
        made._keys = before._keys
        schedule.read, schedule.asked = before.schedule.read, True
        schedule.failures, schedule.tried = before.schedule.failures, before.schedule.tried
    return made


def _source(settings: TokenSettings) -> tuple[object, ...]:
    return (settings.issuer, settings.jwks, settings.ca, settings.algorithms)


def _keys_of_file(path: Path, algorithms: frozenset[TokenAlgorithm]) -> SigningKeys:
    try:
        with path.open("rb") as file:
            return parse_key_set(file.read(MAX_BYTES + 1), algorithms)
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise ConfigurationError(
            f"{path}: keys of the token issuer cannot be read: {reason}",
            hint="Correct authentication.tokens.jwks, or let the user that runs dbguard read it.",
        ) from None
    except NoKeySet as error:
        raise ConfigurationError(
            f"{path}: holds no keys that tokens can be verified with: {error}",
            hint="Save there what the issuer's jwks_uri answers with.",
        ) from None


__all__ = ["Issuer", "IssuerUnavailable", "TokenRefused", "issuer_of"]
