"""
The application that the fault runs drive. Every run of an actor appends a line to a file, in one write, before and after its work.

Environment: FQ_CHAOS_LOG, the file; and see `tests.chaos.brokers`.
"""

import ctypes
import os
import random
import sys
import time
from pathlib import Path

from attrs import frozen

from fq import App, Middleware, compose, default_middleware, get_current_message
from fq.core.events import Committed, Event
from tests.chaos.brokers import broker


@frozen
class Account(Middleware):
    """Notes each success that was committed: of each message there may be one at most."""

    def on_event(self, event: Event) -> None:
        """Note it."""
        if isinstance(event, Committed) and event.outcome.succeeded and not event.stale:
            note("committed", event.message.message_id)


app = App(broker=broker(os.environ), middleware=compose(Account(), default_middleware))


def note(event: str, number: object) -> None:
    """Append *event* to the account: a single write of a line to a file opened for appending is not torn."""
    descriptor = os.open(os.environ["FQ_CHAOS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, f"{event} {number} {os.getpid()} {time.time():.4f}\n".encode())
    os.close(descriptor)


def attempts() -> int:
    """Return the retries of the current message so far."""
    message = get_current_message()
    return int(str(message.options.get("retries", 0))) if message else 0


def failures(number: int) -> int:
    """Return how many attempts of `work` with *number* fail."""
    return 2 if number % 7 == 0 else 1 if number % 5 == 0 else 0


@app.actor(max_retries=5, min_backoff=10, max_backoff=50, result_ttl=600_000, max_deliveries=1_000)
def work(number: int) -> int:
    """Take a moment; every fifth number fails at its first attempt, every seventh at its first two."""
    note("run", number)
    note(f"attempt-{attempts()}", number)
    time.sleep(random.random() * 0.01)
    if attempts() < failures(number):
        raise ValueError(f"{number} fails at attempt {attempts()}")
    return number * 2


@app.actor(max_retries=5, min_backoff=10, max_backoff=50, max_deliveries=1_000)
async def awork(number: int) -> int:
    """The same, async, without failures."""
    import asyncio

    note("run", number)
    await asyncio.sleep(random.random() * 0.3)
    return number * 2


@app.actor(max_deliveries=1_000)
def follow(doubled: int) -> int:
    """What comes after `work`."""
    note("follow", doubled)
    return doubled


@app.actor(max_retries=0, max_deliveries=3)
def die() -> int:
    """Take the process along."""
    note("die", 0)
    os._exit(9)


@app.actor(max_retries=0, max_deliveries=3)
def segfault() -> int:
    """Take the process along, by a fault in C."""
    note("segfault", 0)
    return ctypes.string_at(0)[0]


@app.actor(max_retries=1, min_backoff=1, max_backoff=1, time_limit=200, max_deliveries=3)
def block(seconds: float) -> int:
    """Block in C, where no exception reaches, with the GIL let go."""
    note("block", seconds)
    time.sleep(seconds)
    return 1


@app.actor(max_retries=0, time_limit=60_000, max_deliveries=1_000)
def hold_gil(seconds: float) -> float:
    """Hold the GIL in C for so long."""
    note("hold", seconds)
    began = time.monotonic()
    sleep = ctypes.PyDLL(None).usleep  # PyDLL keeps the GIL
    while time.monotonic() - began < seconds:
        sleep(int(min(seconds, 0.9) * 1_000_000))
    return seconds


@app.actor(max_retries=0, time_limit=60_000, max_deliveries=1_000)
def grip(seconds: int) -> int:
    """Hold the GIL in C for so long, and let go of it for no moment in between."""
    note("grip", seconds)
    return int(ctypes.PyDLL(None).sleep(seconds))


@app.actor(max_retries=0, max_deliveries=1_000)
def leak(megabytes: int) -> int:
    """Keep memory until the process ends."""
    _kept.append(bytearray(os.urandom(1024)) * 1024 * megabytes)
    return megabytes


_kept: list[bytearray] = []


@app.actor
def nap(seconds: float) -> int:
    """Sleep, in small steps."""
    note("nap", seconds)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return os.getpid()


@app.actor
def pid() -> int:
    """Return the process that ran it."""
    return os.getpid()


@app.actor
def say(text: str) -> int:
    """Print *text*, and leave it in the buffer; return the process that ran it."""
    print(text)  # noqa: T201  # this is what it is for
    return os.getpid()


@app.actor(max_retries=0)
def orphan() -> int:
    """Leave a process behind whose parent ends before it; return the id of the process that is its parent then."""
    import subprocess
    import sys

    script = """
import os, time
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.01)
    print(os.getppid(), flush=True)
os._exit(0)
"""
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


@app.actor(max_retries=0, max_deliveries=3)
async def adie() -> int:
    """Take the process along, after a while in which others have begun."""
    import asyncio

    await asyncio.sleep(0.3)
    note("adie", 0)
    os._exit(9)


@app.actor(max_retries=0, max_deliveries=2)
async def anap(seconds: float) -> float:
    """Sleep on the event loop."""
    import asyncio

    note("anap", seconds)
    await asyncio.sleep(seconds)
    return seconds


@app.actor(max_retries=0, max_deliveries=1_000)
def fork(how: str) -> int:
    """Fork, and return the exit code of the fork, which leaves the call by *how*."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return leave(how)


@app.actor(max_retries=0, max_deliveries=1_000)
async def afork(how: str) -> int:
    """The same on the event loop."""
    import asyncio

    if pid := os.fork():
        return os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, pid, 0))[1])
    return leave(how)


LEAVES = {"returns": 0, "raises": 1, "exits": 3}
"""The ways in which a fork leaves its call, and with which exit code it ends then."""


def leave(how: str) -> int:
    """End a call by *how*."""
    if how == "raises":
        raise ValueError("raised in a fork")
    if how == "exits":
        sys.exit(LEAVES[how])
    return LEAVES[how]


def gate_of(folder: Path) -> Path:
    """A file beside the account: once it is there, what waits for it ends."""
    return folder / "gate"


def _gate() -> Path:
    return gate_of(Path(os.environ["FQ_CHAOS_LOG"]).parent)


@app.actor(max_retries=0)
def wait_at_gate(number: int) -> int:
    """End when the gate is open."""
    note("waits", number)
    while not _gate().exists():
        time.sleep(0.01)
    note("passes", number)
    return number


@app.actor(max_retries=0)
async def await_gate(number: int) -> int:
    """The same on the event loop."""
    import asyncio

    note("waits", number)
    while not _gate().exists():  # noqa: ASYNC110  # another process opens it
        await asyncio.sleep(0.01)
    note("passes", number)
    return number
