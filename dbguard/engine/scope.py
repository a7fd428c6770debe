"""What a text means in this session now: view, encoding, catalog overlay, and what made them stale.

Facts about the session are pinned (standard_conforming_strings, client_encoding) or tracked
(search_path, role, temporary and uncommitted objects). A statement that may change one of them
marks it stale when it completes; before the next text is planned the server is asked on the
session's own connection, with SHOW where possible, since a SELECT in front of SET TRANSACTION
would break it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from dbguard.errors import NotUnderstood
from dbguard.sql.changes import EVERYTHING, CatalogChange
from dbguard.sql.facts import ROLE_SETTINGS, EffectKind, SessionEffect
from dbguard.sql.snapshot import SessionView

from .asks import Overlay
from .encodings import codec_of, decode, encode

NAME_SETTINGS = ROLE_SETTINGS | {"search_path"}
"""Settings that decide what names mean."""
TEXT_SETTINGS = frozenset({"client_encoding", "standard_conforming_strings", "names"})
"""Settings that decide how bytes are read; the server reports them by ParameterStatus."""

_SETTLING = frozenset(
    {
        EffectKind.RESET_ALL,
        EffectKind.DISCARD,
        EffectKind.PREPARE,
        EffectKind.DEALLOCATE,
        EffectKind.DECLARE,
        EffectKind.CLOSE,
        EffectKind.CATALOG,
        EffectKind.TEMPORARY,
        EffectKind.PATH,
    }
)
ENDING = frozenset({EffectKind.COMMIT, EffectKind.ROLLBACK, EffectKind.ROLLBACK_TO})
_SETTING = frozenset({EffectKind.SET, EffectKind.SET_LOCAL, EffectKind.RESET})


@lru_cache(maxsize=64)
def _texts(*settings: str | None) -> tuple[str | None, ...]:
    """Most sessions have the same, and have it once."""
    return settings


@dataclass(slots=True)
class Scope:
    """Tracks everything that changes what a text means."""

    login_user: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Last reported value of each ParameterStatus."""
    first_user: str = field(init=False)
    """The login as the server told of it."""
    view: SessionView | None = None
    """None until the server was asked, and whenever it may have changed."""
    said: tuple[str, str] | None = None
    """What the server said when `view` was made: search_path, and the role in force."""
    seen: tuple[Hashable, ...] = ()
    """The catalog that `view` was made from: a schema made since may stand in the path."""
    overlay: Overlay | None = None
    overlay_base: Hashable = None
    """The shared catalog when `overlay` was read: what others change since is not in it."""
    overlay_stale: bool = False
    """The session has temporary or uncommitted objects that `overlay` does not show."""
    has_temporary: bool = False
    names_touched: bool = False
    """search_path or role was set in the open transaction: its end may take that back."""
    names_lasting: bool = False
    """By SET or RESET: COMMIT keeps it."""
    names_passing: bool = False
    """By SET LOCAL: COMMIT takes it back."""
    names_obscure: bool = False
    """By what cannot be seen through, and may even have committed by itself."""
    before: tuple[str, str] | None = None
    """What the server would have said when it was first set."""
    recalled: tuple[str, str] | None = None
    """What the server would say now; None when it has to be asked."""
    reported: str | None = None
    """search_path as the server has told of it by itself, from PostgreSQL 18 on."""
    role_unsure: bool = False
    """The role in force may be another one than the server said last."""
    role_touched: bool = False
    """The role may have been set in the open transaction: its end may take that back."""
    role_set: bool = False
    """It is known that it was."""
    session_said: str | None = None
    """What the server was asked of session_authorization since it last told by itself, as it does
    with ReadyForQuery."""
    catalog_touched: bool = False
    """The open transaction holds uncommitted DDL."""
    temporary_touched: bool = False
    """The open transaction made or dropped temporary objects: its end may undo that, or drop
    them (ON COMMIT DROP)."""
    temporary: tuple[CatalogChange, ...] | None = ()
    """What was done to temporary relations since the session began; None when it was not told by
    texts alone, so that the server has to be asked."""
    temporary_before: tuple[CatalogChange, ...] | None = ()
    """The same as of the beginning of the transaction that touched them."""
    uncommitted: tuple[CatalogChange, ...] = ()
    """What the open transaction did to names of relations."""
    behind_overlay: tuple[CatalogChange, ...] = ()
    """What was done since `overlay` was read."""
    committed: tuple[CatalogChange, ...] = ()
    """What a transaction that has ended did: for the surroundings to take."""
    failed: bool = False
    """Something failed since the last ReadyForQuery: what it took back is not known."""
    query_broke: bool = False
    """A Query failed in the open transaction, in which its portal stays."""
    raw_access: bool = False
    """The principal was found to see everything raw: uncommitted DDL is then looked at only
    when a name cannot be found without it, and bodies of functions may mean anything."""
    status: bytes = b"I"
    """Transaction status as far as it is known: ReadyForQuery's, and what statements of an open
    pipeline have done to it since."""

    texts: tuple[str | None, ...] = field(init=False)
    """The reported settings that decide how bytes are read: client_encoding and
    standard_conforming_strings."""

    def __post_init__(self) -> None:
        self.first_user = self.session_user
        self.texts = self._texts()

    @property
    def session_user(self) -> str:
        return self.session_said or self.parameters.get("session_authorization", self.login_user)

    @property
    def touched(self) -> bool:
        """The open transaction changed what texts mean: its end may take that back."""
        return self.names_touched or self.catalog_touched or self.temporary_touched

    @property
    def unsure(self) -> bool:
        """The server has to be asked before a text can be planned."""
        return self.view is None or (self.needs_overlay and self.overlay_stale)

    def settled(self) -> bool:
        """What texts mean is known, and neither an end of a transaction nor ReadyForQuery will
        change it: nothing was set, made or reported that waits for one."""
        return not (
            self.view is None
            or self.touched
            or self.has_temporary
            or self.temporary
            or self.overlay is not None
            or self.role_unsure
            or self.role_touched
            or self.role_set
            or self.reported is not None
            or self.session_said is not None
        )

    def _texts(self) -> tuple[str | None, ...]:
        get = self.parameters.get
        return _texts(get("client_encoding"), get("standard_conforming_strings"))

    def _codec(self) -> str:
        return codec_of(self.parameters.get("client_encoding", "UTF8"))

    def text(self, raw: bytes) -> str:
        """Client bytes as text. Pure ASCII means the same in every client_encoding.

        Raises:
            NotUnderstood: texts cannot be read safely under the session's settings, or the bytes
                are not valid in its encoding.
        """
        if self.parameters.get("standard_conforming_strings", "on") != "on":
            if not self.raw_access:
                raise NotUnderstood(
                    "statements are not run while standard_conforming_strings is off",
                    detail="Backslashes would change where literals end, in bodies of functions "
                    "as well.",
                    hint="Reconnect without that setting.",
                )
            if b"\\" in raw:
                raise NotUnderstood(
                    "statements with backslashes are not run while standard_conforming_strings "
                    "is off",
                    detail="They would change where literals end.",
                    hint="Send such values as parameters, or set it to on.",
                )
        return raw.decode("ascii") if raw.isascii() else decode(raw, self._codec())

    def encoded(self, text: str) -> bytes:
        """Text for the server, as the client would have sent it.

        Raises:
            NotUnderstood: the session's client_encoding has no room for it.
        """
        if text.isascii():
            return text.encode("ascii")
        return encode(text, self._codec())

    def settles(self, effects: tuple[SessionEffect, ...]) -> bool:
        """Whether nothing may be planned until a statement with these effects is answered."""
        ending = self.touched or self.status == b"E"
        for effect in effects:
            if effect.kind in _SETTLING:
                return True
            if effect.kind in _SETTING and (effect.name or "") in NAME_SETTINGS | TEXT_SETTINGS:
                return True
            if ending and effect.kind in ENDING:
                return True
        return False

    def completed(
        self,
        effects: tuple[SessionEffect, ...],
        changes: tuple[CatalogChange, ...] | None = None,
    ) -> None:
        """A statement with these effects succeeded; `changes` as in `StatementFacts`."""
        self._tell_temporary(effects, changes)
        for effect in effects:
            match effect.kind:
                case EffectKind.SET | EffectKind.SET_LOCAL | EffectKind.RESET:
                    if effect.name in NAME_SETTINGS:
                        self._names_changed(role=effect.sets_role)
                        passing = effect.kind is EffectKind.SET_LOCAL
                        self.names_passing |= passing
                        self.names_lasting |= not passing
                        self.role_set |= effect.sets_role
                case EffectKind.PATH:
                    self.obscured()
                    self.role_set |= effect.sets_role
                case EffectKind.RESET_ALL:
                    self._names_changed()
                    self.names_lasting = True
                case EffectKind.DISCARD:
                    self._discarded(effect.name or "all")
                case EffectKind.CATALOG:
                    self.catalog_touched = True
                    self.overlay_stale = True
                    found = (EVERYTHING,) if changes is None else changes
                    self.uncommitted += tuple(c for c in found if not c.temporary)
                    self.behind_overlay += found
                case EffectKind.TEMPORARY:
                    self.has_temporary = self.temporary_touched = True
                    self.overlay_stale = True
                    self._temporary_changed()
                case EffectKind.BEGIN:
                    self.status = b"T"
                case EffectKind.COMMIT | EffectKind.ROLLBACK:
                    committed = effect.kind is EffectKind.COMMIT and self.status != b"E"
                    self.status = b"I"
                    self.transaction_ended(committed)
                case EffectKind.ROLLBACK_TO:
                    self.status = b"T"
                    if self.temporary_touched:
                        self.temporary = None
                    if self.names_touched:
                        self.view = self.recalled = None
                    if self.temporary_touched:
                        self.view = None
                    self.role_unsure |= self.role_touched
                    if self.catalog_touched or self.temporary_touched:
                        self.overlay_stale = True
                        self.uncommitted = (EVERYTHING,)
                        self.behind_overlay = (EVERYTHING,)

    def _tell_temporary(
        self, effects: tuple[SessionEffect, ...], changes: tuple[CatalogChange, ...] | None
    ) -> None:
        """Note what a statement did to temporary relations, as far as its text tells."""
        kinds = {effect.kind for effect in effects}
        makes = any(e.kind is EffectKind.TEMPORARY and e.name is not None for e in effects)
        if not self.temporary_touched:
            self.temporary_before = self.temporary
        if changes is None:
            # A change that is not told may be one of them as well, and so may what unseen code did.
            if makes or (self.has_temporary and kinds & {EffectKind.CATALOG, EffectKind.PATH}):
                self.temporary = None
        elif self.temporary is not None:
            own = {c.name: c for c in changes if c.temporary}
            kept = (c for c in self.temporary if c.name not in own)
            made = (c for c in own.values() if c.relation is not None)
            self.temporary = None if any(c.unclear for c in own.values()) else (*kept, *made)

    def _temporary_changed(self) -> None:
        """Names are found in the temporary schema too, or no longer."""
        if self.temporary is None or self.said is None:
            self.view = None
        else:
            self.seen = ()

    def _names_changed(self, *, role: bool = False) -> None:
        if not self.names_touched:
            self.before = self.recalled if self.view is None else self.said
        self.view = self.recalled = None
        self.names_touched = True
        if role:
            self.role_unsure = self.role_touched = True

    def obscured(self) -> None:
        """Code that cannot be seen through may have set anything."""
        self._names_changed(role=True)
        self.names_obscure = True

    def pretend(self, view: SessionView) -> None:
        """Go on with a view that does for a failed transaction, of which only the end is run."""
        if not self.names_touched:
            self.before = self.recalled
        self.view, self.names_touched = view, True
        self.role_touched |= self.role_unsure

    def _names_ended(self, *, undone: bool) -> None:
        if not self.names_touched:
            return
        if self.names_obscure or self.role_touched:
            self.view = self.recalled = None
        elif undone or (self.names_passing and not self.names_lasting):
            self.view, self.recalled = None, self.before
        elif self.names_passing:
            self.view = self.recalled = None
        self.names_touched = self.names_passing = self.names_lasting = False
        self.names_obscure, self.before = False, None

    def tells(self, name: str, value: str) -> None:
        """The server reports a setting by itself, just ahead of ReadyForQuery."""
        self.parameters = {**self.parameters, name: value}
        self.texts = self._texts()
        if name == "session_authorization":
            self.role_unsure = True
            self.view = self.recalled = None
        elif name == "search_path":
            self.reported = value
            self.view = self.recalled = None

    def ready(self) -> None:
        """ReadyForQuery: what was reported holds now."""
        self.query_broke &= self.status != b"I"
        value, self.reported = self.reported, None
        if value is None:
            return
        known = self.said is not None and not self.role_unsure and self.status != b"E"
        self.recalled = (value, self.said[1]) if known and self.said is not None else None
        self.view = None

    def _discarded(self, what: str) -> None:
        if what == "all":  # never inside a transaction: nothing takes it back
            self.obscured()
            self.has_temporary = self.overlay_stale = False
            self.temporary = self.temporary_before = ()
            self.overlay = None
        elif what in ("temp", "temporary"):
            self.temporary_touched = self.overlay_stale = self.has_temporary
            self.temporary = None if self.temporary is None else ()
            self.view = None

    def transaction_ended(self, committed: bool) -> None:
        """The transaction is over: what was local to it, or not committed, may be gone."""
        self.role_unsure |= self.role_touched
        self._names_ended(undone=self.failed or not committed)
        self.role_touched = self.role_set = False
        if self.temporary_touched:
            self.temporary_touched = False
            self.overlay_stale = True
            if self.failed:
                self.temporary = None
            elif not committed:
                self.temporary = self.temporary_before
            elif self.temporary is not None:
                lasting = [c for c in self.temporary if not c.passing]
                self.temporary = tuple(lasting)
            self._temporary_changed()
        if self.catalog_touched:
            self.catalog_touched = False
            if committed:
                self.committed += (EVERYTHING,) if self.failed else self.uncommitted
            self.uncommitted = self.behind_overlay = ()
            self.overlay_stale = self.has_temporary
            if not self.has_temporary:
                self.overlay = None

    @property
    def needs_overlay(self) -> bool:
        """The session may see objects that the shared snapshot does not show."""
        return self.has_temporary or self.catalog_touched
