"""What was observed of a server, and what was found in it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.StrEnum):
    OPEN = "open"
    """A way past dbguard."""
    WEAK = "weak"
    """Something that makes one easier, or whoever takes it harder to see."""
    UNSEEN = "unseen"
    """Could not be looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change."""

    severity: Severity
    subject: str
    what: str
    """A sentence."""
    lines: tuple[str, ...] = ()
    """What closes it: SQL, or lines of a configuration file."""


@dataclass(frozen=True, slots=True)
class HbaRule:
    """One line of pg_hba.conf, as pg_hba_file_rules shows it."""

    line: int
    kind: str
    """`local`, `host`, `hostssl`, …"""
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    """`all`, `samehost`, `samenet`, a name or an address; empty for `local`."""
    netmask: str
    method: str


@dataclass(frozen=True, slots=True)
class LoginRole:
    """A role that can log in."""

    name: str
    superuser: bool
    bypasses_rls: bool
    replication: bool
    memberships: frozenset[str]
    """Predefined roles that it is a member of, directly or not."""
    bootstrap: bool = False
    """The role that initdb made: PostgreSQL wants it to be a superuser."""
    creates_roles: bool = False
    superusers: frozenset[str] = frozenset()
    """Superusers' roles that it is a member of, directly or not."""
    unbound: frozenset[str] = frozenset()
    """Roles with BYPASSRLS that it is a member of, directly or not."""


@dataclass(frozen=True, slots=True)
class SeenSession:
    """A client's session on the server."""

    user: str
    database: str
    address: str
    """`local` on a Unix socket."""
    application: str
    replication: bool = False
    """It is sent what is written to the server."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One server. None where the control role may not look."""

    server: str
    user: str
    """The control role."""
    address: str
    """dbguard's, as the server sees it; `local` on a Unix socket."""
    listening: tuple[str, ...]
    encrypts: bool
    hba: tuple[HbaRule, ...] | None
    roles: tuple[LoginRole, ...]
    md5: tuple[str, ...] | None
    """Roles whose passwords are kept as MD5 hashes."""
    extensions: tuple[tuple[str, str], ...]
    """Database and name."""
    foreign_servers: tuple[tuple[str, str, str], ...]
    """Database, name and wrapper."""
    publications: tuple[tuple[str, str], ...]
    slots: tuple[str, ...]
    """Replication slots."""
    sessions: tuple[SeenSession, ...] | None
    closed: tuple[str, ...] = ()
    """Databases that could not be looked into."""
    broken_rules: tuple[int, ...] = ()
    """Lines of pg_hba.conf that the server cannot read."""
    languages: tuple[tuple[str, str], ...] = ()
    """Database and name of languages that are not trusted."""
    file_functions: tuple[tuple[str, str, str], ...] = ()
    """Database, function that reads or writes files, and who was given it."""
