"""Every statement that creates, alters or drops something, by its node name."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.facts import Action

from .new_tables import create_table
from .objects import (
    alter_table,
    comment,
    composite_type,
    create_foreign_table,
    create_index,
    create_schema,
    create_sequence,
    define,
    drop,
    import_schema,
    named,
    object_statement,
    rename,
)
from .outcome import Handler
from .truncating import truncate

_A, _C, _D = Action.ALTER, Action.CREATE, Action.DROP

HANDLERS: Mapping[str, Handler] = {
    "CreateStmt": create_table,
    "IndexStmt": create_index,
    "CreateSeqStmt": create_sequence,
    "CreateSchemaStmt": create_schema,
    "CreateForeignTableStmt": create_foreign_table,
    "CompositeTypeStmt": composite_type,
    "AlterTableStmt": alter_table,
    "DropStmt": drop,
    "CommentStmt": comment(Action.COMMENT),
    "SecLabelStmt": comment(Action.SECURITY_LABEL),
    "RenameStmt": rename,
    "AlterObjectSchemaStmt": object_statement(Action.ALTER),
    "AlterObjectDependsStmt": object_statement(Action.ALTER),
    "AlterOwnerStmt": object_statement(Action.ROLE),
    "DefineStmt": define,
    "TruncateStmt": truncate,
    "ImportForeignSchemaStmt": import_schema,
    "CreateDomainStmt": named(_C, "domain", "domainname"),
    "CreateEnumStmt": named(_C, "type", "typeName"),
    "CreateRangeStmt": named(_C, "type", "typeName"),
    "AlterEnumStmt": named(_A, "type", "typeName"),
    "AlterTypeStmt": named(_A, "type", "typeName"),
    "AlterDomainStmt": named(_A, "domain", "typeName"),
    "AlterCollationStmt": named(_A, "collation", "collname"),
    "AlterOperatorStmt": named(_A, "operator", "opername"),
    "AlterSeqStmt": named(_A, "sequence"),
    "CreateStatsStmt": named(_C, "statistic_ext", "defnames"),
    "AlterStatsStmt": named(_A, "statistic_ext", "defnames"),
    "CreateConversionStmt": named(_C, "conversion", "conversion_name"),
    "CreateOpClassStmt": named(_C, "opclass", "opclassname"),
    "CreateOpFamilyStmt": named(_C, "opfamily", "opfamilyname"),
    "AlterOpFamilyStmt": named(_A, "opfamily", "opfamilyname"),
    "AlterTSDictionaryStmt": named(_A, "tsdictionary", "dictname"),
    "AlterTSConfigurationStmt": named(_A, "tsconfiguration", "cfgname"),
    "CreateAmStmt": named(_C, "access_method", "amname"),
    "ReplicaIdentityStmt": named(_A, "replica_identity", "name"),
    "CreatePublicationStmt": named(_C, "publication", "pubname"),
    "AlterPublicationStmt": named(_A, "publication", "pubname"),
    "CreateSubscriptionStmt": named(_C, "subscription", "subname"),
    "AlterSubscriptionStmt": named(_A, "subscription", "subname"),
    "DropSubscriptionStmt": named(_D, "subscription", "subname"),
    "CreateFdwStmt": named(_C, "fdw", "fdwname"),
    "AlterFdwStmt": named(_A, "fdw", "fdwname"),
    "CreateForeignServerStmt": named(_C, "foreign_server", "servername"),
    "AlterForeignServerStmt": named(_A, "foreign_server", "servername"),
    "CreateUserMappingStmt": named(_C, "foreign_server", "servername", "user"),
    "AlterUserMappingStmt": named(_A, "foreign_server", "servername", "user"),
    "DropUserMappingStmt": named(_D, "foreign_server", "servername", "user"),
    "CreateTableSpaceStmt": named(_C, "tablespace", "tablespacename"),
    "DropTableSpaceStmt": named(_D, "tablespace", "tablespacename"),
    "AlterTableSpaceOptionsStmt": named(_A, "tablespace", "tablespacename"),
    "AlterTableMoveAllStmt": named(_A, "tablespace", "orig_tablespacename"),
    "CreatedbStmt": named(_C, "database", "dbname"),
    "AlterDatabaseStmt": named(_A, "database", "dbname"),
    "AlterDatabaseRefreshCollStmt": named(_A, "database", "dbname"),
    "DropdbStmt": named(_D, "database", "dbname"),
}
