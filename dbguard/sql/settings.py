"""Run-time settings (GUCs) and what changing one can do."""

from __future__ import annotations

_MEANING = frozenset(
    [
        "search_path",
        "role",
        "session_authorization",
        "standard_conforming_strings",
        "client_encoding",
        "row_security",
        "session_replication_role",
        "backslash_quote",
        "array_nulls",
        "transform_null_equals",
        "quote_all_identifiers",
        "escape_string_warning",
        "default_transaction_read_only",
        "is_superuser",
        "default_tablespace",
        "temp_tablespaces",
        "default_table_access_method",
        "local_preload_libraries",
        "session_preload_libraries",
        "dynamic_library_path",
        "check_function_bodies",
        "xmloption",
        "check_row_security",
        "names",
        "createrole_self_grant",
        "event_triggers",
    ]
)
"""Settings that change what text means, whose rights apply, or which code is loaded."""

_LOGGING_PREFIXES = ("log_", "debug_", "trace_", "auto_explain.", "pgaudit.", "plpgsql.", "plperl.")
"""Settings that put statement texts or values into server logs or messages, or change how code
is compiled."""


def is_harmless_setting(name: str) -> bool:
    """Whether changing this setting can change neither the meaning of statements, nor rights,
    nor what is logged. Names are case-insensitive.
    """
    folded = name.lower()
    return folded not in _MEANING and not folded.startswith(_LOGGING_PREFIXES)
