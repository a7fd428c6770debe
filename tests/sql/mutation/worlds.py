"""Databases whose restricted values are marked, each with policy, masked user and texts."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.errors import StatementError
from dbguard.policy.decision import Mask, MaskKind
from dbguard.policy.loading import load_documents, load_policy
from dbguard.policy.model import Policy
from dbguard.sql import referee
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import RelationKind, SessionView
from tests.e2e import attackers
from tests.e2e.canaries import canaries
from tests.sql.oracle import CORPUS, Server, corpus_queries
from tests.sql.rewriting import conftest as marked

HERE = Path(__file__).parents[1]
HIPAA = HERE.parents[1] / "rules" / "hipaa"
STATEMENT_MILLISECONDS = 400


@dataclass
class Field:
    """Where mutants are tried out."""

    name: str
    database: Any
    user: str
    path: str
    world: World
    view: SessionView
    texts: list[str]
    marks: re.Pattern[bytes]
    environment: str = "production"
    server: Server = field(init=False)
    """The superuser's connection."""
    session: Any = field(init=False, default=None)
    """The masked user's."""
    notices: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = Server(self.database.dsn())
        self.server.connection.execute(f"SET search_path = {self.path}".encode())
        self.server.connection.execute(b"SET statement_timeout = 1000")

    @property
    def names(self) -> list[str]:
        """Names to mutate with: those of ordinary relations and their columns."""
        kept = [r for r in self.world.snapshot.relations if r.schema not in _SYSTEM and r.columns]
        found = {r.name for r in kept} | {c.name for r in kept for c in r.columns}
        return sorted(n if re.fullmatch("[a-z_0-9]+", n) else f'"{n}"' for n in found)

    def plan(self, text: str) -> Plan:
        principal = principal_of(self.world.snapshot, self.user)
        return plan_text(self.world, PlanRequest(text, principal, self.view, self.environment))

    def accepts(self, text: str) -> bool:
        """Whether the server could run `text`: its own parse analysis finds nothing wrong."""
        low = self.server.connection.pgconn
        return bool(low.prepare(b"", text.encode()).status == ExecStatus.COMMAND_OK)

    def run(self, text: str, rng: random.Random) -> tuple[bytes, bytes]:
        """What the masked user's server says to `text`: data, and what it tells beside them."""
        if self.session is None or self.session.closed:
            self.session = psycopg.connect(self.database.dsn(self.user), autocommit=True)
            self.session.pgconn.notice_handler = self._noticed
            self.session.pgconn.exec_(
                f"SET search_path = {self.path}; SET statement_timeout = {STATEMENT_MILLISECONDS};"
                "SET lock_timeout = 200; SET timezone = 'UTC'".encode()
            )
        low = self.session.pgconn
        del self.notices[:]
        low.exec_(b"BEGIN")
        data: list[bytes] = []
        told: list[bytes] = []
        raw = text.encode()
        if rng.random() < 0.5:
            low.send_query(raw)
        else:
            prepared = low.prepare(b"", raw)
            if prepared.status == ExecStatus.COMMAND_OK:
                count = low.describe_prepared(b"").nparams
                values = [rng.choice((b"1", b"a", b"2020-01-01", None)) for _ in range(count)]
                low.send_query_prepared(b"", values, result_format=rng.choice((0, 1)))
            else:
                told.append(_error(prepared))
        while (result := low.get_result()) is not None:
            _take(low, result, data, told)
        low.exec_(b"ROLLBACK")
        if low.status != psycopg.pq.ConnStatus.OK:
            self.session.close()
        return b"\n".join(data), b"\n".join([*told, *self.notices])

    def _noticed(self, result: Any) -> None:
        self.notices.append(_error(result))

    def forget(self) -> None:
        """Drop what outlives a transaction."""
        if self.session is not None and not self.session.closed:
            self.session.pgconn.exec_(b"DEALLOCATE ALL; SELECT pg_advisory_unlock_all()")

    def close(self) -> None:
        self.server.close()
        if self.session is not None:
            self.session.close()


_FIELDS = b"MDHWq"
_SYSTEM = frozenset({"pg_catalog", "information_schema", "pg_toast"})


def _error(result: Any) -> bytes:
    return b"\n".join(found for f in _FIELDS if (found := result.error_field(f)))


def _take(low: Any, result: Any, data: list[bytes], told: list[bytes]) -> None:
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        data += (result.fname(i) or b"" for i in range(result.nfields))
        for row in range(min(result.ntuples, 500)):
            values = (result.get_value(row, i) for i in range(result.nfields))
            data += (value[:5000] for value in values if value is not None)
    elif result.status == ExecStatus.COPY_OUT:
        while True:
            size, piece = low.get_copy_data(0)
            if size <= 0:
                break
            data.append(bytes(piece))
    elif result.status == ExecStatus.COPY_IN:
        low.put_copy_end(b"no data")
    else:
        told.append(_error(result))


def hits(pattern: re.Pattern[bytes], received: bytes) -> list[bytes]:
    return sorted(set(pattern.findall(received)))


def _any_of(values: Iterable[bytes]) -> re.Pattern[bytes]:
    ordered = sorted(values, key=len, reverse=True)
    return re.compile(b"|".join(map(re.escape, ordered)), re.IGNORECASE)


def _unmarked(text: str) -> str:
    """`text` without the marks: what the client sends may come back."""
    for mark, other in (("987-65", "123-45"), ("canary", "kanary"), ("CANARY", "KANARY"),
                        ("Canary", "Kanary"), ("0caca0ca", "1baba1ba")):  # fmt: skip
        text = text.replace(mark, other)
    return text


def _paragraphs(path: Path, mark: str = "--") -> list[str]:
    parts = (p.strip() for p in path.read_text("utf-8").split("\n\n"))
    kept = ("\n".join(x for x in p.splitlines() if not x.startswith(mark)) for p in parts)
    return [p for p in kept if p.strip()]


def _statements(text: str) -> list[str]:
    """The statements of a script; pieces that the referee cannot read are left out."""
    found = []
    for piece in text.split(";\n"):
        kept = "\n".join(x for x in piece.splitlines() if not x.startswith(("--", "\\"))).strip()
        try:
            if kept and referee.parse(kept):
                found.append(kept)
        except StatementError:
            continue
    return found


def folder_texts(folders: Sequence[str]) -> list[str]:
    """Statements of the *.sql files in further folders."""
    paths = [p for folder in folders if folder for p in sorted(Path(folder).glob("*.sql"))]
    return [s for p in paths for s in _statements(p.read_text("utf-8", "replace"))]


def clinic_field(database: Any) -> Field:
    """The demo's clinic behind the shipped policy, with what attackers have left there."""
    database.server.create_user("mallory", "analysts")
    database.execute(f'GRANT CREATE, TEMP, CONNECT ON DATABASE "{database.name}" TO mallory')
    database.execute((attackers.FOLDER / "setup.sql").read_text("utf-8"))
    database.execute("ANALYZE")
    ((providers,),) = database.execute("SELECT string_agg(name, ',') FROM clinic.providers")
    values = [
        v
        for v in canaries(database)
        if not (v in providers.encode() or v.islower() or v.endswith((b"-01-01", b"-01-02")))
    ]
    steps = [
        s
        for file in ("analyst.sql", "guesses.sql", "mallory.sql")
        for a in attackers.single_statements(file, "analyst")
        for s in a.steps
    ]
    steps += [s for a in attackers.attacks("series.sql") for s in a.steps if s[0] != "@"]
    honest = HERE.parent / "e2e" / "honest"
    texts = [
        *_paragraphs(honest / "analyst.sql", "#"),
        *_paragraphs(honest / "tools.sql", "#"),
        *_statements((HERE / "honest_statements.sql").read_text("utf-8")),
        *steps,
    ]
    policy = load_policy(HIPAA)
    return _field("clinic", database, "analyst", '"$user", public', policy, texts, _any_of(values))


def marked_field(database: Any, more: Sequence[str]) -> Field:
    """The rewriting tests' clinic: every type and every mask."""
    database.execute(marked.DDL)
    lines = [
        _unmarked(t.replace(r"\;", ";"))
        for name in ("hostile", "same", "shape")
        for t in (HERE / "rewriting" / f"{name}.sql").read_text("utf-8").splitlines()
        if t and not t.startswith("#")
    ]
    _let_in(database, "fuzz_marked")
    # dates and amounts are found by chance in numbers that sums and hashes give
    # labels of clinic.sex are the catalog's
    marks = re.compile(
        rb"canary(?![fm]\b)|63616e617279|0caca0ca|987-65|\x0c\xac\xa0\xca", re.IGNORECASE
    )
    policy = _policy(marked.MASKS)
    return _field(
        "marked", database, "fuzz_marked", "clinic, public", policy, [*lines, *more], marks
    )


CORPUS_ROWS = """
INSERT INTO clinic.patients
    (id, mrn, ssn, first_name, last_name, dob, sex, addr, phones, doc, extra)
  SELECT n, 'M' || n, 'canary' || n, 'Canary', 'Canaryson', date '1950-01-01' + n, 'f',
    ROW('canary street', 'canary', '9')::clinic.address, ARRAY['canary'], '{"k": "canary"}',
    '{"k": "canary"}' FROM generate_series(1, 9) n;
INSERT INTO clinic.providers SELECT n, 'Dr ' || n, n, 'x' FROM generate_series(1, 3) n;
INSERT INTO clinic.encounters SELECT n, n, 1, now(), now(), 'er', 'canary reason', n
  FROM generate_series(1, 9) n;
INSERT INTO clinic.notes (id, encounter_id, author, body, search)
  SELECT n, n, 1, 'canary body', to_tsvector('canary') FROM generate_series(1, 9) n;
INSERT INTO clinic.labs SELECT n, n, 'l', n, 'mg', '2024-03-01' FROM generate_series(1, 9) n;
INSERT INTO clinic.staff VALUES (1, 'canary', 1);
INSERT INTO clinic.physicians VALUES (2, 'canary', 1, 'canary');
INSERT INTO archive.patients VALUES (1, 'canary', '2020-01-01');
REFRESH MATERIALIZED VIEW clinic.monthly;
"""
_NULL, _REDACT = Mask(MaskKind.NULL), Mask(MaskKind.REDACT, fill="[redacted]")
CORPUS_MASKS: dict[str, dict[str, Mask]] = {
    "clinic.patients": {
        "ssn": Mask(MaskKind.KEEP_LAST, keep=1, fill="*"),
        "first_name": _REDACT,
        "last_name": _REDACT,
        "addr": _NULL,
        "phones": _NULL,
        "doc": _NULL,
        "extra": _NULL,
    },
    "clinic.encounters": {"reason": _REDACT},
    "clinic.notes": {"body": _REDACT, "search": _NULL},
    "clinic.staff": {"name": _NULL},
    "clinic.physicians": {"license": _REDACT},
    "archive.patients": {"ssn": _NULL},
}


def corpus_field(database: Any, *, xml: bool) -> Field:
    """The oracle's corpus, with a row or two of marked values in each table."""
    database.execute((CORPUS / "schema.sql").read_text("utf-8"))
    database.execute(CORPUS_ROWS)
    _let_in(database, "fuzz_corpus")
    texts = [
        q.replace("hospital.", f"{database.name}.")
        for q in corpus_queries()
        if xml or "xml" not in q.lower()
    ]
    texts += _paragraphs(CORPUS / "changes.sql")
    policy = _policy(CORPUS_MASKS)
    marks = re.compile(b"canary", re.IGNORECASE)
    return _field("corpus", database, "fuzz_corpus", "clinic, public", policy, texts, marks)


def _let_in(database: Any, user: str) -> None:
    """A role that may do everything with the data and own nothing."""
    database.create_user(user)
    database.execute(f'GRANT CREATE, TEMP ON DATABASE "{database.name}" TO {user}')
    for schema in ("clinic", "other", "archive", "billing", "public"):
        with contextlib.suppress(psycopg.errors.InvalidSchemaName):
            database.execute(f"GRANT USAGE ON SCHEMA {schema} TO {user}")
            database.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {user}")


def _policy(masks: dict[str, dict[str, Mask]]) -> Policy:
    """Rules under which everybody sees `masks`."""
    tags: dict[str, list[str]] = {}
    for relation, columns in masks.items():
        for column, mask in columns.items():
            tags.setdefault(_shape(mask), []).append(f"{relation}.{_quoted(column)}")
    names = {shape: f"secret.s{number}" for number, shape in enumerate(sorted(tags))}
    classified = "\n".join(
        f"  - {{tag: {names[s]}, columns: {sorted(c)}}}" for s, c in tags.items()
    )
    masked = "\n".join(f"    {name}: {shape}" for shape, name in names.items())
    allowed = (
        "{read: allow, write: allow, ddl: allow, privilege: deny, code: deny, maintenance: deny}"
    )
    return load_documents(
        {
            "rules.yaml": f"""
classification:
{classified}
roles:
  everybody: {{users: [fuzz_marked, fuzz_corpus]}}
masks:
  hidden:
{masked}
    secret: redact
rules:
  - {{id: masked, allow: [read], roles: [everybody], data: [secret], masked: hidden}}
  - {{id: writing, allow: [insert, update, delete], roles: [everybody], data: [secret]}}
defaults:
  classified: deny
  unclassified: {allowed}
"""
        }
    )


def _shape(mask: Mask) -> str:
    match mask.kind:
        case MaskKind.NULL:
            return '"null"'
        case MaskKind.KEEP_LAST:
            return f'{{keep_last: {mask.keep}, with: "{mask.fill}"}}'
        case MaskKind.YEAR if mask.floor_year:
            return f"{{year: {{floor: {mask.floor_year}}}}}"
        case MaskKind.AGE_CAP:
            return f"{{age_cap: {mask.keep}}}"
        case _:
            return mask.kind.value


def _quoted(column: str) -> str:
    return column if re.fullmatch("[a-z_]+", column) else '"' + column.replace('"', '""') + '"'


def _field(
    name: str,
    database: Any,
    user: str,
    path: str,
    policy: Policy,
    texts: list[str],
    marks: re.Pattern[bytes],
) -> Field:
    server = Server(database.dsn())
    snapshot = server.snapshot()
    server.close()
    world = World(snapshot, policy, DEFAULT_LIMITS)
    view = effective_view(snapshot, user, path)
    assert any(r.kind is RelationKind.TABLE for r in snapshot.relations)
    return Field(name, database, user, path, world, view, texts, marks)
