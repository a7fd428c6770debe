"""A client waits for the backup that its statement needs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import Final

from dbguard.engine.asks import AskTake, AskUnchanged, RequirementAnswer
from dbguard.engine.replies import notice
from dbguard.engine.requiring import HELD
from dbguard.errors import BackupError, DbguardError
from dbguard.guards.backup.dump_file import BackupBusy
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.live import tables_of, written_since
from dbguard.guards.backup.own_locks import locked_against_writers, touched_by
from dbguard.guards.backup.requirement import BackupVerdict, command
from dbguard.guards.backup.scoping import scope_of, scope_of_rows
from dbguard.guards.backup.snapshots import Scope
from dbguard.guards.backup.waiting import BUSY_SECONDS, BackupTaker
from dbguard.server_settings import OWN_PROVIDER
from dbguard.sql.destruction import Destruction, Reach

from .streams import Stream
from .tasks import spawn

LOOK_SECONDS: Final = 1.0
"""How often it is looked whether the client is still there: nobody reads from it meanwhile."""
MOST_TRIES: Final = 3
"""How many backups are taken for a statement while others change what it is about."""
_CANCELED: Final = "57014"


@dataclass(slots=True)
class Waiting:
    """What a client that waits is told, and what ends its wait."""

    client: Stream
    process_id: int = 0
    """Of the server's process that serves it, as soon as it has logged in."""
    _stopped: asyncio.Event | None = field(default=None, repr=False)

    def tell(self, text: str) -> None:
        """Show it a NOTICE."""
        self.client.write(notice(f"dbguard: {text}").encode_notice())

    def stop(self) -> bool:
        """End the wait; False when there is none."""
        if self._stopped is None:
            return False
        self._stopped.set()
        return True

    async def outcome(
        self, work: asyncio.Task[RequirementAnswer], seconds: float | None
    ) -> RequirementAnswer:
        """What `work` comes to, unless something ends the wait before."""
        self._stopped = asyncio.Event()
        stopped = spawn(self._stopped.wait(), "wait for a backup")
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        try:
            while not work.done() and not stopped.done():
                left = LOOK_SECONDS if end is None else min(LOOK_SECONDS, end - loop.time())
                if left <= 0:
                    return _ended("canceling statement due to statement timeout")
                await asyncio.wait(
                    {work, stopped}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                if self.client.is_gone:
                    return _ended("the client has gone while it waited for a backup")
            if stopped.done():  # whatever else has come meanwhile: it was told to stop
                return _ended("canceling statement due to user request")
            return work.result()
        finally:
            self._stopped = None
            stopped.cancel()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, DbguardError):
                await work


async def take(
    guard: BackupGuard, taker: BackupTaker | None, ask: AskTake, database: str, waiting: Waiting
) -> RequirementAnswer:
    """Take the backup, and say whether it meets the requirement.

    Raises:
        AuditUnavailable: it cannot be put on record.
    """
    if taker is None:
        return RequirementAnswer(
            False,
            "backup missing",
            message=f'a backup of database "{database}" is required, and dbguard takes none',
            detail="Its settings do not say how.",
            hint="Add backup: {dsn: …} to the settings of dbguard.",
        )
    if ask.destroyed.database:  # that one, whichever the statement is sent to
        database, reason = ask.destroyed.database, ask.destroyed.reason
        ask = replace(ask, destroyed=Destruction(reach=Reach.DATABASE, reason=reason))
    wanted = scope_of(ask.destroyed, ask.requirement.max_take_bytes, whole=taker.whole)
    named = ask.requirement.providers
    if wanted is None or (named and OWN_PROVIDER not in named):  # one taken here would not count
        verdict = await _checked(guard, ask, database, waiting)
        return answer_of(verdict)
    work = spawn(_work(guard, taker, ask, database, waiting, wanted), f"take {database}")
    return await waiting.outcome(work, ask.seconds)


async def unchanged(
    guard: BackupGuard,
    taker: BackupTaker | None,
    ask: AskUnchanged,
    database: str,
    waiting: Waiting,
) -> RequirementAnswer:
    """Whether nothing was written behind the backup."""
    assert taker is not None
    waiting.tell("looking whether anything was written since")
    work = spawn(_looked(guard, taker, ask, database, waiting), f"compare {database}")
    return await waiting.outcome(work, None)


async def _looked(
    guard: BackupGuard, taker: BackupTaker, ask: AskUnchanged, database: str, waiting: Waiting
) -> RequirementAnswer:
    unheld: list[str] = []
    try:
        access = taker.context.access
        if ask.held:
            locked = await locked_against_writers(access, database, waiting.process_id)
            unheld = [name for name in ask.tables if name not in locked]
        if ask.held and len(unheld) == len(ask.tables):
            return RequirementAnswer(
                False,
                "backup not held",
                message="what the backup holds could not be locked against writers",
                detail="Something might be written behind the backup.",
                hint="Try again when those who write to it are done, as somebody who may lock it.",
                sqlstate="55P03",
            )
        different = await written_since(taker.context, ask.backup, database, ask.tables)
    except BackupError as error:
        return RequirementAnswer(
            False, "backup not compared", error.message, error.detail, error.hint
        )
    lacking = f"written to behind the backup: {', '.join(different)}"
    if not ask.held:
        if different:
            waiting.tell(f"{lacking}; that is not in it")
        return RequirementAnswer(True, f"{lacking}, not held" if different else "rows not held")
    how = f"{HELD}, but for {', '.join(unheld)}" if unheld else HELD
    # behind the lock nobody changes the tables any more
    verdict = await _checked(guard, ask, database, waiting)
    return RequirementAnswer(verdict.satisfied and not different, how)


async def _work(
    guard: BackupGuard,
    taker: BackupTaker,
    ask: AskTake,
    database: str,
    waiting: Waiting,
    scope: Scope,
) -> RequirementAnswer:
    try:
        return await _taken(guard, taker, ask, database, waiting, scope)
    except BackupError as error:
        return RequirementAnswer(
            False,
            "backup failed",
            message=f'no backup of database "{database}" could be taken for this statement',
            detail=f"{error.message[:1].upper()}{error.message[1:]}. {error.detail}".rstrip(),
            hint=error.hint or f"Run: {command(database)}",
        )


async def _taken(
    guard: BackupGuard,
    taker: BackupTaker,
    ask: AskTake,
    database: str,
    waiting: Waiting,
    scope: Scope,
) -> RequirementAnswer:
    relations = tuple(relation.oid for relation in ask.destroyed.relations)
    access, process_id = taker.context.access, waiting.process_id
    touched = not ask.held and await touched_by(access, database, process_id, relations)
    if touched:
        return RequirementAnswer(
            False,
            "backup missing",
            message="no backup can be taken in the middle of this transaction",
            detail=f"It has already changed or locked {touched}, so that a backup would wait for "
            "it, or not hold what it did.",
            hint=f"Roll back, run: {command(database)}; or put this statement first in its "
            "transaction.",
        )
    tries = MOST_TRIES
    end = asyncio.get_running_loop().time() + taker.timeout
    told = False
    while True:
        try:
            backup = await taker.take(database, scope, waiting.tell, alone=ask.held)
        except BackupBusy:
            if asyncio.get_running_loop().time() > end:
                raise
        else:
            verdict = await _checked(guard, ask, database, waiting)
            tries -= 1
            if verdict.satisfied or not verdict.outdated or not tries:
                waiting.tell(f"backup {backup.id} taken and verified")
                return await _comparable(taker, ask, database, verdict)
            waiting.tell("something was changed meanwhile: another backup is taken")
            continue
        if not told:
            waiting.tell("waiting for another backup to end")
            told = True
        await asyncio.sleep(BUSY_SECONDS)
        if ask.held:
            continue  # what was begun before the lock may lack something
        verdict = await _checked(guard, ask, database, waiting)
        if verdict.satisfied:
            return await _comparable(taker, ask, database, verdict)


async def _checked(
    guard: BackupGuard, ask: AskTake | AskUnchanged, database: str, waiting: Waiting
) -> BackupVerdict:
    process_id = waiting.process_id if ask.settled else 0
    return await guard.check(ask.requirement, database, ask.destroyed, process_id)


async def _comparable(
    taker: BackupTaker, ask: AskTake, database: str, verdict: BackupVerdict
) -> RequirementAnswer:
    """The answer to `ask`, with what of the backup can be compared with the tables as they are."""
    answer, found = answer_of(verdict), verdict.backup
    if found is None or found.provider != OWN_PROVIDER:
        return answer
    tables = await tables_of(taker.context.access, database, scope_of_rows(ask.destroyed))
    return replace(answer, backup=found.id, tables=tables)


def answer_of(verdict: BackupVerdict) -> RequirementAnswer:
    """A verdict as sessions take it."""
    return RequirementAnswer(
        satisfied=verdict.satisfied,
        how=verdict.how,
        message=verdict.message,
        detail=verdict.detail,
        hint=verdict.hint,
    )


def _ended(why: str) -> RequirementAnswer:
    return RequirementAnswer(
        False,
        "backup missing",
        message=why,
        detail="It waited for a backup, and was not run.",
        hint="Take the backup ahead: dbguard backup now",
        sqlstate=_CANCELED,
    )
