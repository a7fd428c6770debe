"""Two trees of one statement, walked side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from .derivedform import (
    LOCATIONS,
    Mismatch,
    bare,
    check_derived,
    copied_numbers,
    strings,
    unwrapped,
)
from .mentions import Mentions, read_places, relation_names
from .referee import Node, ParsedStatement
from .rewrite import Masks
from .sites import Reading, RelationSite, SiteRole
from .snapshot import Relation, Snapshot

_Scope = frozenset[str]
"""Names of the common table expressions in sight."""


class Comparison:
    """What the walk knows and has seen."""

    def __init__(self, reading: Reading, masks: Masks, snapshot: Snapshot, names: Mentions) -> None:
        self._sites: Mapping[int, int] = {s.start: i for i, s in enumerate(reading.relations)}
        if len(self._sites) != len(reading.relations):
            raise Mismatch("two relations in one place")
        self._reading = reading
        self._masks = masks
        self._snapshot = snapshot
        self._names = names
        self._pending: list[tuple[Any, Any, _Scope]] = []
        self._found: set[int] = set()
        self._replaced: set[int] = set()
        self._cut: list[int] = []
        self._grouped: Counter[tuple[str | None, ...]] = Counter()
        self._copied_columns: list[str | None] | None = None
        """The column list of COPY."""
        self._assigned: list[tuple[Any, Any]] = []
        """What SET (a, b) = … assigns, in both trees."""
        self._read_places: frozenset[int] = frozenset()
        self._definitions = {c.start: c.definition for c in reading.calls if c.definition}
        """Calls that show definitions and were not met yet."""
        self._approved = 0
        """Mentions of restricted relations in the new tree that are all right."""

    def run(self, old: ParsedStatement, new: ParsedStatement) -> None:
        if old.tag != new.tag:
            raise Mismatch("the kind of statement")
        self._read_places = frozenset(read_places(old.node))
        if old.tag == "CopyStmt" and "relation" in old.node:
            copied = old.node["relation"]
            if copied.get("location", 0) not in self._sites:
                self._nameless(copied, frozenset(), from_item=True)
        self._copied_columns = strings(old.node["attlist"]) if "attlist" in old.node else None
        if old.tag == "CopyStmt" and "query" in new.node and "relation" in old.node:
            self._copy(old.node, new.node)
        else:
            self._push(old.node, new.node, frozenset())
        while self._pending:
            self._compare(*self._pending.pop())
        self._close(new.node)

    def _push(self, old: Any, new: Any, scope: _Scope) -> None:
        self._pending.append((old, new, scope))

    def _compare(self, old: Any, new: Any, scope: _Scope) -> None:
        if isinstance(old, dict) and isinstance(new, dict):
            self._compare_nodes(old, new, scope)
        elif isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                raise Mismatch("the length of a list")
            self._pending.extend((a, b, scope) for a, b in zip(old, new, strict=True))
        elif type(old) is not type(new) or old != new:
            raise Mismatch("a detail")

    def _compare_nodes(self, old: Node, new: Node, scope: _Scope) -> None:
        if "RangeVar" in old:
            self._read(old["RangeVar"], new, scope)
        elif "RangeTableSample" in old and "RangeSubselect" in new:
            sample = old["RangeTableSample"]
            self._replacement(sample["relation"]["RangeVar"], new, scope, sample)
        elif "relname" in old and "relpersistence" in old:
            self._mention(old, new, scope, from_item=False)
        elif "LockingClause" in old:
            if bare(old) != bare(new):
                raise Mismatch("a locking clause")
        elif "FuncCall" in old and "SubLink" in new:
            self._definition(old, new, scope)
        elif "ColumnRef" in old and "ColumnRef" in new:
            self._column(old["ColumnRef"], new["ColumnRef"])
        elif "MultiAssignRef" in old and "MultiAssignRef" in new:
            self._assignment(old["MultiAssignRef"], new["MultiAssignRef"], scope)
        elif "List" in old and "List" in new:
            self._list(old["List"], new["List"], scope)
        else:
            self._fields(old, new, scope)

    def _fields(self, old: Node, new: Node, scope: _Scope) -> None:
        if set(old) - LOCATIONS != set(new) - LOCATIONS:
            raise Mismatch("the clauses of " + (", ".join(sorted(old)) if old else "a node"))
        inner = scope
        if "ctes" in old.get("withClause", {}):
            inner = self._with(old["withClause"], new["withClause"], scope)
        for key, value in old.items():
            if key in LOCATIONS or key == "withClause":
                continue
            if key == "groupClause":
                self._group(value, new[key], inner)
            elif key == "funcname":
                self._function(value, new[key], old.get("location", 0))
            else:
                self._push(value, new[key], inner)

    def _assignment(self, old: Node, new: Node, scope: _Scope) -> None:
        """`SET (a, b) = (SELECT …)`: the tree holds the query once for each column."""
        sources = (old.get("source"), new.get("source"))
        if sources not in self._assigned:
            self._assigned.append(sources)
        else:
            old = {key: value for key, value in old.items() if key != "source"}
            new = {key: value for key, value in new.items() if key != "source"}
        self._fields(old, new, scope)

    def _with(self, old: Node, new: Node, scope: _Scope) -> _Scope:
        """Compare the queries of a WITH clause; the scope of what it stands before."""
        if old.get("recursive") != new.get("recursive") or len(old["ctes"]) != len(new["ctes"]):
            raise Mismatch("a WITH clause")
        names = [item["CommonTableExpr"]["ctename"] for item in old["ctes"]]
        for i, (a, b) in enumerate(zip(old["ctes"], new["ctes"], strict=True)):
            seen = names if old.get("recursive") else names[:i]
            self._push(a, b, scope | frozenset(seen))
        return scope | frozenset(names)

    # ---- relations

    def _read(self, old: Node, new: Node, scope: _Scope) -> None:
        if "RangeSubselect" in new:
            self._replacement(old, new, scope, None)
        elif set(new) == {"RangeVar"}:
            self._mention(old, new["RangeVar"], scope, from_item=True)
        else:
            raise Mismatch("what stands in place of a relation")

    def _mention(self, old: Node, new: Node, scope: _Scope, *, from_item: bool) -> None:
        """A relation that stayed a relation."""
        expected = bare(old)
        index = self._sites.get(old.get("location", 0))
        if index is None:
            self._nameless(old, scope, from_item=from_item)
        else:
            site, relation = self._take(index, old, scope)
            if not site.qualified:
                expected["schemaname"] = relation.schema
            masked = frozenset(self._masks.get(site.relation, {}))
            if masked and site.role in (SiteRole.READ, SiteRole.COPY):
                self._check_unmasked(site, relation, masked)
            self._approved += bool(masked) and expected["schemaname"] == relation.schema
        if bare(new) != expected:
            raise Mismatch("the name of a relation")

    def _take(self, index: int, old: Node, scope: _Scope) -> tuple[RelationSite, Relation]:
        """The site in this place, checked against the tree."""
        site = self._reading.relations[index]
        relation = self._snapshot.relation_by_oid.get(site.relation)
        if index in self._found or relation is None:
            raise Mismatch("a relation")
        self._found.add(index)
        schema = old.get("schemaname")
        if (
            old["relname"] != relation.name
            or (schema is not None) != site.qualified
            or (schema not in (None, relation.schema) and not relation.temporary)
        ):
            raise Mismatch("the name of a relation that was read")
        if (site.role is SiteRole.READ) != (site.start in self._read_places):
            raise Mismatch("what is done with a relation")
        alias = old.get("alias", {})
        if site.role is SiteRole.READ and (
            old.get("inh", False) != site.inherits
            or alias.get("aliasname") != site.alias
            or ("colnames" in alias) != site.has_column_aliases
            or (schema is None and old["relname"] in scope)
        ):
            raise Mismatch("how a relation was read")
        return site, relation

    def _nameless(self, old: Node, scope: _Scope, *, from_item: bool) -> None:
        """A name the reading knows nothing of: of a CTE, or of something yet to be made."""
        if not from_item:
            return
        name, schema = old["relname"], old.get("schemaname")
        if schema is None and name in scope:
            return
        for oid, masked in self._masks.items():
            relation = self._snapshot.relation_by_oid.get(oid)
            if masked and relation and relation.name == name and schema in (None, relation.schema):
                raise Mismatch("a relation that was not read")

    def _check_unmasked(
        self, site: RelationSite, relation: Relation, masked: frozenset[int]
    ) -> None:
        if site.role is SiteRole.COPY:
            if not masked.isdisjoint(copied_numbers(self._copied_columns, relation)):
                raise Mismatch("a restricted relation that is copied as it is")
        elif site.whole or site.columns & masked or self._names.may_reach(site, relation, masked):
            raise Mismatch("a restricted relation that is read as it is")

    def _replacement(self, old: Node, new: Node, scope: _Scope, sample: Node | None) -> None:
        """A relation that became a derived table."""
        index = self._sites.get(old.get("location", 0))
        if index is None:
            raise Mismatch("a derived table in place of something else")
        site, relation = self._take(index, old, scope)
        if site.role is not SiteRole.READ or site.sampled != (sample is not None):
            raise Mismatch("a derived table in a place where none may stand")
        fields = new["RangeSubselect"]
        alias = bare(old["alias"]) if "alias" in old else None
        if alias is None:
            alias = {"aliasname": site.renamed or relation.name}
        if set(fields) - LOCATIONS != {"subquery", "alias"} or bare(fields["alias"]) != alias:
            raise Mismatch("the alias of a masked relation")
        system = sorted((n for n in site.columns if n < 0), reverse=True)
        every = site.whole or site.has_column_aliases or site.start in self._names.in_order
        if site.whole and system:
            raise Mismatch("a system column beside a whole row")
        numbers = [c.number for c in relation.columns if every or c.number in site.columns]
        if not {n for n in site.columns if n > 0} <= set(numbers):
            raise Mismatch("a column that does not exist")

        def compare_sample(found: Node) -> None:
            kept = {k: v for k, v in sample.items() if k != "relation"} if sample else {}
            self._push(kept, {k: v for k, v in found.items() if k != "relation"}, scope)

        check_derived(
            new["RangeSubselect"]["subquery"].get("SelectStmt", {}),
            relation,
            [*numbers, *system],
            self._masks.get(site.relation, {}),
            inherits=site.inherits,
            sample=compare_sample if sample is not None else None,
        )
        self._replaced.add(index)
        self._approved += bool(self._masks.get(site.relation))

    def _copy(self, old: Node, new: Node) -> None:
        """COPY of a table that became COPY of a query."""
        index = self._sites.get(old["relation"].get("location", 0))
        if index is None:
            raise Mismatch("a copied query in place of something else")
        site, relation = self._take(index, old["relation"], frozenset())
        if site.role is not SiteRole.COPY or old.get("is_from"):
            raise Mismatch("a copied query in a place where none may stand")
        kept = {k: v for k, v in old.items() if k not in ("relation", "attlist")}
        self._push(kept, {k: v for k, v in new.items() if k != "query"}, frozenset())
        numbers = copied_numbers(self._copied_columns, relation)
        masks = self._masks.get(site.relation, {})
        check_derived(new["query"].get("SelectStmt", {}), relation, numbers, masks, inherits=False)
        self._replaced.add(index)
        self._approved += bool(masks)

    # ---- names within

    def _list(self, old: Node, new: Node, scope: _Scope) -> None:
        """A name as a list of words: DROP TABLE, COMMENT ON."""
        before, after = old.get("items", []), new.get("items", [])
        if len(after) != len(before) + 1:
            self._fields(old, new, scope)
            return
        words, qualified = strings(before), strings(after)
        for index, site in enumerate(self._reading.relations):
            relation = self._snapshot.relation_by_oid.get(site.relation)
            if (
                relation is not None
                and index not in self._found
                and site.role is SiteRole.NAME
                and not site.qualified
                and None not in words
                and words[:1] == [relation.name]
                and qualified == [relation.schema, *words]
            ):
                self._found.add(index)
                return
        raise Mismatch("a name")

    def _column(self, old: Node, new: Node) -> None:
        before, after = bare(old["fields"]), bare(new["fields"])
        if before == after:
            return
        for reference in self._reading.references:
            site = self._reading.relations[reference.site]
            if reference.start != old.get("location", 0):
                continue
            rest = before[reference.qualifiers :]
            relation = self._snapshot.relation_by_oid.get(site.relation)
            if not rest or relation is None or rest[0] != {"String": {"sval": relation.name}}:
                continue
            if site.renamed is not None:
                rest = [{"String": {"sval": site.renamed}}, *rest[1:]]
            if after == rest:
                self._cut.append(reference.site)
                return
        raise Mismatch("a column reference")

    def _function(self, old: list[Node], new: list[Node], location: int) -> None:
        before, after = strings(old), strings(new)
        called = any(call.start == location for call in self._reading.calls)
        if before != after and not (
            called and len(before) == 1 and after == ["pg_catalog", *before]
        ):
            raise Mismatch("the name of a function")

    def _definition(self, old: Node, new: Node, scope: _Scope) -> None:
        """A call that shows a definition, from which values are taken out."""
        location = old["FuncCall"].get("location", 0)
        name = self._definitions.pop(location, None)
        if name is None:
            raise Mismatch("a query in place of a function")
        self._push(old, unwrapped(new, name), scope)

    def _group(self, old: list[Node], new: list[Node], scope: _Scope) -> None:
        added = len(new) - len(old)
        if added < 0:
            raise Mismatch("a GROUP BY clause")
        for item in new[:added]:
            fields = item.get("ColumnRef", {}).get("fields", ())
            self._grouped[tuple(strings(fields))] += 1
        self._push(old, new[added:], scope)

    # ---- at the end

    def _close(self, new: Node) -> None:
        for index, site in enumerate(self._reading.relations):
            if index not in self._found and site.role is not SiteRole.NAME:
                raise Mismatch("a relation that is not in the statement")
        if self._definitions:
            raise Mismatch("a definition that is shown as it is")
        if not set(self._cut) <= self._replaced:
            raise Mismatch("a reference to a relation that was not replaced")
        if self._grouped != Counter(self._expected_groups()):
            raise Mismatch("a GROUP BY clause")
        restricted = {
            (relation.schema, relation.name)
            for oid, masked in self._masks.items()
            if masked and (relation := self._snapshot.relation_by_oid.get(oid))
        }
        if sum(1 for name in relation_names(new) if name in restricted) != self._approved:
            raise Mismatch("mentions of restricted relations")

    def _expected_groups(self) -> Iterator[tuple[str | None, ...]]:
        for group in self._reading.groups:
            site = self._reading.relations[group.site]
            relation = self._snapshot.relation_by_oid.get(site.relation)
            if group.site not in self._replaced or relation is None:
                continue
            for number in group.columns:
                column = relation.column(number)
                if column is not None:
                    yield (site.alias or site.renamed or relation.name, column.name)
