"""Settings of the look at who is connected to the servers."""

from __future__ import annotations

from pydantic import Field, model_validator

from .server_settings import Section
from .setting_types import Networks, Seconds


class ExpectedSessionSettings(Section):
    """Sessions that may be there without dbguard: all that an entry names must fit."""

    user: str | None = Field(default=None, min_length=1, max_length=63, examples=["replicator"])
    """A database user; `*` stands for any text."""
    networks: Networks = Field(default=(), examples=["[10.0.0.9/32]"])
    """Where it comes from; sessions of the server's own host come from 127.0.0.1."""
    application: str | None = Field(
        default=None, min_length=1, max_length=63, examples=['"pg_basebackup*"']
    )
    """Its application_name, which everybody chooses freely; `*` stands for any text."""

    @model_validator(mode="after")
    def _something(self) -> ExpectedSessionSettings:
        if self.user is None and self.application is None and not self.networks:
            raise ValueError("must name a user, networks or an application")
        return self


class WatchSettings(Section):
    """The look at who is connected to the servers past dbguard."""

    interval: Seconds = Field(default=15.0, ge=0, le=3600, examples=["15s"])
    """How often; a session is told at the second look that shows it. 0: never."""
    expected: tuple[ExpectedSessionSettings, ...] = Field(
        default=(), examples=["[{user: replicator, networks: [10.0.0.9/32]}]"]
    )
