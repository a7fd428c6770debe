"""One client connection, from its first byte to its last."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import Callable, Coroutine

import structlog

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.engine.auditing import SessionIdentity, identity_fields
from dbguard.engine.login import check_startup
from dbguard.engine.planning import principal_of
from dbguard.engine.session import Session
from dbguard.errors import AuditUnavailable, DbguardError, LimitExceeded, ProtocolViolation
from dbguard.identity.known_users import KnownUsers
from dbguard.identity.users import User
from dbguard.policy.decision import Identity
from dbguard.wire.errorfields import from_error
from dbguard.wire.framing import BackendSplitter, FrontendSplitter
from dbguard.wire.startup import CancelRequest

from .backends import OwnBackend
from .cancel import LONG_SECRET_BYTES, SECRET_BYTES, CancelKey, CancelTarget
from .choosing import told_state, unfit
from .connection_settings import ConnectionSettings
from .endings import Deadline, InternalError, ShuttingDown, revoked
from .latch import Latch
from .logging_in import LoggingIn
from .naming import connection_fields, recorded_application
from .opening import read_startup, readable
from .relay import Relay
from .sites import Site, Sites
from .streams import Stream
from .surroundings import SessionSurroundings
from .taking import Waiting
from .tasks import places, spawn

log = structlog.get_logger(__name__)


class Connection:
    """Drives one client's session."""

    __slots__ = (
        "_client",
        "_counted",
        "_displaced",
        "_ended_by",
        "_ending",
        "_entered",
        "_forwarded",
        "_from_server",
        "_hub",
        "_id",
        "_identity",
        "_key",
        "_leaving",
        "_over",
        "_own",
        "_refusal",
        "_relay",
        "_server",
        "_session",
        "_settings",
        "_site",
        "_sites",
        "_splitter",
        "_stopped",
        "_stored",
        "_target",
        "_task",
        "_waiting",
        "_working",
        "begun",
        "deadline",
    )

    def __init__(
        self,
        client: Stream,
        sites: Sites,
        settings: ConnectionSettings,
        over: Callable[[Connection], None],
        refusal: DbguardError | None = None,
    ) -> None:
        """`over` is called when it has ended. With a `refusal`, the client is told so as soon as
        it can understand it: after its startup packet, since libpq takes no error before an answer
        about encryption."""
        self._client = client
        self._sites = sites
        self._hub = sites.front
        self._own: OwnBackend | None = None
        self._site: Site | None = None
        self._settings = settings
        self._over = over
        self._refusal = refusal
        self._splitter = FrontendSplitter(settings.frame_limits)
        self._from_server = BackendSplitter()
        self._server: Stream | None = None
        self._entered: str | None = None
        self._session: Session | None = None
        self._relay: Relay | None = None
        self._key: CancelKey | None = None
        self._target: CancelTarget | None = None
        self._identity: Identity | None = None
        self._stored: User | None = None
        self._id = secrets.token_hex(8)
        self._forwarded = Latch(is_set=True)
        self._counted: str | None = None
        self._leaving: DbguardError | None = None
        self._displaced: DbguardError | None = None
        self._ended_by: DbguardError | None = None
        self._waiting = Waiting(client)
        self._working = False
        """A task works for it, or is about to; when it has come to its end, for ever."""
        self._task: asyncio.Task[None] | None = None
        """That task, as soon as it has begun."""
        self._stopped = False
        self._ending = False
        self.deadline: Deadline | None = None
        """When the session has to end, if it has to."""
        self.begun = time.monotonic()
        """When the client had connected (monotonic seconds)."""

    async def run(self) -> None:
        """Log the client in; from then on it is served as it comes, until either side ends."""
        self._working = True
        await self._work(self._begin)

    async def _work(self, work: Callable[[], Coroutine[object, object, bool]]) -> None:
        """Do it, and end the connection unless its session goes on."""
        self._task = asyncio.current_task()
        goes_on = False
        try:
            goes_on = await work()
        except DbguardError as error:
            self._fatal(error)
        except asyncio.CancelledError:
            stopping = ShuttingDown("terminating connection: dbguard is stopping")
            self._fatal(self._displaced or stopping)
            if self._displaced is None:
                raise
        except Exception as error:  # noqa: BLE001 - the border: fail closed, tell nobody a value
            log.error(
                "connection failed",
                session=self._id,
                error=type(error).__name__,
                where=places(error),
            )
            self._fatal(InternalError("dbguard failed and has closed this connection"))
        finally:
            if goes_on:
                self._task, self._working = None, False
            else:
                try:
                    await self._end()
                finally:
                    self._over(self)

    async def _begin(self) -> bool:
        session = await self._log_in_within(self._settings.startup_timeout)
        if session is None:
            return False
        assert self._server is not None
        self._relay = Relay(
            session,
            (self._client, self._splitter),
            (self._server, self._from_server),
            self._hub,
            self._forwarded,
            self._waiting,
            self._leave,
        )
        if self._leaving is not None:
            self._relay.hurry()
        self._relay.open(self._client_came)
        return await self._serve()

    def _client_came(self) -> None:
        if not self._working:
            self._working = True
            spawn(self._work(self._serve), f"client {self._id}")

    async def _serve(self) -> bool:
        relay, goes_on = self._relay, False
        assert relay is not None
        try:
            if self._stopped:  # before this task had begun
                raise asyncio.CancelledError
            goes_on = await relay.serve_client()
        finally:
            if not goes_on:
                await relay.close()
        return goes_on

    def stop(self) -> None:
        """End it, whatever is under way."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        else:
            self._client_came()

    # -- ending from outside ----------------------------------------------------

    @property
    def idle_since(self) -> float | None:
        """Since when (monotonic seconds) nothing came from the client although it is its turn, or
        since when it takes nothing; None while it is being served."""
        session = self._session
        relay = self._relay
        if session is None or relay is None or not self._forwarded.is_set():
            return None
        if session.awaits_client or self._client.is_full:
            return max(relay.last_activity, self._client.last_taken, relay.moved_at)
        return None

    def end(self, error: DbguardError) -> None:
        """Tell the client why, once, and end the session now."""
        if self._ended_by is not None:
            return
        self._ended_by = error
        self._waiting.stop()
        if self._client.is_full:  # it takes nothing: whoever waits for it has to be woken
            self._client.abort()
        elif self._session is not None and not self._session.link.closed:
            self._client.write(from_error(error, severity="FATAL").encode_error())
        self._client.abort_reading()

    def end_revoked(self, known: KnownUsers) -> None:
        """End the session, and what it runs, if the user store speaks against it by now."""
        session, identity = self._session, self._identity
        if session is None or identity is None or session.link.closed or self._target is None:
            return
        reason = known.against(identity.name, self._stored)
        if not reason:
            return
        fields = {"event": "session ended", "user": session.principal.user, "reason": reason}
        with contextlib.suppress(AuditUnavailable):
            self._event(RecordKind.USERS, **fields, **identity_fields(identity))
        self._identity = None
        self.end(revoked(reason))
        self.cancel_running()

    def cancel_running(self) -> None:
        """Have the server stop what it runs for a session that is over."""
        if self._target is not None:
            request = CancelRequest(self._target.process_id, self._target.secret)
            spawn(self._target.upstream.cancel(request), f"cancel {self._id}")

    @property
    def displaceable(self) -> bool:
        """Nobody has proved who it is yet."""
        return self._session is None and self._displaced is None and not self._ending

    @property
    def serving(self) -> bool:
        """Somebody has logged in, and is to stay."""
        return self._session is not None and self._displaced is None and not self._ending

    @property
    def displaced(self) -> bool:
        """It had to go at once."""
        return self._displaced is not None

    def displace(self, error: DbguardError) -> None:
        """End whatever is under way: a login, to make room for another, or a session."""
        self._displaced = error
        self.stop()

    def end_between_transactions(self, error: DbguardError) -> None:
        """End the session as soon as nothing of it is under way."""
        self._leaving = error
        if self._relay is not None:
            self._relay.hurry()
        self._leave()

    def _leave(self) -> None:
        if self._leaving is None:
            return
        session = self._session
        if session is None or (session.link.at_rest and self._forwarded.is_set()):
            error, self._leaving = self._leaving, None
            self.end(error)

    # -- login ----------------------------------------------------------------

    async def _log_in_within(self, seconds: float) -> Session | None:
        try:
            async with asyncio.timeout(seconds):
                return await self._log_in()
        except TimeoutError:
            raise LimitExceeded(
                "the login took too long",
                detail=f"The limit is {seconds:g} s (limits.startup_timeout).",
            ) from None

    async def _log_in(self) -> Session | None:
        startup = await read_startup(
            self._client, self._splitter, self._settings.tls, self._hub.cancels
        )
        if startup is None:
            return None
        if self._refusal is not None:
            raise self._refusal
        check_startup(startup)
        if self._settings.tls_required and not self._client.uses_tls:
            raise ProtocolViolation(
                "this listener requires TLS",
                hint="Connect with sslmode=require.",
            )
        application = readable(startup.get("application_name"))
        application = sys.intern(recorded_application(application))
        cluster = self._settings.servers.of(startup.database)
        known = self._sites.naming.named(startup, self._settings.authentication.stored_names)
        whence = connection_fields(self._client, application, cluster.name)
        self._event(RecordKind.CONNECT, **known, **whence)
        self._own = own = self._sites.backends.login()
        way = LoggingIn(self._client, self._splitter, self._sites, self._settings, self._event)
        try:
            found = await way.run(startup, cluster)
        finally:
            self._server, self._from_server = way.server, way.from_server
        if found is None:
            return None
        login, place = found.login, found.place
        self._identity, self._stored = found.identity, found.stored
        self.deadline = found.deadline
        await self._hub.audit.persisted(found.sequence)
        if (state := told_state(login.parameters)) and (reason := state.unfit(cluster.wanted)):
            raise unfit(cluster.wanted, f"{place.host}:{place.port}: {reason}.")
        self._site = await self._sites.hold(place, own, login.process_id)
        self._hub = self._site.hub
        # only now: a stranger must not make the control connection open databases
        self._hub.catalog.enter(startup.database)
        self._entered = sys.intern(startup.database)
        snapshot = await self._hub.catalog.snapshot(startup.database)
        self._site.looks.entered(startup.database)
        await self._hub.remember(startup.database)
        user = sys.intern(readable(found.user))
        counted = f"{cluster.name}:{user if found.identity is None else found.identity.name}"
        self._hub.users.enter(counted, self._settings.connections_per_user)
        self._counted = sys.intern(counted)
        identity = SessionIdentity(
            self._id,
            principal_of(snapshot, user, found.identity),
            self._client.peer,
            application,
            self._hub.environment,
            self._hub.writer,
        )
        self._session = Session(
            identity,
            SessionSurroundings(self._hub, snapshot),
            self._settings.session_limits,
            login.parameters,
        )
        self._waiting.process_id = login.process_id
        self._target = CancelTarget(
            found.upstream.same_way(found.server),
            login.process_id,
            login.server_secret,
            self._forwarded,
            self._session.link,
            self._waiting,
        )
        self._key = self._hub.cancels.register(
            self._target, LONG_SECRET_BYTES if login.minor >= 2 else SECRET_BYTES
        )
        self._client.write(b"".join(login.finish(self._key.secret)))
        await self._client.drain()
        return self._session

    # -- the end --------------------------------------------------------------

    def _event(self, kind: RecordKind, **fields: str) -> int:
        return self._hub.record(EventRecord(kind, self._id, tuple(fields.items())))

    def _fatal(self, error: DbguardError) -> None:
        """Tell the client; that it takes the message is waited for in `_end`, and not for ever."""
        self._client.write(from_error(error, severity="FATAL").encode_error())

    async def _end(self) -> None:
        self._ending = True
        if self._counted is not None:
            self._hub.users.leave(self._counted)
        if self._entered is not None:
            self._hub.catalog.leave(self._entered)
        if self._key is not None:
            self._hub.cancels.unregister(self._key)
        if self._server is not None:
            if self._session is None or self._session.link.owes_farewell:
                self._server.write(b"X\x00\x00\x00\x04")
            await self._server.close()
        await self._client.close()
        self._hub.drifts.leave(self._id)
        if self._session is not None:
            self._session.answers.outcomes.abandon(self._session.link.queue)
            with contextlib.suppress(DbguardError):  # what is not taken back counts
                await self._hub.settled(self._id, self._session.principal.database)
            with contextlib.suppress(AuditUnavailable):
                principal = self._session.identity.principal
                ended_by = self._displaced or self._ended_by
                self._event(
                    RecordKind.DISCONNECT,
                    user=principal.user,
                    **identity_fields(principal.identity),
                    database=principal.database,
                    **({"reason": ended_by.message} if ended_by is not None else {}),
                )
        if self._site is not None:
            await self._sites.release(self._site)
        if self._own is not None:
            self._own.end()
