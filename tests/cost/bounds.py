"""
What a plain message may cost: the default stack, no options. Counted with Python 3.11; ``python -m tests.cost.bounds`` counts again, and prints the table.

The figures are exact, on any machine. A change that adds a call to each message makes `test_message_cost` fail. If a message must cost more, write the new
figure here, and the reason in the commit. If it costs less, write that, too: otherwise the next call that is added goes unseen.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.brokers.redis.servers import server
from tests.cost.counting import Cost
from tests.cost.workloads import COUNTED, measure

BROKERS = ("memory", "sqlite", "redis")
MEASURED_WITH = (3, 11)

BOUNDS: dict[tuple[str, str], Cost] = {
    ("memory", "send"): Cost(calls=73),
    ("memory", "asend"): Cost(calls=74),
    ("memory", "send_many"): Cost(calls=60),
    ("memory", "turn"): Cost(calls=17),
    ("memory", "run, sync"): Cost(calls=75),
    ("memory", "run, async"): Cost(calls=76),
    ("sqlite", "send"): Cost(calls=92, trips=3),
    ("sqlite", "asend"): Cost(calls=98, trips=3),
    ("sqlite", "send_many"): Cost(calls=58, trips=3),
    ("sqlite", "turn"): Cost(calls=5, trips=9),
    ("sqlite", "run, sync"): Cost(calls=67),
    ("sqlite", "run, async"): Cost(calls=76),
    ("redis", "send"): Cost(calls=93, trips=1),
    ("redis", "asend"): Cost(calls=77, trips=1),
    ("redis", "send_many"): Cost(calls=51, trips=1),
    ("redis", "turn"): Cost(calls=12, trips=1),
    ("redis", "run, sync"): Cost(calls=70),
    ("redis", "run, async"): Cost(calls=76),
}


@contextmanager
def url_of(broker: str) -> Iterator[str]:
    """Yield the URL of an empty broker."""
    if broker == "redis":
        with server("valkey").client() as client:
            client.flushall()
        yield server("valkey").url
        return
    with tempfile.TemporaryDirectory() as folder:
        yield "memory://" if broker == "memory" else f"sqlite:///{folder}/jobs.db"


def main() -> None:
    """Print the table."""
    for broker in BROKERS:
        for what in COUNTED:
            with url_of(broker) as url:
                found = measure(url, what)
            sys.stdout.write(f'    ("{broker}", "{what}"): Cost(calls={found.calls}, trips={found.trips}),\n')
            sys.stdout.flush()


if __name__ == "__main__":
    main()
