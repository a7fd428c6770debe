"""What the server's own functions can reach beyond their arguments.

Every function of pg_catalog and information_schema on PostgreSQL 13 to 18 was read, name by name,
and stands in one of three places: here, with what it reaches; in `harmless`; in `computing`.
Functions with arguments or results of internal types are not listed: queries have no use for them.
What stands nowhere belongs to a newer server than this release knows, and counts as reaching.
`tests/sql/test_builtins.py` fails when the running server has such a function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .computing import COMPUTING
from .harmless import HARMLESS
from .snapshot import Function

_REACHING: Mapping[str, str] = {
    "reads or writes files of the server": """
        pg_current_logfile pg_hba_file_rules pg_ident_file_mappings pg_ls_archive_statusdir
        pg_ls_dir pg_ls_logdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir
        pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir pg_read_binary_file pg_read_file
        pg_read_file_old pg_show_all_file_settings pg_stat_file
    """,
    "reads or writes large objects": """
        lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek
        lo_lseek64 lo_open lo_put lo_tell lo_tell64 lo_truncate lo_truncate64 lo_unlink
        loread lowrite
    """,
    "runs a query, or reads a relation, that its arguments name": """
        cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema
        database_to_xmlschema query_to_xml query_to_xml_and_xmlschema query_to_xmlschema
        schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema table_to_xml
        table_to_xml_and_xmlschema table_to_xmlschema ts_stat
    """,
    "reads rows by their physical address": """
        currtid currtid2
    """,
    "shows what other sessions run, or ends it": """
        pg_cancel_backend pg_log_backend_memory_contexts pg_stat_get_activity
        pg_stat_get_backend_activity pg_terminate_backend
    """,
    "shows the text of statements": """
        current_query pg_cursor pg_get_backend_memory_contexts pg_prepared_statement
        pg_prepared_xact
    """,
    "shows values out of column statistics": """
        pg_mcv_list_items
    """,
    "shows definitions in a form that values can't be taken out of": """
        pg_get_statisticsobjdef_expressions
    """,
    "changes settings of the session": """
        set_config
    """,
    "sends a payload to other sessions": """
        pg_notify
    """,
    "decodes or controls replication": """
        pg_copy_logical_replication_slot pg_copy_physical_replication_slot
        pg_create_logical_replication_slot pg_create_physical_replication_slot
        pg_create_restore_point pg_drop_replication_slot pg_export_snapshot
        pg_log_standby_snapshot pg_logical_emit_message pg_logical_slot_get_binary_changes
        pg_logical_slot_get_changes pg_logical_slot_peek_binary_changes
        pg_logical_slot_peek_changes pg_replication_origin_advance
        pg_replication_origin_create pg_replication_origin_drop pg_replication_origin_oid
        pg_replication_origin_progress pg_replication_origin_session_is_setup
        pg_replication_origin_session_progress pg_replication_origin_session_reset
        pg_replication_origin_session_setup pg_replication_origin_xact_reset
        pg_replication_origin_xact_setup pg_replication_slot_advance
        pg_show_replication_origin_status pg_stat_get_subscription pg_stat_get_wal_receiver
        pg_stat_get_wal_senders pg_sync_replication_slots
    """,
    "reads or controls the write-ahead log": """
        pg_available_wal_summaries pg_get_wal_summarizer_state pg_promote pg_switch_wal
        pg_wal_replay_pause pg_wal_replay_resume pg_wal_summary_contents
    """,
    "administers the server": """
        binary_upgrade_add_sub_rel_state binary_upgrade_create_empty_extension
        binary_upgrade_logical_slot_has_caught_up binary_upgrade_replorigin_advance
        binary_upgrade_set_missing_value binary_upgrade_set_next_array_pg_type_oid
        binary_upgrade_set_next_heap_pg_class_oid binary_upgrade_set_next_heap_relfilenode
        binary_upgrade_set_next_index_pg_class_oid
        binary_upgrade_set_next_index_relfilenode
        binary_upgrade_set_next_multirange_array_pg_type_oid
        binary_upgrade_set_next_multirange_pg_type_oid
        binary_upgrade_set_next_pg_authid_oid binary_upgrade_set_next_pg_enum_oid
        binary_upgrade_set_next_pg_tablespace_oid binary_upgrade_set_next_pg_type_oid
        binary_upgrade_set_next_toast_pg_class_oid
        binary_upgrade_set_next_toast_pg_type_oid binary_upgrade_set_next_toast_relfilenode
        binary_upgrade_set_record_init_privs pg_backup_start pg_backup_stop pg_config
        pg_extension_config_dump pg_import_system_collations pg_nextoid pg_reload_conf
        pg_rotate_logfile pg_rotate_logfile_old pg_start_backup pg_stat_reset
        pg_stat_reset_backend_stats pg_stat_reset_replication_slot pg_stat_reset_shared
        pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters
        pg_stat_reset_slru pg_stat_reset_subscription_stats pg_stop_backup
        pg_stop_making_pinned_objects
    """,
    "changes statistics that plans are made from": """
        pg_clear_attribute_stats pg_clear_relation_stats pg_restore_attribute_stats
        pg_restore_relation_stats
    """,
    "maintains an index": """
        brin_desummarize_range brin_summarize_new_values brin_summarize_range
        gin_clean_pending_list
    """,
    "is for event triggers, languages or internal checks": """
        fmgr_c_validator fmgr_internal_validator fmgr_sql_validator
        pg_event_trigger_ddl_commands pg_event_trigger_dropped_objects
        pg_event_trigger_table_rewrite_oid pg_event_trigger_table_rewrite_reason
        pg_isolation_test_session_is_blocked plpgsql_validator
    """,
}
"""What functions reach, and their names. Large objects and files hold whatever was put there; the
settings that drivers change by set_config() are let through in `resolver.settings_calls`."""

_REASON_OF = {name: reason for reason, names in _REACHING.items() for name in names.split()}
REACHING = frozenset(_REASON_OF)

RUNS_TEXTS = frozenset(
    {
        "cursor_to_xml",
        "cursor_to_xmlschema",
        "query_to_xml",
        "query_to_xml_and_xmlschema",
        "query_to_xmlschema",
        "ts_stat",
    }
)
"""Run a query that an argument holds, which may call set_config()."""

_MAKE_VALUES = """
    array_in array_recv domain_in domain_recv multirange_in multirange_recv pg_input_error_info
    pg_input_is_valid range_in range_recv record_in record_recv
"""
MAKE_VALUES = frozenset(_MAKE_VALUES.split())
"""Make a value of a type that an argument names: its checks run."""

_DEFINITIONS = """
    col_description obj_description pg_get_constraintdef pg_get_expr pg_get_function_arg_default
    pg_get_function_arguments pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef
    pg_get_partition_constraintdef pg_get_partkeydef pg_get_ruledef pg_get_statisticsobjdef
    pg_get_statisticsobjdef_columns pg_get_triggerdef pg_get_viewdef shobj_description
"""
DEFINITIONS = frozenset(_DEFINITIONS.split())
"""Show definitions and comments, in which values may stand: `definitions` takes them out."""

UNKNOWN = "is not known to this release of dbguard"
INTERNAL = "is not made to be called in queries"

_INTERNAL_TYPES = frozenset(
    {
        "internal",
        "trigger",
        "event_trigger",
        "language_handler",
        "fdw_handler",
        "index_am_handler",
        "table_am_handler",
        "tsm_handler",
    }
)

_KNOWN = COMPUTING | HARMLESS | MAKE_VALUES | DEFINITIONS | {"ts_rewrite"}


def is_internal(function: Function) -> bool:
    """Whether only the server itself has a use for it."""
    return function.result in _INTERNAL_TYPES or not _INTERNAL_TYPES.isdisjoint(function.arguments)


def reach(name: str, count: int, candidates: Iterable[Function] = ()) -> str | None:
    """What pg_catalog's function `name` does beyond computing on its `count` arguments, as a
    message says it after "it"; None when that is nothing.

    `candidates` are the functions that the call may mean.
    """
    if name == "ts_rewrite":  # with three arguments it replaces, with two it runs a query text
        return "runs a query that an argument holds" if count == 2 else None
    if reason := _REASON_OF.get(name):
        return reason
    if any(map(is_internal, candidates)):
        return INTERNAL
    if name not in _KNOWN:
        return UNKNOWN
    if name in COMPUTING and any(f.volatility != "i" for f in candidates):
        return UNKNOWN  # an overload that came later
    return None
