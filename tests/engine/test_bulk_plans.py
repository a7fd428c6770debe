"""Bulk statements are rewritten and proved like others: only the analysis of constants is short."""

from __future__ import annotations

from .test_missing_functions import plan


def test_a_long_list_against_a_masked_table() -> None:
    listed = ", ".join(map(str, range(3_000)))
    made = plan("analyst", f"SELECT ssn FROM clinic.patients WHERE id IN ({listed})")
    assert made.refusal is None
    assert made.text.endswith(f" WHERE id IN ({listed})")
    assert made.text.startswith('SELECT ssn FROM (SELECT t."id", (CASE WHEN ')
    assert "2999" not in made.statements[0].recorded.redacted


def test_a_masked_column_between_rows_of_constants() -> None:
    rows = ", ".join(f"({i})" for i in range(3_000))
    inner = "(SELECT count(DISTINCT ssn) FROM clinic.patients)"
    made = plan("analyst", f"SELECT * FROM (VALUES {rows}, ({inner}), {rows}) v")
    assert made.refusal is None
    assert made.text.count(f"(VALUES {rows}, (") == 1
    assert "FROM clinic.patients)" not in made.text
    assert [str(c.name) for c in made.statements[0].columns] == ["clinic.patients.ssn"]


def test_rows_of_constants() -> None:
    rows = ", ".join(f"({i}, 'x')" for i in range(1, 3_000))
    made = plan("dba", f"INSERT INTO clinic.notes (encounter_id, body) VALUES {rows}")
    assert made.refusal is None
    assert made.text.endswith(f" VALUES {rows}")
