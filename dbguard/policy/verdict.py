"""What the checks of one decision share: the case they look at, and what they found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dbguard.sql.facts import (
    Action,
    ActionClass,
    ColumnName,
    ColumnUse,
    EffectKind,
    FunctionUse,
    RelationUse,
    SessionEffect,
    StatementFacts,
    Use,
    merged_actions,
)
from dbguard.sql.snapshot import Relation, RelationKind

from .binding import BoundPolicy
from .decision import BackupRequirement, MaskedColumn, Principal, Reason
from .standing import Access, Standing

FREE_CLASSES = frozenset({ActionClass.SESSION, ActionClass.TRANSACTION})
"""Need no grant: they touch no data. Denials still apply to them."""
_SHOWN = 4
"""Names spelled out in one message; a refusal has to fit on a terminal."""
_WRITING_COLUMNS = frozenset({Action.INSERT, Action.UPDATE, Action.MERGE, Action.COPY_FROM})

_ALTERING = frozenset({"AlterOwnerStmt", "AlterTableStmt"})
"""OWNER TO and the switches of row security need the grant of `role` and `policy`. They alter what
they name all the same: denials and requirements count them as that, too."""
MAKING = frozenset({Action.CREATE, Action.CREATE_TABLE_AS})
"""Two names of one thing: what makes a materialized view is both."""
BY_COLUMN = frozenset(
    {Action.INSERT, Action.UPDATE, Action.COPY_FROM, Action.SELECT, Action.COPY_TO, Action.FETCH,
     Action.SHOW}
)  # fmt: skip
"""Judged by the columns they name; every other action concerns the relation as a whole."""


@dataclass(frozen=True)
class Case:
    """One statement of one principal in one environment, before the policy."""

    bound: BoundPolicy
    facts: StatementFacts
    principal: Principal
    environment: str
    seen_through: frozenset[FunctionUse] = frozenset()
    """SQL functions whose bodies do only what the principal may do, and see nothing masked."""

    @cached_property
    def standing(self) -> Standing:
        return self.bound.standing(self.principal, self.environment)

    @property
    def raw(self) -> bool:
        """Whether the principal holds raw access to everything."""
        return self.standing.raw

    @cached_property
    def actions(self) -> frozenset[Action]:
        """Everything the statement does."""
        found = merged_actions(self.facts) | {use.action for use in self.facts.relations}
        if self.principal.acting and SessionEffect(EffectKind.DISCARD, "all") in self.facts.effects:
            found |= {Action.SET_ROLE}  # it ends SET ROLE and SET SESSION AUTHORIZATION
        # Its command tag is a role's, and what it does is dropping tables.
        if self.facts.statement_tag == "DropOwnedStmt":
            found |= {Action.DROP}
        return found | {Action.ALTER} if self.facts.statement_tag in _ALTERING else found

    @cached_property
    def lasting_actions(self) -> frozenset[Action]:
        """Everything the statement does but to the session's own temporary tables."""
        uses = self.facts.relations
        if self.facts.objects or not uses:
            return self.actions
        temporary = {u.action for u in uses if is_temporary(u.schema)}
        lasting = {u.action for u in uses if not is_temporary(u.schema)}
        if not temporary:
            return self.actions
        own = temporary | (MAKING if temporary & MAKING else frozenset())
        return self.actions - (own - lasting)

    @cached_property
    def read_action(self) -> Action:
        """The action that the statement's own reading counts as."""
        own = self.facts.action
        readable = own.action_class is ActionClass.READ and own is not Action.SHOW
        return own if readable else Action.SELECT

    def relation(self, oid: int, schema: str, name: str) -> Relation:
        """The relation of the snapshot, or a bare one for what does not exist yet."""
        found = self.bound.snapshot.relation_by_oid.get(oid)
        return found or Relation(oid, schema, name, RelationKind.TABLE, ())

    def tags(self, column: ColumnName) -> frozenset[str]:
        return self.bound.tags_of(column.relation, column.number)

    def reading(self, column: ColumnName, action: Action | None = None) -> Access:
        """How the principal sees a classified column."""
        relation = self.relation(column.relation, column.schema, column.table)
        return self.standing.access(self.tags(column), relation, action or self.read_action)

    def writes_to(self, column: ColumnName) -> tuple[Action, ...]:
        """The actions by which the statement writes a column."""
        own = {
            use.action
            for use in self.facts.relations
            if use.relation == column.relation and use.action in _WRITING_COLUMNS
        }
        own = own or set(self.actions & _WRITING_COLUMNS) or {self.facts.action}
        return tuple(sorted(own))

    def masking_rule(self, column: ColumnName) -> str:
        """The rule that grants a masked column."""
        return min(self.reading(column).rules)

    def by_column(self, use: RelationUse) -> bool:
        """Whether a use is judged by the columns it names; others concern the whole relation."""
        return use.action in BY_COLUMN

    def uses_of(self, use: ColumnUse) -> tuple[Action, ...]:
        """The actions that one column use amounts to."""
        found: list[Action] = []
        if use.uses - {Use.WRITE}:
            found.append(self.read_action)
        if Use.WRITE in use.uses:
            found.extend(self.writes_to(use.column))
        return tuple(found)

    def actions_on(self, use: RelationUse) -> frozenset[Action]:
        """The actions that one relation use amounts to."""
        if use.action.action_class is ActionClass.READ:
            return frozenset({use.action, self.read_action})
        if self.facts.statement_tag in _ALTERING:
            return frozenset({use.action, Action.ALTER})
        return frozenset({use.action})


@dataclass(slots=True)
class Verdict:
    """What the checks found so far."""

    rules: set[str] = field(default_factory=set)
    reasons: list[Reason] = field(default_factory=list)
    denied: dict[str, str] = field(default_factory=dict)
    """Denials that grants ran into, with what they were about; `report_denied` makes sure that
    each has its reason."""
    masks: dict[ColumnName, MaskedColumn] = field(default_factory=dict)
    requirements: list[BackupRequirement] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    tags: dict[ColumnName, frozenset[str]] = field(default_factory=dict)


def listed(names: Iterable[object]) -> str:
    """Names for a message, in order, long lists cut with their count."""
    texts: Sequence[str] = list(dict.fromkeys(map(str, names)))
    if len(texts) <= _SHOWN + 1:
        return _joined(texts)
    return f"{', '.join(texts[:_SHOWN])} and {len(texts) - _SHOWN} more"


def data_in(tags: Iterable[str], relations: Iterable[str]) -> str:
    """What a grant on all these tags would be about, as short as rules can say it.

    Many tags are told by what they are all kinds of, and by the relations that they were met in.
    """
    found = sorted(set(tags))
    if len(found) <= _SHOWN + 1:
        return listed(found)
    kinds = sorted({tag.partition(".")[0] for tag in found})
    return f"{listed(kinds)} in {listed(relations)}"


def _joined(texts: Sequence[str]) -> str:
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def described(action: Action, names: Iterable[object], *, exists: bool = False) -> str:
    """The action and what it is done to, as a message begins: `dropping clinic.patients`.

    `exists` tells that the names are of relations that are there already.
    """
    what = listed(names)
    verb = (_DOING_TO_EXISTING.get(action) if exists else None) or _DOING.get(action)
    if verb and what:
        return f"{verb} {what}"
    tag = str(action).upper().replace("_", " ")
    return f"{tag} ({what})" if what else tag


def is_temporary(schema: str) -> bool:
    """Whether what is in this schema belongs to one session alone."""
    return schema == "pg_temp" or schema.startswith("pg_temp_")


_DOING_TO_EXISTING = {
    Action.CREATE: "creating an object on",
    Action.ROLE: "changing the owner of",
    Action.POLICY: "changing row security of",
    Action.CREATE_TRIGGER: "creating a trigger on",
    Action.CREATE_RULE: "creating a rule on",
    Action.SECURITY_LABEL: "labelling",
}
_DOING = {
    Action.SELECT: "reading",
    Action.COPY_TO: "copying out",
    Action.FETCH: "fetching",
    Action.SHOW: "showing",
    Action.INSERT: "inserting into",
    Action.UPDATE: "updating",
    Action.DELETE: "deleting from",
    Action.MERGE: "merging into",
    Action.COPY_FROM: "copying into",
    Action.CREATE: "creating",
    Action.CREATE_TABLE_AS: "creating",
    Action.ALTER: "altering",
    Action.DROP: "dropping",
    Action.TRUNCATE: "truncating",
    Action.COMMENT: "commenting on",
    Action.RENAME: "renaming",
    Action.GRANT: "granting privileges on",
    Action.REVOKE: "revoking privileges on",
    Action.VACUUM: "vacuuming",
    Action.ANALYZE: "analyzing",
    Action.REINDEX: "reindexing",
    Action.CLUSTER: "clustering",
    Action.REFRESH: "refreshing",
    Action.LOCK: "locking",
}
