"""A JSON Web Token: read strictly, verified with an issuer's key, its claims checked.

Sources: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practices), RFC 9068 (access
tokens), OpenID Connect Core 1.0, section 3.1.3.7. The signature itself is checked by PyJWT and
cryptography.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from jwt import PyJWK, PyJWS
from jwt.exceptions import PyJWTError

from dbguard.policy.decision import Identity
from dbguard.token_settings import TokenAlgorithm, TokenSettings

from .claims import ClaimMapping, ClaimPath, TokenRefused, claim_at, values_at
from .keys import KEY_ID_LENGTH
from .strict_json import NotJson, parse_object

MAX_BYTES: Final = 32 * 1024
"""Of a token: those with two hundred groups have 16 KiB, PostgreSQL's limit is 64 KiB."""
MAX_AUDIENCES: Final = 64
MAX_TRIES: Final = 4
"""Keys of one name that are tried; an issuer has no reason for more than one."""
_LATEST: Final = 253402300800.0
"""The year 10000: later dates are mistakes."""
_SEGMENT: Final = re.compile(rb"[A-Za-z0-9_-]+")
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""What `typ` may say; other kinds (of logout, of possession) must not stand for these."""
_OTHER_KINDS: Final = ("cnf", "events")
"""Bound to a key that whoever shows the token must prove to have (RFC 7800), or about an event
(RFC 8417; OpenID Connect's logout tokens): no statement about who shows it."""
_SPACED: Final = frozenset({"scope", "scp"})
"""Claims that hold words with spaces between them (RFC 8693, section 4.2)."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token has to be."""

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[TokenAlgorithm]
    mapping: ClaimMapping
    require: tuple[tuple[ClaimPath, tuple[str, ...]], ...] = ()
    skew: float = 30.0
    """Seconds."""
    max_lifetime: float = 86400.0
    """Seconds."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token that has the form of one: nothing that it says is proved."""

    text: bytes = field(repr=False)
    algorithm: TokenAlgorithm
    key_id: str | None = field(repr=False)
    claims: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Who a token is about, and until when it says so."""

    identity: Identity
    expires: float
    """Seconds since 1970, the skew of clocks included."""


def rules_of(settings: TokenSettings) -> TokenRules:
    """What the settings ask of a token."""
    roles = settings.roles
    return TokenRules(
        issuer=settings.issuer,
        audiences=frozenset(settings.audience),
        algorithms=frozenset(settings.algorithms),
        mapping=ClaimMapping(
            identity=settings.identity,
            roles=None if roles is None else roles.claim,
            role_map=() if roles is None else tuple(roles.map.items()),
            attributes=tuple(settings.attributes.items()),
        ),
        require=tuple((tuple(name.split(".")), v) for name, v in settings.require.items()),
        skew=settings.skew,
        max_lifetime=settings.max_lifetime,
    )


def read_token(text: bytes, rules: TokenRules) -> UnverifiedToken:
    """Take a token apart.

    Keys and addresses of keys in its header (`jwk`, `jku`, `x5c`, `x5u`) mean nothing: whoever made
    the token chose them.

    Raises:
        TokenRefused: it is none, or of no kind that is accepted.
    """
    if len(text) > MAX_BYTES:
        raise TokenRefused("token too long")
    segments = text.split(b".")
    if len(segments) != 3:
        raise TokenRefused("not a signed token")
    try:
        header, claims = (parse_object(_decoded(segment)) for segment in segments[:2])
        _decoded(segments[2])
    except NotJson:
        raise TokenRefused("malformed token") from None
    if "crit" in header or "b64" in header or "zip" in header or "enc" in header:
        raise TokenRefused("the token asks for an extension")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "cty" in header:
        raise TokenRefused("a token of another type")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
        raise TokenRefused("signed with an algorithm that is not among tokens.algorithms")
    key_id = header.get("kid")
    if key_id is not None and (not isinstance(key_id, str) or len(key_id) > KEY_ID_LENGTH):
        raise TokenRefused("malformed token")
    return UnverifiedToken(text, TokenAlgorithm(algorithm), key_id, claims)


def verify(
    token: UnverifiedToken, keys: Iterable[PyJWK], rules: TokenRules, now: float
) -> VerifiedToken:
    """Who a token is about that one of these keys has signed. `now` is seconds since 1970.

    Raises:
        TokenRefused: it proves nothing, or not to this dbguard, or not any more.
    """
    _check_signature(token, tuple(keys)[:MAX_TRIES])
    expires = check_claims(token.claims, rules, now)
    return VerifiedToken(rules.mapping.identify(token.claims), expires)


def _check_signature(token: UnverifiedToken, keys: tuple[PyJWK, ...]) -> None:
    if not keys:
        raise TokenRefused("signed with a key that the issuer does not have")
    signatures = PyJWS(algorithms=[token.algorithm.value])
    for key in keys:
        try:
            signatures.decode(token.text, key, algorithms=[token.algorithm.value])
        except (PyJWTError, ValueError):
            continue
        return
    raise TokenRefused("wrong signature")


def check_claims(claims: Mapping[str, object], rules: TokenRules, now: float) -> float:
    """Check who made the token, for whom and until when; the time when it is over.

    Raises:
        TokenRefused: what does not hold.
    """
    check_issuer(claims, rules)
    for name in _OTHER_KINDS:
        if name in claims:
            raise TokenRefused("a token of another kind, or bound to a key that is not checked")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if len(named) > MAX_AUDIENCES or not all(isinstance(one, str) for one in named):
        raise TokenRefused("no usable audience")
    if not rules.audiences.intersection(named):
        raise TokenRefused("made for another audience")
    expires, issued = _date(claims, "exp"), _date(claims, "iat")
    if expires is None or issued is None:
        raise TokenRefused("no usable time of issue or expiry")
    starts = issued if "nbf" not in claims else _date(claims, "nbf")
    if starts is None:
        raise TokenRefused("no usable time from which it is valid")
    if now >= expires + rules.skew:
        raise TokenRefused("expired")
    if now < issued - rules.skew or now < starts - rules.skew:
        raise TokenRefused("not valid yet")
    if expires - min(issued, starts) > rules.max_lifetime:
        raise TokenRefused("made to be valid for longer than tokens.max_lifetime")
    for path, values in rules.require:
        found = values_at(claims, path)
        if path[-1] in _SPACED:
            found = tuple(word for text in found for word in text.split(" "))
        if not found or (values and not set(values).intersection(found)):
            raise TokenRefused(f"claim {'.'.join(path)} is not as tokens.require has it")
    return expires + rules.skew


def check_issuer(claims: Mapping[str, object], rules: TokenRules) -> None:
    """Raises TokenRefused when a token is not of the issuer, or does not say of whom it is."""
    if claims.get("iss") != rules.issuer:
        raise TokenRefused("made by another issuer")


def _date(claims: Mapping[str, object], name: str) -> float | None:
    """RFC 7519, section 2, NumericDate."""
    value = claim_at(claims, (name,))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LATEST else None


def _decoded(segment: bytes) -> bytes:
    """Base64url without padding, in the one way to write it. Raises NotJson when it is not."""
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise NotJson("not base64url")
    try:
        data = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise NotJson("not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != segment:
        raise NotJson("not base64url as it is written")
    return data
