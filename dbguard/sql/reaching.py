"""pg_catalog functions that reach further than their arguments.

Gone through on PostgreSQL 15 and 18 (`SELECT proname FROM pg_proc`). Everything here can read
files, run a query text, show other sessions' statements or values, decode the write-ahead log,
or administer the server. Patterns are name prefixes; exact names beat them.
"""

from __future__ import annotations

_EXACT = frozenset(
    {
        # run a query text, or read the relation or cursor they are given by name
        "query_to_xml",
        "query_to_xmlschema",
        "query_to_xml_and_xmlschema",
        "table_to_xml",
        "table_to_xmlschema",
        "table_to_xml_and_xmlschema",
        "schema_to_xml",
        "schema_to_xmlschema",
        "schema_to_xml_and_xmlschema",
        "database_to_xml",
        "database_to_xmlschema",
        "database_to_xml_and_xmlschema",
        "cursor_to_xml",
        "cursor_to_xmlschema",
        "ts_stat",
        "xpath_table",
        # other sessions: statements, addresses, values
        "pg_cancel_backend",
        "pg_terminate_backend",
        "pg_log_backend_memory_contexts",
        "pg_notify",
        # settings
        "set_config",
        # rows by physical address
        "currtid2",
        "currtid",
        "currtid_byreloid",
        "currtid_byrelname",
        # administration
        "pg_reload_conf",
        "pg_promote",
        "pg_switch_wal",
        "pg_create_restore_point",
        "pg_export_snapshot",
        "pg_import_system_collations",
        "pg_extension_config_dump",
        "pg_file_read",
        "pg_hba_file_rules",
        "pg_ident_file_mappings",
        "pg_show_all_file_settings",
        "pg_config",
        "binary_upgrade_create_empty_extension",
        "brin_summarize_new_values",
        "brin_summarize_range",
        "brin_desummarize_range",
        "gin_clean_pending_list",
        "pg_current_logfile",
        "pg_prepared_xact",
        "pg_cursor",
        "pg_prepared_statement",
        "pg_log_standby_snapshot",
        "pg_nextoid",
        "pg_stop_making_pinned_objects",
        "pg_control_system",
    }
)

_PREFIXES = (
    "pg_read_",
    "pg_ls_",
    "pg_stat_file",
    "lo_",
    "loread",
    "lowrite",
    "pg_logical_",
    "pg_replication_",
    "pg_create_",
    "pg_drop_replication",
    "pg_copy_",
    "pg_sync_",
    "pg_get_wal",
    "pg_wal_replay",
    "pg_wal_summary",
    "pg_available_wal",
    "fmgr_",
    "plpgsql_",
    "pg_stat_get_activity",
    "pg_stat_get_backend_",
    "pg_stat_get_wal_senders",
    "pg_stat_get_wal_receiver",
    "pg_stat_get_subscription",
    "pg_stat_reset",
    "pg_backup_",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_rotate_",
    "pg_file_",
    "pg_restore_",
    "pg_clear_",
    "binary_upgrade_",
    "dblink",
)

MAKE_VALUES = frozenset(
    {
        "array_in",
        "array_recv",
        "domain_in",
        "domain_recv",
        "multirange_in",
        "multirange_recv",
        "pg_input_error_info",
        "pg_input_is_valid",
        "range_in",
        "range_recv",
        "record_in",
        "record_recv",
    }
)
"""Make a value of a type that an argument names: its checks run."""


def reaches(name: str, count: int) -> bool:
    """Whether pg_catalog's function `name`, called with `count` arguments, is on the list."""
    if name == "ts_rewrite":  # with three arguments it replaces, with two it runs a query text
        return count == 2
    return name in _EXACT or name.startswith(_PREFIXES)
