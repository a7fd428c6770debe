"""A policy as loaded: frozen, picklable, free of files and positions.

A *tag* is dotted; naming `phi` covers `phi` and every `phi.…`. `*` covers every tag.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dbguard.sql.facts import Action, ActionClass

from .decision import Mask, OnMissing, Principal, Verification
from .patterns import Pattern

EVERY_TAG = "*"
SYSTEM_VALUES = "system.values"
SYSTEM_DEFINITIONS = "system.definitions"
SYSTEM_COMMENTS = "system.comments"
SYSTEM_TAGS = frozenset({SYSTEM_VALUES, SYSTEM_DEFINITIONS, SYSTEM_COMMENTS})
"""Built-in tag of catalog columns that hold data values or other sessions' texts."""


def covers(general: str, tag: str) -> bool:
    """Whether naming `general` names `tag` too."""
    return general == EVERY_TAG or tag == general or tag.startswith(general + ".")


class RuleEffect(enum.StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Classified:
    """Columns and tables that carry a tag."""

    tag: str
    columns: tuple[Pattern, ...] = ()
    tables: tuple[Pattern, ...] = ()
    source: str = ""
    """Where the obligation comes from, for people: `45 CFR 164.514(b)(2)(i)(G)`."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """What somebody must be: one value at least of an attribute."""

    name: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class PolicyRole:
    """Who a rule is about: database users, members of database roles, and people or programs that
    dbguard itself knows."""

    name: str
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()
    attributes: frozenset[Attribute] = frozenset()
    """All of these, too; where nobody is named, they are enough."""

    def holds(self, principal: Principal) -> bool:
        """Whether `principal` has the role. Names of people are never taken for names of database
        users or roles, nor the other way."""
        identity = principal.identity
        if identity is not None and self.name in identity.roles:
            return True
        named = bool(self.users or self.groups or self.identities)
        if not named and not self.attributes:
            return False
        if named and not (
            principal.user in self.users
            or self.groups & principal.groups
            or (identity is not None and identity.name in self.identities)
        ):
            return False
        if not self.attributes:
            return True
        return identity is not None and all(
            any((wanted.name, value) in identity.attributes for value in wanted.values)
            for wanted in self.attributes
        )


@dataclass(frozen=True, slots=True)
class MaskProfile:
    """How each tag is shown to those who may see it masked only."""

    name: str
    masks: tuple[tuple[str, Mask], ...]

    def mask_for(self, tag: str) -> Mask | None:
        """The mask of the most specific entry that covers `tag`."""
        fitting = [(len(name), mask) for name, mask in self.masks if covers(name, tag)]
        return max(fitting, key=lambda entry: entry[0])[1] if fitting else None


@dataclass(frozen=True, slots=True)
class Backup:
    """What `require: {backup: …}` asks for."""

    max_age_seconds: int
    on_missing: OnMissing = OnMissing.REFUSE
    min_verification: Verification = Verification.RESTORED
    providers: frozenset[str] = frozenset()
    """Empty: all that are configured."""
    max_wal_bytes: int | None = None
    max_take_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; empty sets of roles, data, tables and environments mean "any"."""

    id: str
    effect: RuleEffect
    actions: frozenset[Action]
    roles: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()
    tables: tuple[Pattern, ...] = ()
    environments: frozenset[str] = frozenset()
    masked: MaskProfile | None = None
    where_missing: bool = False
    backup: Backup | None = None
    unless_additive: bool = False
    """It says nothing of statements that destroy nothing."""
    because: str = ""

    def about(self, tag: str | None, schema: str, table: str) -> bool:
        """Whether data with this tag (None: unclassified) in this table is the rule's subject."""
        if self.data and not (tag is not None and any(covers(d, tag) for d in self.data)):
            return False
        return not self.tables or any(p.matches(schema, table) for p in self.tables)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where no rule speaks. Classified data is always refused."""

    unclassified: frozenset[ActionClass] = frozenset({ActionClass.READ, ActionClass.WRITE})
    """Classes allowed on what carries no tag."""
    unparsed: bool = False
    """Whether principals with raw access to everything may run what analysis cannot read."""


@dataclass(frozen=True, slots=True)
class Policy:
    classification: tuple[Classified, ...]
    roles: tuple[PolicyRole, ...]
    profiles: tuple[MaskProfile, ...]
    rules: tuple[Rule, ...]
    safe_functions: frozenset[str]
    """Signatures, `schema.name(type, type)`."""
    defaults: Defaults
    digest: str
    """SHA-256 (hex) over the content: equal for equal policies, whatever the order of files."""
    declassified: tuple[Pattern, ...] = ()
    """Columns that hold nothing classified, whatever they were filled from."""

    def roles_of(self, principal: Principal) -> frozenset[str]:
        """The names of the roles that `principal` holds."""
        return frozenset(role.name for role in self.roles if role.holds(principal))

    @property
    def tags(self) -> frozenset[str]:
        """Every tag that the classification gives."""
        return frozenset(entry.tag for entry in self.classification)
