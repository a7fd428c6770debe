"""Scripts of what goes in and what must come out of an engine session.

    >> Q select 1        the client sends
    => Q select 1        the server gets
    <= C SELECT 1        the server sends
    << C SELECT 1        the client gets

Each `=>` and `<<` takes the next message on its side; at the end nothing may be left over. What a
text means is told by its first words (`PLANS`); analysis and policy are not part of these tests.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import replace

import orjson

from dbguard.audit.records import DecisionRecord, EventRecord, OutcomeRecord, Record, decode
from dbguard.audit.rendering import Rendered
from dbguard.engine.asks import (
    Answer,
    Ask,
    AskDurable,
    AskFreshCatalog,
    AskPlan,
    AskRequirement,
    AskServer,
    Planned,
    RequirementAnswer,
)
from dbguard.engine.auditing import SessionIdentity
from dbguard.engine.link import Steps
from dbguard.engine.plan import Plan, PlannedStatement, PlanRequest, Refusal
from dbguard.engine.recorded_text import RecordedText
from dbguard.engine.session import Session, SessionLimits
from dbguard.engine.stencil import Stencil
from dbguard.errors import AuditUnavailable
from dbguard.policy.decision import (
    BackupRequirement,
    Decision,
    Effect,
    ErrorTexts,
    Mask,
    MaskedColumn,
    MaskKind,
    Principal,
)
from dbguard.sql.changes import CatalogChange
from dbguard.sql.facts import Action, ColumnName, EffectKind, SessionEffect
from dbguard.sql.shape import Shape
from dbguard.sql.snapshot import Relation, RelationKind, Role, SessionView, Snapshot
from dbguard.sql.splices import PositionMap
from dbguard.wire import backend, frontend
from dbguard.wire.errorfields import ErrorFields
from dbguard.wire.framing import BackendSplitter, Frame, FrameLimits, FrontendSplitter, Rest, RowRun

SSN = ColumnName(100, 3, "clinic", "patients", "ssn")
NO_ARGUMENTS = struct.pack("!HHH", 0, 0, 1)
NO_PARAMETERS = struct.pack("!HHH", 0, 0, 0)

EFFECTS = {
    "begin": SessionEffect(EffectKind.BEGIN),
    "commit": SessionEffect(EffectKind.COMMIT),
    "rollback": SessionEffect(EffectKind.ROLLBACK),
    "path": SessionEffect(EffectKind.SET, "search_path"),
    "localpath": SessionEffect(EffectKind.SET_LOCAL, "search_path"),
    "ddl": SessionEffect(EffectKind.CATALOG),
    "copyin": SessionEffect(EffectKind.COPY_IN),
    "copyout": SessionEffect(EffectKind.COPY_OUT),
    "discard": SessionEffect(EffectKind.DISCARD, "all"),
    "back": SessionEffect(EffectKind.ROLLBACK_TO, "s"),
    "temp": SessionEffect(EffectKind.TEMPORARY),
    "config": SessionEffect(EffectKind.PATH),
    "encoding": SessionEffect(EffectKind.SET, "client_encoding"),
}

NAMED = {
    "prepare": EffectKind.PREPARE,
    "execute": EffectKind.EXECUTE,
    "declare": EffectKind.DECLARE,
    "hold": EffectKind.DECLARE,
    "fetch": EffectKind.FETCH,
    "close": EffectKind.CLOSE,
    "deallocate": EffectKind.DEALLOCATE,
}


_CONTROL = ("begin", "commit", "rollback", "back")
_ACTIONS = dict.fromkeys(_CONTROL, Action.TRANSACTION) | {
    "grant": Action.GRANT,
    "do": Action.DO,
}


def plan_of(text: str, epoch: int = 1, path: str = "") -> Plan:
    """`deny …`, `mask …`, `secret …` (errors withheld), `backup …`, the words of EFFECTS; `raw …`
    is allowed for somebody who sees everything; `drop x` is DDL whose effect is known, `ddl` DDL
    whose effect is not; `inherit x` makes a table below
    another; `maketemp x` makes a temporary table, `passing x` one that ends with its
    transaction; `moving …` is sent as another text in each catalog epoch, `looking …` in each
    search path; `public …` is unknown elsewhere; anything else is allowed as it is. A semicolon
    separates statements."""
    parts = [p.strip() for p in text.split(";")]
    statements = tuple(_statement(part) for part in parts)
    refusal = None
    if any(s.decision.effect is Effect.DENY for s in statements):
        refusal = Refusal("42501", "reading is not allowed", "rule r1", "Ask.", rule="r1")
    elif "unknown" in parts[0].split() or ("public" in parts[0].split() and path != "public"):
        refusal = Refusal("42P01", 'relation "x" does not exist', denied=False)
    sent = "; ".join(p.replace("mask ", "masked ", 1) for p in parts)
    sent = sent.replace("moving", f"moved{epoch}").replace("looking", f"looked-{path}")
    positions = PositionMap() if sent != text else None
    return Plan(sent, positions, statements, refusal, raw_access=parts[0].startswith("raw"))


def temporary(name: str, *, passing: bool = False) -> CatalogChange:
    """What making a temporary table does."""
    relation = Relation(0, "pg_temp", name, RelationKind.TABLE, (), temporary=True)
    return CatalogChange("pg_temp", name, relation, passing=passing)


def _statement(part: str) -> PlannedStatement:
    word, _, rest = part.removeprefix("raw ").partition(" ")
    name = rest.split(" ")[0] if rest else ""
    effects: tuple[SessionEffect, ...] = ()
    changes: tuple[CatalogChange, ...] | None = None
    if word == "drop":
        effects, changes = (EFFECTS["ddl"],), (CatalogChange("public", name),)
    if word == "inherit":
        changes = (CatalogChange("public", name, parent="above"),)
        effects = (EFFECTS["ddl"],)
    if word in ("maketemp", "passing"):
        effects = (SessionEffect(EffectKind.TEMPORARY, name),)
        changes = (temporary(name, passing=word == "passing"),)
    if word in EFFECTS:
        effects = (EFFECTS[word],)
    elif word in NAMED:
        value = "hold" if word == "hold" else None
        effects = (SessionEffect(NAMED[word], None if name == "all" else name, value),)
        if word == "prepare" and "config" in rest:
            effects = (EFFECTS["config"], *effects)
    masks = (MaskedColumn(SSN, "phi.ssn", Mask(MaskKind.NULL), "r2", "p"),)
    decision = Decision(
        Effect.DENY if word == "deny" else Effect.ALLOW,
        ("r1",),
        masks=masks if word == "mask" else (),
        requirements=(BackupRequirement("r9", 60),) if word == "backup" else (),
        error_texts=ErrorTexts.WITHHOLD if "secret" in part.split() else ErrorTexts.SHOW,
    )
    relations = ("clinic.patients",)
    return PlannedStatement(
        _ACTIONS.get(word, Action.SELECT),
        None,
        decision,
        effects,
        RecordedText(f"<{word}>", "f" * 16),
        relations,
        (),
        changes,
    )


class FakeSurroundings:
    overlay_query = "OVERLAY"
    whole_overlay_query = "WHOLE OVERLAY"

    def __init__(self) -> None:
        self.records: list[DecisionRecord | OutcomeRecord | EventRecord] = []
        self.durable = True
        self.available = True
        self.epoch = 1
        self.satisfied = True
        self.schemas = frozenset({"public", "clinic", "pg_catalog"})
        self.refreshed = 0
        self.moves = 0
        """What a fresh catalog adds to the epoch."""
        self.views: list[SessionView] = []
        self.told: list[tuple[CatalogChange, ...]] = []
        """The changes that each text was planned with."""
        self.noted: tuple[CatalogChange, ...] = ()
        """What DDL did that the snapshot does not show."""

    def state_key(self) -> tuple[str, int, str]:
        return ("db", self.epoch, "digest")

    def standing_key(self) -> tuple[str, int, str] | None:
        return None if self.recent() else self.state_key()

    def changed(self, changes: tuple[CatalogChange, ...]) -> None:
        self.noted += changes

    def recent(self) -> tuple[CatalogChange, ...]:
        return self.noted

    def known_plan(self, request: PlanRequest) -> Planned | None:
        return None

    def stencil(self, request: PlanRequest, shape: Shape) -> Stencil | None:
        return None

    def snapshot(self) -> Snapshot:
        role = Role("analyst", False, False, frozenset({"analyst"}), frozenset())
        return Snapshot("db", 180000, self.epoch, self.schemas, (), (), roles=(role,))

    def read_overlay(self, document: bytes, query: str) -> Snapshot | None:
        return replace(self.snapshot(), epoch=99)

    def record(self, record: Record | Rendered) -> int:
        if not self.available:
            raise AuditUnavailable("the audit log cannot be written")
        if isinstance(record, Rendered):
            record = decode(orjson.loads(b'{"v":1,%b}' % record.body))
        self.records.append(record)
        return len(self.records)

    def record_outcome(self, record: Rendered) -> int:
        return self.record(record)

    def seal(self, text: str, session: str, fingerprint: str) -> str:
        return ""

    def monotonic(self) -> float:
        return 0.0

    @property
    def decisions(self) -> list[tuple[str, str]]:
        return [(r.phase, r.decision) for r in self.records if isinstance(r, DecisionRecord)]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(r.command_tag, r.sqlstate) for r in self.records if isinstance(r, OutcomeRecord)]


class Play:
    """One session and the two sides around it."""

    def __init__(
        self,
        surroundings: FakeSurroundings | None = None,
        *,
        chunk: int = 0,
        limits: FrameLimits | None = None,
    ) -> None:
        self.world = surroundings or FakeSurroundings()
        principal = Principal("analyst", frozenset({"analyst"}), "db")
        self.session = Session(
            SessionIdentity("s1", principal, "127.0.0.1", "test", "production"),
            self.world,
            SessionLimits(prepared_statements=20, prepared_bytes=2_000, pipeline_messages=40),
            {"client_encoding": "UTF8", "standard_conforming_strings": "on"},
        )
        self.session.scope.view = SessionView("analyst", ("pg_catalog", "public"))
        self.restricted: frozenset[tuple[int, int]] = frozenset({(100, 3)})
        self._chunk = chunk
        self.taken = 0
        """How often the lane took what the client sent."""
        self._inbox: deque[Frame | Rest] = deque()
        self._running: Steps | None = None
        self._splitter = FrontendSplitter(limits)
        self._splitter.feed(struct.pack("!IHH", 13, 3, 0) + b"user\0"[:4] + b"\0")
        self._splitter.next_startup()
        self._from_server = BackendSplitter()
        self._to_server = FrontendSplitter()
        self._to_server.feed(struct.pack("!IHH", 13, 3, 0) + b"user\0"[:4] + b"\0")
        self._to_server.next_startup()
        self._to_client = BackendSplitter()

    # -- driving --------------------------------------------------------------

    def script(self, text: str) -> Play:
        for line in text.strip().splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            arrow, _, rest = line.partition(" ")
            rest = rest.strip()
            match arrow:
                case ">>":
                    self.client(encode_frontend(rest))
                case "<=":
                    self.server(encode_backend(rest))
                case "=>":
                    got = self.next_to_server()
                    assert got == rest, f"server got {got!r}, not {rest!r}"
                case "<<":
                    got = self.next_to_client()
                    assert got == rest, f"client got {got!r}, not {rest!r}"
                case _:
                    raise AssertionError(f"bad line {line!r}")
        return self

    def done(self) -> Play:
        assert self.next_to_server() is None
        assert self.next_to_client() is None
        assert self._running is None, "a handler still waits"
        return self

    def client(self, data: bytes) -> None:
        for piece in self._pieces(data) if data else ():  # what is read is never empty
            if self._passes(piece):
                continue
            self._splitter.feed(piece)
            while (frame := self._splitter.next()) is not None:
                self._inbox.append(frame)
            self._go_on()

    def server(self, data: bytes) -> None:
        for piece in self._pieces(data):
            if self._from_server.between_messages and self.session.lane.answer(piece):
                self.session.lane.finish()
                self.session.link.to_client.append(piece)
                continue
            self._from_server.feed(piece)
            while (item := self._from_server.next()) is not None:
                self.session.receive_from_server(item)
        self._collect()
        self._go_on(woken=True)

    def _passes(self, data: bytes) -> bool:
        """Whether the lane takes it, as `proxy.shortcut` has it."""
        lane = self.session.lane
        if self._running is not None or self._inbox or not self._splitter.between_messages:
            return False
        try:
            if lane.offer(data) is None:
                return False
        except AuditUnavailable:
            return False
        if not self.world.durable:
            assert lane.withdraw() == data
            return False
        self.taken += 1
        self.session.link.to_server.append(lane.send())
        self._collect()
        return True

    def _pieces(self, data: bytes) -> list[bytes]:
        if not self._chunk:
            return [data]
        return [data[i : i + self._chunk] for i in range(0, len(data), self._chunk)]

    def _go_on(self, *, woken: bool = False) -> None:
        while True:
            if self._running is not None:
                if not woken or not self._step(self._running, None):
                    return
                self._running = None
            if self._inbox:
                steps = self.session.receive(self._inbox.popleft())
            elif self.session.link.staged:
                steps = self.session.settle()
            else:
                return
            if not self._step(steps, None):
                self._running = steps
                return

    def _step(self, steps: Steps, answer: Answer) -> bool:
        """True when the handler has ended, False when it waits for the server."""
        failure: AuditUnavailable | None = None
        while True:
            try:
                ask = steps.throw(failure) if failure else steps.send(answer)
            except StopIteration:
                self._collect()
                return True
            self._collect()
            if isinstance(ask, AskServer):
                return False
            answer = self._answer(ask)

    def _answer(self, ask: Ask) -> Answer:
        match ask:
            case AskPlan():
                if not isinstance(ask.request, PlanRequest):
                    word = "raw lo_open" if ask.request.function_oid == 952 else "deny"
                    return Planned(plan_of(word), self.restricted, self.world.state_key())
                self.world.views.append(ask.request.view)
                self.world.told.append(ask.request.changes)
                path = ask.request.view.search_path[-1]
                plan = plan_of(ask.request.text, self.world.epoch, path)
                return Planned(plan, self.restricted, self.world.state_key())
            case AskDurable():
                return self.world.durable
            case AskFreshCatalog():
                self.world.refreshed += 1
                self.world.noted = ()
                self.world.epoch += self.world.moves
                return None
            case AskRequirement():
                if self.world.satisfied:
                    return RequirementAnswer(True, "backup 7")
                return RequirementAnswer(
                    False, "", "a backup is required", "There is none.", "Run it."
                )
        raise AssertionError(ask)

    def _collect(self) -> None:
        link = self.session.link
        if link.to_server:
            self._to_server.feed(b"".join(link.to_server))
            link.to_server.clear()
        if link.to_client:
            self._to_client.feed(b"".join(link.to_client))
            link.to_client.clear()

    def next_to_server(self) -> str | None:
        frame = self._to_server.next()
        return describe_frontend(frontend.decode(frame)) if frame is not None else None

    def next_to_client(self) -> str | None:
        item = self._to_client.next()
        if item is None:
            return None
        if isinstance(item, RowRun):
            return f"{chr(item.tag)} {item.count}"
        return describe_backend(backend.decode(item))


def play(script: str, surroundings: FakeSurroundings | None = None) -> Play:
    """Run a script: whole messages, byte by byte, and as if every Bind were a large one."""
    if surroundings is None:
        Play(chunk=1).script(script).done()
        Play(limits=FrameLimits(max_held=4)).script(script).done()
    return Play(surroundings).script(script).done()


# -- the short forms ----------------------------------------------------------


def encode_frontend(line: str) -> bytes:
    """One or more messages, separated by ` | `."""
    return b"".join(_frontend(part) for part in line.split(" | "))


def _frontend(line: str) -> bytes:
    kind, _, rest = line.strip().partition(" ")
    match kind:
        case "Q":
            return frontend.Query(rest.encode()).encode()
        case "P":
            name, _, text = rest.partition(":")
            return frontend.Parse(name.strip().encode(), text.strip().encode(), ()).encode()
        case "B":
            portal, _, statement = rest.partition("<-")
            names = portal.strip().encode(), statement.strip().encode()
            return frontend.Bind(*names, NO_PARAMETERS).encode()
        case "D":
            return frontend.Describe(rest[:1].encode(), rest[1:].strip().encode()).encode()
        case "E":
            return frontend.Execute(rest.encode(), 0).encode()
        case "C":
            return frontend.Close(rest[:1].encode(), rest[1:].strip().encode()).encode()
        case "S":
            return frontend.Sync().encode()
        case "H":
            return frontend.Flush().encode()
        case "F":
            return frontend.FunctionCall(int(rest), NO_ARGUMENTS).encode()
        case "X":
            return frontend.Terminate().encode()
        case "d":
            return frontend.CopyData(rest.encode()).encode()
        case "c":
            return frontend.CopyDone().encode()
        case "f":
            return frontend.CopyFail(rest.encode()).encode()
    raise AssertionError(line)


def describe_frontend(message: object) -> str:
    match message:
        case frontend.Query():
            return f"Q {message.text.decode()}"
        case frontend.Parse():
            return f"P {message.name.decode()}: {message.query.decode()}".rstrip()
        case frontend.Bind():
            return f"B {message.portal.decode()}<-{message.statement.decode()}"
        case frontend.Describe() | frontend.Close():
            kind = "D" if isinstance(message, frontend.Describe) else "C"
            return f"{kind} {message.kind.decode()} {message.name.decode()}".rstrip()
        case frontend.Execute():
            return f"E {message.portal.decode()}".rstrip()
        case frontend.Sync():
            return "S"
        case frontend.Flush():
            return "H"
        case frontend.Terminate():
            return "X"
        case frontend.FunctionCall():
            return f"F {message.function_oid}"
        case frontend.CopyData():
            return f"d {message.data.decode()}"
        case frontend.CopyDone():
            return "c"
        case frontend.CopyFail():
            return f"f {message.reason.decode()}"
    raise AssertionError(message)


_SIMPLE = {
    "1": backend.ParseComplete,
    "2": backend.BindComplete,
    "3": backend.CloseComplete,
    "n": backend.NoData,
    "s": backend.PortalSuspended,
    "I": backend.EmptyQueryResponse,
    "c": backend.CopyDone,
}


def encode_backend(line: str) -> bytes:
    return b"".join(_backend(part) for part in line.split(" | "))


def _backend(line: str) -> bytes:
    kind, _, rest = line.strip().partition(" ")
    if kind in _SIMPLE:
        return _SIMPLE[kind]().encode()
    match kind:
        case "Z":
            return backend.ReadyForQuery(rest.encode()).encode()
        case "C":
            return backend.CommandComplete(rest.encode()).encode()
        case "E" | "N":
            code, _, message = rest.partition(" ")
            severity = b"FATAL" if code.startswith("57P") else b"ERROR"
            pairs = [("S", severity), ("V", severity), ("C", code.encode())]
            pairs += [("M", message.encode()), ("D", b"Key (ssn)=(123) exists.")]
            fields = ErrorFields(tuple(pairs))
            return fields.encode_error() if kind == "E" else fields.encode_notice()
        case "T":
            names = [r.split("@") for r in rest.split()]
            return backend.RowDescription(
                tuple(backend.Field(n[0].encode(), *_origin(n), 25, -1, -1, 0) for n in names)
            ).encode()
        case "D":
            return backend.DataRow(tuple(v.encode() for v in rest.split())).encode()
        case "t":
            return backend.ParameterDescription(()).encode()
        case "G":
            return backend.CopyInResponse(0, (0,)).encode()
        case "H":
            return backend.CopyOutResponse(0, (0,)).encode()
        case "d":
            return backend.CopyData(rest.encode()).encode()
        case "P":
            name, _, value = rest.partition("=")
            return backend.ParameterStatus(name, value).encode()
        case "A":
            return backend.NotificationResponse(7, b"c", rest.encode()).encode()
        case "V":
            return backend.FunctionCallResponse(rest.encode()).encode()
        case "?":
            return b"?\x00\x00\x00\x04"
    raise AssertionError(line)


def _origin(parts: list[str]) -> tuple[int, int]:
    if len(parts) == 1:
        return 0, 0
    table, _, column = parts[1].partition(".")
    return int(table), int(column)


def describe_backend(message: object) -> str:
    for letter, kind in _SIMPLE.items():
        if isinstance(message, kind):
            return letter
    match message:
        case backend.ReadyForQuery():
            return f"Z {message.status.decode()}"
        case backend.CommandComplete():
            return f"C {message.tag.decode()}"
        case backend.ErrorResponse():
            return f"E {message.fields.sqlstate} {message.fields.message}"
        case backend.NoticeResponse():
            return f"N {message.fields.message}"
        case backend.RowDescription():
            return "T " + " ".join(f.name.decode() for f in message.fields)
        case backend.ParameterDescription():
            return "t"
        case backend.NotificationResponse():
            return f"A {message.payload.decode()}".rstrip()
        case backend.FunctionCallResponse():
            return "V"
        case backend.CopyInResponse():
            return "G"
        case backend.CopyOutResponse():
            return "H"
        case backend.ParameterStatus():
            return f"P {message.name}={message.value}"
    raise AssertionError(message)
