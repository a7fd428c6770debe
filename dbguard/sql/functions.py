"""How far a function can be trusted, by its name and number of arguments.

Types are not inferred, so a reference stands for every overload that the number of arguments
allows, and is trusted only when all of them are. `pg_catalog` functions compute on their
arguments unless `reaching` says otherwise; functions of well-known extensions likewise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from .facts import FunctionTrust, FunctionUse
from .reaching import DEFINITIONS, MAKE_VALUES, is_internal, reach
from .snapshot import Function, Snapshot

_COMPUTE = """
    bloom btree_gin btree_gist citext cube dict_int earthdistance fuzzystrmatch hstore intagg
    intarray isn ltree pg_trgm pgcrypto postgis seg sslinfo tablefunc tsm_system_rows
    tsm_system_time unaccent uuid-ossp vector xml2
"""
_TRUSTED_EXTENSIONS = frozenset(_COMPUTE.split())
"""Extensions whose functions compute on their arguments only; the exceptions are below.

Those in PostgreSQL's contrib folder were gone through on 13 to 18. Not here: those that open
connections or files (dblink, postgres_fdw, file_fdw, adminpack), look at pages and plans
(pageinspect, pg_buffercache, pg_freespacemap, pg_prewarm, pg_surgery, pg_visibility,
pg_walinspect, pgrowlocks, pgstattuple, amcheck, pg_logicalinspect, pg_overexplain), show
statements (pg_stat_statements), handle large objects (lo), are triggers (autoinc, insert_username,
moddatetime, refint, tcn), or bring languages (plperl, plpython, their transforms).
"""

_SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")
_FIRST_NORMAL_OID = 16384
"""The server's own objects have lower OIDs (transam.h, FirstNormalObjectId)."""

_REACHING = frozenset(
    {
        # tablefunc: run the query text or read the table they are given
        "crosstab",
        "crosstab2",
        "crosstab3",
        "crosstab4",
        "crosstabn",
        "connectby",
        # xml2: the same; a style sheet may load files
        "xpath_table",
        "xslt_process",
        # postgis: statistics of a table's column, tables made from data
        "st_estimatedextent",
        "st_estimated_extent",
        "st_fromflatgeobuftotable",
    }
)
"""Functions of those extensions that reach further."""


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """What a call may run."""

    use: FunctionUse
    candidates: tuple[Function, ...]
    pin: bool = False
    """Only pg_catalog's meaning is trusted: the call needs `pg_catalog.` in front."""
    missing: bool = False
    """No function has this name and takes so many arguments."""

    @property
    def shows_definition(self) -> bool:
        """Whether it gives back a definition or a comment, in which values may stand."""
        return self.use.trust is FunctionTrust.BUILTIN and self.use.name in DEFINITIONS

    @property
    def is_aggregate(self) -> bool:
        return any(f.kind == "a" for f in self.candidates)

    @property
    def result(self) -> str | None:
        """The result type, when all candidates agree on one that is not polymorphic."""
        results = {f.result for f in self.candidates}
        if len(results) != 1:
            return None
        (result,) = results
        return None if result.startswith("any") or result == "record" else result


def is_trusted_extension(name: str | None) -> bool:
    """Whether an extension's functions, operators and types are known to be harmless."""
    return name in _TRUSTED_EXTENSIONS


def takes(function: Function, count: int) -> bool:
    """Whether `function` can be called with `count` arguments."""
    most = len(function.arguments)
    if function.variadic and count >= most - 1 - function.defaults:
        return True
    return most - function.defaults <= count <= most


def refer(
    snapshot: Snapshot, path: Sequence[str], schema: str | None, name: str, count: int
) -> FunctionReference:
    """What a call of `[schema.]name` with `count` arguments may run under `path`."""
    named = snapshot.functions_by_name.get(name, ())
    if schema is not None:
        visible = tuple(f for f in named if f.schema == schema)
    else:
        visible = tuple(f for f in named if f.schema in path and not f.schema.startswith("pg_temp"))
    fitting = tuple(f for f in visible if takes(f, count))
    builtin = tuple(f for f in fitting if _is_builtin(f))
    added = any(f.schema in _SYSTEM_SCHEMAS and not _is_builtin(f) for f in fitting)
    if builtin and not added:
        foreign = [f for f in fitting if not _is_builtin(f) and not _is_harmless_extension(f)]
        makes_values = name in MAKE_VALUES and snapshot.has_coded_types
        reaching = makes_values or reach(name, count, builtin) is not None
        trust = FunctionTrust.REACHES if reaching else FunctionTrust.BUILTIN
        home = builtin[0].schema
        use = FunctionUse(home, name, trust, (), any(f.volatility == "v" for f in builtin))
        return FunctionReference(use, builtin, pin=bool(foreign))
    if schema == "pg_catalog" and not fitting and reach(name, count) is not None:
        return FunctionReference(FunctionUse(schema, name, FunctionTrust.REACHES, (), True), ())
    if fitting and all(_is_harmless_extension(f) for f in fitting):
        use = FunctionUse(
            fitting[0].schema,
            name,
            FunctionTrust.EXTENSION,
            (),
            any(f.volatility == "v" for f in fitting),
        )
        return FunctionReference(use, fitting)
    candidates = fitting or visible
    return FunctionReference(
        FunctionUse(
            candidates[0].schema if candidates else schema or "",
            name,
            FunctionTrust.UNKNOWN,
            tuple(sorted(f.signature for f in candidates)),
            not candidates or any(f.volatility == "v" for f in candidates),
        ),
        candidates,
        missing=not fitting and all(map(_is_builtin, visible)),
    )


def unseen_calls(snapshot: Snapshot, functions: Iterable[int]) -> tuple[FunctionUse, ...]:
    """The uses of functions, by OID, that run without being called in the text."""
    found = []
    for oid in functions:
        function = snapshot.function_by_oid.get(oid)
        if function is None:
            found.append(FunctionUse("", f"oid {oid}", FunctionTrust.UNKNOWN))
        else:
            signatures = (function.signature,)
            found.append(
                FunctionUse(function.schema, function.name, FunctionTrust.UNKNOWN, signatures)
            )
    return tuple(found)


def code_of_types(snapshot: Snapshot, types: Collection[int]) -> tuple[int, ...]:
    """OIDs of functions that run when values of these types, by OID, are made."""
    return tuple({oid for info in snapshot.types if info.oid in types for oid in info.code})


def _is_builtin(function: Function) -> bool:
    """Whether it came with the server; a superuser may add others to pg_catalog."""
    return function.schema in _SYSTEM_SCHEMAS and function.oid < _FIRST_NORMAL_OID


def _is_harmless_extension(function: Function) -> bool:
    if not is_trusted_extension(function.extension):
        return False
    if function.name in _REACHING or is_internal(function):
        return False
    return function.extension != "postgis" or function.name.startswith("st_")
