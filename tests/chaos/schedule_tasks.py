"""
The application of the fault runs of schedules: a tick each second, of code in two versions.

It also notes by how many seconds the wall clock of its process is off. Environment: FQ_CHAOS_VERSION, which becomes the argument of the call; and see
`tests.chaos.tasks`.
"""

import os
import time

from fq import App, current_tick, get_current_message
from tests.chaos.brokers import broker
from tests.chaos.tasks import note

HOUR = 3_600_000

if "FQ_CHAOS_LOG" in os.environ:  # in a worker
    note("clock", round(time.time() - time.clock_gettime(time.CLOCK_REALTIME)))

app = App(broker=broker(os.environ))


@app.actor(max_deliveries=1_000)
def tick(version: str) -> None:
    """Note the tick, and when it was sent, which the message keeps when it is delivered again: a tick that was sent twice has two such times."""
    message, time = get_current_message(), current_tick()
    assert message is not None
    assert time is not None
    note(f"sent-{message.message_timestamp}", round(time.timestamp() * 1_000))
    note(version, 0)


app.every(1_000, tick.call(os.environ.get("FQ_CHAOS_VERSION", "")), name="tick", catch_up="all", grace=HOUR)
