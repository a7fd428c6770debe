"""Who may be whom, and what is set for them at login."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from dbguard.sql.snapshot import Role

Row = list[Any]


def roles_of(
    parts: Mapping[str, list[Row]], owner: str, schemas: Mapping[str, str]
) -> Iterable[Role]:
    names = {row[0]: row[1] for row in parts["roles"]}
    groups: dict[str, set[str]] = defaultdict(set)
    for member, group in parts["members"]:
        groups[member].add(group)
    # PostgreSQL 14's implicit member: the owner of the current database.
    groups[owner].update(oid for oid, name in names.items() if name == "pg_database_owner")
    hidden: dict[str, set[str]] = defaultdict(set)
    for role, space in parts["hidden"]:
        hidden[role].add(schemas[space])
    for oid, name, superuser, bypass_rls in parts["roles"]:
        reached, pending = {oid}, [oid]
        while pending:
            new = groups[pending.pop()] - reached
            reached |= new
            pending.extend(new)
        yield Role(
            name=name,
            superuser=superuser,
            bypass_rls=bypass_rls,
            memberships=frozenset(names[r] for r in reached if r in names),
            hidden_schemas=frozenset(hidden[oid]),
            settings=_settings(parts["settings"], oid),
        )


def _settings(rows: list[Row], role: str) -> tuple[tuple[str, str], ...]:
    """What applies to `role` at login: role in database over role over database over ALL."""
    merged: dict[str, str] = {}
    for wanted in ((False, "0"), (True, "0"), (False, role), (True, role)):
        for in_database, owner, texts in rows:
            if (in_database, owner) == wanted:
                merged.update(text.partition("=")[::2] for text in texts)
    return tuple(sorted(merged.items()))
