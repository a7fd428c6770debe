"""Getting a plan: first make sure of what the text means, then ask for it."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass, field, replace

from dbguard.errors import NotUnderstood
from dbguard.policy.decision import Acting
from dbguard.sql.changes import TEMPORARY, CatalogChange, relevant
from dbguard.sql.facts import Action
from dbguard.sql.snapshot import SessionView, Snapshot

from .asks import Answer, Ask, AskFreshCatalog, AskPlan, Overlay, Planned, Surroundings
from .auditing import SessionIdentity
from .link import ABORTED, ABORTED_MESSAGE, Link, Skip
from .plan import Plan, PlanRequest, Refusal
from .planning import effective_view, principal_of
from .probe import ask_server
from .scope import ENDING, Scope

_FIRST_NORMAL_OID = 16384
"""Types with smaller OIDs are the server's own (transam.h)."""

_UNKNOWN_NAME = frozenset({"42P01", "42703", "42883", "42704", "3F000", "42P10"})
_ABORTED = Refusal(ABORTED, ABORTED_MESSAGE, denied=False)


_NAMING = frozenset(
    {
        Action.ALTER,
        Action.CREATE,
        Action.DELETE,
        Action.EMPTY,
        Action.INSERT,
        Action.SELECT,
        Action.SET,
        Action.SHOW,
        Action.TRANSACTION,
        Action.UPDATE,
    }
)
"""Actions on nothing but what the text names: TRUNCATE … CASCADE, GRANT … ON ALL TABLES are not."""


@dataclass(slots=True)
class Settling:
    """Brings the session's scope up to date and asks for plans under it."""

    link: Link
    scope: Scope
    surroundings: Surroundings
    identity: SessionIdentity
    _overlays: int = field(default=0)
    _known_in: tuple[int, str] | None = field(default=None)
    """Catalog epoch in which the principal's memberships were looked up, and the role in force."""

    def known_view(self, plan: Plan | None = None) -> SessionView:
        """How names are resolved now, as far as it matters to `plan`.

        Raises:
            NotUnderstood: it is not known.
        """
        if self.scope.view is None:
            if plan is not None and plan.names_nothing:
                return self.any_view
            raise NotUnderstood(
                "it is not known how names are resolved in this session",
                hint="Reconnect and try again.",
            )
        return self.scope.view

    @property
    def any_view(self) -> SessionView:
        """For what names nothing. Its user is empty if it is not known which role is in force."""
        said = self.scope.said
        user = "" if said is None or self.scope.role_unsure else said[1]
        return SessionView(user, ("pg_catalog",))

    @property
    def knows_changes(self) -> bool:
        """What the session did to the catalog is known without asking the server."""
        return self.scope.raw_access and self.scope.overlay is None and not self._temporary_unknown

    def changes_for(self, raw: bytes) -> tuple[CatalogChange, ...]:
        """What is known to be different from the snapshot in use, as far as a text may name it."""
        if not self.scope.raw_access:
            return ()
        changes = self._changes()
        return relevant(changes, self.scope.text(raw)) if changes else ()

    def _changes(self) -> tuple[CatalogChange, ...]:
        if self.scope.needs_overlay and self.scope.overlay is not None:
            return self.scope.behind_overlay
        own = self.scope.temporary or ()
        return (*self.surroundings.recent(), *self.scope.uncommitted, *own)

    @property
    def _temporary_unknown(self) -> bool:
        """The session has temporary relations, and it takes a look at them to know which."""
        scope = self.scope
        told = scope.raw_access and scope.overlay is None and scope.temporary is not None
        return scope.has_temporary and not told

    def plan(
        self,
        raw: bytes,
        parameter_types: tuple[int, ...] = (),
        *,
        within: tuple[str, ...] = (),
    ) -> Generator[Ask, Answer, Planned]:
        """A plan for a client's text under what is in force now.

        `parameter_types` are the OIDs that a Parse declares, `within` what `roles_within` told of
        the text.

        Raises:
            StatementError: what the text means cannot be told.
        """
        types = tuple(oid for oid in parameter_types if oid >= _FIRST_NORMAL_OID)
        nameless = yield from self._nameless(raw)
        if nameless is not None:
            return nameless
        while True:
            yield from self.ready(raw)
            view, parameters, seen = self.scope.view, self.scope.texts, self._catalog()
            text, changes = self.scope.text(raw), self.changes_for(raw)
            hoped = self.scope.raw_access and self.scope.status != b"E"
            planned = yield from self._ask(text, types, changes, within)
            refusal = planned.plan.refusal
            if refusal is not None and not refusal.denied and refusal.sqlstate in _UNKNOWN_NAME:
                if self._may_recover:
                    continue  # it failed only now, while this was being planned
                planned = yield from self._look_again(text, types, planned, within)
                view, seen = self.scope.view, self._catalog()
            if self.link.skip is not Skip.NOTHING or self.link.closed:
                break
            if self._reaches_unnamed(planned):
                yield from self._load_overlay()
                continue
            if hoped and not planned.lost and not planned.plan.raw_access and self._changes():
                self.scope.raw_access = False  # no longer: others wait for what was changed
                continue
            if (
                self.scope.view == view
                and self.scope.texts == parameters
                and self._catalog() == seen
            ):
                break  # nothing came in meanwhile that changes what the text means
        if not planned.lost:
            self.scope.raw_access = planned.plan.raw_access
            self.scope.text(raw)
        return planned

    @property
    def _may_recover(self) -> bool:
        """The transaction has failed, and what is on its way may end it."""
        link = self.link
        waiting = bool(link.queue.entries) and link.skip is Skip.NOTHING and not link.closed
        return waiting and self.scope.status == b"E"

    def roles_within(self, plan: Plan) -> tuple[str, ...]:
        """The roles that may come into force before the last statement of a string is run; ""
        for one that is not known.

        What functions and triggers do behind the text's back is not foreseen.
        """
        ends = self.scope.role_set
        found: dict[str, None] = {}
        for statement in plan.statements[:-1]:
            for effect in statement.effects:
                if effect.sets_role:
                    found[effect.value or ""] = None
                elif ends and effect.kind in ENDING:
                    found[""] = None  # it takes back what was set before
        return tuple(found)

    def _nameless(self, raw: bytes) -> Generator[Ask, Answer, Planned | None]:
        """A plan for a text that names nothing, where it would take a question inside a pipeline to
        know what names mean: the server takes what follows such a question for statements of a
        transaction block."""
        yield from self.link.drain()
        if self.scope.view is not None or not self.link.pipeline_open:
            return None
        if self.link.skip is not Skip.NOTHING or self.link.closed:
            return None
        texts, view = self.scope.texts, self.any_view
        planned = yield from self._ask(self.scope.text(raw), (), (), (), view)
        nameless = planned.plan.names_nothing if view.user else planned.plan.controls_only
        return planned if nameless and not planned.lost and texts == self.scope.texts else None

    def _look_again(
        self, text: str, types: tuple[int, ...], planned: Planned, within: tuple[str, ...]
    ) -> Generator[Ask, Answer, Planned]:
        """A name was not found: look once more before saying so."""
        if self.scope.status == b"E":
            return replace(planned, plan=_refused(planned.plan, _ABORTED))
        if self.scope.needs_overlay and (self.scope.overlay is None or self.scope.overlay_stale):
            told = not (self._temporary_unknown or self.scope.catalog_touched)
            yield from self._load_overlay()
            found = yield from self._ask(text, types, (), within)
            refusal = found.plan.refusal
            if told and refusal is not None and refusal.sqlstate in _UNKNOWN_NAME:
                self._leave_overlay()  # what the session is known to have done is all there is
            return found
        before = self.surroundings.state_key()
        yield AskFreshCatalog()
        if self.surroundings.state_key() != before:
            if self.scope.said is not None:
                self._resolve_path(*self.scope.said)
            changes = self.changes_for(text.encode()) if self.scope.raw_access else ()
            return (yield from self._ask(text, types, changes, within))
        return planned

    def _ask(
        self,
        text: str,
        types: tuple[int, ...],
        changes: tuple[CatalogChange, ...],
        within: tuple[str, ...],
        view: SessionView | None = None,
    ) -> Generator[Ask, Answer, Planned]:
        view = view or self.known_view()
        self._know_principal(view.user)
        if within:
            snapshot, asking = self.surroundings.snapshot(), self.identity.principal
            more = tuple(_acting(snapshot, role) for role in within)
            self.identity.principal = replace(asking, acting=(*asking.acting, *more))
            self._known_in = None
        request = PlanRequest(
            text,
            self.identity.principal,
            view,
            self.identity.environment,
            types,
            changes,
        )
        overlay = self.scope.overlay if self.scope.needs_overlay else None
        if overlay is None:
            known = self.surroundings.known_plan(request)
            if known is not None:
                return replace(known, changes=changes) if changes else known
        answer = yield AskPlan(request, overlay)
        assert isinstance(answer, Planned)
        return replace(answer, changes=changes) if changes else answer

    def _know_principal(self, role: str) -> None:
        """Who asks now, by the catalog and the role in force."""
        snapshot = self.surroundings.snapshot()
        if self._known_in != (snapshot.epoch, role):
            self._known_in = (snapshot.epoch, role)
            known = self.identity.principal
            found = principal_of(snapshot, known.user, known.identity)
            own = role in (found.user, self.scope.first_user)
            acting = () if own else (_acting(snapshot, role),)
            self.identity.principal = replace(found, acting=acting)

    def ready(self, raw: bytes | None = None) -> Generator[Ask, Answer, None]:
        """Make the scope current: wait for what may change it, ask the server where needed.

        What DDL did since the catalog was read is waited for, but for principals with raw access
        to everything: for them it is enough to know what it did to the names in `raw`.
        """
        yield from self.link.drain()
        if self._may_recover:
            yield from self.link.answered()
        if self.link.skip is not Skip.NOTHING or self.link.closed:
            return
        if self.scope.status == b"E":
            if self.scope.view is None:
                self.scope.pretend(self.any_view)
            self._know_principal(self.known_view().user)
            return
        recent = self.surroundings.recent()
        if recent and (self._obscure(recent, raw) or self._overlaid(recent, raw)):
            yield AskFreshCatalog()
        if self.scope.overlay is not None and (
            self.scope.overlay_base != self.surroundings.state_key()
        ):
            self.scope.overlay_stale = True
        if self.scope.needs_overlay and self.scope.overlay_stale:
            own = self.scope.behind_overlay
            moved = self.scope.overlay_base not in (None, self.surroundings.state_key())
            if self._temporary_unknown or moved or self._obscure(own, raw, own=True):
                yield from self._load_overlay()
        if self.scope.view is None:
            if self.scope.recalled is None:
                yield from self._load_view()
            else:
                self._resolve_path(*self.scope.recalled)
        elif self.scope.said is not None and self.scope.seen != self._catalog():
            self._resolve_path(*self.scope.said)
        if self.scope.view is not None:
            self._know_principal(self.scope.view.user)

    def _overlaid(self, recent: Sequence[CatalogChange], raw: bytes | None) -> bool:
        """Whether some of it concerns the text, and may be in the overlay or not."""
        if not self.scope.needs_overlay or self.scope.overlay is None:
            return False
        return raw is None or bool(relevant(recent, self.scope.text(raw)))

    def _obscure(
        self, changes: Sequence[CatalogChange], raw: bytes | None, *, own: bool = False
    ) -> bool:
        """Whether it takes a look at the catalog to know what names mean after these changes."""
        if not self.scope.raw_access:
            return self._concern(changes, raw) if own else bool(changes)
        if not changes:
            return False
        named = changes if raw is None else relevant(changes, self.scope.text(raw))
        return any(change.unclear for change in named)

    def _concern(self, changes: Sequence[CatalogChange], raw: bytes | None) -> bool:
        """Whether what the open transaction did can matter to this text of somebody who does not
        see everything. Tables that it made, widened or dropped, and that the text does not name,
        do not: they hold what the session itself put there, and nothing else shows them. What
        belongs to an inheritance tree shows in others."""
        if raw is None:
            return True
        for change in changes:
            inherits = change.relation is not None and change.relation.parents
            if change.unclear or change.parent or inherits:
                return True
        return bool(relevant(changes, self.scope.text(raw)))

    def _reaches_unnamed(self, planned: Planned) -> bool:
        """Whether it may be about more relations than its text names, some of them new."""
        return (
            not planned.plan.raw_access
            and self.scope.status != b"E"
            and self.scope.overlay_stale
            and self.scope.catalog_touched
            and any(s.action not in _NAMING for s in planned.plan.statements)
        )

    def _load_view(self) -> Generator[Ask, Answer, SessionView]:
        questions = ["SHOW search_path", "SHOW role"]
        if self.link.pipeline_open and self.scope.role_unsure:
            questions.append("SHOW session_authorization")  # it tells by itself behind a Sync only
        path, role, *session = yield from ask_server(self.link, *questions)
        if session:
            self.scope.session_said = session[0].decode("utf-8", "replace")
        name = role.decode("utf-8", "replace")
        user = self.scope.session_user if name == "none" else name
        if self.scope.role_touched and self.scope.said is not None:
            self.scope.role_set |= self.scope.said[1] != user
        self.scope.role_unsure = False
        return self._resolve_path(path.decode("utf-8", "replace"), user)

    def _resolve_path(self, path: str, user: str) -> SessionView:
        overlay = self.scope.overlay
        snapshot = overlay.snapshot if overlay is not None else self.surroundings.snapshot()
        self.scope.said, self.scope.seen = (path, user), self._catalog()
        self.scope.recalled = None
        own = TEMPORARY if overlay is None and self.scope.temporary else None
        self.scope.view = view = effective_view(snapshot, user, path, own)
        return view

    def _catalog(self) -> tuple[Hashable, ...]:
        """Which catalog names are resolved in now."""
        if self.scope.overlay is not None:
            return (self.scope.overlay.key,)
        return self.surroundings.state_key()

    def _leave_overlay(self) -> None:
        """Go on with the shared catalog and what is known to be different from it."""
        scope = self.scope
        scope.overlay, scope.overlay_base, scope.overlay_stale = None, None, True
        if scope.said is not None:
            self._resolve_path(*scope.said)

    def _load_overlay(self) -> Generator[Ask, Answer, None]:
        base, included = self.surroundings.state_key(), len(self.scope.behind_overlay)
        query = self.surroundings.overlay_query
        (document,) = yield from ask_server(self.link, query)
        snapshot = self.surroundings.read_overlay(document, query)
        if snapshot is None:
            query = self.surroundings.whole_overlay_query
            (document,) = yield from ask_server(self.link, query)
            snapshot = self.surroundings.read_overlay(document, query)
        if snapshot is None:
            raise NotUnderstood(
                "the session's own view of the catalog cannot be read",
                hint="Reconnect and try again.",
            )
        self._overlays += 1
        self.scope.overlay = Overlay(f"{self.identity.session}/{self._overlays}", snapshot)
        self.scope.overlay_stale = False
        self.scope.overlay_base = base
        self.scope.behind_overlay = self.scope.behind_overlay[included:]
        view = yield from self._load_view()
        # definitions in it were deparsed under the session's own search_path
        snapshot = replace(self.scope.overlay.snapshot, definition_path=view.search_path)
        self.scope.overlay = replace(self.scope.overlay, snapshot=snapshot)


def _refused(plan: Plan, refusal: Refusal) -> Plan:
    return replace(plan, refusal=refusal)


def _acting(snapshot: Snapshot, role: str) -> Acting:
    """The role in force, by the roles the catalog knows; empty when it is not known which."""
    known = snapshot.role_by_name.get(role)
    return Acting(role, known.memberships if known else frozenset())
