"""The referee speaks PostgreSQL 18; what an older server reads otherwise is refused or adapted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.sql.analysis import analyze
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import Snapshot

from .catalogs import SNAPSHOT, VIEW

NEWER = [
    (16, "SELECT system_user FROM patients", "system_user"),
    (17, "SELECT json_scalar(ssn) FROM patients", "JsonScalarExpr"),
    (17, "SELECT json_serialize(ssn) FROM patients", "JsonSerializeExpr"),
    (17, "SELECT json_value(ssn, '$') FROM patients", "JsonFuncExpr"),
    (16, "SELECT json_object('a': ssn) FROM patients", "JsonObjectConstructor"),
    (16, "SELECT json_arrayagg(ssn) FROM patients", "JsonArrayAgg"),
    (16, "SELECT ssn IS JSON FROM patients", "JsonIsPredicate"),
]


@pytest.mark.parametrize("major", [13, 14, 15, 16, 17, 18])
@pytest.mark.parametrize(("since", "text", "construct"), NEWER)
def test_what_the_server_reads_otherwise_is_refused(
    major: int, since: int, text: str, construct: str
) -> None:
    (reading,) = analyze(text, _server(major), VIEW, DEFAULT_LIMITS)
    constructs = [o.construct for o in reading.facts.opaque]
    refused = f"syntax that the server does not have ({construct})"
    assert constructs == ([] if major >= since else [refused])


@pytest.mark.parametrize(("major", "name"), [(13, "date_part"), (14, "extract"), (18, "extract")])
def test_extract_is_what_the_server_calls_it(major: int, name: str) -> None:
    text = f"SELECT q.{name} FROM (SELECT extract(year FROM dob) FROM patients) q"
    (reading,) = analyze(text, _server(major), VIEW, DEFAULT_LIMITS)
    assert [o.name for o in reading.facts.outputs] == [name]
    assert [f.name for f in reading.facts.functions] == [name]


def _server(major: int) -> Snapshot:
    return replace(SNAPSHOT, server_version=major * 10_000)
