"""What earlier statements of one text did to names.

A text's statements are analysed before the first of them runs, so literal SET search_path, plain
CREATE TABLE and transactions are simulated; what cannot be is remembered as doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dbguard.sql.snapshot import Relation, RelationKind

DOUBT = "names may have changed earlier in this string"


@dataclass(slots=True)
class Names:
    path: tuple[str, ...]
    created: dict[tuple[str, str], Relation] = field(default_factory=dict)
    altered: frozenset[str] = frozenset()
    """Names of relations that were altered, replaced or dropped."""
    changed: bool = False
    """Relations were created or altered: a name that is not found may exist by now."""
    uncertain: bool = False
    """The path, the role, functions or schemas changed: no name is sure."""
    before: Names | None = None
    """As of BEGIN."""
    local_path: bool = False
    """search_path was SET LOCAL: it ends with the transaction."""

    def doubts(self, relation: Relation) -> bool:
        """Whether a relation that was found may be another one, or show something else, by now."""
        if self.uncertain:
            return True
        is_view = relation.kind in (RelationKind.VIEW, RelationKind.MATERIALIZED_VIEW)
        return self.changed and (is_view or relation.name in self.altered)

    def alter(self, *names: str) -> None:
        self.changed = True
        self.altered = self.altered | frozenset(names)

    def begin(self) -> None:
        self.before = replace(self, created=dict(self.created))

    def commit(self) -> None:
        if self.before is None or self.local_path:
            self.uncertain = True
        self.before = None

    def roll_back(self) -> None:
        """Back to BEGIN; to something unknown when that was in an earlier text."""
        if self.before is None:
            self.uncertain = True
            return
        before = self.before
        self.path, self.created, self.altered = before.path, before.created, before.altered
        self.changed, self.uncertain = before.changed, before.uncertain
        self.local_path, self.before = before.local_path, None
