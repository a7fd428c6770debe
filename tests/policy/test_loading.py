# ruff: noqa: E501 - one case a line reads better
"""Rules files: what is read from them, and what is said about mistakes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.errors import ConfigurationError
from dbguard.policy.decision import Mask, MaskKind, OnMissing, Verification
from dbguard.policy.document import json_schema
from dbguard.policy.loading import load_documents, load_policy
from dbguard.policy.model import Backup, Policy, RuleEffect
from dbguard.policy.safe_harbor import safe_harbor
from dbguard.policy.sizes import describe_size, parse_size
from dbguard.sql.facts import Action, ActionClass

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
BASE = """\
classification:
  - {tag: phi.ssn, columns: ["*.*.ssn"]}
  - {tag: phi.zip, columns: ["*.*.zip"]}
roles: {analyst: {users: [ann]}}
masks: {safe: {phi: redact}}
"""
RULE = "rules: [{id: r, allow: [read]}]\n"


def errors(*texts: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_documents({f"{chr(97 + n)}.yaml": text for n, text in enumerate(texts)})
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules: [", "x:1:9: not valid YAML"),
        ("rules:\n\t- id: x", "x:2:1: not valid YAML"),
        ("- a", "x:1:1: not a mapping; start with a key such as rules:"),
        ("rules:\n  - id: a\n    id: b", "x:3:5: duplicate key 'id' (first in line 2); keep one"),
        ("roles:\n  no: {users: [a]}", "x:2:3: a key that is not a text; put the key in quotes"),
        ("roles: {a: &x {users: [a]}, b: *x}", "x:1:12: anchors and aliases are not allowed"),
        ("mode: !!python/name:os.system x", "x:1:7: tag tag:yaml.org,2002:python/name:os.system"),
        ("a: 1\n---\nb: 2", "x:2:1: a second document in one file; split the file"),
        ("a: " + "[" * 30 + "]" * 30, "x:1:27: nested deeper than 24; flatten it"),
        ("a: \x07", "x:1:4: a character that YAML does not allow; remove it"),
        ("ruels: []", "x:1:1: unknown key 'ruels'; did you mean 'rules'?"),
        ("when: []", "x:1:1: unknown key 'when'; known: classification"),
        ("signals: []", "x:1:1: 'signals' is not supported in this release; remove it"),
        ("mode: observe", "x:1:7: mode: observe is not supported in this release; use 'enforce'"),
        ("mode: loud", "x:1:7: 'loud' is not possible here; use 'enforce'"),
        ("rules: 3", "x:1:8: rules should be a list"),
        ("rules: [3]", "x:1:9: an entry of rules should be a mapping"),
        ("rules: [{allow: [read]}]", "x:1:9: id is missing; add id:"),
        ("rules: [{id: a b, allow: [read]}]", "x:1:14: 'a b' is not a name"),
        ("rules: [{id: 7, allow: [read]}]", "x:1:14: id should be a text; put it in quotes"),
        ("rules: [{id: a, allow: read}]", "x:1:24: allow should be a list; write allow: [ … ]"),
        ("rules: [{id: a, allow: []}]", "x:1:9: rule a names no actions; add some to allow:"),
        ("rules: [{id: a}]", "x:1:9: rule a has 0 of allow, deny and require; keep exactly one"),
        ("rules: [{id: a, allow: [read], deny: [read]}]", "x:1:9: rule a has 2 of allow, deny"),
        ("rules: [{id: a, allow: [raed]}]", "x:1:25: unknown action 'raed'; did you mean 'read'?"),
        ("rules: [{id: a, allow: [read], when: {}}]", "x:1:32: 'when' is not supported in this"),
        ("rules: [{id: a, allow: [read], uses: []}]", "x:1:32: 'uses' is not supported in this"),
        ("rules: [{id: a, allow: [read], roles: [ana]}]", "x:1:40: unknown role 'ana'; define it"),
        ("rules: [{id: a, allow: [read], data: [secret]}]", "x:1:39: unknown tag 'secret'; add it to"),
        ("rules: [{id: a, allow: [read], data: [A]}]", "x:1:39: 'A' is not a tag; use lower-case"),
        ("rules: [{id: a, allow: [read], if: {where: missing}}]", "x:1:9: if: is only possible"),
        ("rules: [{id: a, deny: [read], if: {where: no}}]", "x:1:43: this is not possible here"),
        ("rules: [{id: a, deny: [read], masked: m}]", "x:1:9: masked is only possible with allow"),
        ("rules: [{id: a, deny: [read], actions: [drop]}]", "x:1:9: rule a has actions beside deny"),
        ("rules: [{id: a, allow: [read], masked: m}]", "x:1:40: masked without data; say which"),
        ("rules: [{id: a, allow: [all], data: [phi], masked: m}]", "x:1:52: masked is only possible"),
        ("rules: [{id: a, require: {approval: {}}}]", "x:1:27: 'approval' is not supported in this"),
        ("rules: [{id: a, require: {backup: {max_age: 1h}}}]", "x:1:9: rule a names no actions; add"),
        ("rules: [{id: a, require: {backup: {max_age: soon}}, actions: [ddl]}]",
         "x:1:45: not a duration; write a whole number and s, m, h or d, as in 1h"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, on_missing: wait}}, actions: [ddl]}]",
         "x:1:61: 'wait' is not possible here; use 'refuse' or 'take'"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, max_wal: 1}}, actions: [ddl]}]",
         "x:1:58: max_wal should be a text"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, max_wal: 1 GiB}}, actions: [ddl]}]",
         "x:1:58: not a size; write a whole number and kB, MB, GB or TB, as in 1GB"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, max_wal: 0MB}}, actions: [ddl]}]",
         "x:1:58: not a size"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, min_verification: yes}}, actions: [ddl]}]",
         "x:1:67: "),
        ("rules: [{id: a, require: {backup: {max_age: 1h, min_verification: tested}}, actions: [ddl]}]",
         "x:1:67: 'tested' is not possible here; use 'exists', 'checksum', 'tool' or 'restored'"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, providers: []}}, actions: [ddl]}]",
         "x:1:60: providers is empty; name some or remove it"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, providers: [x, x]}}, actions: [ddl]}]",
         "x:1:35: provider x is named twice; keep one of them"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, max_take_size: 1GB}}, actions: [ddl]}]",
         "x:1:35: max_take_size is only possible with on_missing: take; remove it"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, on_missing: take, providers: [x]}},"
         " actions: [ddl]}]",
         "x:1:35: on_missing: take makes a backup that providers does not let count; "
         "add pg_dump to providers, or say on_missing: refuse"),
        ("rules: [{id: a, deny: [ddl], unless: additive}]", "x:1:9: unless: is only possible with"),
        ("rules: [{id: a, require: {backup: {max_age: 1h}}, actions: [ddl], unless: harmless}]",
         "x:1:75: 'harmless' is not possible here; use 'additive'"),
        ("rules: [{id: a, require: {backup: {max_age: 1h, provider: x}}, actions: [ddl]}]",
         "x:1:49: unknown key 'provider'; did you mean 'providers'?"),
        ("rules: [{id: a, allow: [read], tables: [x]}]",
         "x:1:41: pattern 'x' has 1 parts, not 2 (schema.table)"),
        ("classification: [{tag: Phi}]", "x:1:24: 'Phi' is not a tag; use lower-case words"),
        ("classification: [{tag: phi}]", "x:1:18: phi names no columns and no tables; add them"),
        ("classification: [{tag: system.x, columns: [a.b.c]}]", "x:1:18: tags under system are"),
        ("classification: [{tag: a, columns: [b.c]}]", "x:1:37: pattern 'b.c' has 2 parts, not 3"),
        ("classification: [{tag: a, columns: ['b.\"c.d']}]", "x:1:37: pattern 'b.\"c.d' has an open"),
        ("classification: [{tag: a, columns: ['a..c']}]", "x:1:37: pattern 'a..c' has an empty part"),
        ("classification: [{tag: a, columns: ['a.b.{c,d}']}]",
         "x:1:37: pattern 'a.b.{c,d}' has ',', which stands for nothing here"),
        ("classification: [{tag: a, columns: [3]}]", "x:1:37: an entry of columns should be a text"),
        ("roles: {a: {}}", "x:1:9: role a has no users, groups, identities or attributes; add some"),
        ("roles: {a: {user: [b]}}", "x:1:13: unknown key 'user'; did you mean 'users'?"),
        ("masks: {m: {secret: redact}}", "x:1:13: unknown tag 'secret'; add it to the classification"),
        ("masks: {m: {phi: token}}", "x:1:18: mask 'token' is not supported in this release"),
        ("masks: {m: {phi: {token: x}}}", "x:1:18: mask 'token' is not supported in this release"),
        ("masks: {m: {phi: {x: 1}}}", "x:1:18: unknown mask; use null, redact, keep_first"),
        ("masks: {m: {phi: {keep_last: '4'}}}", "x:1:30: keep_last should be a whole number"),
        ("masks: {m: {phi: {keep_last: 0}}}", "x:1:30: keep_last is out of range; use at least 1"),
        ("masks: {m: {phi: {keep_last: 4, wiht: x}}}", "x:1:33: unknown key 'wiht'; did you mean"),
        ("masks: {m: {phi: {zip3: {restricted: [036]}}}}", "x:1:39: 036 is not a plain number; put"),
        (f"masks: {{m: {{phi: {{keep_last: {'9' * 5000}}}}}}}",
         f"x:1:30: {'9' * 18}… is not a plain number; put"),
        ("masks: {m: {phi: {zip3: {restricted: ['36']}}}}", "x:1:39: '36' is not a ZIP prefix"),
        ("masks: {m: {phi: {year: {floor: 20}}}}", "x:1:33: floor is out of range; use at least"),
        ("functions: {safe: [bmi]}", "x:1:20: 'bmi' is not a function signature; write schema."),
        ("defaults: {classified: allow}", "x:1:24: defaults.classified can't be loosened; grant"),
        ("defaults: {unclassified: {raed: allow}}", "x:1:27: unknown key 'raed'; did you mean"),
    ],
)  # fmt: skip
def test_mistakes_are_named_at_their_place(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_documents({"x": text, "base": "classification: [{tag: phi, columns: [a.b.c]}]"})
    found = str(caught.value).splitlines()
    assert any(line.startswith(expected) for line in found), found


def test_all_mistakes_of_all_files_at_once() -> None:
    found = errors(
        "rules:\n  - {id: a, alow: [read]}\n  - {id: b, allow: [read], roles: [analist]}\n",
        BASE + "mode: observe\n",
    )
    assert found == [
        "a.yaml:2:13: unknown key 'alow'; did you mean 'allow'?",
        "a.yaml:3:36: unknown role 'analist'; did you mean 'analyst'?",
        "b.yaml:6:7: mode: observe is not supported in this release; use 'enforce'",
    ]


def test_broken_rules_are_checked_as_far_as_they_can_be_read() -> None:
    found = errors(
        BASE + "rules:\n  - {id: a, alow: [read], roles: [analist, 3], data: [phi.snn, '*', phi]}"
    )
    assert [line.split(": ", 1)[1] for line in found] == [
        "unknown key 'alow'; did you mean 'allow'?",
        "unknown role 'analist'; did you mean 'analyst'?",
        "an entry of roles should be a text; put it in quotes",
        "unknown tag 'phi.snn'; did you mean 'phi.ssn'?",
    ]


def test_broken_entries_stay_known_by_name() -> None:
    found = errors(
        "classification: [{tag: phi, columns: 3}]\nroles: {analyst: {user: [a]}}\n"
        "masks: {m: {phi: yeer}}\n"
        "rules: [{id: a, allow: [read], roles: [analyst], data: [phi], masked: m}]"
    )
    assert len(found) == 3
    assert not any("unknown role" in f or "unknown tag" in f or "profile" in f for f in found)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (BASE + RULE, RULE, "b.yaml:1:14: rule r is already defined in a.yaml:6; rename"),
        (BASE + RULE, "roles: {analyst: {users: [b]}}", "b.yaml:1:9: role analyst is already"),
        (BASE + RULE, "masks: {safe: {phi: year}}", "b.yaml:1:9: profile safe is already"),
        (BASE + RULE + "mode: enforce", "mode: enforce", "b.yaml:1:1: mode is already given in"),
        (BASE + RULE + "defaults: {}", "defaults: {}", "b.yaml:1:1: defaults is already given"),
    ],
)
def test_twice_over_files(first: str, second: str, expected: str) -> None:
    (found,) = errors(first, second)
    assert found.startswith(expected)


def test_masked_grant_needs_a_mask_for_every_tag() -> None:
    text = BASE.replace("phi: redact", "phi.zip: zip3")
    (found,) = errors(text, "rules:\n  - {id: r, allow: [read], data: [phi], masked: safe}")
    assert found == (
        "b.yaml:2:49: profile safe has no mask for phi.ssn, which rule r grants; "
        "add phi.ssn or a tag above it to the profile"
    )


def test_no_rules_is_an_error(tmp_path: Path) -> None:
    assert errors(BASE) == [
        "a.yaml:1:1: no rules at all; add a rules: list to a file of the folder"
    ]
    assert errors("# nothing\n") == [
        "a.yaml:1:1: no rules at all; add a rules: list to a file of the folder"
    ]
    with pytest.raises(ConfigurationError, match="no rules files"):
        load_policy(tmp_path)
    with pytest.raises(ConfigurationError, match="not a folder"):
        load_policy(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="no rules at all"):
        load_documents({})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"rules: \xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_policy(tmp_path)
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_policy(tmp_path)


def test_cases_files_and_other_files_are_no_rules(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE + RULE)
    for name in ("x.cases.yaml", ".hidden.yaml", "catalog.json", "README.md"):
        (tmp_path / name).write_text("nonsense: [")
    assert len(load_policy(tmp_path).rules) == 1


def test_order_of_files_and_entries_does_not_matter() -> None:
    one = load_documents({"a": BASE, "b": "rules: [{id: r, allow: [read]}, {id: s, deny: [do]}]"})
    two = load_documents({"b": "rules: [{id: s, deny: [do]}, {id: r, allow: [read]}]", "a": BASE})
    assert one.digest == two.digest
    three = load_documents(
        {"a": BASE, "b": "rules: [{id: r, allow: [read]}, {id: s, deny: [call]}]"}
    )
    assert three.digest != one.digest
    assert len(one.digest) == 64


def mask(entry: str) -> Mask:
    policy = load_documents({"a": BASE.replace("redact", entry) + RULE})
    found = policy.profiles[0].mask_for("phi.ssn")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("null", Mask(MaskKind.NULL)),
        ('"null"', Mask(MaskKind.NULL)),
        ("redact", Mask(MaskKind.REDACT, fill="[redacted]")),
        ("{redact: hidden}", Mask(MaskKind.REDACT, fill="hidden")),
        ("{keep_first: 3}", Mask(MaskKind.KEEP_FIRST, keep=3, fill="***")),
        ('{keep_last: 4, with: "***-**-"}', Mask(MaskKind.KEEP_LAST, keep=4, fill="***-**-")),
        ("year", Mask(MaskKind.YEAR)),
        ("{year: {floor: 1934}}", Mask(MaskKind.YEAR, floor_year=1934)),
        ("zip3", Mask(MaskKind.ZIP3, restricted=safe_harbor().restricted_zip3)),
        ('{zip3: {restricted: ["036"]}}', Mask(MaskKind.ZIP3, restricted=("036",))),
        ("age_cap", Mask(MaskKind.AGE_CAP, keep=90)),
        ("{age_cap: 85}", Mask(MaskKind.AGE_CAP, keep=85)),
    ],
)
def test_masks(entry: str, expected: Mask) -> None:
    assert mask(entry) == expected


def test_most_specific_mask_wins() -> None:
    policy = load_documents(
        {"a": BASE.replace("phi: redact", "phi: redact, phi.zip: zip3, '*': year") + RULE}
    )
    (profile,) = policy.profiles
    kinds = {t: m.kind for t in ("phi.zip", "phi.zipper", "phi", "x") if (m := profile.mask_for(t))}
    assert kinds == {
        "phi.zip": MaskKind.ZIP3,
        "phi.zipper": MaskKind.REDACT,
        "phi": MaskKind.REDACT,
        "x": MaskKind.YEAR,
    }


def test_actions_and_classes() -> None:
    policy = load_documents({"a": "rules: [{id: a, allow: [ddl, insert]}, {id: b, allow: [all]}]"})
    first, second = policy.rules
    assert first.effect is RuleEffect.ALLOW
    assert first.actions == {a for a in Action if a.action_class is ActionClass.DDL} | {
        Action.INSERT
    }
    assert second.actions == frozenset(Action)


def test_signatures_are_spelled_as_the_catalog_does() -> None:
    written = {
        "Public.BMI( Numeric(12,2),integer )": "public.bmi(numeric, integer)",
        "s.f()": "s.f()",
        's."Odd Name"(text)': "s.Odd Name(text)",
        "s.g(int, varchar(11)[], variadic int8[])": ("s.g(integer, character varying[], bigint[])"),
        "s.h(timestamp(3) with time zone, timestamptz)": (
            "s.h(timestamp with time zone, timestamp with time zone)"
        ),
        's.i("Odd"."Type"[], clinic.sex)': 's.i("Odd"."Type"[], clinic.sex)',
    }
    listed = "\n".join(f"    - '{text}'" for text in written)
    policy = load_documents({"a": f"{RULE}functions:\n  safe:\n{listed}\n"})
    assert policy.safe_functions == set(written.values())


def hipaa() -> Policy:
    return load_policy(HIPAA)


def test_the_shipped_policy_loads_and_pickles() -> None:
    policy = hipaa()
    assert pickle.loads(pickle.dumps(policy)) == policy
    sources = {entry.source for entry in policy.classification}
    assert {f"45 CFR 164.514(b)(2)(i)({letter})" for letter in "ABCDEFGHIJKLMNOPQR"} <= sources


def test_the_shipped_policy_knows_no_hours_and_no_networks() -> None:
    assert {r.id for r in hipaa().rules if r.environments} == {"ddl-needs-backup"}


def test_safe_harbor_data() -> None:
    data = safe_harbor()
    prefixes = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
    assert " ".join(data.restricted_zip3) == prefixes
    assert data.age_cap == 90
    assert "164.514" in data.source


def test_json_schema_describes_a_rules_file() -> None:
    schema = json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["properties"]) == {
        "classification", "declassified", "roles", "masks", "rules", "functions", "defaults", "mode",
    }  # fmt: skip
    assert schema["additionalProperties"] is False
    assert "if" in schema["$defs"]["RuleShape"]["properties"]


SHIPPED = {
    p.name: p.read_text("utf-8") for p in sorted(HIPAA.glob("*.yaml")) if "cases" not in p.name
}
SCRAPS = [
    "",
    "3",
    "[",
    "]",
    "{",
    "}",
    ":",
    "- ",
    "null",
    "'",
    '"',
    "&a ",
    "*a",
    "!!x ",
    "a: ",
    "\n",
    "?",
    "é",
    "\t",
]


@given(
    st.sampled_from(sorted(SHIPPED)), st.floats(0, 1), st.integers(0, 12), st.sampled_from(SCRAPS)
)
@settings(deadline=None)
def test_damaged_files_give_configuration_errors_only(
    name: str, where: float, length: int, scrap: str
) -> None:
    text = SHIPPED[name]
    at = int(len(text) * where)
    damaged = {**SHIPPED, name: text[:at] + scrap + text[at + length :]}
    try:
        load_documents(damaged)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            assert line.split(":")[0] in SHIPPED, line
            assert "; " in line


def test_folders_below_are_loaded_too(tmp_path: Path) -> None:
    (tmp_path / "hipaa").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "hipaa" / "a.yaml").write_text("rules: [{id: r, allow: [read]}]", "utf-8")
    (tmp_path / ".hidden" / "b.yaml").write_text("nonsense: 1", "utf-8")
    assert [rule.id for rule in load_policy(tmp_path).rules] == ["r"]


def test_a_requirement_of_backups_in_all_its_parts() -> None:
    policy = load_documents(
        {
            "x": "rules: [{id: a, require: {backup: {max_age: 90m, max_wal: 1 GB, min_verification: "
            "tool, providers: [pgbackrest, barman]}}, actions: [ddl], unless: additive}]"
        }
    )
    (rule,) = policy.rules
    assert rule.unless_additive
    assert rule.backup == Backup(
        5400,
        OnMissing.REFUSE,
        Verification.TOOL,
        frozenset({"pgbackrest", "barman"}),
        1024**3,
    )


@pytest.mark.parametrize("size", [1024, 64 * 1024**2, 1024**3, 3 * 1024**4])
def test_sizes_are_read_as_they_are_written(size: int) -> None:
    assert (
        parse_size(describe_size(size)) == parse_size(describe_size(size).replace(" ", "")) == size
    )
