"""The server's own functions that are not IMMUTABLE and yet harmless, by what they show.

Read name by name on PostgreSQL 13 to 18. They may depend on the session, the clock, settings and
catalogs. None of them gives a value out of a table that its caller did not hand over, none the
text of anybody's statement, none reaches files or the network.
"""

from __future__ import annotations

_CLOCK = """
    age clock_timestamp now pg_timezone_abbrevs pg_timezone_abbrevs_abbrevs
    pg_timezone_abbrevs_zone pg_timezone_names statement_timestamp timeofday
    transaction_timestamp
"""
"""The clock."""

_CHANCE = """
    array_sample array_shuffle gen_random_uuid random random_normal setseed uuidv4 uuidv7
"""
"""Chance."""

_SEQUENCES = """
    currval lastval nextval pg_get_sequence_data pg_get_serial_sequence pg_sequence_last_value
    pg_sequence_parameters setval
"""
"""Sequences; their privileges speak."""

_WAITING = """
    pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all
    pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_sleep
    pg_sleep_for pg_sleep_until pg_try_advisory_lock pg_try_advisory_lock_shared
    pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
"""
"""Waiting and advisory locks."""

_SURROUNDINGS = """
    current_database current_schema current_schemas current_setting current_user
    get_current_ts_config getdatabaseencoding getpgusername inet_client_addr inet_client_port
    inet_server_addr inet_server_port pg_available_extension_versions pg_available_extensions
    pg_backend_pid pg_char_to_encoding pg_client_encoding pg_conf_load_time pg_encoding_to_char
    pg_extension_update_paths pg_get_keywords pg_get_loaded_modules pg_is_other_temp_schema
    pg_jit_available pg_listening_channels pg_my_temp_schema pg_numa_available
    pg_postmaster_start_time pg_settings_get_flags pg_show_all_settings pg_trigger_depth
    row_security_active session_user system_user version
"""
"""Who and where one is."""

_PRIVILEGES = """
    aclexplode aclitemin aclitemout has_any_column_privilege has_column_privilege
    has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege
    has_language_privilege has_largeobject_privilege has_parameter_privilege
    has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege
    has_tablespace_privilege has_type_privilege pg_get_acl pg_get_userbyid pg_has_role
"""
"""Privileges and access lists."""

_NAMES = """
    _pg_index_position format_type oidvectortypes pg_basetype pg_collation_for
    pg_collation_is_visible pg_conversion_is_visible pg_describe_object pg_function_is_visible
    pg_get_object_address pg_identify_object pg_identify_object_as_address
    pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible
    pg_statistics_obj_is_visible pg_table_is_visible pg_ts_config_is_visible
    pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible
    pg_typeof regclass regclassin regclassout regcollationin regcollationout regconfigin
    regconfigout regdictionaryin regdictionaryout regnamespacein regnamespaceout regoperatorin
    regoperatorout regoperin regoperout regprocedurein regprocedureout regprocin regprocout
    regrolein regroleout regtypein regtypeout to_regclass to_regcollation to_regnamespace
    to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype to_regtypemod
"""
"""Names of objects, by OID and back."""

_PROPERTIES = """
    amvalidate pg_collation_actual_version pg_column_is_updatable
    pg_database_collation_actual_version pg_filenode_relation pg_get_catalog_foreign_keys
    pg_get_function_identity_arguments pg_get_function_result pg_get_publication_tables
    pg_get_replica_identity_index pg_index_column_has_property pg_index_has_property
    pg_indexam_has_property pg_options_to_table pg_partition_ancestors pg_partition_tree
    pg_relation_filenode pg_relation_filepath pg_relation_is_publishable
    pg_relation_is_updatable pg_tablespace_databases pg_tablespace_location
"""
"""Properties of objects."""

_SIZES = """
    pg_column_compression pg_column_size pg_column_toast_chunk_id pg_database_size
    pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size
"""
"""Sizes."""

_ACTIVITY = """
    pg_blocking_pids pg_get_aios pg_get_replication_slots pg_get_shmem_allocations
    pg_get_shmem_allocations_numa pg_get_wait_events pg_lock_status pg_notification_queue_usage
    pg_safe_snapshot_blocking_pids pg_stat_clear_snapshot pg_stat_force_next_flush
    pg_stat_get_analyze_count pg_stat_get_archiver pg_stat_get_autoanalyze_count
    pg_stat_get_autovacuum_count pg_stat_get_backend_activity_start
    pg_stat_get_backend_client_addr pg_stat_get_backend_client_port pg_stat_get_backend_dbid
    pg_stat_get_backend_idset pg_stat_get_backend_io pg_stat_get_backend_pid
    pg_stat_get_backend_start pg_stat_get_backend_subxact pg_stat_get_backend_userid
    pg_stat_get_backend_wait_event pg_stat_get_backend_wait_event_type pg_stat_get_backend_wal
    pg_stat_get_backend_xact_start pg_stat_get_bgwriter_buf_written_checkpoints
    pg_stat_get_bgwriter_buf_written_clean pg_stat_get_bgwriter_maxwritten_clean
    pg_stat_get_bgwriter_requested_checkpoints pg_stat_get_bgwriter_stat_reset_time
    pg_stat_get_bgwriter_timed_checkpoints pg_stat_get_blocks_fetched pg_stat_get_blocks_hit
    pg_stat_get_buf_alloc pg_stat_get_buf_fsync_backend pg_stat_get_buf_written_backend
    pg_stat_get_checkpoint_sync_time pg_stat_get_checkpoint_write_time
    pg_stat_get_checkpointer_buffers_written pg_stat_get_checkpointer_num_performed
    pg_stat_get_checkpointer_num_requested pg_stat_get_checkpointer_num_timed
    pg_stat_get_checkpointer_restartpoints_performed
    pg_stat_get_checkpointer_restartpoints_requested
    pg_stat_get_checkpointer_restartpoints_timed pg_stat_get_checkpointer_slru_written
    pg_stat_get_checkpointer_stat_reset_time pg_stat_get_checkpointer_sync_time
    pg_stat_get_checkpointer_write_time pg_stat_get_db_active_time pg_stat_get_db_blk_read_time
    pg_stat_get_db_blk_write_time pg_stat_get_db_blocks_fetched pg_stat_get_db_blocks_hit
    pg_stat_get_db_checksum_failures pg_stat_get_db_checksum_last_failure
    pg_stat_get_db_conflict_all pg_stat_get_db_conflict_bufferpin pg_stat_get_db_conflict_lock
    pg_stat_get_db_conflict_logicalslot pg_stat_get_db_conflict_snapshot
    pg_stat_get_db_conflict_startup_deadlock pg_stat_get_db_conflict_tablespace
    pg_stat_get_db_deadlocks pg_stat_get_db_idle_in_transaction_time pg_stat_get_db_numbackends
    pg_stat_get_db_parallel_workers_launched pg_stat_get_db_parallel_workers_to_launch
    pg_stat_get_db_session_time pg_stat_get_db_sessions pg_stat_get_db_sessions_abandoned
    pg_stat_get_db_sessions_fatal pg_stat_get_db_sessions_killed pg_stat_get_db_stat_reset_time
    pg_stat_get_db_temp_bytes pg_stat_get_db_temp_files pg_stat_get_db_tuples_deleted
    pg_stat_get_db_tuples_fetched pg_stat_get_db_tuples_inserted pg_stat_get_db_tuples_returned
    pg_stat_get_db_tuples_updated pg_stat_get_db_xact_commit pg_stat_get_db_xact_rollback
    pg_stat_get_dead_tuples pg_stat_get_function_calls pg_stat_get_function_self_time
    pg_stat_get_function_total_time pg_stat_get_ins_since_vacuum pg_stat_get_io
    pg_stat_get_last_analyze_time pg_stat_get_last_autoanalyze_time
    pg_stat_get_last_autovacuum_time pg_stat_get_last_vacuum_time pg_stat_get_lastscan
    pg_stat_get_live_tuples pg_stat_get_mod_since_analyze pg_stat_get_numscans
    pg_stat_get_progress_info pg_stat_get_recovery_prefetch pg_stat_get_replication_slot
    pg_stat_get_slru pg_stat_get_snapshot_timestamp pg_stat_get_subscription_stats
    pg_stat_get_total_analyze_time pg_stat_get_total_autoanalyze_time
    pg_stat_get_total_autovacuum_time pg_stat_get_total_vacuum_time pg_stat_get_tuples_deleted
    pg_stat_get_tuples_fetched pg_stat_get_tuples_hot_updated pg_stat_get_tuples_inserted
    pg_stat_get_tuples_newpage_updated pg_stat_get_tuples_returned pg_stat_get_tuples_updated
    pg_stat_get_vacuum_count pg_stat_get_wal pg_stat_get_xact_blocks_fetched
    pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
    pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time
    pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched
    pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted
    pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned
    pg_stat_get_xact_tuples_updated pg_stat_have_stats
"""
"""Counters and times of activity, without any statement's text."""

_TRANSACTIONS = """
    mxid_age pg_current_snapshot pg_current_xact_id pg_current_xact_id_if_assigned
    pg_get_multixact_members pg_last_committed_xact pg_last_xact_replay_timestamp
    pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status txid_current
    txid_current_if_assigned txid_current_snapshot txid_status
"""
"""Transactions."""

_SERVER_STATE = """
    pg_backup_start_time pg_control_checkpoint pg_control_init pg_control_recovery
    pg_control_system pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
    pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_is_in_backup
    pg_is_in_recovery pg_is_wal_replay_paused pg_last_wal_receive_lsn pg_last_wal_replay_lsn
    pg_split_walfile_name
"""
"""Positions in the write-ahead log and the state of the server."""

_TEXT_SEARCH = """
    json_to_tsvector jsonb_to_tsvector phraseto_tsquery plainto_tsquery to_tsquery to_tsvector
    ts_debug ts_headline ts_match_tq ts_match_tt ts_parse ts_token_type websearch_to_tsquery
"""
"""Text search; dictionaries and parsers with code of their own take a superuser to make."""

_DOCUMENTS = """
    array_to_json json_agg json_agg_strict json_build_array json_build_object json_object_agg
    json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict
    json_populate_record json_populate_recordset json_to_record json_to_recordset jsonb_agg
    jsonb_agg_strict jsonb_build_array jsonb_build_object jsonb_path_exists_tz
    jsonb_path_match_tz jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_query_tz
    jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_to_record
    jsonb_to_recordset row_to_json to_json to_jsonb xml xml_in xml_is_well_formed xml_send
"""
"""JSON and XML."""

_FORMATS = """
    anyarray_out anyarray_send anycompatiblearray_out anycompatiblearray_send
    anycompatiblemultirange_in anycompatiblemultirange_out anycompatiblerange_in
    anycompatiblerange_out anyenum_out anymultirange_in anymultirange_out anyrange_in
    anyrange_out anytextcat array_out array_send array_to_string bpcharsend
    brin_bloom_summary_send brin_minmax_multi_summary_send cash_in cash_out concat concat_ws
    convert convert_from convert_to cstring_send date_in date_out enum_in enum_out enum_send
    format interval_in interval_out length money multirange_out multirange_send namesend
    numeric pg_dependencies_send pg_mcv_list_send pg_ndistinct_send pg_node_tree_send
    quote_literal quote_nullable range_out range_send record_out record_send textanycat
    textsend time_in timestamp_in timestamp_out timestamptz_in timestamptz_out timetz_in
    to_char to_date to_number to_timestamp varcharsend
"""
"""Texts and formats of values, which depend on settings."""

_DATES = """
    date date_add date_cmp_timestamptz date_eq_timestamptz date_ge_timestamptz
    date_gt_timestamptz date_le_timestamptz date_lt_timestamptz date_ne_timestamptz date_part
    date_subtract date_trunc enum_first enum_last enum_range extract generate_series in_range
    interval_pl_timestamptz make_timestamptz overlaps time timestamp timestamp_cmp_timestamptz
    timestamp_eq_timestamptz timestamp_ge_timestamptz timestamp_gt_timestamptz
    timestamp_le_timestamptz timestamp_lt_timestamptz timestamp_ne_timestamptz timestamptz
    timestamptz_cmp_date timestamptz_cmp_timestamp timestamptz_eq_date timestamptz_eq_timestamp
    timestamptz_ge_date timestamptz_ge_timestamp timestamptz_gt_date timestamptz_gt_timestamp
    timestamptz_le_date timestamptz_le_timestamp timestamptz_lt_date timestamptz_lt_timestamp
    timestamptz_mi_interval timestamptz_ne_date timestamptz_ne_timestamp
    timestamptz_pl_interval timetz timezone
"""
"""Dates, times, enums and what depends on the time zone."""

HARMLESS = frozenset(
    " ".join(
        (
            _CLOCK,
            _CHANCE,
            _SEQUENCES,
            _WAITING,
            _SURROUNDINGS,
            _PRIVILEGES,
            _NAMES,
            _PROPERTIES,
            _SIZES,
            _ACTIVITY,
            _TRANSACTIONS,
            _SERVER_STATE,
            _TEXT_SEARCH,
            _DOCUMENTS,
            _FORMATS,
            _DATES,
        )
    ).split()
)
