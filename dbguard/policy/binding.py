"""A policy bound to a catalog snapshot: which column carries which tags, and who sees it raw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

from dbguard.sql.facts import Action
from dbguard.sql.snapshot import Function, RelationKind, Snapshot

from .decision import Mask, MaskKind, Principal
from .drift import Drift, Filling, drifted, is_temporary_table
from .model import SYSTEM_TAGS, SYSTEM_VALUES, Policy
from .remembering import ColumnKey, Remembered, ancestors, column_name, parted, remember, renamed
from .standing import Sight, Standing
from .system_values import system_tags

_WITH_ROWS = frozenset(
    {
        RelationKind.TABLE,
        RelationKind.PARTITIONED_TABLE,
        RelationKind.VIEW,
        RelationKind.MATERIALIZED_VIEW,
        RelationKind.FOREIGN_TABLE,
        RelationKind.TOAST_TABLE,
    }
)
_CACHED_PRINCIPALS = 4096
"""Standings kept per bound policy: more principals than any one server serves at a time; the
cache starts over when it is full."""
_NO_TAGS: frozenset[str] = frozenset()


class BoundPolicy:
    """`policy` over `snapshot`. Replaced as a whole when either changes; never modified."""

    def __init__(
        self,
        policy: Policy,
        snapshot: Snapshot,
        tags: Mapping[ColumnKey, frozenset[str]],
        bases: Mapping[int, frozenset[int]],
        own: Mapping[ColumnKey, frozenset[str]],
        kept: Mapping[ColumnKey, frozenset[str]],
        sources: Mapping[ColumnKey, frozenset[ColumnKey]] = MappingProxyType({}),
        filled: tuple[Filling, ...] = (),
    ) -> None:
        self.policy = policy
        self.snapshot = snapshot
        self._tags = tags
        self._bases = bases
        self.own = own
        """Tags that patterns gave, before they followed the data."""
        self.kept = kept
        """Tags kept from before a renaming."""
        self._sources = sources
        everywhere = drifted(policy, snapshot, tags, sources, filled)
        lasting = [f for f in filled if not f.temporary]
        self._all_drifted = everywhere
        self.drifted: Mapping[ColumnKey, Drift] = (
            everywhere
            if len(lasting) == len(filled)
            else drifted(policy, snapshot, tags, sources, lasting)
        )
        """Columns that hold classified values which the rules do not answer for."""
        by_relation: dict[int, set[frozenset[str]]] = {}
        for (relation, _), carried in tags.items():
            by_relation.setdefault(relation, set()).add(carried)
        self._by_relation = {oid: frozenset(sets) for oid, sets in by_relation.items()}
        self._names: dict[int, tuple[tuple[str, str], ...]] = {}
        self._standings: dict[tuple[Principal, str | None], Standing] = {}
        self._restricted: dict[tuple[Principal, str | None], frozenset[ColumnKey]] = {}

    @cached_property
    def function_by_signature(self) -> Mapping[str, Function]:
        """The functions that are not the server's own."""
        own = ("pg_catalog", "information_schema")
        return {f.signature: f for f in self.snapshot.functions if f.schema not in own}

    @property
    def sources(self) -> Mapping[ColumnKey, frozenset[ColumnKey]]:
        """Which columns a view's, partition's or generated column takes its values from."""
        return self._sources

    @property
    def bases(self) -> Mapping[int, frozenset[int]]:
        """For each view, the relations behind it."""
        return self._bases

    @property
    def classified(self) -> Mapping[ColumnKey, frozenset[str]]:
        """Every classified column with its tags."""
        return self._tags

    @property
    def drift(self) -> tuple[str, ...]:
        """Columns that only their past classifies, for whoever keeps the rules."""
        return (
            *(
                f"{column_name(self.snapshot, key)} keeps {', '.join(sorted(tags))}, which it had "
                "under another name or as part of another table"
                for key, tags in sorted(self.kept.items())
            ),
            *(
                f"{column_name(self.snapshot, key)} was filled from "
                f"{', '.join(sorted(s.name for s in drift.sources))}"
                for key, drift in sorted(self.drifted.items())
            ),
        )

    def drift_of(self, relation: int, number: int, *, own: bool = False) -> Drift | None:
        """What a column (0: any of the relation) may hold that the rules do not answer for.

        `own` counts the session's temporary tables, which nobody is refused.
        """
        known = self._all_drifted if own else self.drifted
        if not known or number:
            return known.get((relation, number)) if known else None
        found: Drift | None = None
        for (oid, _), drift in known.items():
            if oid == relation:
                found = drift | found
        return found

    def sources_of(self, relation: int, number: int) -> frozenset[ColumnKey]:
        """The columns behind a view's column, however far."""
        return self._sources.get((relation, number), frozenset())

    def sees_drift(self, standing: Standing, relation: int, drift: Drift, action: Action) -> bool:
        """Whether a drifted column holds nothing that is kept from this principal: all its tags
        are granted raw, or everything that it was filled from."""
        by_oid = self.snapshot.relation_by_oid
        here = by_oid.get(relation)
        if here is None:
            return standing.raw
        granted = standing.access(drift.tags, here, action)
        if granted.sight is Sight.RAW or granted.denied_by:
            return granted.sight is Sight.RAW
        return bool(drift.sources) and all(
            (table := by_oid.get(s.relation)) is not None
            and (tags := self.tags_of(s.relation, s.number))
            and standing.access(tags, table, action).sight is Sight.RAW
            for s in drift.sources
        )

    @property
    def classified_columns(self) -> int:
        """How many columns the rules classify, not counting what is built in."""
        return sum(1 for tags in self._tags.values() if not tags <= SYSTEM_TAGS)

    def remember(self) -> Mapping[ColumnKey, Remembered]:
        """What the next binding needs to know of this one, to keep tags across renames."""
        return remember(self.snapshot, self._tags, self.own, self.kept, self._sources)

    def masks_of(
        self, principal: Principal, environment: str, relation: int, action: Action
    ) -> Mapping[int, Mask]:
        """A mask for every column of a relation that the principal may not see raw by `action`,
        referred to or not: what is denied altogether is NULL."""
        found: dict[int, Mask] = {}
        known = self.snapshot.relation_by_oid.get(relation)
        if known is None:
            return found
        standing = self.standing(principal, environment)
        for column in known.columns:
            tags = self.tags_of(relation, column.number)
            if not tags:
                continue
            access = standing.access(tags, known, action)
            if access.sight is not Sight.RAW:
                found[column.number] = access.mask or Mask(MaskKind.NULL)
        for (oid, number), drift in self.drifted.items():
            if oid == relation and not self.sees_drift(standing, oid, drift, action):
                found[number] = Mask(MaskKind.NULL)
        return found

    def tags_of(self, relation: int, number: int) -> frozenset[str]:
        """Tags of one column. A whole row (number 0) and system columns carry what every column
        of the relation carries together, respectively nothing."""
        if number == 0:
            return frozenset().union(*self._by_relation.get(relation, ()))
        return self._tags.get((relation, number), _NO_TAGS)

    def tag_sets_of(self, relation: int) -> frozenset[frozenset[str]]:
        """The different sets of tags that columns of a relation carry, empty ones left out."""
        return self._by_relation.get(relation, frozenset())

    def bases_of(self, relation: int) -> frozenset[int]:
        """The relation itself and, for a view, every relation its rows come from."""
        return self._bases.get(relation, frozenset()) | {relation}

    def names_of(self, relation: int, schema: str, name: str) -> tuple[tuple[str, str], ...]:
        """All names by which a denial or requirement may mean a relation: its own, those of the
        relations behind a view and of the parents of a partition."""
        found = self._names.get(relation)
        if found is None:
            related = self.bases_of(relation) | ancestors(self.snapshot, relation)
            by_oid = self.snapshot.relation_by_oid
            names = {(r.schema, r.name) for oid in related if (r := by_oid.get(oid))}
            found = self._names[relation] = tuple(sorted(names)) if relation else ()
        return found or ((schema, name),)

    def standing(self, principal: Principal, environment: str | None) -> Standing:
        """What `principal` may do in `environment` (None: what holds in every one)."""
        key = (principal, environment)
        found = self._standings.get(key)
        if found is None:
            if len(self._standings) >= _CACHED_PRINCIPALS:
                self._standings.clear()
            found = self._standings[key] = Standing(
                self.policy, principal, environment, self.names_of
            )
        return found

    def has_raw_access(self, principal: Principal, environment: str | None = None) -> bool:
        """Whether the principal may read everything unmasked: every tag, with no denial."""
        return self.standing(principal, environment).raw

    def restricted(
        self, principal: Principal, environment: str | None = None
    ) -> frozenset[ColumnKey]:
        """Every classified column that the principal may not see raw, and (oid, 0), as the server
        reports a whole row's origin, for the relations that have one."""
        key = (principal, environment)
        found = self._restricted.get(key)
        if found is None:
            if len(self._restricted) >= _CACHED_PRINCIPALS:
                self._restricted.clear()
            found = self._restricted[key] = self._find_restricted(*key)
        return found

    def _find_restricted(
        self, principal: Principal, environment: str | None
    ) -> frozenset[ColumnKey]:
        standing = self.standing(principal, environment)
        relations = self.snapshot.relation_by_oid
        columns = {
            column
            for column, tags in self._tags.items()
            if standing.access(tags, relations[column[0]], Action.SELECT).sight is not Sight.RAW
        }
        columns |= {
            column
            for column, drift in self.drifted.items()
            if not self.sees_drift(standing, column[0], drift, Action.SELECT)
        }
        return frozenset(columns | {(relation, 0) for relation, _ in columns})


def bind(
    policy: Policy,
    snapshot: Snapshot,
    sources: Mapping[ColumnKey, frozenset[ColumnKey]],
    unreadable: frozenset[int],
    previous: Mapping[ColumnKey, Remembered] = MappingProxyType({}),
    filled: tuple[Filling, ...] = (),
) -> BoundPolicy:
    """Classify the columns of `snapshot`.

    A column keeps the tags that patterns gave it in `previous` when it, its table or its schema
    has another name since: renaming must not take the protection off. `BoundPolicy.drift` names
    such columns.

    `sources` names the columns that a view's, partition's or generated column takes its values
    from (`dbguard.sql.lineage.column_sources`); `unreadable` the views whose definition could not
    be read: all their columns carry every tag. `filled` are the copies that were noticed
    (`dbguard.policy.drift`).
    """
    own = _by_patterns(policy, snapshot, unreadable)
    _spread_to_generated(own, snapshot)
    kept = renamed(own, policy, snapshot, previous)
    for key, tags in kept.items():
        own[key] = own.get(key, _NO_TAGS) | tags
    tagged = _along(own, sources, snapshot)
    if left := parted(tagged, policy, snapshot, previous):
        for key, tags in left.items():
            own[key] = own.get(key, _NO_TAGS) | tags
            kept[key] = kept.get(key, _NO_TAGS) | tags
        tagged = _along(own, sources, snapshot)
    bases = _bases(sources, snapshot)
    return BoundPolicy(policy, snapshot, tagged, bases, own, kept, sources, filled)


def extend(bound: BoundPolicy, snapshot: Snapshot, filled: tuple[Filling, ...]) -> BoundPolicy:
    """`bound` over a snapshot that differs in a few tables (`dbguard.sql.changes`): new columns
    are classified by patterns, and columns that stayed keep what they carry."""
    known = bound.snapshot.relation_by_oid
    new = tuple(r for r in snapshot.relations if known.get(r.oid) is not r)
    only_new = replace(snapshot, relations=new)
    own = _by_patterns(bound.policy, only_new, frozenset())
    _spread_to_generated(own, only_new)
    tags = dict(bound.classified)
    for key, found in own.items():
        tags[key] = tags.get(key, _NO_TAGS) | found
    both = {**bound.own, **own}
    return BoundPolicy(
        bound.policy, snapshot, tags, bound.bases, both, bound.kept, bound.sources, filled
    )


def _spread_to_generated(own: dict[ColumnKey, frozenset[str]], snapshot: Snapshot) -> None:
    """A generated column carries what any column of its table carries: the snapshot does not tell
    which ones its expression reads."""
    for relation in snapshot.relations:
        generated = [c for c in relation.columns if c.generated]
        if generated:
            keys = ((relation.oid, c.number) for c in relation.columns)
            tags = frozenset().union(*(own.get(key, _NO_TAGS) for key in keys))
            for column in generated if tags else ():
                own[relation.oid, column.number] = tags


def _bases(
    sources: Mapping[ColumnKey, frozenset[ColumnKey]], snapshot: Snapshot
) -> Mapping[int, frozenset[int]]:
    """For each view, the relations behind it, however far."""
    direct: dict[int, set[int]] = {}
    for (relation, _), taken in sources.items():
        found = snapshot.relation_by_oid.get(relation)
        if found is not None and found.kind is RelationKind.VIEW:
            direct.setdefault(relation, set()).update(oid for oid, _ in taken)
    result = {}
    for view in direct:
        seen: set[int] = set()
        waiting = [view]
        while waiting:
            new = direct.get(waiting.pop(), set()) - seen
            seen |= new
            waiting.extend(new)
        result[view] = frozenset(seen)
    return result


def _by_patterns(
    policy: Policy, snapshot: Snapshot, unreadable: frozenset[int]
) -> dict[ColumnKey, frozenset[str]]:
    """The tags that patterns and `system_values` give.

    Most tables are reached by the same patterns and share column names, so each set of patterns
    looks at each name once: a catalog of 100,000 columns takes a second.
    """
    own: dict[ColumnKey, frozenset[str]] = {}
    everything = policy.tags | {SYSTEM_VALUES}
    patterns = [(e.tag, p) for e in policy.classification for p in e.columns]
    seen: dict[tuple[tuple[int, ...], str], frozenset[str]] = {}
    for relation in snapshot.relations:
        if relation.kind not in _WITH_ROWS or is_temporary_table(relation):
            continue
        names = (relation.schema, relation.name)
        whole = frozenset(
            e.tag for e in policy.classification if any(p.matches(*names) for p in e.tables)
        )
        reaching = tuple(n for n, (_, p) in enumerate(patterns) if p.covers_table(*names))
        for column in relation.columns:
            key = (reaching, column.name)
            tags = seen.get(key)
            if tags is None:
                tags = seen[key] = frozenset(
                    patterns[n][0] for n in reaching if patterns[n][1].matches(*names, column.name)
                )
            tags = everything if relation.oid in unreadable else tags | whole
            tags |= system_tags(relation, column.name)
            if tags:
                own[relation.oid, column.number] = tags
    return own


def _along(
    own: Mapping[ColumnKey, frozenset[str]],
    sources: Mapping[ColumnKey, frozenset[ColumnKey]],
    snapshot: Snapshot,
) -> Mapping[ColumnKey, frozenset[str]]:
    """`own` tags and those of all sources, however far; sources may form circles."""
    readers: dict[ColumnKey, list[ColumnKey]] = {}
    for column, taken in sources.items():
        if column[0] in snapshot.relation_by_oid:
            for source in taken:
                readers.setdefault(source, []).append(column)
    tags = dict(own)
    waiting = list(own)
    while waiting:
        source = waiting.pop()
        for column in readers.get(source, ()):
            joined = tags.get(column, _NO_TAGS) | tags[source]
            if joined != tags.get(column, _NO_TAGS):
                tags[column] = joined
                waiting.append(column)
    return tags
