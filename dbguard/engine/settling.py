"""Getting a plan: first make sure of what the text means, then ask for it."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from dataclasses import dataclass, field, replace

from dbguard.errors import NotUnderstood
from dbguard.sql.snapshot import SessionView

from .asks import Answer, Ask, AskFreshCatalog, AskPlan, Overlay, Planned, Surroundings
from .auditing import SessionIdentity
from .link import Link, Skip
from .plan import Plan, PlanRequest, Refusal
from .planning import effective_view, principal_of
from .probe import ask_server
from .scope import Scope

_FIRST_NORMAL_OID = 16384
"""Types with smaller OIDs are the server's own (transam.h)."""

_UNKNOWN_NAME = frozenset({"42P01", "42703", "42883", "42704", "3F000", "42P10"})
_ABORTED = Refusal(
    "25P02",
    "current transaction is aborted, commands ignored until end of transaction block",
    denied=False,
)


@dataclass(slots=True)
class Settling:
    """Brings the session's scope up to date and asks for plans under it."""

    link: Link
    scope: Scope
    surroundings: Surroundings
    identity: SessionIdentity
    raw_access: bool = False
    """The principal was found to see everything raw: uncommitted DDL is then looked at only
    when a name cannot be found without it."""
    _overlays: int = field(default=0)
    _known_in: int | None = field(default=None)
    """Catalog epoch in which the principal's memberships were looked up."""

    def known_view(self) -> SessionView:
        """How names are resolved now.

        Raises:
            NotUnderstood: it is not known.
        """
        if self.scope.view is None:
            raise NotUnderstood(
                "it is not known how names are resolved in this session",
                hint="Reconnect and try again.",
            )
        return self.scope.view

    def plan(
        self, raw: bytes, parameter_types: tuple[int, ...] = ()
    ) -> Generator[Ask, Answer, Planned]:
        """A plan for a client's text under what is in force now.

        `parameter_types` are the OIDs that a Parse declares.

        Raises:
            StatementError: what the text means cannot be told.
        """
        types = tuple(oid for oid in parameter_types if oid >= _FIRST_NORMAL_OID)
        while True:
            yield from self.ready()
            view, parameters, seen = self.scope.view, self.scope.texts, self._catalog()
            text = self.scope.text(raw)
            planned = yield from self._ask(text, types)
            refusal = planned.plan.refusal
            if refusal is not None and not refusal.denied and refusal.sqlstate in _UNKNOWN_NAME:
                planned = yield from self._look_again(text, types, planned)
                view, seen = self.scope.view, self._catalog()
            if self.link.skip is not Skip.NOTHING or self.link.closed:
                break
            if (
                self.scope.view == view
                and self.scope.texts == parameters
                and self._catalog() == seen
            ):
                break  # nothing came in meanwhile that changes what the text means
        if not planned.lost:
            self.raw_access = planned.plan.raw_access
        return planned

    def _look_again(
        self, text: str, types: tuple[int, ...], planned: Planned
    ) -> Generator[Ask, Answer, Planned]:
        """A name was not found: look once more before saying so."""
        if self.scope.status == b"E":
            return replace(planned, plan=_refused(planned.plan, _ABORTED))
        if self.scope.needs_overlay and (self.scope.overlay is None or self.scope.overlay_stale):
            yield from self._load_overlay()
            return (yield from self._ask(text, types))
        before = self.surroundings.state_key()
        yield AskFreshCatalog()
        if self.surroundings.state_key() != before:
            if self.scope.said is not None:
                self._resolve_path(*self.scope.said)
            return (yield from self._ask(text, types))
        return planned

    def _ask(self, text: str, types: tuple[int, ...]) -> Generator[Ask, Answer, Planned]:
        self._know_principal()
        request = PlanRequest(
            text, self.identity.principal, self.known_view(), self.identity.environment, types
        )
        overlay = self.scope.overlay if self.scope.needs_overlay else None
        if overlay is None:
            known = self.surroundings.known_plan(request)
            if known is not None:
                return known
        answer = yield AskPlan(request, overlay)
        assert isinstance(answer, Planned)
        return answer

    def _know_principal(self) -> None:
        snapshot = self.surroundings.snapshot()
        if snapshot.epoch != self._known_in:
            self._known_in = snapshot.epoch
            self.identity.principal = principal_of(snapshot, self.identity.principal.user)

    def ready(self) -> Generator[Ask, Answer, None]:
        """Make the scope current: wait for what may change it, ask the server where needed."""
        yield from self.link.drain()
        if self.link.skip is not Skip.NOTHING or self.link.closed:
            return
        if self.scope.catalog_stale:
            yield AskFreshCatalog()
            self.scope.catalog_stale = False
        if self.scope.status == b"E":
            if self.scope.view is None:
                self.scope.view = SessionView(self.scope.session_user, ("pg_catalog",))
                self.scope.names_touched = True
            return
        eager = self.scope.has_temporary or not self.raw_access
        if self.scope.needs_overlay and self.scope.overlay_stale and eager:
            yield from self._load_overlay()
        if self.scope.view is None:
            yield from self._load_view()
        elif self.scope.said is not None and self.scope.seen != self._catalog():
            self._resolve_path(*self.scope.said)

    def _load_view(self) -> Generator[Ask, Answer, SessionView]:
        path, role = yield from ask_server(self.link, "SHOW search_path", "SHOW role")
        name = role.decode("utf-8", "replace")
        user = self.scope.session_user if name == "none" else name
        return self._resolve_path(path.decode("utf-8", "replace"), user)

    def _resolve_path(self, path: str, user: str) -> SessionView:
        overlay = self.scope.overlay
        snapshot = overlay.snapshot if overlay is not None else self.surroundings.snapshot()
        self.scope.said, self.scope.seen = (path, user), self._catalog()
        self.scope.view = view = effective_view(snapshot, user, path)
        return view

    def _catalog(self) -> tuple[Hashable, ...]:
        """Which catalog names are resolved in now."""
        if self.scope.overlay is not None:
            return (self.scope.overlay.key,)
        return self.surroundings.state_key()

    def _load_overlay(self) -> Generator[Ask, Answer, None]:
        (document,) = yield from ask_server(self.link, self.surroundings.overlay_query)
        self._overlays += 1
        self.scope.overlay = Overlay(
            f"{self.identity.session}/{self._overlays}",
            self.surroundings.read_overlay(document),
        )
        self.scope.overlay_stale = False
        view = yield from self._load_view()
        # definitions in it were deparsed under the session's own search_path
        snapshot = replace(self.scope.overlay.snapshot, definition_path=view.search_path)
        self.scope.overlay = replace(self.scope.overlay, snapshot=snapshot)


def _refused(plan: Plan, refusal: Refusal) -> Plan:
    return replace(plan, refusal=refusal)
