"""
What each ``<name>_noop.py`` does with its queue: fill it, send in several ways, send to an idle or a busy worker. Standard library only.

It runs inside the queue's environment, as ``python <name>_noop.py COMMAND [ARGUMENT ...]``, and prints one JSON object.
"""

import asyncio
import inspect
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median

IN_FLIGHT, PARTS, BATCH = 32, 5, 1_000
STAMP_SECONDS = 0.02
"""How often a message of a busy worker records its delay."""

LOST_SECONDS = 5.0
"""How long to wait for the start of one message."""

Call = Callable[..., object]
"""A function or a coroutine function: queues offer one or the other."""


def stamps() -> Path:
    """Return the file with the delays."""
    return Path(os.environ["BENCH_STAMPS"])


def record_delay(sent: float) -> None:
    """Record how long after *sent*, on the monotonic clock, the actor ``stamp`` started."""
    waited = time.monotonic() - sent
    with stamps().open("a") as file:
        file.write(f"{waited}\n")


@dataclass(frozen=True)
class Producer:
    """
    The sending side of a queue.

    Attributes:
        send: called with the name of an actor and its arguments.

        asend: the same as a coroutine function, if *send* is not one. It is used for 32 sends in flight.

        many: called with the name of an actor and a number of messages, to send them together, a thousand a round trip.

        bare: one command of the client, for comparison.

        start: called before the first message is sent.

        packages: the packages whose versions are reported.
    """

    send: Call
    asend: Call | None = None
    many: Call | None = None
    bare: Call | None = None
    start: Call | None = None
    packages: tuple[str, ...] = ()

    def main(self) -> None:
        """Run the command in the arguments of the program."""
        command, *arguments = sys.argv[1:] or ["versions"]
        print(json.dumps(asyncio.run(self.run(command, *arguments))), flush=True)
        os._exit(0)  # do not measure how long a client takes to close

    async def run(self, command: str, *arguments: str) -> dict[str, object]:
        """Return the figures of *command*."""
        if command == "versions":
            return {name: _version(name) for name in self.packages}
        if self.start is not None:
            await _called(self.start)
        match command, *arguments:
            case "fill", count, actor:
                return await self.fill(int(count), actor)
            case "sends", seconds:
                return await self.sends(float(seconds))
            case "singly", count, actor:
                return {"rate": await _rate_of(int(count), self.send, actor)}
            case "together", count, actor:
                return await self.fill(int(count), actor, alone=True)
            case "spaced", count, "stamp":
                await self.spaced(int(count), float("inf"))
            case "spaced", count, seconds:
                await self.spaced(int(count), float(seconds))
            case "steady", per_second, seconds, actor:
                return {"rate": await self.steady(float(per_second), float(seconds), actor)}
            case _:
                raise SystemExit(f"found {command!r} with {arguments}; expected versions, fill, sends, singly, together, spaced or steady")
        return {}

    async def fill(self, count: int, actor: str, *, alone: bool = False) -> dict[str, object]:
        """Send *count* messages, in the fastest way that the queue has; *alone*: each by a call of its own."""
        began = time.perf_counter()
        if self.many is not None and not alone:
            await _called(self.many, actor, count)
        else:
            await _together(self.asend or self.send, count, actor)
        return {"rate": count / (time.perf_counter() - began)}

    async def sends(self, seconds: float) -> dict[str, object]:
        """
        Return the rates of all ways to send, each measured for *seconds*.

        Sends and bare commands alternate, so that other load on the machine affects both.
        """
        found: dict[str, object] = {}
        await _rate(0.1, self.send, "noop")  # opens the connection
        singly: dict[str, list[float]] = {"bare": [], "send": []}
        for _ in range(PARTS):
            if self.bare is not None:
                singly["bare"].append(await _rate(seconds / PARTS, self.bare))
            singly["send"].append(await _rate(seconds / PARTS, self.send, "noop"))
        found |= {name: median(rates) for name, rates in singly.items() if rates}
        concurrent = self.asend or (self.send if inspect.iscoroutinefunction(self.send) else None)
        if concurrent is not None:
            found["asend"] = await _rate_together(seconds, concurrent, "noop")
        if self.many is not None:
            found["many"] = BATCH * await _rate(seconds, self.many, "noop", BATCH)
        return found

    async def spaced(self, count: int, seconds: float) -> None:
        """Send up to *count* messages to an idle worker, for up to *seconds*, each when the one before it has started, and 10 to 30 ms later."""
        chance, deadline = random.Random(1), time.monotonic() + seconds
        for _ in range(count):
            before = stamps().stat().st_size
            sent = time.monotonic()
            await _called(self.send, "stamp", sent)
            while stamps().stat().st_size == before and time.monotonic() < sent + LOST_SECONDS:  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.002)
            await asyncio.sleep(chance.uniform(0.01, 0.03))
            if time.monotonic() > deadline:
                return

    async def steady(self, per_second: float, seconds: float, actor: str) -> float:
        """Send *per_second* messages for *seconds*; every 20 ms one that records its delay. Return the rate that was reached."""
        began, count, stamped = time.monotonic(), 0, 0
        while (elapsed := time.monotonic() - began) < seconds:
            if elapsed > stamped * STAMP_SECONDS:
                stamped += 1
                await _called(self.send, "stamp", time.monotonic())
            elif count < elapsed * per_second:
                await _called(self.send, actor)
            else:
                await asyncio.sleep(0.001)
                continue
            count += 1
        return count / seconds


async def _called(call: Call, *args: object) -> None:
    result = call(*args)
    if inspect.isawaitable(result):
        await result


async def _rate(seconds: float, call: Call, *args: object) -> float:
    """Return how often *call* can be made in a second, one after the other."""
    is_async, count, began = inspect.iscoroutinefunction(call), 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        if is_async:
            await call(*args)  # type: ignore[misc]  # a coroutine function
        else:
            call(*args)
        count += 1
    return count / elapsed


async def _rate_of(count: int, call: Call, *args: object) -> float:
    """Return how many of *count* calls, one after the other, are made in a second."""
    began = time.perf_counter()
    for _ in range(count):
        await _called(call, *args)
    return count / (time.perf_counter() - began)


async def _rate_together(seconds: float, call: Call, *args: object) -> float:
    """Return how often *call* can be made in a second, 32 at the same time."""
    return sum(await asyncio.gather(*(_rate(seconds, call, *args) for _ in range(IN_FLIGHT))))


async def _together(call: Call, count: int, *args: object) -> None:
    """Make *count* calls, 32 at the same time if it is a coroutine function."""

    async def some(number: int) -> None:
        for _ in range(number):
            await _called(call, *args)

    await asyncio.gather(*(some(count // IN_FLIGHT + (n < count % IN_FLIGHT)) for n in range(IN_FLIGHT)))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
