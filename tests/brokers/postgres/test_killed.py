"""Processes are killed while they claim and commit: each message has one committed outcome, and none is lost."""

import subprocess
import sys
from collections import Counter
from contextlib import AbstractContextManager, ExitStack

from fq.brokers.postgres import PostgresBroker
from tests.brokers.builders import claim_request, enqueue_op
from tests.processes import kill, running
from tests.wait_until import wait_until

MESSAGES = 400

CHILD = """
import sys
from fq.brokers.postgres import PostgresBroker
from fq.brokers.records import Ack, ClaimRequest, Commit, EnqueueOp

broker, commits = PostgresBroker(sys.argv[1]), []
while True:
    turn = broker.turn(commits, ClaimRequest(sys.argv[2], ("q",), 5, 300))
    print("turn", flush=True)
    commits = [
        Commit(each.message_id, "q", each.token, Ack(), (EnqueueOp(f"{each.message_id}:{each.token}", "done", "act", 0, 0, b"{}"),))
        for each in turn.deliveries
    ]
"""


def child(url: str, name: str, *, stdout: int) -> "AbstractContextManager[subprocess.Popen]":
    return running([sys.executable, "-c", CHILD, url, name], stdout=stdout)


def test_killed_processes_lose_and_repeat_nothing(broker: PostgresBroker, url: str) -> None:
    broker.enqueue([enqueue_op(f"m{number}") for number in range(MESSAGES)])
    for life in range(4):
        with ExitStack() as stack:
            children = [stack.enter_context(child(url, f"w{life}:{number}", stdout=subprocess.PIPE)) for number in range(2)]
            for number, each in enumerate(children):
                for _ in range(5 + 3 * number):
                    each.stdout.readline()
                kill(each)
    with child(url, "last", stdout=subprocess.DEVNULL):
        wait_until(lambda: {queue.queue_name: queue.ready for queue in broker.queues()}.get("done", 0) >= MESSAGES)

    done = [
        delivery.message_id.partition(":")[0] for delivery in broker.turn((), claim_request("w", "done", limit=2 * MESSAGES)).deliveries
    ]
    assert Counter(done) == {f"m{number}": 1 for number in range(MESSAGES)}
