"""The catalog works for everybody, and shows no values out of definitions and comments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from .conftest import Factory
from .proxies import Guarded

pytestmark = pytest.mark.pg

VALUE = "900-55-1234"

SETUP = f"""
CREATE SCHEMA texts;
CREATE FUNCTION texts.f(a text DEFAULT '{VALUE}') RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN -- not {VALUE}
    RETURN '{VALUE}'; END $$;
CREATE TABLE texts.t (
  id bigserial PRIMARY KEY,
  patient bigint REFERENCES clinic.patients (id),
  ssn text DEFAULT '{VALUE}' CHECK (ssn <> '{VALUE}'),
  length varchar(11) CHECK (length(length) > 2),
  twice text GENERATED ALWAYS AS (ssn || '{VALUE}') STORED
);
CREATE INDEX partly ON texts.t (id) WHERE ssn <> '{VALUE}';
CREATE INDEX computed ON texts.t ((ssn || '{VALUE}'));
CREATE VIEW texts.v AS SELECT id, "length" AS "odd '1'" FROM texts.t WHERE ssn = '{VALUE}';
CREATE MATERIALIZED VIEW texts.m AS SELECT id FROM texts.t WHERE ssn = '{VALUE}';
CREATE TABLE texts.parts (ssn text) PARTITION BY LIST (ssn);
CREATE TABLE texts.part PARTITION OF texts.parts FOR VALUES IN ('{VALUE}');
ALTER TABLE texts.t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON texts.t USING (ssn <> '{VALUE}') WITH CHECK (ssn <> '{VALUE}');
CREATE RULE r AS ON INSERT TO texts.v WHERE new.id > 5 DO INSTEAD
  INSERT INTO texts.t (ssn) VALUES ('{VALUE}');
CREATE FUNCTION texts.trigger() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER tr BEFORE INSERT ON texts.t FOR EACH ROW WHEN (NEW.ssn <> '{VALUE}')
  EXECUTE FUNCTION texts.trigger('{VALUE}');
CREATE DOMAIN texts.d AS text DEFAULT '{VALUE}' CHECK (VALUE <> '{VALUE}');
ALTER TABLE texts.t ADD COLUMN later text DEFAULT '{VALUE}';
COMMENT ON TABLE texts.t IS 'Numbers such as {VALUE}. Doctors'' notes, ICD-10';
COMMENT ON COLUMN texts.t.ssn IS 'e.g. {VALUE} or 900551234';
GRANT USAGE ON SCHEMA texts TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA texts TO PUBLIC;
"""

QUERIES = [
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint",
    "SELECT pg_get_constraintdef(oid, true) FROM pg_constraint WHERE contype = 'c'",
    "SELECT pg_get_indexdef(indexrelid), pg_get_indexdef(indexrelid, 1, true) FROM pg_index",
    "SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind IN ('v', 'm')",
    "SELECT pg_get_viewdef('texts.v'), pg_catalog.pg_get_viewdef('texts.v'::regclass, 40)",
    "SELECT pg_get_ruledef(oid) FROM pg_rewrite",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger",
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'f'",
    "SELECT pg_get_function_arguments(oid) FROM pg_proc WHERE proname = 'f'",
    "SELECT pg_get_function_arg_default(oid, 1) FROM pg_proc WHERE proname = 'f'",
    "SELECT pg_get_partkeydef(oid) FROM pg_class WHERE relkind = 'p'",
    "SELECT pg_get_partition_constraintdef('texts.part'::regclass)",
    "SELECT pg_get_expr(relpartbound, oid) FROM pg_class",
    "SELECT pg_get_expr(adbin, adrelid), adbin FROM pg_attrdef",
    "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adbin::text LIKE '%5%'",
    "SELECT pg_get_expr(adbin, adrelid), d FROM pg_attrdef d",
    "SELECT pg_get_expr(b, r), b FROM (SELECT adbin, adrelid FROM pg_attrdef) AS x (b, r)",
    "WITH RECURSIVE x AS (SELECT adbin, adrelid FROM pg_attrdef UNION ALL SELECT adbin, adrelid"
    " FROM x WHERE pg_get_expr(adbin, adrelid) LIKE '%never%')"
    " SELECT pg_get_expr(adbin, adrelid), x FROM x",
    "SELECT pg_get_expr(d.adbin, d.adrelid), to_jsonb(d) FROM pg_attrdef d",
    "SELECT max(adbin::text), min(pg_get_expr(adbin, adrelid)) FROM pg_attrdef",
    "SELECT pg_get_expr(adbin, adrelid), CASE WHEN true THEN adbin END FROM pg_attrdef",
    "SELECT x.* FROM pg_attrdef d, LATERAL (SELECT pg_get_expr(adbin, adrelid), adbin) x",
    "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef ORDER BY adbin::text",
    "SELECT obj_description('texts.t'::regclass, 'pg_class')",
    "SELECT col_description('texts.t'::regclass, 3)",
    "SELECT string_agg(pg_get_constraintdef(c.oid), ', ') FROM pg_constraint c GROUP BY conrelid",
    "SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' GROUP BY pg_get_viewdef(oid)",
    "SELECT * FROM pg_class c JOIN LATERAL (SELECT pg_get_viewdef(c.oid)) x ON true",
    "SELECT p FROM pg_proc p WHERE proname = 'f'",
    "TABLE pg_catalog.pg_attrdef",
    "TABLE pg_catalog.pg_attribute",
    "TABLE pg_catalog.pg_class",
    "TABLE pg_catalog.pg_constraint",
    "TABLE pg_catalog.pg_description",
    "TABLE pg_catalog.pg_index",
    "TABLE pg_catalog.pg_indexes",
    "TABLE pg_catalog.pg_matviews",
    "TABLE pg_catalog.pg_policies",
    "TABLE pg_catalog.pg_policy",
    "TABLE pg_catalog.pg_proc",
    "TABLE pg_catalog.pg_rewrite",
    "TABLE pg_catalog.pg_rules",
    "TABLE pg_catalog.pg_trigger",
    "TABLE pg_catalog.pg_type",
    "TABLE pg_catalog.pg_views",
    "TABLE information_schema.attributes",
    "TABLE information_schema.check_constraints",
    "TABLE information_schema.columns",
    "TABLE information_schema.domains",
    "TABLE information_schema.parameters",
    "TABLE information_schema.routines",
    "TABLE information_schema.triggers",
    "TABLE information_schema.views",
]


@pytest.fixture(scope="module")
def texts(
    module_clinic_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    module_clinic_database.execute(SETUP)
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("texts"))
        yield factory(module_clinic_database, durability="buffered")


def test_no_definition_shows_a_value(texts: Guarded) -> None:
    shown = []
    with closing(texts.connect("analyst", autocommit=True)) as connection:
        for text in QUERIES:
            rows = str(connection.execute(text.encode()).fetchall())
            bytes_of_tree = " ".join(str(ord(c)) for c in VALUE)
            if VALUE in rows or "900551234" in rows or bytes_of_tree in rows:
                shown.append(text)
    assert shown == []


def test_what_is_left_can_be_read(texts: Guarded) -> None:
    with closing(texts.connect("analyst", autocommit=True)) as connection:

        def one(text: str) -> Any:
            ((found,),) = connection.execute(text.encode()).fetchall()
            return found

        assert one("SELECT pg_get_viewdef('texts.v'::regclass, true)").replace(" t.", " ") == (
            " SELECT id,\n    length AS \"odd '1'\"\n   FROM texts.t\n  WHERE ssn = ''::text;"
        )
        constraint = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = "
        assert one(f"{constraint}'t_patient_fkey'") == (
            "FOREIGN KEY (patient) REFERENCES clinic.patients(id)"
        )
        assert one(f"{constraint}'t_length_check'") == "CHECK ((length((length)::text) > 2))"
        assert one(f"{constraint}'t_ssn_check'") == "CHECK ((ssn <> ''::text))"
        function = one("SELECT pg_get_functiondef('texts.f'::regproc)")
        assert function.startswith("CREATE OR REPLACE FUNCTION texts.f(a text DEFAULT ''::text)")
        assert function.endswith("LANGUAGE plpgsql\nAS ''")
        assert one("SELECT obj_description('texts.t'::regclass, 'pg_class')") == (
            "Numbers such as ... Doctors' notes, ICD-10"
        )
        cursor = connection.execute("SELECT pg_get_viewdef('texts.v'), oid FROM pg_class LIMIT 1")
        assert [c.name for c in cursor.description or ()] == ["pg_get_viewdef", "oid"]


def test_trees_that_are_only_printed_are_printed(texts: Guarded) -> None:
    """What psql's `d` and ORMs ask: defaults, bounds, and which indexes are partial."""
    notices: list[str] = []
    with closing(texts.connect("analyst", autocommit=True)) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))

        def column(text: str) -> list[Any]:
            return [row[0] for row in connection.execute(text.encode()).fetchall()]

        assert column(
            "SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d"
            " WHERE d.adrelid = 'texts.t'::regclass ORDER BY adnum"
        ) == [
            "nextval('texts.t_id_seq'::regclass)",
            "''::text",
            "ssn || ''::text",
            "''::text",
        ]
        assert column(
            "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE relname = 'part'"
        ) == ["FOR VALUES IN ('')"]
        assert column(
            "SELECT x.p FROM (SELECT pg_get_expr(indpred, indrelid) AS p, indexrelid FROM pg_index"
            " WHERE indpred IS NOT NULL) x WHERE x.indexrelid = 'texts.partly'::regclass"
        ) == ["(ssn <> ''::text)"]
    assert notices == []


def test_who_sees_everything_sees_definitions(texts: Guarded) -> None:
    with closing(texts.connect("dba", autocommit=True)) as connection:
        for function in ("pg_get_viewdef('texts.v')", "pg_get_functiondef('texts.f'::regproc)"):
            ((found,),) = connection.execute(f"SELECT {function}".encode()).fetchall()
            assert VALUE in found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM pg_get_viewdef('texts.v'::regclass)",
        "SELECT * FROM ROWS FROM (pg_get_viewdef('texts.v'::regclass)) AS x",
        "SELECT pg_get_statisticsobjdef_expressions(1)",
        "SELECT current_query()",
        "SELECT pg_mcv_list_items(NULL)",
    ],
)
def test_refused(texts: Guarded, text: str) -> None:
    with closing(texts.connect("analyst", autocommit=True)) as connection:
        if "statisticsobjdef" in text and connection.info.server_version < 140_000:
            pytest.skip("this server has no such function")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(text.encode())
        expected = ("can't be analysed", "reaches beyond its arguments", "can't be seen through")
        assert any(words in str(caught.value) for words in expected)
