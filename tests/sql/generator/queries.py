"""Whole queries."""

from __future__ import annotations

import random
from dataclasses import replace

from .expressions import COMPARED, fields_of, is_constant
from .relations import COLUMN_ALIASES, Relations
from .scope import Scope, Source
from .world import Field, Kind, World

FUEL = 5
"""Subqueries a statement may have below its top."""

_COMMON_NAMES = ("w", "q1", "cte", "patients", "encounters", "staff", "Data", "lower", "id")


class QueryGenerator(Relations):
    """Queries from one seed."""

    def __init__(self, seed: int, world: World) -> None:
        super().__init__(random.Random(seed), world)

    def statement(self) -> str:
        """The next query."""
        self.fuel = FUEL
        self.windows = None
        self.aggregates = False
        return self.query(Scope(), self.rng.choice((1, 2, 2, 3)))[0]

    def query(self, scope: Scope, depth: int) -> tuple[str, tuple[Field, ...]]:
        roll = self.rng.random()
        if roll < 0.18 and depth > 0:
            return self._with(scope, depth)
        if roll < 0.28 and depth > 0:
            kinds = tuple(self.pick_kind() for _ in range(self.rng.randint(1, 3)))
            return self._set_operation(scope, kinds, depth)
        if roll < 0.30:
            return self._table_command(scope)
        if roll < 0.32:
            kinds = tuple(self.pick_kind() for _ in range(self.rng.randint(1, 3)))
            rows = (
                "(" + ", ".join(self.expression(k, scope, 1) for k in kinds) + ")" for _ in range(2)
            )
            names = [f"column{i + 1}" for i in range(len(kinds))]
            return f"VALUES {', '.join(rows)}", fields_of(kinds, names)
        return self._select(scope, depth, None)

    def _table_command(self, scope: Scope) -> tuple[str, tuple[Field, ...]]:
        table = self.table()
        common = {n for level in scope.levels() for n in level.common}
        return f"TABLE {self.table_name(table, common)[0]}", table.fields

    def subquery(self, kinds: tuple[Kind, ...], scope: Scope, depth: int) -> str:
        self.fuel -= 1
        saved = self.windows, self.aggregates
        self.windows, self.aggregates = None, False
        if depth > 0 and self.chance(0.12) and kinds:
            text, _ = self._set_operation(scope.inner(), kinds, depth)
        elif depth > 0 and self.chance(0.08):
            text, _ = self._with(scope.inner(), depth, kinds)
        else:
            text, _ = self._select(scope.inner(), min(depth, 1), kinds)
        self.windows, self.aggregates = saved
        return text

    def scalar(self, kind: Kind, scope: Scope, depth: int) -> str:
        self.fuel -= 1
        saved = self.windows, self.aggregates
        self.windows, self.aggregates = None, False
        text, inner = self.from_items(scope.inner(), min(depth, 1))
        where = f" WHERE {self.condition(inner, min(depth, 1))}" if self.chance(0.6) else ""
        if self.chance(0.6):
            value = self.aggregate(kind, inner, max(depth, 1))
            limit = ""
        else:
            value = self.expression(kind, inner, min(depth, 1))
            order = self.expression(self.rng.choice(COMPARED), inner, 1)
            limit = f" ORDER BY {order} LIMIT 1"
        self.windows, self.aggregates = saved
        return f"SELECT {value} FROM {text}{where}{limit}"

    # ---- WITH

    def _with(
        self, scope: Scope, depth: int, wanted: tuple[Kind, ...] | None = None
    ) -> tuple[str, tuple[Field, ...]]:
        recursive = self.chance(0.25)
        parts: list[str] = []
        common: dict[str, tuple[Field, ...]] = dict(scope.common)
        names = self.rng.sample(_COMMON_NAMES, self.rng.randint(1, 2))
        for name in names:
            here = replace(scope, common=common)
            if recursive and self.chance(0.8):
                text, fields = self._recursive(name, here, depth - 1)
            else:
                text, fields = self._common_query(name, here, depth - 1)
            parts.append(text)
            common = {**common, name: fields}
        inner = replace(scope, common=common)
        saved = self.fuel
        if wanted is None:
            text, fields = self._select(inner, depth - 1, None)
        else:
            text, fields = self._select(inner, depth - 1, wanted)
        self.fuel = min(saved, self.fuel)
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(parts)} {text}", fields

    def _common_query(self, name: str, scope: Scope, depth: int) -> tuple[str, tuple[Field, ...]]:
        body, fields = self.query(scope.inner(), depth)
        listed = ""
        if self.chance(0.3) and fields:
            names = self._column_names(self.rng.randint(1, len(fields)))
            listed = f" ({', '.join(map(self.spell, names))})"
            fields = (
                *(Field(n, f.kind) for n, f in zip(names, fields, strict=False)),
                *fields[len(names) :],
            )
        how = self.rng.choice(("", "", "", "MATERIALIZED ", "NOT MATERIALIZED "))
        return f"{self.spell(name)}{listed} AS {how}({body})", fields

    def _recursive(self, name: str, scope: Scope, depth: int) -> tuple[str, tuple[Field, ...]]:
        """A recursive query; the first column counts the rounds, so that it ends."""
        kinds = tuple(
            self.rng.choice((Kind.TEXT, Kind.INT, Kind.DATE)) for _ in range(self.rng.randint(1, 2))
        )
        names = ["step", *self._column_names(len(kinds))]
        fields = fields_of((Kind.INT, *kinds), names)
        base, outer = self.from_items(scope.inner(), 0)
        first = ", ".join(self._cast(k, outer) for k in kinds)
        table, there = self.from_items(scope.inner(), 0)
        own = replace(
            there,
            sources=(*there.sources, Source("round_", fields, True)),
            plain=(*there.plain, *fields),
        )
        second = ", ".join(self._cast(k, own) for k in kinds)
        union = self.rng.choice(("UNION", "UNION ALL"))
        text = (
            f"{self.spell(name)} ({', '.join(map(self.spell, names))}) AS ("
            f"SELECT 1, {first} FROM {base} {union} "
            f"SELECT round_.step + 1, {second} FROM {self.spell(name)} AS round_, {table} "
            f"WHERE round_.step < 2)"
        )
        if self.world.version >= 14 and self.chance(0.3):
            listed = self.spell(names[1])
            if self.chance(0.5):
                text += f" SEARCH DEPTH FIRST BY step, {listed} SET sequence_"
            else:
                text += f" CYCLE {listed} SET cycle_ USING path_"
        return text, fields

    def _cast(self, kind: Kind, scope: Scope) -> str:
        return f"({self.expression(kind, scope, 1)})::{kind}"

    # ---- set operations

    def _set_operation(
        self, scope: Scope, kinds: tuple[Kind, ...], depth: int
    ) -> tuple[str, tuple[Field, ...]]:
        self.fuel -= 1
        left, fields = self._select(scope, depth - 1, kinds, bare=True)
        for _ in range(self.rng.choice((1, 1, 2))):
            right, _ = self._select(scope, depth - 1, kinds, bare=True)
            operator = self.rng.choice(
                ("UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL")
            )
            if self.chance(0.2):
                right = f"({right} LIMIT 3)"
            left = f"{left} {operator} {right}"
        if self.chance(0.4) and kinds:
            order = str(self.rng.randint(1, len(kinds)))
            named = [f.name for f in fields if f.name]
            if named and len(set(named)) == len(named) and self.chance(0.5):
                order = self.spell(self.rng.choice(named))
            left += f" ORDER BY {order}"
            if self.chance(0.4):
                left += f" LIMIT {self.rng.choice(('3', '1 + 1', 'ALL'))}"
        return left, fields

    # ---- SELECT

    def _select(
        self,
        scope: Scope,
        depth: int,
        wanted: tuple[Kind, ...] | None,
        *,
        bare: bool = False,
    ) -> tuple[str, tuple[Field, ...]]:
        """A SELECT; with `wanted`, these columns; `bare`: nothing behind HAVING."""
        saved = self.windows, self.aggregates
        self.windows, self.aggregates = None, False
        if self.chance(0.03):
            text, inner, source = "", scope, ""
        else:
            source, inner = self.from_items(scope, depth)
            text = f" FROM {source}"
        if self.chance(0.55):
            text += f" WHERE {self.condition(inner, min(depth, 2))}"
        if source and self.chance(0.25):
            result = self._grouped_select(text, inner, wanted, depth, bare=bare)
        else:
            result = self._plain_select(text, inner, wanted, depth, bare=bare)
        self.windows, self.aggregates = saved
        return result

    def _targets(
        self, scope: Scope, wanted: tuple[Kind, ...] | None, depth: int
    ) -> tuple[list[str], list[Field], list[str]]:
        """The items of a target list, their fields, and their bare expressions."""
        kinds = wanted
        if kinds is None:
            kinds = tuple(self.pick_kind() for _ in range(self.rng.randint(1, 4)))
        texts, fields, values = [], [], []
        for kind in kinds:
            if wanted is None and scope.grouped is None and self.chance(0.12):
                star = self._star(scope)
                if star is not None:
                    texts.append(star[0])
                    fields += star[1]
                    continue
            value = self.expression(kind, scope, min(depth + 1, 3))
            alias = self.rng.choice(COLUMN_ALIASES) if self.chance(0.45) else None
            texts.append(f"{value} AS {self.spell(alias)}" if alias else value)
            fields.append(Field(alias or self._name_of(value, scope), kind))
            values.append(value)
        return texts, fields, values

    def _name_of(self, value: str, scope: Scope) -> str:
        """The output name, where the expression is a plain column."""
        for _, _, _, field in scope.columns():
            if value == field.name or value.endswith(f".{field.name}"):
                return field.name if value.replace(".", "").replace("_", "").isalnum() else ""
        return ""

    def _star(self, scope: Scope) -> tuple[str, tuple[Field, ...]] | None:
        if not scope.sources:
            return None
        roll = self.rng.random()
        if roll < 0.35:
            return "*", scope.plain
        source = self.rng.choice(scope.sources)
        if roll < 0.75:
            return f"{self.spell(source.name)}.*", source.fields
        if any(f.name == source.name for f in scope.plain):
            return None
        name = self.spell(source.name)
        if roll < 0.85 and source.row:
            return f"({name}).*", source.fields
        return name, (Field(source.name, Kind.OTHER),)

    def _plain_select(
        self,
        rest: str,
        scope: Scope,
        wanted: tuple[Kind, ...] | None,
        depth: int,
        *,
        bare: bool,
    ) -> tuple[str, tuple[Field, ...]]:
        windows: list[str] = []
        clause = ""
        windowed = self.chance(0.15) and not bare
        if windowed:
            parts = []
            for name in self.rng.sample(("w", "w2", "frame"), self.rng.randint(1, 2)):
                parts.append(f"{self.spell(name)} AS ({self.window(scope, 1)})")
                windows.append(name)
            clause = f" WINDOW {', '.join(parts)}"
        if windowed or self.chance(0.1):
            self.windows = tuple(windows)
        texts, fields, values = self._targets(scope, wanted, depth)
        distinct = ""
        if self.chance(0.1) and not bare:
            if self.chance(0.5) and values and not is_constant(values[0]):
                distinct = f"DISTINCT ON ({values[0]}) "
                clause += f" ORDER BY {values[0]}"
            else:
                distinct = "DISTINCT "
                if all(k.kind is not Kind.OTHER for k in fields) and self.chance(0.5):
                    clause += " ORDER BY 1"
        elif self.chance(0.35) and not bare:
            clause += f" ORDER BY {self._order(scope, fields)}"
        self.windows = None
        if not bare:
            clause += self._limit(scope)
        if wanted == () and not texts:
            distinct = ""
        listed = ", ".join(texts)
        return f"SELECT {distinct}{listed}{rest}{clause}", tuple(fields)

    def _order(self, scope: Scope, fields: list[Field]) -> str:
        roll = self.rng.random()
        named = [f.name for f in fields if f.name and f.kind in COMPARED]
        single = [n for n in named if named.count(n) == 1]
        if roll < 0.25 and fields and fields[0].kind in COMPARED:
            order = "1"
        elif roll < 0.55 and single:
            order = self.spell(self.rng.choice(single))
        else:
            order = self.expression(self.rng.choice(COMPARED), scope, 2)
            if is_constant(order):
                order = f"({order}) IS NULL"
        return order + self.rng.choice(("", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"))

    def _limit(self, scope: Scope) -> str:
        roll = self.rng.random()
        if roll < 0.85:
            return ""
        if roll < 0.9:
            return " LIMIT 5 OFFSET 1"
        if roll < 0.94:
            return " FETCH FIRST 3 ROWS ONLY"
        if roll < 0.97 and self.fuel > 0:
            return f" LIMIT ({self.scalar(Kind.INT, self._behind(scope), 0)})"
        return " OFFSET 0"

    def _grouped_select(
        self,
        rest: str,
        scope: Scope,
        wanted: tuple[Kind, ...] | None,
        depth: int,
        *,
        bare: bool,
    ) -> tuple[str, tuple[Field, ...]]:
        items: list[tuple[str, Kind]] = []
        for _ in range(self.rng.choice((0, 1, 1, 2, 3))):
            kind = self.rng.choice(COMPARED)
            text = self.column(kind, scope)
            if text is None or self.chance(0.2):
                text = self.expression(kind, scope, 1)
            if not is_constant(text):
                items.append((text, kind))
        keyed = [
            (f"{self.spell(s.name)}.{self.spell('id')}", s)
            for s in scope.sources
            if s.stored and any(f.name == "id" for f in s.fields) and s.table in self._keyed()
        ]
        extra: list[tuple[str, Kind]] = []
        if keyed and self.chance(0.25):
            key, source = self.rng.choice(keyed)
            items.append((key, Kind.INT))
            extra = [
                (f"{self.spell(source.name)}.{self.spell(f.name)}", f.kind)
                for f in source.named()
                if f.kind is not Kind.OTHER
            ]
        grouped = replace(scope, grouped=(*items, *extra))
        self.aggregates = True
        texts, fields, _ = self._targets(grouped, wanted, depth)
        group = ""
        if items:
            group = f" GROUP BY {self._group([t for t, _ in items], fields, texts)}"
        elif self.chance(0.3):
            group = " GROUP BY ()"
        if self.chance(0.3):
            group += f" HAVING {self.condition(grouped, 1)}"
        if not bare and self.chance(0.35):
            group += f" ORDER BY {self._order(grouped, fields)}"
        self.aggregates = False
        distinct = "DISTINCT " if self.chance(0.05) and "ORDER BY" not in group else ""
        return f"SELECT {distinct}{', '.join(texts)}{rest}{group}", tuple(fields)

    def _keyed(self) -> set[str]:
        return {t.name for t in self.world.tables if t.key == "id"}

    def _group(self, items: list[str], fields: list[Field], texts: list[str]) -> str:
        roll = self.rng.random()
        listed = ", ".join(items)
        if roll < 0.65:
            return listed
        if roll < 0.72:
            return f"ROLLUP ({listed})"
        if roll < 0.79:
            return f"CUBE ({listed})"
        if roll < 0.88:
            return f"GROUPING SETS (({listed}), {items[0]}, ())"
        if self.world.version >= 14 and roll < 0.94:
            return f"DISTINCT {listed}"
        return f"{listed}, GROUPING SETS (({items[-1]}), ())"
