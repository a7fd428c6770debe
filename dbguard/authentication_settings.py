"""How clients prove who they are."""

from __future__ import annotations

import enum

from pydantic import Field, ValidationInfo, field_validator

from .server_settings import Section, check_dsn
from .setting_types import ReadableFile, Secret


class AuthenticationMode(enum.StrEnum):
    """Who checks a password."""

    PASS_THROUGH = "pass-through"  # noqa: S105 - the name of a mode
    """The server does, and dbguard passes questions and answers on."""
    SERVER_USERS = "server-users"
    """dbguard does, by the verifiers that the server keeps of its users, and logs in to the server
    with the key that a client's proof shows."""


DEFAULT_QUERY = "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin"


class AuthenticationSettings(Section):
    """How clients prove who they are."""

    mode: AuthenticationMode = Field(
        default=AuthenticationMode.PASS_THROUGH, examples=["server-users"]
    )
    query: str = Field(
        default=DEFAULT_QUERY, min_length=1, examples=['"SELECT dbguard.verifier($1)"']
    )
    """One column, one row at most: the verifier of user $1, as in pg_authid.rolpassword."""
    dsn: Secret | None = Field(default=None, examples=["file:authentication-dsn.txt"])
    """A role that may run the query; without it, that of the control connection does."""
    file: ReadableFile | None = Field(default=None, examples=["users.txt"])
    """Verifiers from a file instead of the server: lines of `"name" "SCRAM-SHA-256$…"`."""

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
