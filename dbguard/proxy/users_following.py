"""The file of users, looked at again and again: who is in it, and who may stay."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.errors import AuditUnavailable
from dbguard.identity.known_users import KnownUsers, Refreshed

from .deployment import Deployment
from .hub import Hub
from .sessions import Sessions

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How late a change may be noticed, at most."""


async def follow_users(
    deployment: Deployment, hub: Hub, sessions: Sessions, *, tells: bool = True
) -> None:
    """Read the users again when their file has changed, and end the sessions of those who may be
    here no longer, for as long as the task runs. What has changed goes on record if it `tells`:
    of several processes that follow the same file, one."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        identities = deployment.connections.authentication.identities
        if identities is None or identities.known is None:
            continue
        known = identities.known
        refreshed = await asyncio.to_thread(known.refresh)
        if refreshed is not None and tells:
            _tell(hub, known, refreshed)
        # also after a reload, which may have named another file
        for connection in list(sessions.open):
            connection.end_revoked(known)


def _tell(hub: Hub, known: KnownUsers, refreshed: Refreshed) -> None:
    error = refreshed.error
    if error is not None:
        log.error(
            "users cannot be read again, those from before stay",
            message=error.message,
            hint=error.hint,
        )
    elif refreshed.fields:
        log.info("users read again", users=len(known.users))
    fields = {"error": error.message} if error is not None else refreshed.fields
    if not fields:
        return
    fields = {"file": known.path.name, **fields}
    try:
        hub.record(EventRecord(RecordKind.USERS, "", tuple(fields.items())))
    except AuditUnavailable:
        log.warning("the audit log cannot be written", event_kind=RecordKind.USERS.value)
