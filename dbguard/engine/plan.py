"""What is to be done with one text: the outcome of analysis, policy and rewriting together."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbguard.audit.rendering import DecisionTemplate
from dbguard.policy.decision import BackupRequirement, Decision, Effect, ErrorTexts, Principal
from dbguard.policy.drift import Filling
from dbguard.sql.changes import CatalogChange
from dbguard.sql.destruction import ADDITIVE, Destruction, together
from dbguard.sql.facts import Action, EffectKind, SessionEffect, Wrapper
from dbguard.sql.snapshot import SessionView
from dbguard.sql.splices import PositionMap, Splice

from .recorded_text import RecordedText

StateKey = tuple[str, int, str, int]
"""Which catalog and which rules: (database or overlay name, catalog epoch, rules digest, number
of changes to what drifted)."""


Restricted = frozenset[tuple[int, int]]
"""(relation OID, attribute number) pairs that a principal must not receive raw."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was made under."""

    key: StateKey
    view: SessionView
    restricted: Restricted
    changes: tuple[CatalogChange, ...] = ()
    """What was known to be different from the catalog of `key`."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One text to plan, for one principal in one session view."""

    text: str
    principal: Principal
    view: SessionView
    environment: str
    parameter_types: tuple[int, ...] = ()
    """OIDs of the types that a Parse declares, those that are not the server's own."""
    changes: tuple[CatalogChange, ...] = ()
    """What DDL did since the catalog was read, as far as the text may name it. Only for
    principals with raw access: others wait for the catalog."""


@dataclass(frozen=True, slots=True)
class ColumnNote:
    """A column in an audit record: name, uses and tags, all in words."""

    name: str
    uses: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error to give the client instead of running the statement. Holds no value."""

    sqlstate: str
    message: str
    detail: str = ""
    hint: str = ""
    position: int | None = None
    rule: str = ""
    because: str = ""
    """What was found, in sentences: stands behind rule and decision in DETAIL."""
    denied: bool = True
    """True for a decision of dbguard's; False for an error PostgreSQL would raise as well."""


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One statement of a text: what was decided and what the session has to know of it."""

    action: Action
    wrapper: Wrapper | None
    decision: Decision
    effects: tuple[SessionEffect, ...]
    recorded: RecordedText
    """What records say of its text."""
    relations: tuple[str, ...]
    columns: tuple[ColumnNote, ...]
    changes: tuple[CatalogChange, ...] | None = None
    """What it does to names of relations; None when that is not told by its text."""
    doubtful: bool = False
    """Earlier statements of the text may have changed what its names mean: relations and columns
    are what they meant before."""
    fills: tuple[Filling, ...] = ()
    """Columns that drift when it runs."""
    shows: tuple[Filling, ...] = ()
    """What its result would fill a table with: CREATE TABLE AS EXECUTE."""
    runs: tuple[Ran, ...] = ()
    """Prepared statements that it runs and that name something themselves."""
    destroys: Destruction = ADDITIVE
    """What it can destroy; told only where the decision requires a backup."""
    kept: tuple[StateKey, DecisionTemplate] | None = field(
        default=None, init=False, compare=False, repr=False
    )
    """What records of it are filled from, once there is one, and what it was decided under."""

    def keep(self, key: StateKey, template: DecisionTemplate) -> None:
        """Remember `kept`: no part of what was decided, which does not change."""
        object.__setattr__(self, "kept", (key, template))

    def has_effect(self, *kinds: EffectKind) -> bool:
        return any(effect.kind in kinds for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Ran:
    """A prepared PREPARE or DECLARE that EXECUTE runs: what it names rests on its own text."""

    plan: Plan
    basis: Basis
    text: bytes = field(repr=False)
    """The client's own."""


_PLANNED = frozenset({Action.SELECT, Action.INSERT, Action.UPDATE, Action.DELETE, Action.MERGE})
"""Statements that the server's planner takes, as opposed to utility statements."""


_NAMELESS = frozenset(
    {
        Action.CLOSE,
        Action.DEALLOCATE,
        Action.DISCARD,
        Action.EMPTY,
        Action.LISTEN,
        Action.NOTIFY,
        Action.RESET,
        Action.SET,
        Action.SHOW,
        Action.TRANSACTION,
        Action.UNLISTEN,
    }
)
"""Statements that name nothing that is found by search_path."""


_ENDING = frozenset({EffectKind.COMMIT, EffectKind.ROLLBACK})
_DISCARD_ALL = (EffectKind.DISCARD, "all")
"""Runs in no transaction block, and is committed at once (PreventInTransactionBlock)."""


@dataclass(frozen=True, slots=True)
class Freedom:
    """What else a plan is for: texts of the same shape in which other literals stand."""

    literals: tuple[int, ...]
    """Character offsets in the client's text of the literals that nothing here rests on."""
    splices: tuple[Splice, ...]
    """The changes to the text that is sent, in characters instead of bytes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send for a text, and everything to check and record about it."""

    text: str
    """The text to send; the client's own when nothing had to change."""
    positions: PositionMap | None
    """Maps error positions back; None when the text is the client's own."""
    statements: tuple[PlannedStatement, ...]
    refusal: Refusal | None = None
    """Set when the text is not run at all."""
    raw_access: bool = False
    """The principal may see everything raw: nothing to verify, nothing to withhold."""
    size: int = 0
    """Bytes this plan takes in memory (`footprint`), told by who made it."""
    freedom: Freedom | None = None
    """None when the plan is for its own text alone."""

    @property
    def requirements(self) -> tuple[BackupRequirement, ...]:
        return tuple(r for s in self.statements for r in s.decision.requirements)

    def destroyed(self, requirement: BackupRequirement) -> Destruction:
        """What all statements that `requirement` is about can destroy together."""
        return together(
            s.destroys for s in self.statements if requirement in s.decision.requirements
        )

    @property
    def fillings(self) -> tuple[Filling, ...]:
        """What drifts when it runs."""
        return tuple(
            f
            for s in self.statements
            if s.fills and s.wrapper is not Wrapper.PREPARE
            for f in s.fills
            if f.tags
        )

    @property
    def withholds_errors(self) -> bool:
        return any(s.decision.error_texts is ErrorTexts.WITHHOLD for s in self.statements)

    @property
    def masked(self) -> bool:
        return any(s.decision.masks for s in self.statements)

    def has_effect(self, *kinds: EffectKind) -> bool:
        return any(s.has_effect(*kinds) for s in self.statements)

    @property
    def effects(self) -> tuple[SessionEffect, ...]:
        return tuple(e for s in self.statements for e in s.effects)

    @property
    def fixed_at_bind(self) -> bool:
        """Bind settles what it runs; utility statements look their names up when they run."""
        return all(
            s.wrapper is None and s.action in _PLANNED and not s.effects for s in self.statements
        )

    @property
    def names_nothing(self) -> bool:
        """It means the same whatever search_path is: COMMIT, SHOW and the like."""
        return self.refusal is None and all(
            s.wrapper is None and s.action in _NAMELESS for s in self.statements
        )

    @property
    def controls_only(self) -> bool:
        """It begins and ends transactions, and nothing else: for whatever role."""
        return self.names_nothing and all(s.action is Action.TRANSACTION for s in self.statements)

    @property
    def ends_transaction(self) -> bool:
        """It is COMMIT or ROLLBACK, not AND CHAIN, or DISCARD ALL: none is open behind it."""
        if not self.names_nothing or len(self.statements) != 1 or len(self.effects) != 1:
            return False
        (effect,) = self.effects
        return effect.kind in _ENDING or (effect.kind, effect.name) == _DISCARD_ALL

    @property
    def denied(self) -> bool:
        return any(s.decision.effect is Effect.DENY for s in self.statements)


@dataclass(frozen=True, slots=True)
class RestrictedRequest:
    """Asks which columns a principal may not see raw: the tripwire's list."""

    principal: Principal
    environment: str


@dataclass(frozen=True, slots=True)
class RememberRequest:
    """Asks what the next catalog's classification has to know of this one."""


@dataclass(frozen=True, slots=True)
class FunctionCallRequest:
    """The protocol's FunctionCall, to be decided by the function's OID."""

    function_oid: int
    principal: Principal
    view: SessionView
    environment: str
