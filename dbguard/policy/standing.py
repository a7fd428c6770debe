"""What one principal may do in one environment: the rules about them, quick to ask."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dbguard.sql.facts import Action, ActionClass
from dbguard.sql.snapshot import Relation

from .decision import Mask, MaskKind, Principal
from .masks import revealing
from .model import SYSTEM_COMMENTS, SYSTEM_DEFINITIONS, SYSTEM_VALUES, Policy, Rule, RuleEffect

READ_ACTIONS = frozenset(a for a in Action if a.action_class is ActionClass.READ)
_RAW_READS = READ_ACTIONS - {Action.SHOW}
"""What raw access to everything has to include."""


NamesOf = Callable[[int, str, str], tuple[tuple[str, str], ...]]
"""By which names a denial may mean a relation: `BoundPolicy.names_of`."""


class Sight(enum.Enum):
    """How a principal sees a column."""

    RAW = enum.auto()
    MASKED = enum.auto()
    DENIED = enum.auto()


@dataclass(frozen=True, slots=True)
class Access:
    """How far a principal may go with one action on data that carries some tags."""

    sight: Sight
    rules: frozenset[str] = frozenset()
    """Rules that this rests on."""
    tag: str = ""
    """MASKED: the tag whose mask applies. DENIED: the first tag that is not granted."""
    mask: Mask | None = None
    profile: str = ""
    denied_by: str = ""
    """DENIED: the denial; empty when only a grant is missing."""


RAW = Access(Sight.RAW)
_HIDDEN = {
    tag: Access(Sight.MASKED, frozenset({tag}), tag, Mask(kind), tag)
    for tag, kind in (
        (SYSTEM_VALUES, MaskKind.NULL),
        (SYSTEM_DEFINITIONS, MaskKind.DEFINITION),
        (SYSTEM_COMMENTS, MaskKind.COMMENT),
    )
}
"""How the server's own catalogs look to those who may not read everything."""


class Standing:
    """One principal's rules in one environment.

    `environment` None asks what holds in every environment: grants limited to some do not count,
    denials do.
    """

    def __init__(
        self,
        policy: Policy,
        principal: Principal,
        environment: str | None,
        names_of: NamesOf,
    ) -> None:
        self._names_of = names_of
        self.roles = policy.roles_of(principal.granted)
        self.given_up = policy.roles_of(replace(principal, acting=())) - self.roles
        """Roles of the policy that the login has and the database role in force has not."""
        rules = _for_roles(policy, self.roles)
        self.grants = _of(rules, RuleEffect.ALLOW, environment, unknown=False)
        self._masking = self.grants
        """Grants that may hide more than `grants` do: less is never a reason to show more."""
        if principal.acting:
            own = _for_roles(policy, self.roles | self.given_up)
            self._masking = _of(own, RuleEffect.ALLOW, environment, unknown=False)
            rules = _for_roles(policy, *(policy.roles_of(p) for p in principal.denied))
        self.denials = _of(rules, RuleEffect.DENY, environment, unknown=True)
        self.requirements = _of(rules, RuleEffect.REQUIRE, environment, unknown=True)
        self.defaults = policy.defaults
        self._access: dict[tuple[frozenset[str], str, str, Action], Access] = {}
        self.raw = self._raw_everywhere(policy.tags)

    def _raw_everywhere(self, tags: frozenset[str]) -> bool:
        for denial in self.denials:
            if not denial.where_missing and denial.actions & _RAW_READS:
                return False
        plain = [g for g in self.grants if g.data and not g.tables and g.masked is None]
        return all(
            any(action in g.actions and g.about(tag, "", "") for g in plain)
            for tag in tags
            for action in _RAW_READS
        )

    def access(self, tags: frozenset[str], relation: Relation, action: Action) -> Access:
        """What the principal may do with data of `relation` that carries `tags`."""
        key = (tags, relation.schema, relation.name, action)
        found = self._access.get(key)
        if found is None:
            found = self._access[key] = self._find_access(tags, relation, action)
        return found

    def _find_access(self, tags: frozenset[str], relation: Relation, action: Action) -> Access:
        for denial in self.denials:
            if denial.where_missing or action not in denial.actions:
                continue
            names = self._names_of(relation.oid, relation.schema, relation.name)
            if any(denial.about(tag, *name) for tag in tags for name in names):
                return Access(Sight.DENIED, frozenset({denial.id}), denied_by=denial.id)
        parts = [self._one(tag, relation, action) for tag in sorted(tags)]
        if denied := next((p for p in parts if p.sight is Sight.DENIED), None):
            return denied
        masked = [p for p in parts if p.sight is Sight.MASKED and p.mask is not None]
        used = frozenset().union(*(p.rules for p in parts))
        if not masked:
            return Access(Sight.RAW, used)
        least = min(masked, key=lambda p: revealing(p.mask) if p.mask else ())
        return Access(Sight.MASKED, least.rules, least.tag, least.mask, least.profile)

    def _one(self, tag: str, relation: Relation, action: Action) -> Access:
        if tag in _HIDDEN and action in READ_ACTIONS:
            return RAW if self.raw else _HIDDEN[tag]
        if tag in _HIDDEN:
            return RAW  # the server's own catalogs: its privileges speak for writing
        fitting = [
            g
            for g in self.grants
            if action in g.actions and g.data and g.about(tag, relation.schema, relation.name)
        ]
        if raw := [g.id for g in fitting if g.masked is None]:
            return Access(Sight.RAW, frozenset({min(raw)}))
        if not any(g.masked is not None and g.masked.mask_for(tag) is not None for g in fitting):
            return Access(Sight.DENIED, tag=tag)
        masks = [
            (revealing(mask), g.id, mask, g.masked.name)
            for g in self._masking
            if g.masked is not None
            and action in g.actions
            and g.data
            and g.about(tag, relation.schema, relation.name)
            and (mask := g.masked.mask_for(tag)) is not None
        ]
        _, rule, mask, profile = min(masks, key=lambda m: m[:2])
        return Access(Sight.MASKED, frozenset({rule}), tag, mask, profile)

    def may_unclassified(self, action: Action, schema: str, name: str) -> frozenset[str] | None:
        """The rules that allow `action` on what carries no tag; None when nothing does."""
        if action.action_class in self.defaults.unclassified:
            return frozenset()
        for grant in self.grants:
            if not grant.data and action in grant.actions and grant.about(None, schema, name):
                return frozenset({grant.id})
        return None


def _for_roles(policy: Policy, *held: frozenset[str]) -> list[Rule]:
    """The rules about everybody, and about these roles of the policy."""
    roles = frozenset().union(*held)
    return [rule for rule in policy.rules if not rule.roles or rule.roles & roles]


def _of(
    rules: Iterable[Rule], effect: RuleEffect, environment: str | None, *, unknown: bool
) -> tuple[Rule, ...]:
    """Rules of one effect that hold here; `unknown` tells whether limited ones count when the
    environment is not known."""
    return tuple(
        rule
        for rule in rules
        if rule.effect is effect
        and (
            not rule.environments
            or (unknown if environment is None else environment in rule.environments)
        )
    )
