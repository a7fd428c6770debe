"""How clients prove who they are."""

from __future__ import annotations

import enum

from pydantic import Field, ValidationInfo, field_validator

from dbguard.errors import ConfigurationError

from .certificate_settings import CertificateSettings
from .routes import NAME_BYTES
from .server_settings import Section, check_dsn
from .setting_types import ReadableFile, ReadSecret, ResolvedPath, Secret, UpstreamName
from .token_settings import TokenSettings


class AuthenticationMode(enum.StrEnum):
    """Who checks a password."""

    PASS_THROUGH = "pass-through"  # noqa: S105 - the name of a mode
    """The server does, and dbguard passes questions and answers on."""
    SERVER_USERS = "server-users"
    """dbguard does, by the verifiers that the server keeps of its users, and logs in to the server
    with the key that a client's proof shows."""
    IDENTITIES = "identities"
    """dbguard does, by what it knows itself of people and programs, and logs in to the server with
    a credential of its own."""


DEFAULT_QUERY = "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin"


class LoginSettings(Section):
    """A database user that stands for people at the server."""

    user: str = Field(min_length=1, max_length=63, examples=["app_analyst"])
    password: ReadSecret | None = Field(default=None, examples=['"file:analyst.secret"'])
    """Without one, the server lets dbguard in by what it is: its address or its certificate."""
    role: str | None = Field(default=None, min_length=1, max_length=63, examples=["analyst"])
    """The role of the policy that it stands for; without one, everybody else."""
    upstream: UpstreamName | None = Field(default=None, examples=["europe"])
    """Of which of `upstreams` it is a user; without one, of all servers."""

    @field_validator("user")
    @classmethod
    def _name(cls, value: str) -> str:
        if not value.isprintable() or len(value.encode()) > NAME_BYTES:
            raise ValueError(f"must be a printable name of at most {NAME_BYTES} bytes")
        return value


class AuthenticationSettings(Section):
    """How clients prove who they are."""

    mode: AuthenticationMode = Field(
        default=AuthenticationMode.PASS_THROUGH, examples=["server-users"]
    )
    tokens: TokenSettings | None = Field(
        default=None, examples=["{issuer: https://login.example, audience: dbguard}"]
    )
    """Tokens of an OpenID Connect issuer; absent: none is taken."""
    certificates: CertificateSettings | None = Field(
        default=None, examples=["{map: certificates.map, crl: revoked.pem}"]
    )
    query: str = Field(
        default=DEFAULT_QUERY, min_length=1, examples=['"SELECT dbguard.verifier($1)"']
    )
    """One column, one row at most: the verifier of user $1, as in pg_authid.rolpassword."""
    dsn: Secret | None = Field(default=None, examples=["file:authentication-dsn.txt"])
    """A role that may run the query; without it, that of the control connection does."""
    file: ReadableFile | None = Field(default=None, examples=["users.txt"])
    """Verifiers from a file instead of the server: lines of `"name" "SCRAM-SHA-256$…"`."""
    users: ResolvedPath | None = Field(default=None, examples=["users.json"])
    """dbguard's own users, as `dbguard user` keeps them."""
    logins: tuple[LoginSettings, ...] = Field(
        default=(), examples=['[{user: app_readonly, password: "file:readonly.secret"}]']
    )
    """Who stands for whom at the server: the first entry that fits."""

    @field_validator("dsn")
    @classmethod
    def _url(cls, value: Secret | None) -> Secret | None:
        return None if value is None else check_dsn(value)

    @field_validator("file")
    @classmethod
    def _one_source(cls, value: ReadableFile | None, info: ValidationInfo) -> ReadableFile | None:
        given = info.data.get("query") != DEFAULT_QUERY or info.data.get("dsn") is not None
        if value is not None and given:
            raise ValueError("takes the place of authentication.query and authentication.dsn")
        return value

    @property
    def proofs(self) -> tuple[object, ...]:
        """What tells dbguard who people are, where it knows them itself."""
        table = None if self.certificates is None else self.certificates.map
        return tuple(found for found in (self.users, self.tokens, table) if found is not None)

    def check_combination(self) -> None:
        """Refuse settings that are fine one by one and let nobody in together."""
        if self.mode is not AuthenticationMode.IDENTITIES:
            if self.certificates is not None and self.certificates.map is not None:
                raise ConfigurationError(
                    "authentication.certificates.map: the server decides who clients are",
                    hint="Set authentication.mode to identities.",
                )
            if self.users is not None or self.logins:
                name = "logins" if self.users is None else "users"
                raise ConfigurationError(
                    f"authentication.{name}: the server knows its own users only",
                    hint="Set authentication.mode to identities.",
                )
            if self.tokens is not None:
                raise ConfigurationError(
                    "authentication.tokens: the server knows no tokens",
                    hint="Set authentication.mode to identities.",
                )
            return
        if self.file is not None or self.dsn is not None or self.query != DEFAULT_QUERY:
            name = "file" if self.file is not None else "query and authentication.dsn"
            raise ConfigurationError(
                f"authentication.{name}: what the server knows of its users does not count here",
                hint="Remove it, or set authentication.mode to server-users.",
            )
        if not self.proofs:
            raise ConfigurationError(
                "authentication.mode: identities knows nobody",
                hint="Name a file of users: authentication.users (`dbguard user add` makes it), or "
                "give authentication.tokens or authentication.certificates.map.",
            )
        if not self.logins:
            raise ConfigurationError(
                "authentication.logins: no database user stands for anybody",
                hint='For example logins: [{user: app_readonly, password: "file:app.secret"}].',
            )
