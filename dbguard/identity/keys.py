"""An issuer's public keys: a JWK Set (RFC 7517), and which of them a token may be signed with."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from dbguard.token_settings import TokenAlgorithm

from .strict_json import NotJson, parse_object

MAX_BYTES: Final = 512 * 1024
"""Of a JWK Set: issuers with certificates in it need some 10 KiB a key."""
MAX_KEYS: Final = 100
RSA_BITS: Final = range(2048, 8193)
"""From NIST SP 800-131A's minimum to what takes a millisecond to verify with."""
KEY_ID_LENGTH: Final = 512

_FITTING: Final[Mapping[tuple[str, str], tuple[TokenAlgorithm, ...]]] = {
    ("RSA", ""): (
        TokenAlgorithm.RS256,
        TokenAlgorithm.RS384,
        TokenAlgorithm.RS512,
        TokenAlgorithm.PS256,
        TokenAlgorithm.PS384,
        TokenAlgorithm.PS512,
    ),
    ("EC", "P-256"): (TokenAlgorithm.ES256,),
    ("EC", "P-384"): (TokenAlgorithm.ES384,),
    ("EC", "P-521"): (TokenAlgorithm.ES512,),
    ("OKP", "Ed25519"): (TokenAlgorithm.EDDSA,),
}
"""By key type and curve; symmetric keys (`oct`) fit none."""
_NUMBERS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


class NoKeySet(ValueError):
    """It is no JWK Set, or holds no key that could be used. Quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Keys that tokens are verified with, by key id and algorithm; without an id it is ""."""

    by_id: Mapping[str, Mapping[TokenAlgorithm, tuple[PyJWK, ...]]] = field(repr=False)

    def fitting(self, key_id: str | None, algorithm: TokenAlgorithm) -> tuple[PyJWK, ...]:
        """The keys that a token may be signed with; a token that names none has to leave no
        choice (RFC 7515, section 4.1.4, makes the name optional)."""
        if key_id is not None:
            return self.by_id.get(key_id, {}).get(algorithm, ())
        every = [key for found in self.by_id.values() for key in found.get(algorithm, ())]
        return tuple(every) if len(every) == 1 else ()


def parse_key_set(data: bytes, allowed: frozenset[TokenAlgorithm]) -> SigningKeys:
    """The keys of a JWK Set that can verify with one of the `allowed` algorithms.

    Keys of other kinds or for another use are left out, as RFC 7517 has it (section 5).

    Raises:
        NoKeySet: it is none, or no key is left.
    """
    try:
        keys = parse_object(data).get("keys")
    except NotJson:
        keys = None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise NoKeySet(f"not a set of at most {MAX_KEYS} keys in JSON")
    found: dict[str, dict[TokenAlgorithm, tuple[PyJWK, ...]]] = {}
    for jwk in keys:
        if not isinstance(jwk, dict):
            continue
        key_id = jwk.get("kid", "")
        if not isinstance(key_id, str) or len(key_id) > KEY_ID_LENGTH:
            continue
        for algorithm in _algorithms(jwk):
            if algorithm in allowed and (key := _loaded(jwk, algorithm)) is not None:
                own = found.setdefault(key_id, {})
                own[algorithm] = (*own.get(algorithm, ()), key)
    if not found:
        raise NoKeySet("no key that fits an algorithm of tokens.algorithms")
    return SigningKeys(found)


def _algorithms(jwk: Mapping[str, object]) -> tuple[TokenAlgorithm, ...]:
    kind, curve = jwk.get("kty"), jwk.get("crv", "")
    if not isinstance(kind, str) or not isinstance(curve, str):
        return ()
    if jwk.get("use", "sig") != "sig" or "d" in jwk:  # a private key that is public is nobody's
        return ()
    uses = jwk.get("key_ops", ["verify"])
    if not isinstance(uses, list) or "verify" not in uses:
        return ()
    fitting = _FITTING.get((kind, curve), ())
    return tuple(algorithm for algorithm in fitting if jwk.get("alg", algorithm) == algorithm)


def _loaded(jwk: Mapping[str, object], algorithm: TokenAlgorithm) -> PyJWK | None:
    """The key, bound to one algorithm; None when its numbers make none that is strong enough."""
    kind = str(jwk["kty"])
    numbers = {name: jwk.get(name) for name in _NUMBERS[kind]}
    for text in numbers.values():
        if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
            return None
    if kind == "RSA" and not _strong(str(numbers["n"]), str(numbers["e"])):
        return None
    try:
        return PyJWK({"kty": kind, "crv": jwk.get("crv"), **numbers}, algorithm.value)
    except (PyJWTError, ValueError):
        return None


def _strong(modulus: str, exponent: str) -> bool:
    n, e = _number(modulus), _number(exponent)
    return n.bit_length() in RSA_BITS and 3 <= e < 1 << 32 and e % 2 == 1 and n % 2 == 1


def _number(text: str) -> int:
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return 0
