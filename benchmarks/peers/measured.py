"""
What each ``<name>_noop.py`` does with its queue: fill it, send one by one, send 32 concurrently, send with pauses. Standard library only.

It runs inside the queue's environment, as ``python <name>_noop.py COMMAND [COUNT [ACTOR]]``, and prints one JSON object.
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

IN_FLIGHT, PARTS = 32, 5
Call = Callable[..., object]
"""A function or a coroutine function: queues offer one or the other."""


def record_delay(sent: float) -> None:
    """Record how long after *sent*, on the monotonic clock, the actor ``stamp`` started."""
    waited = time.monotonic() - sent
    with Path(os.environ["BENCH_STAMPS"]).open("a") as stamps:
        stamps.write(f"{waited}\n")


@dataclass(frozen=True)
class Producer:
    """
    The sending side of a queue.

    Attributes:
        send: called with the name of an actor and its arguments.

        asend: the same as a coroutine function, if *send* is not one.

        many: called with the name of an actor and a number of messages, to send them together.

        bare: one command of the Redis client, for comparison.

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
        words = sys.argv[1:]
        command, count, actor = words + ["versions", "0", "noop"][len(words) :]
        print(json.dumps(asyncio.run(self.run(command, int(count), actor))), flush=True)
        os._exit(0)  # do not measure how long a client takes to close

    async def run(self, command: str, count: int, actor: str) -> dict[str, object]:
        """Return the figures of *command*."""
        if command == "versions":
            return {name: _version(name) for name in self.packages}
        if self.start is not None:
            await _called(self.start)
        began = time.perf_counter()
        match command:
            case "singly":
                return await self.singly(count, actor)
            case "spaced":
                await self.spaced(count, actor)
            case "together":
                await self.together(count, actor)
            case "fill" if self.many is not None:
                await _called(self.many, actor, count)
            case "fill":
                await self.together(count, actor)
        return {"rate": count / (time.perf_counter() - began)}

    async def singly(self, count: int, actor: str) -> dict[str, object]:
        """Return the rates of sends and of bare commands. They alternate, so that other load on the machine affects both."""
        found: dict[str, list[float]] = {"rate": [], "bare": []}
        for _ in range(PARTS):
            if self.bare is not None:
                found["bare"].append(await _rate(count // PARTS, self.bare))
            found["rate"].append(await _rate(count // PARTS, self.send, actor))
        return {name: median(rates) for name, rates in found.items() if rates}

    async def spaced(self, count: int, actor: str) -> None:
        """Send messages to an idle worker, each with the time of sending."""
        chance = random.Random(1)
        for _ in range(count):
            await _called(self.send, actor, time.monotonic())
            await asyncio.sleep(chance.uniform(0.01, 0.03))

    async def together(self, count: int, actor: str) -> None:
        """Send messages, 32 concurrently if the queue has a coroutine function for it."""

        async def sender(share: int) -> None:
            await _rate(share, self.asend or self.send, actor)

        await asyncio.gather(*(sender(count // IN_FLIGHT + (n < count % IN_FLIGHT)) for n in range(IN_FLIGHT)))


async def _called(call: Call, *args: object) -> None:
    result = call(*args)
    if inspect.isawaitable(result):
        await result


async def _rate(count: int, call: Call, *args: object) -> float:
    began = time.perf_counter()
    if inspect.iscoroutinefunction(call):
        for _ in range(count):
            await call(*args)
    else:
        for _ in range(count):
            call(*args)
    return count / (time.perf_counter() - began)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
