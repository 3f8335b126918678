"""
The application of `test_unique`: actors whose messages have a unique key, and processes that send them.

Environment: FQ_KILL_AT, the step at which the worker that holds a message of `hold` is killed, with its supervisor, the first time.
"""

import os
import signal
import sys

from attrs import frozen

from fq import App, Middleware, compose, default_middleware
from fq.core.events import Claimed, Committed, Committing, Event
from tests.chaos.brokers import broker
from tests.chaos.tasks import note

STEPS = {Claimed: "claimed", Committing: "committing", Committed: "committed"}


@frozen
class Killer(Middleware):
    """Kills the worker when an event tells of the step."""

    def on_event(self, event: Event) -> None:
        """Kill it."""
        if isinstance(event, Claimed | Committing | Committed) and event.message.actor_name == "hold":
            kill_at(STEPS[type(event)])


app = App(broker=broker(os.environ), middleware=compose(Killer(), default_middleware))


def kill_at(step: str) -> None:
    """Kill this process and its supervisor, as a machine that loses power does, if this is the step for it, and the first time."""
    if os.environ.get("FQ_KILL_AT") != step:
        return
    try:
        os.close(os.open(f"{os.environ['FQ_CHAOS_LOG']}.killed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@app.actor(max_deliveries=1_000)
def hold(number: int) -> bool:
    """Hold the key; return whether a send meanwhile finds it held."""
    note("run", number)
    kill_at("running")
    return hold.call(number).unique(f"k{number}").send().is_duplicate


@app.actor(max_deliveries=1_000)
def alone(key: str) -> int:
    """Note when a run of *key* begins and ends."""
    note("begin", key)
    note("end", key)
    return 1


def send(count: int, keys: int) -> None:
    """Send so many calls with so many keys, and print how many of them were new."""
    new = sum(not alone.call(f"k{number % keys}").unique(f"k{number % keys}").send().is_duplicate for number in range(count))
    print(new)  # noqa: T201  # for the process that started this one


if __name__ == "__main__":
    send(int(sys.argv[1]), int(sys.argv[2]))
