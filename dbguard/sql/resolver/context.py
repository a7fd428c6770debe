"""What every part of the walk is handed: catalog, session, ledger and the text's positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from dbguard.errors import UndefinedName
from dbguard.sql.referee import Node, character_position
from dbguard.sql.snapshot import Relation, SessionView, Snapshot

from .earlier import Names
from .ledger import Ledger
from .scope import Scope
from .values import NamedValue


@dataclass(slots=True)
class Context:
    raw: bytes
    snapshot: Snapshot
    view: SessionView
    names: Names
    ledger: Ledger
    extent: tuple[int, int]
    """Byte offsets of the statement in the text."""
    query: Callable[[Context, Node, Scope | None], list[NamedValue]]
    """Resolves a tagged SelectStmt, or a data-modifying statement inside WITH. Here, since
    expressions hold queries and queries hold expressions."""

    def position(self, offset: int) -> int | None:
        """The character position of a byte offset, None when the referee gave none."""
        return character_position(self.raw, offset) if offset >= 0 else None

    def undefined(self, code: str, message: str, offset: int, hint: str = "") -> NoReturn:
        raise UndefinedName(code, message, hint=hint, position=self.position(offset))

    def find_relation(self, schema: str | None, name: str) -> Relation | None:
        if schema == "pg_temp":
            schema = next((s for s in self.names.path if s.startswith("pg_temp_")), schema)
        if self.names.created:
            for candidate in (schema,) if schema is not None else self.names.path:
                key = (candidate, name)
                known = self.snapshot.relation_by_name.get(key)
                if (found := self.names.created.get(key, known)) is not None:
                    return found
            return None
        return self.snapshot.find_relation(schema, name, self.names.path)

    def opaque(self, construct: str, fields: Mapping[str, Any] | None = None) -> None:
        """Note a construct that cannot be seen through, at the node's location."""
        location = (fields or {}).get("location", 0)
        self.ledger.note(construct, self.position(location) if location else None)


def run_new_code(ctx: Context, relation: Relation) -> None:
    """Note what an earlier statement of the same text has put behind a relation that is written."""
    for name, function in ctx.names.coded:
        if name != relation.name:
            continue
        known = ctx.snapshot.functions_by_name.get(function, ())
        ctx.ledger.run_hidden(f.oid for f in known)
        if not known:
            what = f"function {function}" if function else "the construct CREATE RULE"
            ctx.opaque(f"{what} of the same text")


def strings(nodes: Sequence[Node] | None) -> list[str]:
    """The parts of a name: a list of String nodes."""
    return [n["String"].get("sval", "") for n in nodes or () if "String" in n]
