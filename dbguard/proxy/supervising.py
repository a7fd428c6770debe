"""Several workers that serve one dbguard's port, and the process that sees to it that they do.

The supervisor opens the sockets, which the workers accept from; it answers probes, ships and seals
the trail, and says what is in force. It touches no client and no database. Its own chain of the
trail tells of the whole: start, stop, policy, and workers that die.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import Counter

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.own_chain import own_chain, signing_key
from dbguard.audit.records import EventRecord
from dbguard.audit_settings import AuditSettings
from dbguard.catalog.drift_registry import DriftRegistry
from dbguard.errors import AuditUnavailable, ConfigurationError, DbguardError, StateUnavailable
from dbguard.policy.loading import load_policy
from dbguard.policy.model import Policy
from dbguard.settings import Settings
from dbguard.shipping.making import check_installed
from dbguard.shipping.supervising import Shipping

from .crew import Crew
from .listening import close_sockets, open_sockets
from .merged_metrics import Merging
from .metrics import Metrics
from .milestones import Milestones, policy_loaded, policy_replaced
from .polling import turns
from .probes import application, probes
from .process_limits import no_core_files
from .reloading import Reload, tell_failed, tell_reloaded
from .serving import previous_digest, say_ready
from .sharing import Place, ledger_of, prepare
from .shipping_metrics import ShippingMetrics
from .tasks import spawn
from .trail_sealing import TrailSealing
from .worker import chain_name, own_audit
from .worker_channel import CheckReady, Measure

log = structlog.get_logger(__name__)

_OWN = "supervisor"


def worker_count(settings: Settings) -> int:
    """How many workers the settings ask for."""
    if settings.workers == "auto":
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else (os.cpu_count() or 1)
        )
    return settings.workers


async def supervise(
    settings: Settings,
    on_ready: Callable[[str, int], None],
    reload: Reload,
    command: Sequence[str],
    log_level: str,
) -> None:
    """Run workers until cancelled; cancelled once more, nobody is waited for.

    `command` starts a worker. The rest is as for `serving.serve`, and so is what it raises.
    """
    settings.check_combination()
    no_core_files()
    policy = load_policy(settings.rules)
    check_installed(settings.audit.ship)
    count = worker_count(settings)
    _check_names(settings, count)
    async with contextlib.AsyncExitStack() as stack:
        shipping = Shipping(settings.audit.directory, settings.audit.ship)
        stack.push_async_callback(shipping.stop)
        signing_key(settings.audit)  # made before several want to make it
        audit_log = own_chain(settings.audit)
        stack.callback(audit_log.close)
        audit = AsyncAudit(audit_log, *turns())
        stack.callback(audit.detach)
        shipping.start()
        metrics = Metrics()
        metrics.add(ShippingMetrics(shipping))
        place = stack.enter_context(_place(settings, count))
        ledger = ledger_of(place, 0)
        stack.callback(ledger.close)
        whole = Whole(audit, metrics, Merging())
        milestones = Milestones(part=(("workers", str(count)), ("run", place.run)))
        await whole.begin(settings, policy, milestones)
        stack.callback(lambda: whole.event(milestones.stop()))
        listening = open_sockets(settings.listen.host, settings.listen.port, settings.listen.socket)
        stack.callback(close_sockets, listening)
        crew = Crew(
            settings, policy, place, listening, ledger, command, log_level, whole.event, whole.died
        )
        whole.restarts = metrics.of_workers(lambda: count - crew.missing)
        try:
            await crew.start()
            app = application(lambda: whole.measured(crew), lambda: whole.not_ready(crew))
            await stack.enter_async_context(probes(settings.metrics, app))
            work = crew.keeping() | whole.sealing(settings, count)
            work["reload when asked"] = whole.reload_when_asked(reload, crew)
            await _until_one_ends(work, lambda: say_ready(settings, on_ready))
        finally:
            log.info("stopping", workers=count - crew.missing)
            whole.stopping = True
            close_sockets(listening)
            await crew.stop(crew.settings.limits.shutdown_timeout)


async def _until_one_ends(
    work: dict[str, Coroutine[object, object, None]], ready: Callable[[], None]
) -> None:
    background = [spawn(one, name) for name, one in work.items()]
    try:
        ready()
        # none of these ends by itself: one that fails takes everything down, loudly
        await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in background:
            task.cancel()


def _check_names(settings: Settings, count: int) -> None:
    most = chain_name(settings.audit.writer, count)
    if len(most) > 32:
        raise ConfigurationError(
            f"audit.writer: {most}, the chain of a worker, is longer than 32 characters",
            hint="Choose a shorter name, or set workers to 1.",
        )


@contextlib.contextmanager
def _place(settings: Settings, count: int) -> Iterator[Place]:
    """Where the workers meet; gone behind them."""
    folder = Path(tempfile.mkdtemp(prefix="dbguard-workers-"))  # for this user alone
    try:
        yield _prepared(settings, folder, count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepared(settings: Settings, folder: Path, count: int) -> Place:
    """Raises ConfigurationError."""
    try:
        # the state file is made by one, not by several at once
        DriftRegistry(settings.state.path, "").read_filled("", 0)
        return prepare(folder, count)
    except StateUnavailable as error:
        raise ConfigurationError(error.message, detail=error.detail, hint=error.hint) from None
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise ConfigurationError(
            f"workers: {folder} cannot be used: {reason}",
            hint="Check the system's folder of temporary files.",
        ) from None


@dataclass(slots=True)
class Whole:
    """What is said of all workers together, and what the supervisor itself does."""

    audit: AsyncAudit
    metrics: Metrics
    merging: Merging
    restarts: Counter | None = None
    stopping: bool = False

    def record(self, record: EventRecord) -> int:
        self.metrics.recorded(record)
        return self.audit.append(record)

    def event(self, record: EventRecord) -> int:
        """Put it on record if that can be done."""
        try:
            return self.record(record)
        except AuditUnavailable:
            log.warning("the audit log cannot be written", event_kind=record.kind.value)
            return 0

    async def begin(self, settings: Settings, policy: Policy, milestones: Milestones) -> None:
        """Raises ConfigurationError when start and policy cannot be put on record."""
        previous = await asyncio.to_thread(previous_digest, settings)
        self.event(milestones.start(settings))
        sequence = self.event(policy_loaded(policy, settings.environment, previous))
        try:
            await self.audit.persisted(sequence)
        except AuditUnavailable as error:
            raise ConfigurationError(
                f"{settings.audit.directory}: {error.message}", detail=error.detail, hint=error.hint
            ) from None

    def sealing(self, settings: Settings, count: int) -> dict[str, Coroutine[object, object, None]]:
        """What seals the chain of each process, by name."""
        chains = [settings.audit, *(own_audit(settings.audit, n + 1) for n in range(count))]
        return {f"sealing {chain.writer}": self._seal(chain) for chain in chains}

    def _seal(self, chain: AuditSettings) -> Coroutine[object, object, None]:
        return TrailSealing(lambda: chain, self.record, self.metrics).run()

    def died(self, number: int) -> None:
        if self.restarts is not None:
            self.restarts.inc()
        self.merging.died(str(number))

    async def measured(self, crew: Crew) -> bytes:
        """The metrics of all processes as one."""
        for number, reply in (await crew.asked(Measure())).items():
            if reply.words:
                self.merging.told(str(number), reply.words[0])
        metrics = self.metrics
        metrics.tasks.set(len(asyncio.all_tasks()))
        metrics.audit_pending.set(self.audit.pending)
        metrics.audit_available.set(self.audit.available)
        metrics.audit_signed.set(self.audit.signed)
        self.merging.told(_OWN, metrics.render().decode())
        return self.merging.render()

    async def not_ready(self, crew: Crew) -> list[str]:
        """Why clients should go to another dbguard now: what keeps one worker keeps all."""
        reasons = ["stopping"] if self.stopping else []
        if not self.audit.available:
            reasons.append("decisions cannot be recorded")
        replies = await crew.ask_all(CheckReady())
        if crew.missing or len(replies) < len(crew.workers):
            reasons.append("a worker is being started")
        return list(dict.fromkeys([*reasons, *(word for r in replies for word in r.words)]))

    async def reload_when_asked(self, reload: Reload, crew: Crew) -> None:
        """As `reloading.reload_when_asked`, for all workers."""
        while True:
            await reload.asked.wait()
            reload.asked.clear()
            reload.began()
            try:
                await self._reload(reload, crew)
            except (ConfigurationError, AuditUnavailable) as error:
                self._failed(error)
            reload.ended()

    def _failed(self, error: DbguardError) -> None:
        self.metrics.reloads.labels("failed").inc()
        tell_failed(error)

    async def _reload(self, reload: Reload, crew: Crew) -> None:
        settings = await asyncio.to_thread(reload.load)
        settings.check_combination()
        policy = await asyncio.to_thread(load_policy, settings.rules)
        before, environment = crew.policy, crew.settings.environment

        async def recorded() -> None:
            if (policy.digest, settings.environment) != (before.digest, environment):
                record = policy_replaced(before, policy, environment, settings.environment)
                await self.audit.persisted(self.record(record))

        waiting = await crew.replace(settings, policy, recorded)
        self.metrics.reloads.labels("done").inc()
        tell_reloaded(policy, waiting)
