"""The workers, seen from their supervisor: started, asked, replaced when they die, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.catalog.generations import SharedGenerations
from dbguard.errors import ConfigurationError, StateUnavailable
from dbguard.policy.model import Policy
from dbguard.settings import Settings

from .analysis_process import worker_environment
from .ledger import Ledger
from .sharing import GENERATIONS, Place
from .tasks import spawn
from .worker import HURRY_SECONDS
from .worker_channel import Channel, Command, Job, Prepare, Reply, Stop, Use, WorkerLost

log = structlog.get_logger(__name__)

START_SECONDS: Final = 120.0
"""Imports, the catalog and the analysis workers take some seconds, and more on a busy machine."""
ASK_SECONDS: Final = 60.0
"""A worker that does not answer for so long is none any more."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between the death of a worker and the next one: 1, 2, 4, … up to this."""
HEALTHY_SECONDS: Final = 60.0
"""After a life as long as this, the first pause counts again."""
END_SECONDS: Final = 15.0
"""How much longer than its sessions a worker may take to end."""


@dataclass(slots=True, eq=False)
class Worker:
    """One place in the crew, and the process that fills it."""

    number: int
    process: asyncio.subprocess.Process | None = None
    channel: Channel | None = None
    """Set while it serves."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One question at a time."""

    async def asked(self, command: Command) -> Reply | None:
        """Its answer. When there is none, there is no such worker any more."""
        async with self.lock:
            channel = self.channel
            if channel is None:
                return None
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    await channel.tell(command)
                    return await channel.hear_reply()
            except (TimeoutError, WorkerLost):
                self.kill()
                return None

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()


class Crew:
    """All of them, and what is in force for them."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        place: Place,
        listening: Sequence[socket.socket],
        ledger: Ledger,
        command: Sequence[str],
        log_level: str,
        tell: Callable[[EventRecord], object],
        died: Callable[[int], None],
    ) -> None:
        """`command` is what starts a worker; the number of its socket and its own are put behind
        it. `tell` puts an event on record if that can be done; `died` gets the number of a worker
        that has."""
        self.settings, self.policy = settings, policy
        self._place = place
        self._listening = listening
        self._ledger = ledger
        self._generations = SharedGenerations(place.folder / GENERATIONS)
        self._command = command
        self._log_level = log_level
        self._tell = tell
        self._died = died
        self._changing = asyncio.Lock()
        """Workers begin with what is in force, so none begins while that changes."""
        self._stopping = False
        self.workers = [Worker(number + 1) for number in range(place.workers)]

    @property
    def missing(self) -> int:
        """How many do not serve now."""
        return sum(worker.channel is None for worker in self.workers)

    async def start(self) -> None:
        """Start all of them.

        Raises:
            ConfigurationError: one cannot serve, so none does.
        """
        began = await asyncio.gather(*map(self._begin, self.workers), return_exceptions=True)
        failed = [found for found in began if isinstance(found, BaseException)]
        if failed:
            raise failed[0]

    def keeping(self) -> dict[str, Coroutine[object, object, None]]:
        """What keeps each alive, by name."""
        return {f"worker {worker.number}": self._keep(worker) for worker in self.workers}

    async def ask_all(self, command: Command) -> list[Reply]:
        """The replies of those that serve."""
        return list((await self.asked(command)).values())

    async def asked(self, command: Command) -> dict[int, Reply]:
        """The same by their numbers."""
        asking = {
            worker.number: spawn(worker.asked(command), f"question to worker {worker.number}")
            for worker in self.workers
            if worker.channel is not None
        }
        if asking:
            # who waits may go away: the answers have to be taken all the same
            await asyncio.wait(asking.values())
        found = {number: task.result() for number, task in asking.items()}
        return {number: reply for number, reply in found.items() if reply is not None}

    async def replace(
        self,
        settings: Settings,
        policy: Policy,
        recorded: Callable[[], Coroutine[object, object, None]],
    ) -> tuple[str, ...]:
        """Put settings and policy in force at every worker or at none; returns the settings that
        need a restart. `recorded` puts it on record when all are prepared.

        Raises:
            ConfigurationError: one cannot use them.
            AuditUnavailable: what `recorded` raises.
        """
        async with self._changing:
            for reply in await self.ask_all(Prepare(settings, policy)):
                reply.checked()
            await recorded()
            self.settings, self.policy = settings, policy
            # who does not do it is killed, and begins anew with what is in force now
            done = await self.ask_all(Use())
            return done[0].words if done else ()

    async def stop(self, seconds: float) -> None:
        """Have all of them end: sessions may take `seconds` to come to theirs. Cancelled
        meanwhile: at once."""
        self._stopping = True
        running = [
            w for w in self.workers if w.process is not None and w.process.returncode is None
        ]
        ends = [spawn(_ended(worker), f"end of worker {worker.number}") for worker in running]
        try:
            for worker in running:
                if worker.channel is not None:
                    await worker.channel.tell(Stop())
                else:
                    worker.kill()
            if ends:
                await asyncio.wait(ends, timeout=seconds + END_SECONDS)
        finally:
            for worker in running:
                if worker.channel is not None:
                    worker.channel.close()  # which it takes for the end of all
            left = [end for end in ends if not end.done()]
            if left:
                await asyncio.wait(left, timeout=HURRY_SECONDS + END_SECONDS)
            for worker in running:
                worker.kill()
            if ends:
                await asyncio.wait(ends)

    async def _keep(self, worker: Worker) -> None:
        """Whenever it dies, take what it had out of the ledger and start another one."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        began = loop.time()
        while True:
            code = await _ended(worker)
            if self._stopping:
                return
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._lost(worker, how)
            pause = FIRST_PAUSE if loop.time() - began >= HEALTHY_SECONDS else pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            began = loop.time()
            try:
                async with self._changing:
                    await self._begin(worker)
            except ConfigurationError as error:
                log.error("worker cannot be started", worker=worker.number, message=error.message)
            else:
                self._tell(_event(RecordKind.START, worker, "worker started again"))

    def _lost(self, worker: Worker, how: str) -> None:
        if worker.channel is not None:
            worker.channel.close()
            worker.channel = None
        log.error("a worker ended, another one is started", worker=worker.number, end=how)
        self._tell(_event(RecordKind.STOP, worker, "worker ended", end=how))
        self._died(worker.number)
        # what it was about to tell the others they find out by looking
        self._generations.count_everywhere()
        try:
            self._ledger.forget(worker.number)
        except StateUnavailable as error:  # they count on: fewer come in than could
            log.error(error.message, detail=error.detail)

    async def _begin(self, worker: Worker) -> None:
        """Start its process, and wait until clients can come.

        Raises:
            ConfigurationError: it cannot serve.
        """
        ours, theirs = socket.socketpair()
        sockets = tuple(one.fileno() for one in self._listening)
        with theirs:
            try:
                worker.process = await asyncio.create_subprocess_exec(
                    *self._command,
                    str(theirs.fileno()),
                    str(worker.number),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    env=worker_environment(),
                    pass_fds=(theirs.fileno(), *sockets),
                )
            except OSError as error:
                ours.close()
                raise _cannot_start(
                    worker, (error.strerror or "input/output error").lower()
                ) from None
        channel = Channel(*await asyncio.open_connection(sock=ours))
        job = Job(worker.number, self.settings, self.policy, self._place, sockets, self._log_level)
        try:
            async with asyncio.timeout(START_SECONDS):
                await channel.tell(job)
                (await channel.hear_reply()).checked()
        except (TimeoutError, WorkerLost):
            worker.kill()
            channel.close()
            raise _cannot_start(worker, "it ended or hung") from None
        except BaseException:
            worker.kill()
            channel.close()
            raise
        worker.channel = channel


async def _ended(worker: Worker) -> int:
    return await worker.process.wait() if worker.process is not None else 0


def _event(kind: RecordKind, worker: Worker, event: str, **more: str) -> EventRecord:
    fields = {"event": event, "worker": str(worker.number), **more}
    return EventRecord(kind, "", tuple(fields.items()))


def _cannot_start(worker: Worker, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"workers: worker {worker.number} cannot be started: {reason}",
        hint="See the log; set workers to 1 if the machine has no room for more.",
    )
