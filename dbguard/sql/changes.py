"""What DDL did to the names of relations, told by its text: known before the catalog is read again.

A change names one relation and says what it is by now: this, gone, or unclear. Whatever DDL does
besides (types, functions, schemas, roles) is `EVERYTHING`: no name is sure until the catalog was
read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .snapshot import Relation, Snapshot

TEMPORARY = "pg_temp"
"""What a session may call its own temporary schema, whatever its name (namespace.c)."""

_PROVISIONAL = 1 << 32
"""OIDs of relations that no catalog was read with start here: the server's have 32 bits."""


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """One relation is not what the snapshot says."""

    schema: str
    name: str
    relation: Relation | None = None
    """As it is now. Its OID is 0 when it was made; None when it is gone."""
    unclear: bool = False
    """What it is now cannot be told."""
    parent: str = ""
    """Name of the table it inherits from: what happens to that one happens to it."""
    passing: bool = False
    """ON COMMIT DROP: the relation is gone when the transaction is over."""

    @property
    def temporary(self) -> bool:
        """It is one of the session's own temporary relations."""
        return self.schema == TEMPORARY or self.schema.startswith(f"{TEMPORARY}_")


EVERYTHING = CatalogChange("", "", unclear=True)


@dataclass(frozen=True, slots=True)
class Move:
    """Relations that got another name or schema and stayed the same otherwise; what is empty is
    any name before, and the same name after."""

    schema: str
    name: str
    to_schema: str
    to_name: str

    def of(self, schema: str, name: str) -> tuple[str, str] | None:
        """What the relation of this name is called afterwards; None when it is not moved."""
        if self.schema not in ("", schema) or self.name not in ("", name):
            return None
        return self.to_schema or schema, self.to_name or name


def relevant(changes: Iterable[CatalogChange], text: str) -> tuple[CatalogChange, ...]:
    """Those whose name, or whose parent's, may stand in `text`: of children of the same parents
    that are not named themselves one, which tells as well as a thousand that there are any.

    Identifiers hold the name as it is, in any case and perhaps with more behind it (truncation),
    but for doubled quotes and Unicode escapes: a text with these may name anything.
    """
    folded = text.lower()
    if 'u&"' in folded or '""' in folded:
        return tuple(changes)
    found: list[CatalogChange] = []
    parents: set[tuple[int, ...]] = set()
    for change in changes:
        inherits = bool(change.parent) and change.parent.lower() in folded
        above = change.relation.parents if change.relation is not None else ()
        if change.name.lower() in folded or (inherits and above not in parents):
            found.append(change)
            if inherits:
                parents.add(above)
    return tuple(found)


def lasting_oid(oid: int) -> int:
    """`oid`, or 0 for a provisional one: the relation is then known by its name."""
    return oid if oid < _PROVISIONAL else 0


def as_created(relation: Relation) -> Relation:
    """`relation` as a change holds it: provisional OIDs are not kept."""
    return replace(relation, oid=0) if not 0 < relation.oid < _PROVISIONAL else relation


def with_changes(snapshot: Snapshot, changes: Iterable[CatalogChange]) -> Snapshot:
    """`snapshot` with these changes made, in order; what is unclear stays as it was."""
    by_name = dict(snapshot.relation_by_name)
    for change in changes:
        if change.unclear:
            continue
        key = (change.schema, change.name)
        old = by_name.pop(key, None)
        if change.relation is None:
            continue
        real = old is not None and old.oid < _PROVISIONAL
        if old is not None and real and old.oid != change.relation.oid:
            by_name[key] = old  # the snapshot was read after the change, and knows better
        elif change.relation.oid:
            by_name[key] = change.relation
        else:
            by_name[key] = replace(change.relation, oid=_provisional_oid(*key))
    found = replace(snapshot, relations=tuple(by_name.values()))
    found.take_over(snapshot)
    return found


def _provisional_oid(schema: str, name: str) -> int:
    digest = hashlib.blake2b(f"{schema}\0{name}".encode(), digest_size=6).digest()
    return _PROVISIONAL + int.from_bytes(digest)
