"""Several deliveries side by side, none of which holds up another."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from .delivering import Delivery, GivenUp
from .status import DeliveryState, DeliveryStatus, Tell

AGAIN_SECONDS: Final = 30.0
"""When a delivery that failed by a mistake of dbguard's is begun again."""
TOLD_EVERY: Final = 1.0


async def ship(
    make: Sequence[Callable[[], Delivery]],
    tell: Tell,
    show: Callable[[list[DeliveryStatus]], None],
    *,
    again: float = AGAIN_SECONDS,
    every: float = TOLD_EVERY,
) -> None:
    """Ship for as long as the task runs; `show` gets the state of all deliveries now and then."""
    running: dict[int, tuple[Delivery, asyncio.Task[None]]] = {}
    due = dict.fromkeys(range(len(make)), 0.0)
    loop = asyncio.get_running_loop()
    broken: dict[int, DeliveryStatus] = {}
    try:
        while True:
            for number, when in list(due.items()):
                if loop.time() >= when:
                    del due[number]
                    delivery = make[number]()
                    running[number] = delivery, loop.create_task(delivery.run())
            for number, (delivery, task) in list(running.items()):
                if task.done():
                    del running[number]
                    broken[number] = _failed(delivery, task, tell)
                    due[number] = loop.time() + again
                else:
                    broken.pop(number, None)
            statuses = [delivery.status() for delivery, _ in running.values()]
            show([*statuses, *broken.values()])
            await asyncio.sleep(every)
    finally:
        for _, task in running.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in running.values()), return_exceptions=True)


def _failed(delivery: Delivery, task: asyncio.Task[None], tell: Tell) -> DeliveryStatus:
    """An end that should not have come; its text could hold a secret, so only its kind is told."""
    error = task.exception()
    places = [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__ if error else None)
    ]
    reason = f"the delivery failed: {type(error).__name__}"
    tell("error", reason, {"destination": delivery.name, "places": places[-4:]})
    before = delivery.status()
    return DeliveryStatus(
        before.name,
        DeliveryState.RETRYING,
        before.lag_records,
        before.lag_seconds,
        before.shipped,
        before.errors + 1,
        reason,
    )


async def ship_by_hand(deliveries: Sequence[Delivery], *, once: bool) -> dict[str, str]:
    """Ship until all is done, or for ever; why each destination that did not take it was given up,
    by name. A destination that gives up holds up none of the others."""
    results = await asyncio.gather(
        *(delivery.run(once=once) for delivery in deliveries), return_exceptions=True
    )
    failures: dict[str, str] = {}
    for delivery, result in zip(deliveries, results, strict=True):
        if isinstance(result, GivenUp):
            failures[delivery.name] = str(result)
        elif isinstance(result, BaseException):
            raise result
    return failures
