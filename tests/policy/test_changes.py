from __future__ import annotations

from dbguard.policy.changes import SHOWN, differences
from dbguard.policy.loading import load_documents

BEFORE = """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn, clinic.old.ssn]}
  - {tag: phi.note, tables: [clinic.notes]}
declassified: [clinic.patients.shoe_size]
roles:
  seer: {users: [anna]}
  gone: {users: [otto]}
masks:
  hidden: {phi: {redact: "secret words"}}
functions: {safe: ["public.f()"]}
rules:
  - {id: see, allow: [all], roles: [seer], data: ["*"]}
  - {id: old, deny: [drop], roles: [gone]}
  - {id: same, allow: [read], roles: [gone], data: [phi], masked: hidden}
defaults: {classified: deny, unclassified: {read: allow, write: allow}}
"""
NOW = """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn, clinic.new.ssn]}
  - {tag: phi.note, tables: [clinic.notes]}
declassified: [clinic.patients.height]
roles:
  seer: {users: [anna, berta]}
  gone: {users: [otto]}
  fresh: {users: [emil]}
masks:
  hidden: {phi: {redact: "other words"}}
functions: {safe: ["public.g(int)"]}
rules:
  - {id: see, allow: [read], roles: [seer], data: ["*"]}
  - {id: new, deny: [drop], roles: [fresh]}
  - {id: same, allow: [read], roles: [gone], data: [phi], masked: hidden}
defaults: {classified: deny, unclassified: {read: allow, write: deny}}
"""


def test_differences() -> None:
    found = differences(load_documents({"a": BEFORE}), load_documents({"a": NOW}))
    assert found == {
        "rules_added": "new",
        "rules_removed": "old",
        "rules_changed": "same, see",
        "roles_added": "fresh",
        "roles_changed": "seer",
        "masks_changed": "hidden",
        "classified": "clinic.new.ssn (phi.ssn)",
        "no_longer_classified": "clinic.old.ssn (phi.ssn)",
        "declassified": "clinic.patients.height",
        "no_longer_declassified": "clinic.patients.shoe_size",
        "safe_functions": "public.g(integer)",
        "no_longer_safe_functions": "public.f()",
        "defaults": "read and write before, read now",
    }
    assert "words" not in str(found)


def test_the_same_rules_in_other_files() -> None:
    assert differences(load_documents({"a": BEFORE}), load_documents({"b": BEFORE})) == {}


RULES = "roles: {seer: {users: [anna]}}\nrules: [{id: see, allow: [all], roles: [seer]}]\n"


def test_long_lists_are_cut() -> None:
    columns = ", ".join(f"a.b.c{n}" for n in range(SHOWN + 5))
    few, many = (
        load_documents({"a": f"{RULES}classification: [{{tag: phi, columns: [{which}]}}]\n"})
        for which in ("x.y.z", columns)
    )
    found = differences(few, many)
    assert found["classified"].endswith(" and 5 more")
    assert found["no_longer_classified"] == "x.y.z (phi)"
