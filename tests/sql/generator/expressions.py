"""Typed expressions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from .scope import Scope, Source
from .spelling import spell
from .world import Field, Kind, World

LITERALS: dict[Kind, tuple[str, ...]] = {
    Kind.INT: ("0", "1", "7", "42", "-3", "(2)"),
    Kind.NUMBER: ("1.5", "0.25", "10::numeric", "'3.5'::numeric"),
    Kind.TEXT: ("'a'::text", "E'it\\'s'::text", "$$d$$::text", "text 'q'", "''::text"),
    Kind.DATE: ("date '2020-02-03'", "'1999-12-31'::date", "CAST('2001-01-01' AS date)"),
    Kind.TIME: ("timestamptz '2020-02-03 04:05Z'", "now()", "current_timestamp"),
    Kind.BOOL: ("true", "false", "'t'::boolean"),
    Kind.JSON: ("'{\"a\": [1, 2]}'::jsonb", "jsonb '[]'", "'null'::jsonb"),
    Kind.TEXTS: ("ARRAY['a', 'b']", "'{x,y}'::text[]", "ARRAY[]::text[]"),
    Kind.ADDRESS: ("ROW('s', 'c', 'z')::clinic.address", "('s', 'c', 'z')::clinic.address"),
}
SCALARS = tuple(LITERALS)
COMPARED = (Kind.INT, Kind.NUMBER, Kind.TEXT, Kind.DATE, Kind.TIME, Kind.BOOL)
_OPERATORS = ("=", "<>", "<", "<=", ">", ">=", "OPERATOR(pg_catalog.=)")
_SYSTEM = {Kind.INT: ("tableoid::int",), Kind.TEXT: ("ctid::text", "xmin::text", "cmax::text")}
_PICTURES = {
    Kind.INT: "'FM999'",
    Kind.NUMBER: "'FM990.0'",
    Kind.DATE: "'YYYY'",
    Kind.TIME: "'HH24'",
}


class Expressions:
    """The part of a generator that writes expressions."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self.rng = rng
        self.world = world
        self.windows: tuple[str, ...] | None = None
        """Names of windows in reach; None where no window function may stand."""
        self.aggregates = False
        """Whether aggregates may stand here."""
        self.fuel = 0
        """How many more subqueries the statement may have."""

    def chance(self, likelihood: float) -> bool:
        return self.rng.random() < likelihood

    def spell(self, name: str) -> str:
        return spell(self.rng, name)

    def pick_kind(self) -> Kind:
        return self.rng.choices(SCALARS, (6, 3, 7, 3, 2, 2, 2, 1, 1))[0]

    # ---- leaves

    def column(self, kind: Kind, scope: Scope) -> str | None:
        """A reference to a column of this kind."""
        found = [c for c in scope.columns() if c[3].kind is kind]
        if not found:
            return None
        near = [c for c in found if c[0] == 0]
        _, schema, name, wanted = self.rng.choice(near if near and self.chance(0.75) else found)
        text = self.spell(wanted.name)
        if name:
            text = f"{self.spell(name)}.{text}"
            if schema and self.chance(0.15):
                text = f"{self.spell(schema)}.{text}"
        return text

    def field_access(self, kind: Kind, scope: Scope) -> str | None:
        """A column by way of its row: (p).f, f(p), (p.*).f."""
        rows = [s for s in self._own(scope) if s.row]
        if not rows:
            return None
        source = self.rng.choice(rows)
        fields = [f for f in source.named() if f.kind is kind]
        if not fields or any(f.name == source.name for f in scope.plain):
            return None
        field = self.spell(self.rng.choice(fields).name)
        row = self.spell(source.name)
        return self.rng.choice(
            (f"({row}).{field}", f"{field}({row})", f"({row}.*).{field}", f"{field}({row}.*)")
        )

    def _own(self, scope: Scope) -> tuple[Source, ...]:
        return () if scope.grouped is not None else scope.sources

    def whole(self, scope: Scope) -> str | None:
        """A whole row, bare or starred."""
        sources = [s for s in self._own(scope) if all(f.name != s.name for f in scope.plain)]
        if not sources:
            return None
        name = self.spell(self.rng.choice(sources).name)
        return name if self.chance(0.7) else f"{name}.*"

    def system_column(self, kind: Kind, scope: Scope) -> str | None:
        stored = [s for s in self._own(scope) if s.stored]
        if not stored or kind not in _SYSTEM:
            return None
        source = self.rng.choice(stored)
        column = self.rng.choice(_SYSTEM[kind])
        return f"{self.spell(source.name)}.{column}"

    # ---- any kind

    def expression(self, kind: Kind, scope: Scope, depth: int = 3) -> str:
        """An expression of this kind (INT may be any integer type)."""
        if scope.grouped is not None and not self.chance(0.2):
            return self._grouped(kind, scope, depth)
        if depth <= 0 or self.chance(0.45):
            return self._leaf(kind, scope)
        special = self._special(kind, scope, depth)
        if special is not None:
            return special
        writers: tuple[Callable[[Scope, int], str], ...] = {
            Kind.INT: (self._int,),
            Kind.NUMBER: (self._number,),
            Kind.TEXT: (self._text,),
            Kind.DATE: (self._date,),
            Kind.TIME: (self._time,),
            Kind.BOOL: (self.condition,),
            Kind.JSON: (self._json,),
            Kind.TEXTS: (self._texts,),
            Kind.ADDRESS: (self._address,),
        }[kind]
        return self.rng.choice(writers)(scope, depth - 1)

    def _leaf(self, kind: Kind, scope: Scope) -> str:
        roll = self.rng.random()
        found = None
        if roll < 0.06:
            found = self.field_access(kind, scope)
        elif roll < 0.08:
            found = self.system_column(kind, scope)
        if found is None and roll < 0.9:
            found = self.column(kind, scope)
        return found if found is not None else self.rng.choice(LITERALS[kind])

    def _grouped(self, kind: Kind, scope: Scope, depth: int) -> str:
        fitting = [text for text, k in scope.grouped or () if k is kind]
        if fitting and self.chance(0.5):
            return self.rng.choice(fitting)
        if self.aggregates:
            return self.aggregate(kind, scope, depth)
        return self.rng.choice(LITERALS[kind])

    def _special(self, kind: Kind, scope: Scope, depth: int) -> str | None:
        """What is written alike for every kind."""
        roll = self.rng.random()
        again = lambda: self.expression(kind, scope, depth - 1)  # noqa: E731
        if roll < 0.05:
            return f"coalesce({again()}, {again()})"
        if roll < 0.10:
            return self._case(kind, scope, depth)
        if roll < 0.13 and kind in COMPARED:
            return f"{self.rng.choice(('greatest', 'least', 'nullif'))}({again()}, {again()})"
        if roll < 0.19 and self.fuel > 0:
            return f"({self.scalar(kind, scope, depth - 1)})"
        if roll < 0.23 and self.windows is not None:
            return self._window(kind, scope, depth)
        if roll < 0.25 and kind is not Kind.TEXTS:
            return f"(ARRAY[{again()}, {again()}])[{self.rng.choice(LITERALS[Kind.INT])}]"
        if roll < 0.27:
            return f"({again()})"
        return None

    def _case(self, kind: Kind, scope: Scope, depth: int) -> str:
        then = self.expression(kind, scope, depth - 1)
        other = self.expression(kind, scope, depth - 1)
        if self.chance(0.3):
            tested = self.rng.choice((Kind.INT, Kind.TEXT))
            a = self.expression(tested, scope, depth - 1)
            b = self.expression(tested, scope, depth - 1)
            return f"CASE {a} WHEN {b} THEN {then} ELSE {other} END"
        return f"CASE WHEN {self.condition(scope, depth - 1)} THEN {then} ELSE {other} END"

    def scalar(self, kind: Kind, scope: Scope, depth: int) -> str:
        """A query of one column and at most one row."""
        raise NotImplementedError

    def subquery(self, kinds: tuple[Kind, ...], scope: Scope, depth: int) -> str:
        """A query with these columns."""
        raise NotImplementedError

    # ---- single kinds

    def _int(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        return self.rng.choice(
            (
                lambda: f"{e(Kind.INT)} + {e(Kind.INT)}",
                lambda: f"(- {e(Kind.INT)})",
                lambda: f"length({e(Kind.TEXT)})",
                lambda: f"extract(year FROM {e(Kind.DATE)})::int",
                lambda: f"date_part('month', {e(Kind.TIME)})::int",
                lambda: f"position({e(Kind.TEXT)} IN {e(Kind.TEXT)})",
                lambda: f"cardinality({e(Kind.TEXTS)})",
                lambda: f"CAST({e(Kind.NUMBER)} AS int)",
                lambda: f"(({e(Kind.DATE)}) - ({e(Kind.DATE)}))",
                lambda: f"strpos({e(Kind.TEXT)}, {e(Kind.TEXT)})",
                lambda: f"pg_catalog.abs({e(Kind.INT)})",
            )
        )()

    def _number(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        return self.rng.choice(
            (
                lambda: f"({e(Kind.NUMBER)} * {e(Kind.NUMBER)})",
                lambda: f"({e(Kind.NUMBER)} - {e(Kind.INT)})",
                lambda: f"round(({e(Kind.NUMBER)})::numeric, 1)",
                lambda: f"({e(Kind.INT)})::numeric",
                lambda: f"abs({e(Kind.NUMBER)})",
                lambda: f"bmi(({e(Kind.NUMBER)})::numeric, 1.7)",
            )
        )()

    def _text(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        makers: list[Callable[[], str]] = [
            lambda: f"{self.rng.choice(('lower', 'upper', 'initcap', 'LOWER'))}({e(Kind.TEXT)})",
            lambda: f"({e(Kind.TEXT)} || {e(Kind.TEXT)})",
            lambda: f"concat({e(Kind.TEXT)}, {e(self.pick_kind())})",
            lambda: f"left({e(Kind.TEXT)}, 3)",
            lambda: f"substring({e(Kind.TEXT)} FROM 2 FOR 3)",
            lambda: f"trim(both 'x' FROM {e(Kind.TEXT)})",
            lambda: f"overlay({e(Kind.TEXT)} PLACING {e(Kind.TEXT)} FROM 2)",
            lambda: f"({e(self.pick_kind())})::text",
            lambda: f"to_char({e(k := self.rng.choice(list(_PICTURES)))}, {_PICTURES[k]})",
            lambda: f"({e(Kind.JSON)} ->> 'name')",
            lambda: f"({e(Kind.JSON)} #>> '{{a,b}}')",
            lambda: f"({e(Kind.TEXTS)})[1]",
            lambda: f"({e(Kind.ADDRESS)}).{self.rng.choice(('city', 'zip', 'street'))}",
            lambda: f"array_to_string({e(Kind.TEXTS)}, ',')",
            lambda: f'{e(Kind.TEXT)} COLLATE "C"',
            lambda: f"replace({e(Kind.TEXT)}, 'a', {e(Kind.TEXT)})",
            lambda: f"format('%s', {e(Kind.TEXT)})",
            lambda: self._row_text(scope),
        ]
        if self.world.xml:
            makers += [
                lambda: f"xmlelement(name a, xmlattributes({e(Kind.TEXT)} AS b))::text",
                lambda: f"xmlforest({e(Kind.TEXT)} AS c, {e(Kind.INT)} AS d)::text",
            ]
        if self.world.version >= 17:
            makers += [
                lambda: f"JSON_VALUE({e(Kind.JSON)}, '$.a' DEFAULT 'x' ON EMPTY)",
                lambda: f"JSON_VALUE({e(Kind.JSON)}, '$.a ? (@ > $v)' PASSING {e(Kind.INT)} AS v)",
                lambda: f"JSON_SERIALIZE({e(Kind.JSON)})",
            ]
        if self.world.version >= 16:
            makers.append(
                lambda: f"JSON_OBJECT('k': {e(Kind.TEXT)}, 'n': {e(Kind.INT)} ABSENT ON NULL)::text"
            )
        return self.rng.choice(makers)()

    def _row_text(self, scope: Scope) -> str:
        row = self.whole(scope)
        if row is None:
            return "'no row'"
        bare = row.removesuffix(".*")
        return self.rng.choice(
            (
                f"{row}::text",
                f"row_to_json({row})::text",
                f"to_jsonb({bare})::text",
                f"ROW({row})::text",
                f"({row} IS NULL)::text",
                f"ROW({bare}.*, 1)::text",
            )
        )

    def _date(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        return self.rng.choice(
            (
                lambda: f"({e(Kind.DATE)} + {self.rng.choice(('1', '30'))})",
                lambda: f"({e(Kind.TIME)})::date",
                lambda: f"date_trunc('month', {e(Kind.DATE)})::date",
                lambda: f"CAST({e(Kind.TIME)} AS date)",
            )
        )()

    def _time(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        return self.rng.choice(
            (
                lambda: f"({e(Kind.TIME)} - interval '1 day')",
                lambda: f"date_trunc('hour', {e(Kind.TIME)})",
                lambda: f"({e(Kind.DATE)})::timestamptz",
                lambda: f"(({e(Kind.TIME)}) AT TIME ZONE 'UTC')::timestamptz",
            )
        )()

    def _json(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        makers: list[Callable[[], str]] = [
            lambda: f"({e(Kind.JSON)} -> 'a')",
            lambda: f"jsonb_build_object('k', {e(self.pick_kind())})",
            lambda: f"to_jsonb({e(self.pick_kind())})",
            lambda: f"({e(Kind.JSON)} || {e(Kind.JSON)})",
            lambda: f"jsonb_path_query_array({e(Kind.JSON)}, '$.a[*]')",
        ]
        if self.world.version >= 14:
            makers.append(lambda: f"({e(Kind.JSON)})['a']")
        if self.world.version >= 16:
            makers.append(lambda: f"JSON_ARRAY({e(Kind.TEXT)}, {e(Kind.INT)})::jsonb")
        if self.world.version >= 17:
            makers += [
                lambda: f"JSON_QUERY({e(Kind.JSON)}, '$.a' WITH WRAPPER)",
                lambda: f"JSON_SCALAR({e(Kind.INT)})::jsonb",
            ]
        return self.rng.choice(makers)()

    def _texts(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        makers: list[Callable[[], str]] = [
            lambda: f"ARRAY[{e(Kind.TEXT)}, {e(Kind.TEXT)}]",
            lambda: f"({e(Kind.TEXTS)} || {e(Kind.TEXT)})",
            lambda: f"({e(Kind.TEXTS)})[1:{self.rng.choice(('2', 'cardinality(ARRAY[1])'))}]",
            lambda: f"string_to_array({e(Kind.TEXT)}, ',')",
            lambda: f"array_remove({e(Kind.TEXTS)}, {e(Kind.TEXT)})",
        ]
        if self.fuel > 0:
            makers.append(lambda: f"ARRAY({self.subquery((Kind.TEXT,), scope, depth)})")
        return self.rng.choice(makers)()

    def _address(self, scope: Scope, depth: int) -> str:
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        row = f"ROW({e(Kind.TEXT)}, {e(Kind.TEXT)}, {e(Kind.TEXT)})::clinic.address"
        if self.chance(0.4):
            return f"jsonb_populate_record(NULL::clinic.address, {e(Kind.JSON)})"
        return row

    # ---- conditions

    def condition(self, scope: Scope, depth: int = 2) -> str:
        """A boolean expression, parenthesised where precedence could matter."""
        e = lambda k: self.expression(k, scope, depth - 1)  # noqa: E731
        kind = self.rng.choice(COMPARED)
        makers: list[Callable[[], str]] = [
            lambda: f"({e(kind)} {self.rng.choice(_OPERATORS)} {e(kind)})",
            lambda: f"({e(kind)} {self.rng.choice(_OPERATORS)} {e(kind)})",
            lambda: f"({e(self.pick_kind())} IS {self.rng.choice(('', 'NOT '))}NULL)",
            lambda: f"({e(kind)} IS DISTINCT FROM {e(kind)})",
            lambda: f"({e(kind)} BETWEEN {e(kind)} AND {e(kind)})",
            lambda: f"({e(kind)} IN ({e(kind)}, {e(kind)}))",
            lambda: f"({e(Kind.TEXT)} {self.rng.choice(('LIKE', 'ILIKE', 'NOT LIKE', '~'))} 'a%')",
            lambda: f"({e(Kind.TEXT)} SIMILAR TO 'a%')",
            lambda: f"({e(Kind.TEXT)} = ANY ({e(Kind.TEXTS)}))",
            lambda: f"(({e(Kind.INT)}, {e(Kind.TEXT)}) < ({e(Kind.INT)}, {e(Kind.TEXT)}))",
            lambda: f"(ROW({e(Kind.INT)}, {e(kind)}) = ROW({e(Kind.INT)}, {e(kind)}))",
            lambda: f"({e(Kind.JSON)} @> {e(Kind.JSON)})",
            lambda: f"({e(Kind.JSON)} ? 'a')",
            lambda: f"(({e(Kind.BOOL)}) IS NOT TRUE)",
            lambda: f"(({e(Kind.DATE)}, {e(Kind.DATE)}) OVERLAPS ({e(Kind.DATE)}, {e(Kind.DATE)}))",
        ]
        if self.world.version >= 16:
            makers.append(lambda: f"({e(Kind.TEXT)} IS JSON OBJECT)")
        if self.world.version >= 17:
            makers.append(lambda: f"JSON_EXISTS({e(Kind.JSON)}, '$.a')")
        if depth > 0:
            makers += [
                lambda: (
                    f"({self.condition(scope, depth - 1)} AND {self.condition(scope, depth - 1)})"
                ),
                lambda: (
                    f"({self.condition(scope, depth - 1)} OR {self.condition(scope, depth - 1)})"
                ),
                lambda: f"(NOT {self.condition(scope, depth - 1)})",
            ]
        if self.fuel > 0 and depth > 0:
            makers += [lambda: self._queried(kind, scope, depth)] * 3
        row = self.whole(scope) if self.chance(0.05) else None
        if row is not None:
            return f"({row} IS NOT NULL)"
        return self.rng.choice(makers)()

    def _queried(self, kind: Kind, scope: Scope, depth: int) -> str:
        q = lambda *kinds: self.subquery(kinds, scope, depth - 1)  # noqa: E731
        e = lambda k: self.expression(k, scope, depth - 1)  # noqa: E731
        return self.rng.choice(
            (
                lambda: f"EXISTS ({q(kind)})",
                lambda: f"(NOT EXISTS ({q()}))",
                lambda: f"({e(kind)} IN ({q(kind)}))",
                lambda: f"({e(kind)} NOT IN ({q(kind)}))",
                lambda: f"({e(kind)} = ANY ({q(kind)}))",
                lambda: f"({e(kind)} >= ALL ({q(kind)}))",
                lambda: f"(({e(kind)}, {e(Kind.INT)}) IN ({q(kind, Kind.INT)}))",
                lambda: (
                    f"(({e(kind)}, {e(Kind.TEXT)}) = "
                    f"({self.subquery((kind, Kind.TEXT), scope, depth - 1)}))"
                ),
            )
        )()

    # ---- aggregates and windows

    def aggregate(self, kind: Kind, scope: Scope, depth: int) -> str:
        """An aggregate over this level's rows."""
        inside = replace(scope, grouped=None)
        saved = self.aggregates, self.windows
        self.aggregates, self.windows = False, None
        e = lambda k: self.expression(k, inside, depth - 1)  # noqa: E731
        distinct = "DISTINCT " if self.chance(0.1) else ""
        text = {
            Kind.INT: lambda: self.rng.choice(
                (
                    lambda: "count(*)",
                    lambda: f"count({distinct}{e(self.pick_kind())})",
                    lambda: f"max({e(Kind.INT)})",
                    lambda: f"rank(1) WITHIN GROUP (ORDER BY {e(Kind.INT)})",
                    lambda: self._count_row(inside),
                )
            )(),
            Kind.NUMBER: lambda: self.rng.choice(
                (
                    lambda: f"sum({distinct}{e(Kind.NUMBER)})",
                    lambda: f"avg({e(Kind.INT)})",
                    lambda: f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {e(Kind.NUMBER)})",
                )
            )(),
            Kind.TEXT: lambda: self.rng.choice(
                (
                    lambda: f"min({e(Kind.TEXT)})",
                    lambda: f"string_agg({e(Kind.TEXT)}, ',' ORDER BY {e(Kind.INT)} DESC)",
                    lambda: f"mode() WITHIN GROUP (ORDER BY {e(Kind.TEXT)})",
                )
            )(),
            Kind.DATE: lambda: f"max({e(Kind.DATE)})",
            Kind.TIME: lambda: f"min({e(Kind.TIME)})",
            Kind.BOOL: lambda: f"bool_or({e(Kind.BOOL)})",
            Kind.JSON: lambda: f"jsonb_agg({e(self.pick_kind())})",
            Kind.TEXTS: lambda: f"array_agg({distinct}{e(Kind.TEXT)})",
            Kind.ADDRESS: lambda: f"(array_agg({e(Kind.ADDRESS)}))[1]",
        }[kind]()
        if self.chance(0.2):
            text += f" FILTER (WHERE {self.condition(inside, depth - 1)})"
        self.aggregates, self.windows = saved
        return text

    def _count_row(self, scope: Scope) -> str:
        row = self.whole(scope)
        return f"count({row})" if row is not None else "count(*)"

    def _window(self, kind: Kind, scope: Scope, depth: int) -> str:
        names, self.windows = self.windows, None
        e = lambda k: self.expression(k, scope, depth - 1)  # noqa: E731
        calls: dict[Kind, tuple[Callable[[], str], ...]] = {
            Kind.INT: (
                lambda: self.rng.choice(("rank()", "row_number()", "dense_rank()", "ntile(3)")),
                lambda: "count(*)",
            ),
            Kind.NUMBER: (
                lambda: f"sum({e(Kind.NUMBER)})",
                lambda: f"avg({e(Kind.INT)}) FILTER (WHERE {self.condition(scope, depth - 1)})",
            ),
        }
        general = (
            lambda: f"first_value({e(kind)})",
            lambda: f"lag({e(kind)}, 1, {e(kind)})",
            lambda: f"lead({e(kind)})",
            lambda: f"nth_value({e(kind)}, 2)",
        )
        call = self.rng.choice(calls.get(kind, ()) + general)()
        if names and self.chance(0.6):
            name = self.spell(self.rng.choice(names))
            over = name if self.chance(0.6) else f"({name} ROWS 2 PRECEDING)"
        else:
            over = f"({self.window(scope, depth - 1)})"
        self.windows = names
        return f"{call} OVER {over}"

    def window(self, scope: Scope, depth: int) -> str:
        """A window's definition, without its parentheses."""
        saved, self.windows = self.windows, None
        parts = []
        e = lambda k: self.expression(k, scope, depth)  # noqa: E731
        if self.chance(0.6):
            parts.append(f"PARTITION BY {e(self.rng.choice(COMPARED))}")
        if self.chance(0.7):
            order = f"ORDER BY {e(self.rng.choice(COMPARED))}"
            parts.append(order + self.rng.choice(("", " DESC", " ASC NULLS FIRST", " USING >")))
            if self.chance(0.2):
                frame = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW"
                parts.append(frame)
        self.windows = saved
        return " ".join(parts)


def is_constant(text: str) -> bool:
    """Whether an expression would be an ordinal, or an error, where ordinals may stand."""
    bare = text.strip("()")
    return any(bare == literal.strip("()") for of_kind in LITERALS.values() for literal in of_kind)


def fields_of(kinds: tuple[Kind, ...], names: list[str]) -> tuple[Field, ...]:
    return tuple(Field(n, k) for n, k in zip(names, kinds, strict=True))
