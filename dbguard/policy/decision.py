"""A decision, and what it is made from: the border between policy and everything after it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from dbguard.sql.destruction import ADDITIVE, Destruction
from dbguard.sql.facts import ColumnName


class Proof(enum.StrEnum):
    """By what somebody has proved to dbguard who they are."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind of proof
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has proved to dbguard itself who they are, whatever database user stands for them."""

    name: str
    proof: Proof
    roles: frozenset[str] = frozenset()
    """Roles of the policy that come with it."""
    attributes: frozenset[tuple[str, str]] = frozenset()
    """Names and values, as `("department", "oncology")`; a name may have several values."""


@dataclass(frozen=True, slots=True)
class Acting:
    """A database role in force that is not the one that logged in: SET ROLE, SET SESSION
    AUTHORIZATION."""

    role: str
    """Empty when it is not known which."""
    groups: frozenset[str] = frozenset()
    """Database roles that it belongs to, itself included."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. Part of every plan cache key, so it holds nothing that changes per statement."""

    user: str
    """The database user that logged in, never the one SET ROLE or SET SESSION AUTHORIZATION
    chose."""
    groups: frozenset[str]
    """Database roles the user belongs to, directly or not, itself included."""
    database: str
    superuser: bool = False
    identity: Identity | None = None
    """None: nobody but the server has checked who it is, and all it told is `user`."""
    acting: tuple[Acting, ...] = ()
    """The role in force where it is not `user`; the possible ones where a string of statements
    changes it. They take grants away and add denials, and never the other way."""

    @property
    def granted(self) -> Principal:
        """As whom it holds grants: through groups only those that every role in force is in."""
        if not self.acting:
            return self
        groups = self.groups.intersection(*(a.groups for a in self.acting))
        return replace(self, groups=groups, acting=())

    @property
    def denied(self) -> tuple[Principal, ...]:
        """As whom it meets denials and requirements: as itself, and as every role in force."""
        own = replace(self, acting=())
        return (own, *(replace(own, user=a.role, groups=a.groups) for a in self.acting))

    @property
    def acting_as(self) -> str:
        """The role in force for people and records; empty for the one that logged in."""
        return ", ".join(a.role or "unknown" for a in self.acting)

    @property
    def name(self) -> str:
        """Whom to speak of: the person or program, else the database user."""
        return self.user if self.identity is None else self.identity.name


class Effect(enum.StrEnum):
    ALLOW = "allow"
    DENY = "deny"


class MaskKind(enum.StrEnum):
    NULL = "null"
    REDACT = "redact"
    KEEP_FIRST = "keep_first"
    KEEP_LAST = "keep_last"
    YEAR = "year"
    ZIP3 = "zip3"
    AGE_CAP = "age_cap"
    DEFINITION = "definition"
    """Not in rules: text of the catalog without its literals."""
    COMMENT = "comment"
    """Not in rules: comments of the catalog without what may be a value."""

    @property
    def generalises(self) -> bool:
        """True when masked values may be grouped, sorted and joined meaningfully."""
        return self in (MaskKind.YEAR, MaskKind.ZIP3, MaskKind.AGE_CAP)


@dataclass(frozen=True, slots=True)
class Mask:
    """One mask of a profile."""

    kind: MaskKind
    keep: int = 0
    """keep_first / keep_last: characters shown; age_cap: first age shown as "or older"."""
    fill: str = ""
    """keep_*: text put in place of what is hidden (`***-**-`); redact: the text shown."""
    restricted: tuple[str, ...] = ()
    """zip3: prefixes shown as 000."""
    floor_year: int | None = None
    """year on a birth date: earlier years are shown as this one ("90 or older"), policy-given."""


@dataclass(frozen=True, slots=True)
class MaskedColumn:
    column: ColumnName
    tag: str
    """The tag whose mask applies."""
    mask: Mask
    rule: str
    profile: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a statement is refused (or noted), ready to be shown: never holds a value."""

    rule: str
    """Rule id, or `defaults.classified` and the like."""
    message: str
    """What is refused: lower case, no full stop."""
    hint: str = ""
    """What to do next: a sentence."""
    columns: tuple[ColumnName, ...] = ()
    relations: tuple[str, ...] = ()
    """`schema.name` of relations the reason is about."""


class Verification(enum.StrEnum):
    """How a backup was proven; each level includes those before it."""

    EXISTS = "exists"
    """It is there and whoever made it reported no error."""
    CHECKSUM = "checksum"
    """Its files are those that were written, by their checksums."""
    TOOL = "tool"
    """The check of the tool that made it found nothing: pg_verifybackup and the like."""
    RESTORED = "restored"
    """It was restored, and what came back was compared with what had been there."""

    def reaches(self, wanted: Verification) -> bool:
        """Whether this is enough where `wanted` is asked for."""
        order = list(Verification)
        return order.index(self) >= order.index(wanted)


class OnMissing(enum.StrEnum):
    """What becomes of a statement whose backup is missing."""

    REFUSE = "refuse"
    TAKE = "take"
    """dbguard makes one while the client waits."""


@dataclass(frozen=True, slots=True)
class BackupRequirement:
    """A fresh, proven backup of what the statement destroys must exist before it runs."""

    rule: str
    max_age_seconds: int
    on_missing: OnMissing = OnMissing.REFUSE
    min_verification: Verification = Verification.RESTORED
    providers: tuple[str, ...] = ()
    """Names of those whose backups count; empty: all that are configured."""
    max_wal_bytes: int | None = None
    """How much WAL may have been written since the backup; None: any amount."""
    max_take_bytes: int | None = None
    """`take`: the largest database to back up while a client waits; None: any size."""
    unless_additive: bool = False
    """Statements that destroy nothing need no backup."""


class ErrorTexts(enum.StrEnum):
    """What server messages about the statement may show (DESIGN section 4, error texts)."""

    SHOW = "show"
    WITHHOLD = "withhold"
    """Message, detail, hint, where and internal query are replaced; SQLSTATE and names stay."""


@dataclass(frozen=True, slots=True)
class Decision:
    effect: Effect
    rules: tuple[str, ...] = ()
    """Ids of all rules that took part, sorted."""
    reasons: tuple[Reason, ...] = ()
    """Why it is denied (all reasons at once); empty when allowed."""
    masks: tuple[MaskedColumn, ...] = ()
    """Columns the statement refers to that this principal may only see masked."""
    requirements: tuple[BackupRequirement, ...] = ()
    destroys: Destruction = ADDITIVE
    """What the statement can destroy; told where something is required."""
    notices: tuple[str, ...] = ()
    """Sentences to show as NOTICE (comparisons on masked values)."""
    error_texts: ErrorTexts = ErrorTexts.SHOW
    tags: tuple[tuple[ColumnName, tuple[str, ...]], ...] = ()
    """Tags of the classified columns involved, for the audit record."""
