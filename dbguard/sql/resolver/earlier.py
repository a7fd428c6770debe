"""What earlier statements of one text did to names.

A text's statements are analysed before the first of them runs, so literal SET search_path, plain
CREATE TABLE and DROP, and transactions with their savepoints are simulated; what cannot be is
remembered as doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dbguard.sql.changes import CatalogChange
from dbguard.sql.snapshot import Relation, RelationKind, SessionView, Snapshot

DOUBT = "a statement behind one of its string that may change what names mean"


@dataclass(slots=True)
class Names:
    path: tuple[str, ...]
    lasting: tuple[str, ...] | None = None
    """The path that COMMIT goes back to; None when it is the same."""
    created: dict[tuple[str, str], Relation | None] = field(default_factory=dict)
    """Relations as they are by now; None for those that are gone."""
    altered: frozenset[str] = frozenset()
    """Names of relations that were altered, replaced or dropped."""
    coded: frozenset[tuple[str, str]] = frozenset()
    """Names of relations, and of functions that writing to them runs since: CREATE TRIGGER; no name
    for CREATE RULE."""
    changed: bool = False
    """Relations were created or altered: a name that is not found may exist by now."""
    uncertain: bool = False
    """The path, the role, functions or schemas changed: no name is sure."""
    before: Names | None = None
    """As of BEGIN."""
    savepoints: tuple[tuple[str, Names], ...] = ()
    """As of each SAVEPOINT, the newest last."""

    def doubts(self, relation: Relation) -> bool:
        """Whether a relation that was found may be another one, or show something else, by now."""
        if self.uncertain:
            return True
        is_view = relation.kind in (RelationKind.VIEW, RelationKind.MATERIALIZED_VIEW)
        return self.changed and (is_view or relation.name in self.altered)

    def alter(self, *names: str) -> None:
        self.changed = True
        self.altered = self.altered | frozenset(names)

    def code(self, relation: str, function: str) -> None:
        """From now on writing to `relation` runs something that the catalog does not show yet."""
        self.coded = self.coded | {(relation, function)}

    def apply(self, change: CatalogChange) -> None:
        """A relation was made, altered or dropped, and the text tells how."""
        self.created[change.schema, change.name] = change.relation and replace(
            change.relation, oid=change.relation.oid or -1 - len(self.created)
        )

    def temporary_schema(self) -> str:
        """Where a temporary object is made; from then on names are looked up there, first of all
        where search_path does not say."""
        schema = next((s for s in self.path if s.startswith("pg_temp")), None)
        if schema is None:
            schema = "pg_temp"
            self.path = (schema, *self.path)
            if self.lasting is not None:
                self.lasting = (schema, *self.lasting)
        return schema

    def take_path(self, path: tuple[str, ...], *, local: bool) -> None:
        """SET [LOCAL] search_path."""
        if local:
            self.lasting = self.lasting or self.path
        else:
            self.lasting = None
        self.path = path

    def begin(self) -> None:
        if self.before is None:
            self.before = self._copy()

    def commit(self) -> None:
        """The end of a transaction; of one that an earlier text began, what it takes back is
        not known."""
        if self.before is None:
            self.uncertain = True
        if self.lasting is not None:
            self.path, self.lasting = self.lasting, None
        self.before, self.savepoints = None, ()

    def roll_back(self) -> None:
        """Back to BEGIN; to something unknown when that was in an earlier text."""
        before, self.before = self.before, None
        self.savepoints = ()
        if before is None:
            self.uncertain = True
            return
        self._go_back(before)

    def save(self, name: str) -> None:
        self.savepoints = (*self.savepoints, (name, self._copy()))

    def release(self, name: str) -> None:
        index = self._savepoint(name)
        if index is not None:
            self.savepoints = self.savepoints[:index]

    def roll_back_to(self, name: str) -> None:
        """Back to a savepoint; to something unknown when an earlier text set it."""
        index = self._savepoint(name)
        if index is None:
            self.uncertain, self.savepoints = True, ()
            return
        self.savepoints = self.savepoints[: index + 1]
        self._go_back(self.savepoints[index][1])

    def _savepoint(self, name: str) -> int | None:
        found = [index for index, (known, _) in enumerate(self.savepoints) if known == name]
        return found[-1] if found else None

    def _copy(self) -> Names:
        return replace(self, created=dict(self.created))

    def _go_back(self, before: Names) -> None:
        self.path, self.lasting, self.altered = before.path, before.lasting, before.altered
        self.created = dict(before.created)
        self.changed, self.uncertain = before.changed, before.uncertain


def simulate_path(
    names: Names, snapshot: Snapshot, view: SessionView, words: Sequence[str], *, local: bool
) -> None:
    """What the path is for the later statements of the same text.

    Schemas that are missing or that the role may not use are skipped, as the server does.
    """
    role = snapshot.role_by_name.get(view.user)
    hidden = role.hidden_schemas if role else frozenset()
    path: list[str] = []
    for word in words:
        schema = view.user if word == "$user" else word
        if schema == "pg_temp":
            schema = next((s for s in names.path if s.startswith("pg_temp_")), schema)
        known = schema in snapshot.schemas and schema not in hidden
        if known or schema.startswith("pg_temp") or schema == "pg_catalog":
            path.append(schema)
    implied = [*[s for s in names.path if s.startswith("pg_temp")][:1], "pg_catalog"]
    found = tuple(dict.fromkeys([s for s in implied if s not in path] + path))
    names.take_path(found, local=local)
