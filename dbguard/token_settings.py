"""Tokens of an OpenID Connect issuer (JWT), and what their claims say of people."""

from __future__ import annotations

import enum
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from .server_settings import Section
from .setting_types import Names, ReadableFile, Seconds, base_of

URL_LENGTH: Final = 2048
_CLAIM_LENGTH: Final = 255
_URL: Final = re.compile(r"[!-~]+")
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")
"""RFC 6749, section 3.3."""


class TokenAlgorithm(enum.StrEnum):
    """How tokens may be signed: with a private key that the issuer alone has (RFC 7518, RFC 8037).

    No `HS…`, whose key verifies and signs, and no `none`.
    """

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(text: str) -> SplitResult:
    """A URL that keys may be read from: https, and http on this machine alone.

    Raises:
        ValueError: it is none.
    """
    if len(text) > URL_LENGTH or not _URL.fullmatch(text):
        raise ValueError(f"must be a URL of at most {URL_LENGTH} characters")
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if url.scheme not in ("https", "http") or not host:
        raise ValueError("must be a URL that begins with https://")
    if url.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https:// (http:// on this machine's own addresses only)")
    if url.username is not None or url.password is not None or "#" in text:
        raise ValueError("must have neither a user nor a fragment")
    return url


def _claim(value: object) -> object:
    """`a.b` is the claim b within a; a list holds names that may have dots themselves."""
    if isinstance(value, str):
        value = value.split(".")
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 8:
        raise ValueError("must be the name of a claim, or a list of names, each within the former")
    if not all(isinstance(name, str) and 0 < len(name) <= _CLAIM_LENGTH for name in value):
        raise ValueError(f"must have names of 1 to {_CLAIM_LENGTH} characters")
    return tuple(value)


def _texts(value: object) -> object:
    """One text or a list of them; true and false as JSON writes them."""
    if not isinstance(value, list | tuple):
        value = [] if value is None else [value]
    if not all(isinstance(one, str | bool) for one in value):
        raise ValueError("must be a text, or a list of texts")
    return tuple(str(one).lower() if isinstance(one, bool) else one for one in value)


Claim = Annotated[tuple[str, ...], BeforeValidator(_claim)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
AttributeName = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]


class RoleClaimSettings(Section):
    """Which roles of the policy somebody holds, by the groups that a token names."""

    claim: Claim = Field(examples=["groups"])
    map: dict[str, Names] = Field(examples=["{db-analysts: analyst}"])
    """From a group to one role of the policy or several; groups that are not named mean nothing."""


class KeySettings(Section):
    """The issuer's keys, and how long they are used."""

    lifetime: Seconds = Field(default=3600.0, ge=10, le=7 * 86400, examples=["1h"])
    """After which they are read again."""
    refetch: Seconds = Field(default=10.0, ge=1, le=3600, examples=["10s"])
    """How often they are read at most because a token names a key that is not among them."""
    stale: Seconds = Field(default=12 * 3600.0, ge=0, le=30 * 86400, examples=["12h"])
    """How long after their lifetime they are used when the issuer cannot be reached."""


class TokenSettings(Section):
    """Tokens that prove who somebody is."""

    issuer: str = Field(examples=["https://login.example/realms/clinic"])
    audience: Names = Field(examples=["dbguard"])
    """What a token must be made for: one of these."""
    algorithms: tuple[TokenAlgorithm, ...] = Field(
        default=(TokenAlgorithm.RS256, TokenAlgorithm.ES256),
        min_length=1,
        examples=["[RS256, ES256]"],
    )
    jwks: str | None = Field(default=None, examples=["https://login.example/keys"])
    """Where the issuer's keys are, a URL or a file; without it, where the issuer says."""
    ca: ReadableFile | None = Field(default=None, examples=["issuer-ca.crt"])
    """Authority of the issuer's own certificate; without it, the system's."""
    keys: KeySettings = Field(default=KeySettings(), examples=["{lifetime: 1h}"])
    identity: Claim = Field(default=("sub",), examples=["sub"])
    """The claim that is the name; `email` counts only together with `email_verified`."""
    roles: RoleClaimSettings | None = Field(
        default=None, examples=["{claim: groups, map: {db-analysts: analyst}}"]
    )
    attributes: dict[AttributeName, Claim] = Field(default={}, examples=["{department: dept}"])
    """Names of attributes, and the claims that hold their values."""
    require: dict[str, Texts] = Field(default={}, examples=["{azp: [dbguard-cli]}"])
    """Claims that must be there, and the values of which they must have one (none given: any)."""
    skew: Seconds = Field(default=30.0, ge=0, le=600, examples=["30s"])
    """How far the issuer's clock and this one may be apart."""
    max_lifetime: Seconds = Field(default=86400.0, ge=60, le=366 * 86400, examples=["24h"])
    """Tokens that are made to be valid for longer are refused."""
    scope: str = Field(default="openid", max_length=1024, examples=["openid"])
    """What clients are told to ask the issuer for."""
    password_users: Names = Field(default=(), validate_default=False, examples=['["*@clinic"]'])
    """Users who are asked for a token as a password (over TLS): names, `*` is any text."""
    bearer_users: Names = Field(default=(), validate_default=False, examples=['["*@clinic"]'])
    """Users who are offered OAUTHBEARER alone where others are offered SCRAM, too."""
    end_sessions: bool = Field(default=True, examples=["true"])
    """Whether a session ends when the token has expired that it began with."""
    grace: Seconds = Field(default=60.0, ge=0, le=86400, examples=["1m"])
    """How long a transaction that is under way then may go on."""

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        if check_url(value).query or "?" in value:
            raise ValueError("must have no query")
        return value

    @field_validator("jwks")
    @classmethod
    def _jwks(cls, value: str | None, info: ValidationInfo) -> str | None:
        """A file is given back with its whole path."""
        if value is None or "://" in value:
            if value is not None:
                check_url(value)
            return value
        if not value or not value.isprintable():
            raise ValueError("must be a URL or a path")
        path = base_of(info) / value
        if info.context:
            try:
                with path.open("rb"):
                    pass
            except OSError as error:
                reason = (error.strerror or "input/output error").lower()
                raise ValueError(f"{path} cannot be read: {reason}") from None
        return str(path)

    @field_validator("require")
    @classmethod
    def _claims(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name in value:
            _claim(name)
        return value

    @field_validator("scope")
    @classmethod
    def _scope(cls, value: str) -> str:
        if not _SCOPE.fullmatch(value):
            raise ValueError("must be words separated by single spaces")
        return value

    @property
    def jwks_file(self) -> Path | None:
        """The file of the keys; None when they are read from the issuer."""
        return None if self.jwks is None or "://" in self.jwks else Path(self.jwks)
