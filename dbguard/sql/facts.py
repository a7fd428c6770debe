"""What a statement does: the border between analysis and everything that judges it.

Columns and relations are named by OID and attribute number, so that a rename does not change
what a fact means. Nothing here holds a literal of the client's text.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from .changes import CatalogChange, Move
from .destruction import Destruction, Reach


class ActionClass(enum.StrEnum):
    """The groups policies grant by."""

    READ = "read"
    WRITE = "write"
    DDL = "ddl"
    PRIVILEGE = "privilege"
    CODE = "code"
    MAINTENANCE = "maintenance"
    SESSION = "session"
    TRANSACTION = "transaction"


class Action(enum.StrEnum):
    """What a statement is, as PostgreSQL's command tags name it.

    The value is the word that policies and `dbguard analyze` use.
    """

    SELECT = "select"
    COPY_TO = "copy_to"
    FETCH = "fetch"
    SHOW = "show"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    COPY_FROM = "copy_from"
    CREATE = "create"
    CREATE_TABLE_AS = "create_table_as"
    ALTER = "alter"
    DROP = "drop"
    TRUNCATE = "truncate"
    COMMENT = "comment"
    RENAME = "rename"
    IMPORT = "import"
    """IMPORT FOREIGN SCHEMA."""
    GRANT = "grant"
    REVOKE = "revoke"
    ROLE = "role"
    """CREATE/ALTER/DROP ROLE, GRANT role, REASSIGN/DROP OWNED, OWNER TO."""
    DEFAULT_PRIVILEGES = "default_privileges"
    SECURITY_LABEL = "security_label"
    POLICY = "policy"
    """CREATE/ALTER/DROP POLICY and ROW LEVEL SECURITY switches."""
    DO = "do"
    CALL = "call"
    CREATE_FUNCTION = "create_function"
    CREATE_TRIGGER = "create_trigger"
    CREATE_RULE = "create_rule"
    LOAD = "load"
    FUNCTION_CALL = "function_call"
    """The protocol's FunctionCall message."""
    VACUUM = "vacuum"
    ANALYZE = "analyze"
    REINDEX = "reindex"
    CLUSTER = "cluster"
    REFRESH = "refresh"
    CHECKPOINT = "checkpoint"
    ALTER_SYSTEM = "alter_system"
    SET = "set"
    RESET = "reset"
    DISCARD = "discard"
    LISTEN = "listen"
    UNLISTEN = "unlisten"
    NOTIFY = "notify"
    LOCK = "lock"
    DEALLOCATE = "deallocate"
    CLOSE = "close"
    SET_ROLE = "set_role"
    """SET ROLE and SET SESSION AUTHORIZATION, their RESET, and set_config() of them."""
    TRANSACTION = "transaction"
    EMPTY = "empty"

    @property
    def action_class(self) -> ActionClass:
        return _CLASS_OF[self]


_CLASS_OF: dict[Action, ActionClass] = {
    action: action_class
    for action_class, names in {
        ActionClass.READ: "select copy_to fetch show",
        ActionClass.WRITE: "insert update delete merge copy_from",
        ActionClass.DDL: "create create_table_as alter drop truncate comment rename import",
        ActionClass.PRIVILEGE: "grant revoke role default_privileges security_label policy",
        ActionClass.CODE: "do call create_function create_trigger create_rule load function_call",
        ActionClass.MAINTENANCE: "vacuum analyze reindex cluster refresh checkpoint alter_system",
        ActionClass.SESSION: (
            "set reset discard listen unlisten notify lock deallocate close set_role"
        ),
        ActionClass.TRANSACTION: "transaction empty",
    }.items()
    for action in map(Action, names.split())
}


class Wrapper(enum.StrEnum):
    """A statement around the one that `StatementFacts.action` names."""

    EXPLAIN = "explain"
    EXPLAIN_ANALYZE = "explain_analyze"
    PREPARE = "prepare"
    EXECUTE = "execute"
    DECLARE_CURSOR = "declare_cursor"


class Use(enum.StrEnum):
    """How a statement uses a column."""

    OUTPUT = "output"
    """Its value is in the result, unchanged."""
    COMPUTE = "compute"
    """An expression over it is in the result or is written."""
    FILTER = "filter"
    JOIN = "join"
    GROUP = "group"
    """GROUP BY, DISTINCT, PARTITION BY, set operations that compare rows."""
    SORT = "sort"
    WRITE = "write"
    PRESENCE = "presence"
    """Only whether it is NULL: count(col), IS NULL."""
    DEFINITION = "definition"
    """A tree of the catalog that a function prints, from whose text literals are taken out."""


class FunctionTrust(enum.StrEnum):
    """How far analysis knows what a function can reach."""

    BUILTIN = "builtin"
    """pg_catalog's own, computes only on its arguments (or harmless catalog data)."""
    REACHES = "reaches"
    """pg_catalog's own on the deny list: runs query texts, reads files, other sessions' data."""
    EXTENSION = "extension"
    """Owned by an extension known to compute only on its arguments."""
    UNKNOWN = "unknown"


class EffectKind(enum.StrEnum):
    """What a statement changes in the session when it succeeds; the engine tracks these."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SAVEPOINT = "savepoint"
    RELEASE = "release"
    ROLLBACK_TO = "rollback_to"
    SET = "set"
    """`name` is the setting, `value` its literal when the value is one plain word list."""
    SET_LOCAL = "set_local"
    RESET = "reset"
    RESET_ALL = "reset_all"
    DISCARD = "discard"
    """`name` is all, plans, sequences or temp."""
    PREPARE = "prepare"
    EXECUTE = "execute"
    DEALLOCATE = "deallocate"
    """`name` None means ALL."""
    DECLARE = "declare"
    FETCH = "fetch"
    CLOSE = "close"
    """`name` None means ALL."""
    CATALOG = "catalog"
    """Changes the catalog: the snapshot must be refreshed."""
    TEMPORARY = "temporary"
    """Creates or drops a temporary object."""
    COPY_IN = "copy_in"
    COPY_OUT = "copy_out"
    PATH = "path"
    """May change search_path or the current role in a way the text does not tell. `name` is role
    or session_authorization where that is what changes, `value` the role if it is told."""


ROLE_SETTINGS = frozenset({"role", "session_authorization"})
"""Settings that decide which role is in force."""
_SETTING = frozenset({EffectKind.SET, EffectKind.SET_LOCAL, EffectKind.RESET, EffectKind.PATH})


@dataclass(frozen=True, slots=True)
class SessionEffect:
    kind: EffectKind
    name: str | None = None
    value: str | None = None
    """Of a setting; `hold` of a cursor, `move` of a FETCH that shows nothing."""

    @property
    def sets_role(self) -> bool:
        """Whether it is known to be about the role in force."""
        return self.sets_names and self.name in ROLE_SETTINGS

    @property
    def sets_names(self) -> bool:
        """Whether it changes a setting."""
        return self.kind in _SETTING


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column as humans know it; identity is (relation, number)."""

    relation: int
    number: int
    schema: str
    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class RelationUse:
    """One relation and what the statement does to it (one entry per relation and action)."""

    relation: int
    """OID, 0 when it does not exist yet (CREATE)."""
    schema: str
    name: str
    action: Action


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A column and all its uses at places of one sort."""

    column: ColumnName
    uses: frozenset[Use]
    maskable: bool
    """True when every reference stands at a place where a masked relation can be put (READ and
    COPY sites); False for the target of INSERT/UPDATE/DELETE/MERGE, whose columns cannot be
    replaced. WRITE is always in the entry with maskable=False."""


@dataclass(frozen=True, slots=True)
class FunctionUse:
    schema: str
    name: str
    trust: FunctionTrust
    signatures: tuple[str, ...] = ()
    """Signatures of the candidates, for UNKNOWN ones (rules may declare all of them safe)."""
    volatile: bool = False


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One column of the statement's result."""

    name: str
    origin: ColumnName | None
    """Set when the value is a plain column."""
    sources: tuple[ColumnName, ...] = ()
    """Every column whose value can flow into it (presence does not count)."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Values of `sources` are written into `target`."""

    target: ColumnName
    sources: tuple[ColumnName, ...]


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object that DDL, GRANT or a utility statement names and that is no relation."""

    kind: str
    """PostgreSQL's object type in lower case: schema, function, type, role, database …"""
    schema: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """A construct that analysis cannot see through; `construct` is what the client is told."""

    construct: str
    position: int | None = None
    """1-based character offset in the whole text."""


@dataclass(frozen=True, slots=True)
class MissingFunction:
    """A call of a function that the catalog does not hold."""

    schema: str | None
    """As written; None when it was not."""
    name: str
    position: int | None = None
    """1-based character offset in the whole text."""


NOT_TOLD = Destruction(reach=Reach.DATABASE, reason="what it destroys is not known")


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """Everything a decision may rest on."""

    action: Action
    wrapper: Wrapper | None = None
    nested: frozenset[Action] = frozenset()
    """Actions of data-modifying CTEs, and what EXPLAIN ANALYZE would run."""
    relations: tuple[RelationUse, ...] = ()
    along: tuple[RelationUse, ...] = ()
    """What it does to relations that it does not name, by more than changing rows: children, what
    CASCADE takes along, what is in a schema."""
    columns: tuple[ColumnUse, ...] = ()
    functions: tuple[FunctionUse, ...] = ()
    behind: frozenset[FunctionUse] = frozenset()
    """Those of `functions` that run without being called: triggers, defaults, checks, policies."""
    outputs: tuple[OutputColumn, ...] = ()
    flows: tuple[Flow, ...] = ()
    objects: tuple[ObjectName, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    missing_functions: tuple[MissingFunction, ...] = ()
    """Calls that the server, too, would find no function for, as far as the catalog tells."""
    effects: tuple[SessionEffect, ...] = ()
    changes: tuple[CatalogChange, ...] | None = None
    """What it does to the names of relations, when its text tells; meant where effects hold
    CATALOG."""
    moves: tuple[Move, ...] = ()
    """Relations and schemas that it renames."""
    has_where: bool = True
    """False for an UPDATE or DELETE (at any level) without WHERE, or with a constant one."""
    runs_hidden_code: bool = False
    """Writes to a relation with triggers, rules or user-defined defaults: notices, errors and
    RETURNING may show what that code computed."""
    locks_rows: bool = False
    destroys: Destruction = NOT_TOLD
    """What cannot be got back from the database alone once it has run."""
    statement_tag: str = ""
    """The referee's node name, for people: `SelectStmt`."""


def merged_actions(facts: StatementFacts) -> frozenset[Action]:
    """Every action the statement performs, its own included."""
    return facts.nested | {facts.action}


@dataclass(frozen=True, slots=True)
class ParameterTypes:
    """Parameter type OIDs a client declared in Parse (0 = let the server infer)."""

    oids: tuple[int, ...] = field(default=())
