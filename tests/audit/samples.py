"""A record as most are, for tests and measurements."""

from __future__ import annotations

from dbguard.audit.records import ColumnEntry, DecisionRecord, MaskEntry

MASKED = DecisionRecord(
    session="7f3a",
    principal_user="analyst",
    principal_groups=("analyst", "analysts"),
    database="clinic",
    client_address="10.1.2.3",
    application="psql",
    environment="production",
    phase="query",
    action="select",
    wrapper="",
    relations=("clinic.patients",),
    columns=(ColumnEntry("clinic.patients.ssn", ("output", "filter"), ("phi.ssn",)),),
    decision="masked",
    rules=("analysts-read-masked",),
    reasons=(),
    masked=(MaskEntry("clinic.patients.ssn", "keep_last", "analysts-read-masked"),),
    requirements=(),
    text="SELECT ssn FROM clinic.patients WHERE ssn LIKE $1",
    fingerprint="0123456789abcdef",
    statement="s1",
    rules_digest="abc",
    catalog_epoch=3,
)
