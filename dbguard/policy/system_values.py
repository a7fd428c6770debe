"""Catalog columns that hold data values, literals, or other sessions' texts.

From PostgreSQL's documentation, "System Catalogs", "System Views" and "The Cumulative Statistics
System", and every column of pg_catalog and information_schema on PostgreSQL 13 to 18. Frequencies,
counts and labels of enums are left out: they tell of nobody. So is what a session's own statements
leave behind (pg_prepared_statements, pg_cursors).
"""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.snapshot import Relation, RelationKind

from .model import SYSTEM_COMMENTS, SYSTEM_DEFINITIONS, SYSTEM_VALUES

_STATISTICS = (
    "most_common_vals histogram_bounds most_common_elems elem_count_histogram "
    "range_length_histogram range_bounds_histogram"
)
_VALUES: Mapping[str, str] = {
    # samples of the data, and the data
    "pg_stats": _STATISTICS,
    "pg_stats_ext": f"{_STATISTICS} exprs",
    "pg_stats_ext_exprs": _STATISTICS,
    "pg_statistic": "stavalues1 stavalues2 stavalues3 stavalues4 stavalues5",
    "pg_statistic_ext_data": "stxdmcv stxdexpr",
    "pg_largeobject": "data",
    "pg_attribute": "attmissingval",
    # what others run
    "pg_stat_activity": "query",
    "pg_backend_memory_contexts": "ident",
    # trees of expressions: literals in them are bytes, and no text can be made a tree again
    "pg_attrdef": "adbin",
    "pg_class": "relpartbound",
    "pg_constraint": "conbin",
    "pg_index": "indexprs indpred",
    "pg_partitioned_table": "partexprs",
    "pg_policy": "polqual polwithcheck",
    "pg_proc": "proargdefaults prosqlbody prosrc",
    "pg_publication_rel": "prqual",
    "pg_rewrite": "ev_qual ev_action",
    "pg_statistic_ext": "stxexprs",
    "pg_trigger": "tgargs tgqual",
    "pg_type": "typdefault typdefaultbin",
    # secrets
    "pg_authid": "rolpassword",
    "pg_shadow": "passwd",
    "pg_stat_wal_receiver": "conninfo",
    "pg_subscription": "subconninfo",
    "pg_user_mapping": "umoptions",
    "pg_user_mappings": "umoptions",
}
_DEFINITIONS: Mapping[str, str] = {
    "pg_indexes": "indexdef",
    "pg_matviews": "definition",
    "pg_policies": "qual with_check",
    "pg_publication_tables": "rowfilter",
    "pg_rules": "definition",
    "pg_stats_ext_exprs": "expr",
    "pg_views": "definition",
}
_COMMENTS: Mapping[str, str] = {
    "pg_description": "description",
    "pg_shdescription": "description",
}
_INFORMATION_VALUES: Mapping[str, str] = {
    # bodies as they were written
    "routines": "routine_definition",
    "user_mapping_options": "option_value",
}
_INFORMATION_DEFINITIONS: Mapping[str, str] = {
    "attributes": "attribute_default",
    "check_constraints": "check_clause",
    "columns": "column_default generation_expression",
    "domains": "domain_default",
    "parameters": "parameter_default",
    "triggers": "action_condition action_statement",
    "views": "view_definition",
}
_ANYWHERE: Mapping[str, str] = {"pg_stat_statements": "query"}
"""Views of extensions, which live in a schema of the administrator's choice."""

_TAGS: Mapping[tuple[str, str, str], str] = {
    (schema, relation, column): tag
    for schema, tag, relations in (
        ("pg_catalog", SYSTEM_VALUES, _VALUES),
        ("pg_catalog", SYSTEM_DEFINITIONS, _DEFINITIONS),
        ("pg_catalog", SYSTEM_COMMENTS, _COMMENTS),
        ("information_schema", SYSTEM_VALUES, _INFORMATION_VALUES),
        ("information_schema", SYSTEM_DEFINITIONS, _INFORMATION_DEFINITIONS),
    )
    for relation, columns in relations.items()
    for column in columns.split()
}
_NOTHING: frozenset[str] = frozenset()


def system_tags(relation: Relation, column: str) -> frozenset[str]:
    """The built-in tags of a column: what of others it may show."""
    if relation.kind is RelationKind.TOAST_TABLE:
        return frozenset({SYSTEM_VALUES})
    if column in _ANYWHERE.get(relation.name, "").split():
        return frozenset({SYSTEM_VALUES})
    tag = _TAGS.get((relation.schema, relation.name, column))
    return _NOTHING if tag is None else frozenset({tag})
