"""One of several processes that serve clients on the same sockets, as its supervisor says.

It has a chain of the audit trail, a catalog, plans and analysis of its own. Signals are for the
supervisor; when that is gone, the worker ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from typing import Final

import structlog

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.own_chain import own_chain
from dbguard.audit_settings import AuditSettings
from dbguard.errors import AuditUnavailable, ConfigurationError, StateUnavailable
from dbguard.settings import Settings

from .deployment import Deployment
from .metrics import Metrics
from .milestones import Milestones
from .polling import turns
from .process_limits import no_core_files
from .reloading import Prepared, change, prepare, use
from .running import Running, running
from .serving import previous_digest
from .sharing import Place, among
from .tasks import spawn
from .worker_channel import Channel, CheckReady, Job, Measure, Prepare, Reply, Stop, Use

log = structlog.get_logger(__name__)

HURRY_SECONDS: Final = 0.1
"""Between the first word that it is over and the one that nobody is waited for any more."""
NAME_BYTES: Final = 32
"""As long as the name of a chain may be."""


def chain_name(writer: str, number: int) -> str:
    """What the chain of worker `number` is called, where `writer` is the configured one."""
    return f"{writer}-w{number}" if writer else f"w{number}"


def own_audit(settings: AuditSettings, number: int) -> AuditSettings:
    """The same trail, with the chain of worker `number`."""
    return settings.model_copy(update={"writer": chain_name(settings.writer, number)})


def own_settings(settings: Settings, number: int) -> Settings:
    return settings.model_copy(update={"audit": own_audit(settings.audit, number)})


async def work(job: Job, channel: Channel) -> None:
    """Serve until the supervisor says that it is enough, or is gone."""
    no_core_files()
    try:
        await _serve(job, channel)
    except (ConfigurationError, StateUnavailable) as error:
        await channel.reply(Reply.failed(error))
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        failed = ConfigurationError(
            f"workers: worker {job.number} cannot be started: {reason}",
            hint="Check the system's folder of temporary files, and how many files may be open.",
        )
        await channel.reply(Reply.failed(failed))
    finally:
        channel.close()


async def _serve(job: Job, channel: Channel) -> None:
    settings = own_settings(job.settings, job.number)
    deployment = Deployment(settings)
    async with contextlib.AsyncExitStack() as stack:
        sharing = among(job.place, job.number)
        stack.callback(sharing.close)
        audit_log = own_chain(settings.audit)
        stack.callback(audit_log.close)
        audit = AsyncAudit(audit_log, *turns())
        stack.callback(audit.detach)
        share = -(-settings.limits.analysis_workers // job.place.workers)
        process = await stack.enter_async_context(
            running(deployment, job.policy, audit, Metrics(), sharing, share)
        )
        milestones = Milestones(part=(("worker", str(job.number)), ("run", job.place.run)))
        await process.begin(milestones, await asyncio.to_thread(previous_digest, settings))
        stack.callback(lambda: process.event(milestones.stop()))
        assert sharing.routes is not None
        cancels = sharing.routes.answering(process.cancels.cancel_here)
        await stack.enter_async_context(cancels)
        listening = [socket.socket(fileno=number) for number in job.sockets]
        for one in listening:
            one.setblocking(False)
        ready = asyncio.Event()
        serving = spawn(process.until_one_ends(listening, {}, ready.set, _close), "serving")
        obeying = spawn(
            obey(Following(job.number, job.place, process), channel, ready, serving), "obeying"
        )
        try:
            await asyncio.wait((serving,))
        finally:
            obeying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await obeying


def _close(listening: list[socket.socket]) -> None:
    """The file of a Unix socket is the supervisor's: others go on listening there."""
    for one in listening:
        one.close()


async def obey(
    following: Following, channel: Channel, ready: asyncio.Event, serving: asyncio.Task[None]
) -> None:
    """Answer until the supervisor is gone; `serving` is cancelled when it says so, and twice when
    it can say nothing any more."""
    await ready.wait()
    await channel.reply(Reply())
    while (command := await channel.hear_command()) is not None:
        if isinstance(command, Stop):
            serving.cancel()
        else:
            await channel.reply(await following.answer(command))
    log.info("the supervisor is gone")
    shutil.rmtree(following.place.folder, ignore_errors=True)  # what it would have done
    serving.cancel()
    await asyncio.sleep(HURRY_SECONDS)
    serving.cancel()


class Following:
    """Answers the supervisor."""

    def __init__(self, number: int, place: Place, process: Running) -> None:
        self._number = number
        self.place = place
        self._process = process
        self._prepared: Prepared | None = None

    async def answer(self, command: object) -> Reply:
        try:
            match command:
                case Prepare(settings, policy):
                    self._prepared = None
                    self._prepared = await prepare(
                        own_settings(settings, self._number),
                        policy,
                        self._process.deployment,
                        self._process.sites,
                    )
                    return Reply()
                case Use():
                    return Reply(await self._use())
                case Measure():
                    return Reply(((await self._process.measured()).decode(),))
                case CheckReady():
                    return Reply(tuple(await self._process.not_ready()))
        except ConfigurationError as error:
            return Reply.failed(error)
        raise AssertionError("no such command")

    async def _use(self) -> tuple[str, ...]:
        prepared, self._prepared = self._prepared, None
        assert prepared is not None
        deployment, sites = self._process.deployment, self._process.sites
        record = change(prepared, deployment, sites)
        if record is not None:
            # the supervisor has it on disk; here, whatever is decided by it stands behind it
            with contextlib.suppress(AuditUnavailable):
                self._process.hub.record(record)
        return await use(prepared, deployment, sites)
