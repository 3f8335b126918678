"""Actors that kill or block their process outside of their own call: while their arguments are read, or in a task that they started."""

import asyncio
import os
import time
from collections.abc import Callable

from attrs import frozen

from fq import App
from tests.chaos.tasks import note

app = App(os.environ.get("FQ_URL", "memory://"))


@frozen
class Trap:
    """An argument that does something when it is read by a worker."""

    kind: str

    def __attrs_post_init__(self) -> None:
        if "FQ_CHAOS_LOG" in os.environ:
            note("read", self.kind)
            {"exit": lambda: os._exit(7), "block": lambda: time.sleep(600)}[self.kind]()


@app.actor(max_retries=0, max_deliveries=2, time_limit=500)
def takes(trap: Trap) -> int:
    """Never gets that far."""
    return 1


@app.actor(max_retries=0, max_deliveries=2, time_limit=500)
async def atakes(trap: Trap) -> int:
    """The same, async."""
    return 1


async def in_a_task(act: Callable[[], object]) -> None:
    """Do it after a wait, in a task of a task."""

    async def inner() -> None:
        await asyncio.sleep(0.3)
        note("acts", 0)
        act()

    await asyncio.gather(inner())


@app.actor(max_retries=0, max_deliveries=2)
async def dies_in_a_task() -> int:
    """Kill the process from a task that it started."""
    await asyncio.gather(in_a_task(lambda: os._exit(9)))
    return 1


@app.actor(max_retries=0, time_limit=1_000)
async def blocks_in_a_task() -> int:
    """Block the loop beyond its limit from a task that it started."""
    await asyncio.gather(in_a_task(lambda: time.sleep(600)))
    return 1


@app.actor(max_retries=0, time_limit=500)
async def will_not_be_cancelled() -> int:
    """Go on and on."""
    while True:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            note("swallowed", 0)


@app.actor(max_deliveries=3)
async def ticks(seconds: float) -> float:
    """An innocent that is at work again and again: it may be at work, and is blamed, at each of the two deaths."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:  # noqa: ASYNC110  # no event is waited for
        await asyncio.sleep(0.005)
    return seconds
