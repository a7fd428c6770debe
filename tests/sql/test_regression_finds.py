"""What running PostgreSQL's own regression scripts through analysis brought to light."""

from __future__ import annotations

import pytest

from dbguard.sql.analysis import analyze
from dbguard.sql.facts import FunctionTrust, StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS

from .catalogs import SNAPSHOT, VIEW


def facts(sql: str) -> StatementFacts:
    (reading,) = analyze(sql, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    return reading.facts


@pytest.mark.parametrize(
    "call", ["inet(ssn)", "pg_catalog.regtype(ssn)", "jsonb(ssn)", "clinic.address(addr)"]
)
def test_a_call_of_a_type_is_a_cast(call: str) -> None:
    found = facts(f"SELECT {call} FROM patients")
    assert not found.functions
    assert not found.opaque
    assert [c.column.column for c in found.columns] == ["addr" if "addr" in call else "ssn"]


@pytest.mark.parametrize("call", ["nosuch(ssn)", "inet(ssn, 1)", "clinic.inet(ssn)", "upper(ssn)"])
def test_other_calls_are_calls(call: str) -> None:
    (use,) = facts(f"SELECT {call} FROM patients").functions
    assert use.trust is (FunctionTrust.BUILTIN if "upper" in call else FunctionTrust.UNKNOWN)


def test_toast_tables_cannot_be_seen_through() -> None:
    found = facts("SELECT chunk_data FROM pg_toast.pg_toast_16400 WHERE ctid = '(0,1)'")
    assert [o.construct for o in found.opaque] == ["a TOAST table"]
    assert {c.column.column for c in found.columns} == {"chunk_data", "ctid"}


def test_columns_that_a_function_gives_back_can_be_listed() -> None:
    found = facts("SELECT id, (jsonb_each(doc)).*, (jsonb_each(doc)).value AS v FROM patients")
    assert not found.opaque
    assert [o.name for o in found.outputs] == ["id", "key", "value", "v"]
    for output in found.outputs[1:]:
        assert (output.origin, [str(c) for c in output.sources]) == (None, ["clinic.patients.doc"])


def test_an_index_renamed_as_a_table_is_not_undefined() -> None:
    found = facts("ALTER TABLE clinic.patients_pkey RENAME TO b")
    assert [(o.kind, o.schema, o.name) for o in found.objects] == [
        ("index", "clinic", "patients_pkey")
    ]
    assert [o.construct for o in found.opaque] == ["ALTER TABLE of something that is no table"]
    assert not facts("ALTER TABLE IF EXISTS clinic.nosuch RENAME TO b").opaque
