"""What sessions ask for, apart from the server's word: answered by the hub."""

from __future__ import annotations

from dbguard.engine.asks import (
    Answer,
    Ask,
    AskDurable,
    AskFilling,
    AskFreshCatalog,
    AskPlan,
    AskRequirement,
    AskServer,
    AskTake,
    AskUnchanged,
)
from dbguard.engine.session import Session
from dbguard.errors import AuditUnavailable

from .hub import Hub
from .taking import Waiting, take, unchanged


async def answer(hub: Hub, session: Session, ask: Ask, waiting: Waiting) -> Answer:
    """The answer to whatever is not the server's to say.

    Raises:
        DbguardError: there is none; what was asked for must not go on.
    """
    own = session.identity.session
    principal = session.principal
    match ask:
        case AskPlan():
            with hub.metrics.waiting("analysis"):
                return await hub.plan(ask)
        case AskDurable():
            try:
                with hub.metrics.waiting("audit"):
                    await hub.audit.persisted(ask.sequence)
            except AuditUnavailable:
                return False
            return True
        case AskFreshCatalog():
            with hub.metrics.waiting("catalog"):
                snapshot = await hub.catalog.refresh(principal.database, "asked by a session")
                await hub.catch_up(principal.database)
                # a pipeline is a transaction, too, which no status tells of before its end
                if session.scope.status == b"I" and session.link.at_rest:
                    await hub.drifts.take_back(snapshot, own)
            return None
        case AskFilling():
            await hub.filling(ask, own, principal)
            return None
        case AskRequirement():
            with hub.metrics.waiting("requirement"):
                return await hub.requirement(ask, principal.database, waiting.process_id)
        case AskTake():
            with hub.metrics.waiting("backup"):
                return await take(hub.guard, hub.taker, ask, principal.database, waiting)
        case AskUnchanged():
            with hub.metrics.waiting("backup"):
                return await unchanged(hub.guard, hub.taker, ask, principal.database, waiting)
        case AskServer():
            raise AssertionError("the connection waits for the server itself")
