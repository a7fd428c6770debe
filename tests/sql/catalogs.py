"""A small clinical catalog, written by hand: enough of a snapshot for unit tests."""

from __future__ import annotations

from dbguard.sql.snapshot import (
    Column,
    Function,
    Operator,
    Relation,
    RelationKind,
    Role,
    SessionView,
    Snapshot,
    TypeInfo,
)

BUILTINS = """
    count() count("any") sum(numeric) avg(numeric) min(anyelement) max(anyelement)
    array_agg(anynonarray) string_agg(text,text) json_agg(anyelement) jsonb_agg(anyelement)
    percentile_disc(double precision,anyelement)
    bool_or(boolean)
"""
_AGGREGATES = {line.split("(")[0] for line in BUILTINS.split()}

SCALARS = """
    lower(text):text upper(text):text length(text):integer now():timestamp left(text,integer):text
    right(text,integer):text substring(text,integer,integer):text
    date_trunc(text,timestamp):timestamp age(timestamp):interval concat("any"):text:variadic
    row_to_json(record):json to_jsonb(anyelement):jsonb generate_series(integer,integer):integer:set
    unnest(anyarray):anyelement:set pg_read_file(text):text
    query_to_xml(text,boolean,boolean,text):xml
    set_config(text,text,boolean):text rank():bigint row_number():bigint nextval(regclass):bigint
    ts_rewrite(tsquery,text):tsquery ts_rewrite(tsquery,tsquery,tsquery):tsquery
    coalesce_text(text):text pg_sleep(double precision):void md5(text):text abs(integer):integer
    json_populate_record(anyelement,json):anyelement
"""


def _functions() -> list[Function]:
    found: list[Function] = []
    for spec in BUILTINS.split():
        name, _, rest = spec.partition("(")
        arguments = tuple(a.strip('"') for a in rest.rstrip(")").split(",") if a)
        found.append(
            Function(
                oid=2000 + len(found),
                schema="pg_catalog",
                name=name,
                kind="a",
                arguments=arguments,
                result="bigint" if name == "count" else "anyelement",
                returns_set=False,
                volatility="i",
                language="internal",
            )
        )
    for line in SCALARS.replace("double precision", "float8").split():
        spec, _, result = line.partition("):")
        name, _, rest = spec.partition("(")
        result, *flags = result.split(":")
        found.append(
            Function(
                oid=3000 + len(found),
                schema="pg_catalog",
                name=name,
                kind="w" if name in ("rank", "row_number") else "f",
                arguments=tuple(a.strip('"') for a in rest.split(",") if a),
                result=result,
                returns_set="set" in flags,
                volatility="v" if name in ("nextval", "set_config", "pg_sleep") else "i",
                language="internal",
                variadic="variadic" in flags,
            )
        )
    found.append(
        Function(
            3500,
            "pg_catalog",
            "jsonb_each",
            "f",
            ("jsonb",),
            "record",
            True,
            "i",
            "internal",
            ("key", "value"),
        )
    )
    found.append(
        Function(
            3501,
            "pg_catalog",
            "jsonb_array_elements",
            "f",
            ("jsonb",),
            "jsonb",
            True,
            "i",
            "internal",
            ("value",),
        )
    )
    return found


def user_function(
    name: str,
    *arguments: str,
    schema: str = "public",
    result: str = "text",
    volatility: str = "v",
    extension: str | None = None,
    oid: int = 0,
) -> Function:
    """A function somebody wrote."""
    return Function(
        oid or 90000 + len(name),
        schema,
        name,
        "f",
        arguments,
        result,
        False,
        volatility,
        "plpgsql",
        extension=extension,
    )


def table(
    oid: int,
    name: str,
    columns: str,
    *,
    schema: str = "clinic",
    kind: RelationKind = RelationKind.TABLE,
    key: tuple[int, ...] = (),
    parents: tuple[int, ...] = (),
    definition: str | None = None,
    triggers: bool = False,
) -> Relation:
    """A relation from `"id integer, ssn text"`; a type followed by `!` is generated."""
    made = []
    for number, part in enumerate(columns.split(","), start=1):
        column, _, type_name = part.strip().partition(" ")
        generated = type_name.endswith("!")
        type_name = type_name.rstrip("!")
        made.append(
            Column(
                number,
                column,
                type_name,
                type_name,
                "S",
                generated=generated,
                hashable=type_name != "json",
            )
        )
    return Relation(
        oid,
        schema,
        name,
        kind,
        tuple(made),
        primary_key=key,
        parents=parents,
        definition=definition,
        has_triggers=triggers,
    )


RELATIONS = (
    table(
        101,
        "patients",
        "id integer, mrn text, ssn text, last_name text, dob date, zip text,"
        " addr clinic.address, tags text[], doc jsonb, extra json, full_name text!",
        key=(1,),
    ),
    table(
        102,
        "encounters",
        "id integer, patient_id integer, provider_id integer, started timestamp,"
        " kind text, reason text",
        key=(1,),
    ),
    table(103, "notes", "id integer, encounter_id integer, body text, author text", triggers=True),
    table(104, "providers", "id integer, name text, npi text", key=(1,)),
    table(
        105,
        "patient_names",
        "id integer, name text",
        kind=RelationKind.VIEW,
        definition=" SELECT id, last_name AS name FROM clinic.patients;",
    ),
    table(106, "patients", "id integer, ssn text", schema="archive"),
    table(
        107,
        "labs",
        "id integer, patient_id integer, code text, result numeric, at date",
        kind=RelationKind.PARTITIONED_TABLE,
    ),
    table(
        108,
        "labs_2025",
        "id integer, patient_id integer, code text, result numeric, at date",
        parents=(107,),
    ),
    table(109, "address", "street text, zip text", kind=RelationKind.COMPOSITE_TYPE),
    table(110, "pg_class", "oid oid, relname name", schema="pg_catalog"),
    table(
        111,
        "name_counts",
        "name text, n bigint",
        kind=RelationKind.VIEW,
        definition=" SELECT name, count(id) AS n FROM clinic.patient_names GROUP BY name;",
    ),
)

SNAPSHOT = Snapshot(
    database="hospital",
    server_version=180006,
    epoch=1,
    schemas=frozenset({"clinic", "archive", "public", "pg_catalog"}),
    relations=RELATIONS,
    functions=(
        *_functions(),
        user_function("bmi", "numeric", "numeric", volatility="i"),
        user_function("right", "text", "integer"),
        user_function("crypt", "text", "text", extension="pgcrypto"),
    ),
    types=(
        TypeInfo(301, "public", "weird", "b"),
        TypeInfo(302, "clinic", "sex", "e"),
        TypeInfo(303, "clinic", "address", "c", 109),
    ),
    operators=(Operator("public", "===", "text", "text"),),
    roles=(Role("analyst", False, False, frozenset({"analyst"}), frozenset({"hidden"})),),
)

VIEW = SessionView("analyst", ("pg_temp_3", "pg_catalog", "clinic", "public"))
