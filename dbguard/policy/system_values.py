"""Catalog columns that hold data values or other sessions' texts.

From PostgreSQL's documentation, "System Catalogs", "System Views" and "The Cumulative Statistics
System". Frequencies and counts are left out: they hold no values.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.snapshot import Relation, RelationKind

_STATISTICS = frozenset(
    {
        "most_common_vals",
        "histogram_bounds",
        "most_common_elems",
        "elem_count_histogram",
        "range_length_histogram",
        "range_bounds_histogram",
    }
)
_CATALOG: Mapping[str, frozenset[str]] = {
    "pg_stats": _STATISTICS,
    "pg_stats_ext": _STATISTICS,
    "pg_stats_ext_exprs": _STATISTICS,
    "pg_statistic": frozenset(f"stavalues{n}" for n in range(1, 6)),
    "pg_statistic_ext_data": frozenset({"stxdmcv", "stxdexpr"}),
    "pg_stat_activity": frozenset({"query"}),
    "pg_largeobject": frozenset({"data"}),
}
_ANYWHERE: Mapping[str, frozenset[str]] = {"pg_stat_statements": frozenset({"query"})}
"""Views of extensions, which live in a schema of the administrator's choice."""


def holds_values(relation: Relation, column: str) -> bool:
    """Whether this column shows values out of other relations, or what other sessions send."""
    if relation.kind is RelationKind.TOAST_TABLE:
        return True
    if relation.schema == "pg_catalog":
        return column in _CATALOG.get(relation.name, frozenset())
    return column in _ANYWHERE.get(relation.name, frozenset())
