"""A statement that breaks its analysis is refused alone; the pool goes on."""

from __future__ import annotations

import asyncio
import enum
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from dbguard.engine import plan
from dbguard.errors import (
    ConfigurationError,
    DbguardError,
    LimitExceeded,
    NotUnderstood,
    PolicyRefusal,
    UndefinedName,
)
from dbguard.policy import decision
from dbguard.proxy.analysis_frames import decode_error, dumps, encode_error, loads
from dbguard.proxy.analysis_pool import AnalysisPool
from dbguard.sql import facts

ENTRY = "analysis_entries:act"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' address space limit")


@pytest.fixture(autouse=True)
def _entries_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@asynccontextmanager
async def pool(**settings: float) -> AsyncIterator[AnalysisPool]:
    made = AnalysisPool(ENTRY, **settings)  # type: ignore[arg-type]
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def no_state() -> bytes:
    return pickle.dumps(None)


async def ask(
    running: AnalysisPool,
    request: object,
    key: tuple[str, ...] = (),
    state: Callable[[], bytes] = no_state,
) -> object:
    return pickle.loads(await running.run(key, state, pickle.dumps(request)))


async def test_results_and_noise() -> None:
    async with pool() as running:
        large = b"x" * (5 << 20)
        assert await ask(running, ("echo", {"a": 1})) == {"a": 1}
        assert await ask(running, ("echo", large)) == large
        assert await ask(running, "print") == "quiet"
        assert await ask(running, ("depth", 2000)) == 2000
        assert await asyncio.gather(*(ask(running, ("echo", n)) for n in range(50))) == list(
            range(50)
        )


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ("abort", NotUnderstood, "signal 6"),
        ("segfault", NotUnderstood, "signal 11"),
        ("exit", NotUnderstood, "exit code 3"),
        ("raise", NotUnderstood, "ValueError"),
        ("unpicklable", NotUnderstood, "cause is"),
        ("recurse", LimitExceeded, "depth"),
        ("hang", LimitExceeded, "longer than 1 s"),
        pytest.param("hog", LimitExceeded, "needs more than 256 MiB", marks=linux),
    ],
)
async def test_one_statement_is_refused_and_the_next_runs(
    request_: str, error: type[DbguardError], words: str
) -> None:
    async with pool(timeout_seconds=1.0, memory_bytes=256 << 20) as running:
        with pytest.raises(error) as caught:
            await ask(running, request_)
        said = f"{caught.value.message} {caught.value.detail}"
        assert words in said
        assert "123-45-6789" not in said
        assert caught.value.hint
        assert await ask(running, ("echo", "alive")) == "alive"


async def test_native_stack_overflow_is_one_refusal() -> None:
    async with pool(timeout_seconds=20.0, memory_bytes=4 << 30) as running:
        with pytest.raises(NotUnderstood) as caught:
            await ask(running, "native recursion")
        assert "signal" in caught.value.detail
        assert await ask(running, ("echo", "alive")) == "alive"


async def test_own_errors_keep_class_and_wording() -> None:
    async with pool() as running:
        with pytest.raises(UndefinedName) as caught:
            await ask(running, "refuse")
    error = caught.value
    assert (error.code, error.message, error.hint, error.position) == (
        "42P01",
        "relation does not exist",
        "Look.",
        7,
    )


async def test_state_is_sent_once_and_the_last_few_are_kept() -> None:
    sent: list[int] = []

    def state_of(number: int) -> Callable[[], bytes]:
        def make() -> bytes:
            sent.append(number)
            return pickle.dumps(number)

        return make

    async with pool() as running:
        for number in (1, 2, 1, 3, 4, 1, 5, 1, 5, 2):
            assert await ask(running, "state", (str(number),), state_of(number)) == number
    assert sent == [1, 2, 3, 4, 5, 2]


async def test_a_replaced_worker_gets_its_state_again() -> None:
    async with pool() as running:
        for _ in range(2):
            assert await ask(running, "state", ("k",), lambda: pickle.dumps("s")) == "s"
            with pytest.raises(NotUnderstood):
                await ask(running, "abort", ("k",), lambda: pickle.dumps("s"))


async def test_failing_state_reaches_the_caller_and_blocks_nobody() -> None:
    def broken() -> bytes:
        raise PolicyRefusal("no catalog")

    async with pool() as running:
        with pytest.raises(PolicyRefusal):
            await ask(running, "state", ("broken",), broken)
        assert await ask(running, ("echo", 1)) == 1


async def test_cancelled_callers_leave_no_answer_behind() -> None:
    async with pool() as running:
        for number in range(30):
            task = asyncio.ensure_future(ask(running, ("echo", f"cancelled {number}")))
            await asyncio.sleep(0.0005 * (number % 7))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await ask(running, ("echo", number)) == number
        slow = asyncio.ensure_future(ask(running, ("sleep", 0.3)))
        await asyncio.sleep(0.1)
        slow.cancel()
        assert await ask(running, ("echo", "after")) == "after"


async def test_cancelled_while_waiting_for_a_turn() -> None:
    async with pool() as running:
        slow = asyncio.ensure_future(ask(running, ("sleep", 0.3)))
        await asyncio.sleep(0.05)
        waiting = [asyncio.ensure_future(ask(running, ("echo", n))) for n in range(4)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        waiting[2].cancel()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert answers[1] == 1
        assert answers[3] == 3
        await slow
        assert await ask(running, ("echo", "after")) == "after"


async def test_the_queue_is_bounded_in_length() -> None:
    async with pool(timeout_seconds=60, max_waiting=1, max_wait_seconds=60) as running:
        others = [asyncio.ensure_future(ask(running, ("sleep", 60.0))) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(LimitExceeded, match="too many"):
            await ask(running, ("echo", 1))
        for one in others:
            one.cancel()


async def test_the_queue_is_bounded_in_time() -> None:
    async with pool(timeout_seconds=60, max_wait_seconds=0.05) as running:
        slow = asyncio.ensure_future(ask(running, ("sleep", 60.0)))
        await asyncio.sleep(0)
        with pytest.raises(LimitExceeded, match="too many"):
            await ask(running, ("echo", 1))
        slow.cancel()


async def test_one_hanging_statement_does_not_stop_the_others() -> None:
    async with pool(workers=2, timeout_seconds=60) as running:
        hanging = asyncio.ensure_future(ask(running, "hang"))
        await asyncio.sleep(0.05)
        assert await ask(running, ("echo", 1)) == 1
        assert not hanging.done()
        hanging.cancel()


async def test_workers_are_recycled_without_a_gap() -> None:
    async with pool(recycle_after=3) as running:
        seen = set()
        for _ in range(3_000):
            seen.add(await ask(running, "pid"))
            if len(seen) > 1:
                break
            await asyncio.sleep(0.02)
        assert len(seen) == 2


async def test_a_worker_that_dies_idle_costs_nobody_a_statement() -> None:
    async with pool() as running:
        pid = await ask(running, "pid")
        assert isinstance(pid, int)
        worker = running._slots[0].worker
        assert worker is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while worker.alive:
                await asyncio.sleep(0.01)
        assert await ask(running, ("echo", 1)) == 1


async def test_interrupts_are_for_the_proxy() -> None:
    async with pool() as running:
        pid = await ask(running, "pid")
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGINT)
        assert await ask(running, "pid") == pid


async def test_close_refuses_running_and_waiting_and_leaves_no_process() -> None:
    running = AnalysisPool(ENTRY)
    await running.start()
    pid = await ask(running, "pid")
    assert isinstance(pid, int)
    tasks = [asyncio.ensure_future(ask(running, "hang")) for _ in range(3)]
    await asyncio.sleep(0.1)
    await running.close()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, LimitExceeded)
    with pytest.raises(LimitExceeded, match="shutting down"):
        await ask(running, "pid")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("entry", ["no_such_module:act", "analysis_entries:nothing"])
async def test_an_entry_that_cannot_be_imported(entry: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await AnalysisPool(entry).start()
    assert "Error" in caught.value.detail


async def test_secrets_in_the_environment_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBGUARD_CATALOG__DSN", "postgresql://u:secret@h/d")
    monkeypatch.setenv("PGPASSWORD", "secret")
    async with pool() as running:
        names = await ask(running, "environment")
    assert isinstance(names, list)
    assert not {"DBGUARD_CATALOG__DSN", "PGPASSWORD"} & set(names)


@linux
async def test_workers_die_with_the_proxy() -> None:
    program = (
        "import asyncio, pickle\n"
        "from dbguard.proxy.analysis_pool import AnalysisPool\n"
        "async def main():\n"
        f"    pool = AnalysisPool({ENTRY!r})\n"
        "    await pool.start()\n"
        "    pid = await pool.run((), lambda: pickle.dumps(None), pickle.dumps('pid'))\n"
        "    print(pickle.loads(pid), flush=True)\n"
        "    await pool.run((), lambda: pickle.dumps(None), pickle.dumps('hang'))\n"
        "asyncio.run(main())\n"
    )
    proxy = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert proxy.stdout is not None
    pid = int(await proxy.stdout.readline())
    await asyncio.sleep(0.1)
    proxy.kill()
    await proxy.wait()
    for _ in range(1200):
        if (
            not Path(f"/proc/{pid}").exists()
            or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
        ):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the worker outlived the proxy")


@pytest.mark.parametrize(
    "error",
    [
        PolicyRefusal("a", detail="b", hint="c", position=4),
        LimitExceeded("a"),
        UndefinedName("42703", "a", hint="h", position=1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_the_pipe(error: DbguardError) -> None:
    back = decode_error(encode_error(error))
    assert type(back) is type(error)
    assert vars(back) == vars(error)


class TestLoads:
    def test_plain_values(self) -> None:
        value = {"a": (1, None, frozenset({b"x"})), "b": {1.5, "text"}}
        assert loads(dumps(value)) == value

    @pytest.mark.parametrize("module", [facts, decision, plan], ids=lambda m: m.__name__)
    def test_classes_that_make_up_a_plan(self, module: ModuleType) -> None:
        own = [c for c in vars(module).values() if isinstance(c, type)]
        own = [c for c in own if c.__module__ == module.__name__]
        assert own
        for kind in own:
            assert loads(dumps(kind)) is kind
            if issubclass(kind, enum.Enum):
                assert [loads(dumps(member)) for member in kind] == list(kind)

    def test_a_plan(self) -> None:
        whole = plan.Plan("SELECT 1", None, (), plan.Refusal("42501", "refused"))
        assert loads(dumps(whole)) == whole

    def test_enums_as_python_3_11_2_reduces_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def reduce(member: enum.Enum, _protocol: object) -> object:
            return getattr, (type(member), member.name)

        monkeypatch.setattr(enum.Enum, "__reduce_ex__", reduce)
        value = {decision.Effect.DENY: frozenset({facts.Action.SELECT})}
        with pytest.raises(pickle.UnpicklingError):
            loads(pickle.dumps(value))
        assert loads(dumps(value)) == value

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("os", "system"),
            ("builtins", "eval"),
            ("dbguard.config", "load_settings"),
            ("dbguard.sqlx", "thing"),
            ("dbguard.sql.referee", "json.loads"),
            ("dbguard.sql.facts", "dataclass"),
            ("dbguard.sql.facts", "nothing"),
        ],
    )
    def test_nothing_else(self, module: str, name: str) -> None:
        data = (
            b"\x80\x04\x8c"
            + bytes([len(module)])
            + module.encode()
            + b"\x8c"
            + bytes([len(name)])
            + name.encode()
            + b"\x93."
        )
        with pytest.raises((pickle.UnpicklingError, ModuleNotFoundError)):
            loads(data)
