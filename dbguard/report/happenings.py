"""Events that are no statements, sorted into what a report tells of them."""

from __future__ import annotations

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.report.counting import Counter, Latest, instant
from dbguard.report.model import Event, Events, Happenings, Logins

KEPT_EVENTS = 200
PAST_DBGUARD = "session past dbguard"

_SORTS = {
    RecordKind.SECURITY: "security",
    RecordKind.DRIFT: "drift",
    RecordKind.RECOVERY: "recoveries",
    RecordKind.CLOCK: "clocks",
    RecordKind.KEY: "keys",
    RecordKind.VERIFICATION: "verifications",
    RecordKind.PRUNE: "retention",
    RecordKind.HOLD: "retention",
    RecordKind.POLICY: "policies",
    RecordKind.BACKUP: "backups",
    RecordKind.USERS: "users",
    RecordKind.START: "starts",
    RecordKind.STOP: "starts",
}
SORTS = (
    "security", "past", "drift", "recoveries", "clocks", "keys", "verifications", "retention",
    "policies", "backups", "users", "ended", "starts",
)  # fmt: skip
"""As in `Happenings`."""


class EventCounts:
    __slots__ = (
        "accepted", "by_address", "by_reason", "by_user", "client_tls", "failed", "server_tls",
        "sorts",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sorts = {name: Latest(KEPT_EVENTS) for name in SORTS}
        self.accepted = 0
        self.failed = Latest(KEPT_EVENTS)
        self.by_user = Counter()
        self.by_address = Counter()
        self.by_reason = Counter()
        self.client_tls = Counter()
        self.server_tls = Counter()

    def connected(self, event: EventRecord, time: str) -> None:
        if event.field("tls"):
            self.client_tls.add((event.field("tls"),), time)

    def take(self, event: EventRecord, name: str, time: str, address: str) -> None:
        """`name` is the record's; `address` where the session comes from, if that is known."""
        if event.kind is RecordKind.AUTHENTICATION:
            self._login(event, name, time, address)
            return
        sort = _SORTS.get(event.kind, "")
        fields = event.fields
        if event.kind is RecordKind.SECURITY and event.field("event") == PAST_DBGUARD:
            sort = "past"
        elif event.kind is RecordKind.DISCONNECT and event.field("reason"):
            sort = "ended"
        elif event.kind in (RecordKind.START, RecordKind.STOP, RecordKind.PRUNE, RecordKind.HOLD):
            fields = (("event", event.kind.value), *(f for f in fields if f[0] != "event"))
            if event.field("event"):
                fields = (("event", f"{event.kind.value}: {event.field('event')}"), *fields[1:])
        if sort:
            self.sorts[sort].add(time, name, event.session, fields)

    def _login(self, event: EventRecord, name: str, time: str, address: str) -> None:
        result = event.field("result")
        if result == "accepted":
            self.accepted += 1
            if event.field("server_tls"):
                self.server_tls.add((event.field("server_tls"),), time)
            return
        fields = (*event.fields, *((("address", address),) if address else ()))
        self.failed.add(time, name, event.session, fields)
        self.by_user.add((event.field("identity") or event.field("user"),), time)
        self.by_address.add((address,) if address else (), time)
        self.by_reason.add((event.field("reason") or result,), time)

    def merge(self, other: EventCounts) -> None:
        for name, latest in other.sorts.items():
            self.sorts[name].merge(latest)
        self.accepted += other.accepted
        self.failed.merge(other.failed)
        self.by_user.merge(other.by_user)
        self.by_address.merge(other.by_address)
        self.by_reason.merge(other.by_reason)
        self.client_tls.merge(other.client_tls)
        self.server_tls.merge(other.server_tls)

    def logins(self) -> Logins:
        return Logins(
            accepted=self.accepted,
            failed=self.failed.count,
            failed_by_user=self.by_user.result(),
            failed_by_address=self.by_address.result(),
            failed_by_reason=self.by_reason.result(),
            latest=_events(self.failed),
            client_tls=self.client_tls.result(),
            server_tls=self.server_tls.result(),
        )

    def result(self) -> Happenings:
        found = {name: Events(kept.count, _events(kept)) for name, kept in self.sorts.items()}
        found["policies"] = _changes(found["policies"])
        return Happenings(**found)


def _events(latest: Latest) -> tuple[Event, ...]:
    return tuple(
        Event(record, instant(time), session, fields)
        for time, record, session, fields in sorted(latest.entries)
    )


def _changes(loads: Events) -> Events:
    """Without the loads of what was in force before: every start loads the rules."""
    kept: list[Event] = []
    digest = ""
    for event in loads.latest:
        unchanged = not digest and event.field("since_last_run") == "unchanged"
        if event.field("digest") != digest and not unchanged:
            kept.append(event)
        digest = event.field("digest")
    return Events(loads.count - len(loads.latest) + len(kept), tuple(kept))
