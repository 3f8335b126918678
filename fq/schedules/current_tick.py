"""`current_tick`: for which tick of its schedule the actor runs."""

from datetime import datetime

from fq.core.message import Message
from fq.layers.current_message import get_current_message
from fq.schedules.firing import TICK
from fq.schedules.when import at


def current_tick() -> datetime | None:
    """
    Return the tick, in UTC, for which the actor in this context runs; None if no schedule has sent it, or outside of an actor.

    That is the time that the schedule says, not the time of the send: a tick that is caught up, or runs late or again, has the same one. All steps of a
    workflow know it. The stack needs `CurrentMessage`, as `default_middleware` has it.

    >>> from fq import App
    >>> app = App("memory://")
    >>> @app.actor
    ... def poll() -> str:
    ...     return current_tick().strftime("%S.%f")
    >>> schedule = app.every(1_000, poll.call(), name="poll")
    >>> app.run_until_idle(until=1_000)
    1
    """
    message = get_current_message()
    return None if message is None else tick_of(message)


def tick_of(message: Message) -> datetime | None:
    """Return the tick, in UTC, for which *message* was sent; None if no schedule has sent it."""
    tick = message.options.get(TICK)
    return at(tick) if type(tick) is int else None
