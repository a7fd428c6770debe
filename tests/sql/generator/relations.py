"""What stands in FROM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .expressions import COMPARED, LITERALS, Expressions, fields_of
from .scope import Scope, Source
from .world import Field, Kind, Table

_ALIASES = (
    "a", "b", "c", "p", "q", "x", "t", "e", "data", "patients", "encounters", "staff", "lower",
    "name", "Order", "ssn", "old", "excluded", "a_rather_long_alias_of_exactly_sixty_three_bytes_"
    "for_the_limit_x",
)  # fmt: skip
COLUMN_ALIASES = (
    "id", "ssn", "name", "kind", "x", "y", "z", "count", "lower", "code", "Mixed Case", "total",
    "patient_id", "value", "ctid2", "an_output_name_that_is_as_long_as_a_name_may_be_sixty_three_b",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One item of FROM: its text and what it brings into scope."""

    text: str
    sources: tuple[Source, ...]
    plain: tuple[Field, ...]


class Relations(Expressions):
    """The part of a generator that writes FROM."""

    def from_items(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        """A FROM list and the scope that it makes."""
        texts: list[str] = []
        for _ in range(self.rng.choices((1, 2, 3), (8, 3, 1))[0]):
            item = self._item(scope, scope, depth)
            texts.append(item.text)
            scope = replace(
                scope, sources=scope.sources + item.sources, plain=scope.plain + item.plain
            )
        return ", ".join(texts), scope

    def _item(self, scope: Scope, taken: Scope, depth: int) -> Item:
        """`scope` is what LATERAL sees; names of `taken` may not be used again."""
        if depth > 0 and self.chance(0.35):
            return self._join(scope, depth - 1)
        roll = self.rng.random()
        common = {n: f for level in reversed(list(scope.levels())) for n, f in level.common.items()}
        if common and roll < 0.3:
            return self._common(self.rng.choice(sorted(common)), common, taken)
        if roll < 0.45 and depth > 0 and self.fuel > 0:
            return self._derived(scope, taken, depth)
        if roll < 0.55:
            return self._function(scope, taken)
        if roll < 0.59:
            return self._values(scope, taken)
        return self._table(scope, taken)

    def alias(self, taken: Scope, likely: str | None = None) -> str:
        used = {s.name for s in taken.sources}
        if likely is not None and likely not in used and self.chance(0.4):
            return likely
        free = [a for a in _ALIASES if a not in used]
        return self.rng.choice(free)

    def _as(self, name: str) -> str:
        return f" AS {self.spell(name)}" if self.chance(0.7) else f" {self.spell(name)}"

    # ---- relations

    def table(self) -> Table:
        return self.rng.choice(self.world.tables)

    def table_name(self, table: Table, common: set[str]) -> tuple[str, str | None]:
        """The name in the text, and the schema that references may be qualified with."""
        if table.visible and table.name not in common and self.chance(0.6):
            return self.spell(table.name), table.schema
        return f"{self.spell(table.schema)}.{self.spell(table.name)}", table.schema

    def _table(self, scope: Scope, taken: Scope) -> Item:
        table = self.table()
        common = {n for level in scope.levels() for n in level.common}
        text, schema = self.table_name(table, common)
        if self.chance(0.06) and table.stored:
            text = self.rng.choice((f"ONLY {text}", f"ONLY ({text})", f"{text} *"))
        used = {s.name for s in taken.sources}
        fields = table.fields
        if table.name in used or self.chance(0.65):
            name = self.alias(taken)
            text += self._as(name)
            schema = None
            if self.chance(0.1):
                listed = self._column_names(self.rng.randint(1, len(fields)))
                text += f" ({', '.join(map(self.spell, listed))})"
                renamed = [Field(n, f.kind) for n, f in zip(listed, fields, strict=False)]
                fields = (*renamed, *fields[len(listed) :])
        else:
            name = table.name
        if table.stored and self.chance(0.04):
            text += f" TABLESAMPLE bernoulli ({self.rng.choice(('50', '10 + 5'))}) REPEATABLE (3)"
        source = Source(name, fields, True, table.stored, schema, table.name)
        return Item(text, (source,), fields)

    def _column_names(self, count: int) -> list[str]:
        names = list(COLUMN_ALIASES) + [f"f{i}" for i in range(60)]
        chosen = names[:16]
        self.rng.shuffle(chosen)
        return (chosen + names[16:])[:count]

    def _common(self, name: str, common: dict[str, tuple[Field, ...]], taken: Scope) -> Item:
        fields = common[name]
        text = self.spell(name)
        used = {s.name for s in taken.sources}
        if name in used or self.chance(0.5):
            alias = self.alias(taken)
            text += self._as(alias)
            name = alias
        return Item(text, (Source(name, fields, True),), fields)

    def _derived(self, scope: Scope, taken: Scope, depth: int) -> Item:
        lateral = bool(scope.sources) and self.chance(0.5)
        outer = scope.inner() if lateral else self._behind(scope).inner()
        text, fields = self.query(outer, depth - 1)
        name = self.alias(taken)
        text = f"{'LATERAL ' if lateral else ''}({text}){self._as(name)}"
        if self.chance(0.3) and fields:
            listed = self._column_names(self.rng.randint(1, len(fields)))
            text += f" ({', '.join(map(self.spell, listed))})"
            fields = (
                *(Field(n, f.kind) for n, f in zip(listed, fields, strict=False)),
                *fields[len(listed) :],
            )
        return Item(text, (Source(name, fields, True),), fields)

    def _behind(self, scope: Scope) -> Scope:
        """The scope of a subquery in FROM that is not LATERAL."""
        return replace(scope, sources=(), plain=())

    def query(self, scope: Scope, depth: int) -> tuple[str, tuple[Field, ...]]:
        """Any query, for a derived table or WITH."""
        raise NotImplementedError

    def _values(self, scope: Scope, taken: Scope) -> Item:
        kinds = tuple(self.pick_kind() for _ in range(self.rng.randint(1, 3)))
        rows = [
            ", ".join(
                self.expression(k, self._behind(scope), 1) if self.chance(0.2) else self.literal(k)
                for k in kinds
            )
            for _ in range(self.rng.randint(1, 3))
        ]
        name = self.alias(taken)
        listed = self._column_names(len(kinds))
        fields = fields_of(kinds, listed)
        text = (
            f"(VALUES {', '.join(f'({r})' for r in rows)}){self._as(name)}"
            f" ({', '.join(map(self.spell, listed))})"
        )
        return Item(text, (Source(name, fields, True),), fields)

    def literal(self, kind: Kind) -> str:
        return self.rng.choice(LITERALS[kind])

    # ---- functions

    def _function(self, scope: Scope, taken: Scope) -> Item:
        name = self.alias(taken)
        e = lambda k: self.expression(k, scope, 1)  # noqa: E731
        makers: list[Callable[[], tuple[str, tuple[Field, ...], bool]]] = [
            lambda: self._scalar_function(f"generate_series(1, {e(Kind.INT)})", Kind.INT, name),
            lambda: self._scalar_function(f"unnest({e(Kind.TEXTS)})", Kind.TEXT, name),
            lambda: self._scalar_function(
                f"jsonb_array_elements({e(Kind.JSON)})", Kind.JSON, name, "value"
            ),
            lambda: self._scalar_function(f"jsonb_object_keys({e(Kind.JSON)})", Kind.TEXT, name),
            lambda: self._scalar_function(
                f"regexp_split_to_table({e(Kind.TEXT)}, ' ')", Kind.TEXT, name
            ),
            lambda: self._table_function(
                f"jsonb_each({e(Kind.JSON)})", name, ("key", Kind.TEXT), ("value", Kind.JSON)
            ),
            lambda: self._table_function(
                f"recent(({e(Kind.INT)})::int)", name, ("encounter", Kind.INT), ("day", Kind.DATE)
            ),
            lambda: self._table_function(
                f"unnest({e(Kind.TEXTS)}, ARRAY[1, {e(Kind.INT)}])", name, ("unnest", Kind.OTHER)
            ),
            lambda: (
                f"jsonb_to_recordset({e(Kind.JSON)}) AS {self.spell(name)} (ssn text, n int)",
                (Field("ssn", Kind.TEXT), Field("n", Kind.INT)),
                True,
            ),
            lambda: (
                f"pairs() AS {self.spell(name)} (id int, code text)",
                (Field("id", Kind.INT), Field("code", Kind.TEXT)),
                True,
            ),
            lambda: self._rows_from(e, name),
        ]
        if self.world.version >= 17:
            makers.append(lambda: self._json_table(e, name))
        if self.world.xml:
            makers.append(
                lambda: (
                    f"XMLTABLE('/r' PASSING xmlparse(content {e(Kind.TEXT)}) COLUMNS "
                    f"n FOR ORDINALITY, c text PATH '@c' DEFAULT {e(Kind.TEXT)})"
                    f" AS {self.spell(name)}",
                    (Field("n", Kind.INT), Field("c", Kind.TEXT)),
                    True,
                )
            )
        text, fields, row = self.rng.choice(makers)()
        if fields and fields[0].kind is Kind.OTHER:
            fields = ()
        return Item(text, (Source(name, fields, row),), fields)

    def _scalar_function(
        self, call: str, kind: Kind, name: str, column: str | None = None
    ) -> tuple[str, tuple[Field, ...], bool]:
        listed = self._column_names(2)
        if self.chance(0.25):
            text = f"{call} WITH ORDINALITY AS {self.spell(name)}"
            text += f" ({', '.join(map(self.spell, listed))})"
            return text, (Field(listed[0], kind), Field(listed[1], Kind.INT)), True
        if self.chance(0.4):
            text = f"{call}{self._as(name)} ({self.spell(listed[0])})"
            return text, (Field(listed[0], kind),), False
        return f"{call}{self._as(name)}", (Field(column or name, kind),), False

    def _table_function(
        self, call: str, name: str, *columns: tuple[str, Kind]
    ) -> tuple[str, tuple[Field, ...], bool]:
        lateral = "LATERAL " if self.chance(0.2) else ""
        fields = tuple(Field(n, k) for n, k in columns)
        text = f"{lateral}{call}"
        if self.chance(0.2) and fields[0].kind is not Kind.OTHER:
            text += " WITH ORDINALITY"
            fields = (*fields, Field("ordinality", Kind.INT))
        return f"{text}{self._as(name)}", fields, True

    def _rows_from(
        self, e: Callable[[Kind], str], name: str
    ) -> tuple[str, tuple[Field, ...], bool]:
        listed = self._column_names(3)
        text = (
            f"ROWS FROM (generate_series(1, {e(Kind.INT)}), unnest({e(Kind.TEXTS)})) "
            f"WITH ORDINALITY AS {self.spell(name)} ({', '.join(map(self.spell, listed))})"
        )
        return text, fields_of((Kind.INT, Kind.TEXT, Kind.INT), listed), True

    def _json_table(
        self, e: Callable[[Kind], str], name: str
    ) -> tuple[str, tuple[Field, ...], bool]:
        text = (
            f"JSON_TABLE({e(Kind.JSON)}, '$[*]' PASSING {e(Kind.INT)} AS v COLUMNS ("
            f"n FOR ORDINALITY, ssn text PATH '$.s' DEFAULT 'x' ON EMPTY, "
            f"NESTED PATH '$.c[*]' COLUMNS (code int PATH '$'))) AS {self.spell(name)}"
        )
        fields = (Field("n", Kind.INT), Field("ssn", Kind.TEXT), Field("code", Kind.INT))
        return text, fields, True

    # ---- joins

    def _join(self, scope: Scope, depth: int) -> Item:
        left = self._item(scope, scope, depth)
        seen = replace(scope, sources=scope.sources + left.sources, plain=scope.plain + left.plain)
        kind = self.rng.choices(
            ("JOIN", "INNER JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN", "CROSS JOIN"),
            (5, 2, 4, 2, 2, 1),
        )[0]
        # LATERAL sees the left side only where that keeps its rows
        right = self._item(scope if kind[:4] in ("RIGH", "FULL") else seen, seen, depth)
        sources = left.sources + right.sources
        plain = left.plain + right.plain
        using_alias: Source | None = None
        if kind == "CROSS JOIN":
            text = f"{left.text} {kind} {right.text}"
        else:
            common = self._common_names(left.plain, right.plain)
            if common and self.chance(0.15) and self._all_common_match(left.plain, right.plain):
                text = f"{left.text} NATURAL {kind} {right.text}"
                plain = self._merged(left.plain, right.plain, self._shared(left.plain, right.plain))
            elif common and self.chance(0.5):
                names = self.rng.sample(common, self.rng.randint(1, min(2, len(common))))
                listed = ", ".join(map(self.spell, names))
                text = f"{left.text} {kind} {right.text} USING ({listed})"
                plain = self._merged(left.plain, right.plain, names)
                if self.world.version >= 14 and self.chance(0.25):
                    alias = self.alias(replace(seen, sources=scope.sources + sources))
                    text += f" AS {self.spell(alias)}"
                    merged = tuple(f for f in plain if f.name in names)
                    using_alias = Source(alias, merged)
            else:
                on = Scope(scope.parent, sources, plain, common=scope.common)
                text = f"{left.text} {kind} {right.text} ON {self._on(on, kind, depth)}"
        if using_alias is not None:
            return Item(text, (*sources, using_alias), plain)
        if self.chance(0.15):
            name = self.alias(scope)
            text = f"({text}){self._as(name)}"
            if self.chance(0.4) and plain:
                listed = self._column_names(self.rng.randint(1, len(plain)))
                text += f" ({', '.join(map(self.spell, listed))})"
                plain = (
                    *(Field(n, f.kind) for n, f in zip(listed, plain, strict=False)),
                    *plain[len(listed) :],
                )
            return Item(text, (Source(name, plain, True),), plain)
        if self.chance(0.2):
            text = f"({text})"
        return Item(text, sources, plain)

    def _on(self, scope: Scope, kind: str, depth: int) -> str:
        if kind == "FULL JOIN":  # executable only with a mergeable condition
            wanted = self.rng.choice(COMPARED)
            a, b = self.column(wanted, scope), self.column(wanted, scope)
            return f"{a} = {b}" if a and b else "true"
        return self.condition(scope, min(depth, 1))

    @staticmethod
    def _common_names(left: tuple[Field, ...], right: tuple[Field, ...]) -> list[str]:
        a, b = [f.name for f in left], [f.name for f in right]
        kinds = {f.name: f.kind for f in left}
        return [
            f.name
            for f in right
            if f.name
            and f.kind in COMPARED
            and a.count(f.name) == b.count(f.name) == 1
            and kinds[f.name] is f.kind
        ]

    @staticmethod
    def _shared(left: tuple[Field, ...], right: tuple[Field, ...]) -> list[str]:
        there = {f.name for f in right}
        return [f.name for f in left if f.name in there]

    def _all_common_match(self, left: tuple[Field, ...], right: tuple[Field, ...]) -> bool:
        named = all(f.name for f in left + right)
        return named and sorted(self._shared(left, right)) == sorted(
            self._common_names(left, right)
        )

    @staticmethod
    def _merged(
        left: tuple[Field, ...], right: tuple[Field, ...], names: list[str]
    ) -> tuple[Field, ...]:
        kinds = {f.name: f.kind for f in left}
        return (
            *(Field(n, kinds[n]) for n in names),
            *(f for f in left if f.name not in names),
            *(f for f in right if f.name not in names),
        )
