"""
What the processes of ``test_processes.py`` do: ``python -m tests.brokers.sqlite.process WHAT PATH NAME ...``.

Each is a real process, started from scratch, as producers and workers are.
"""

import os
import sys
from pathlib import Path

from fq.brokers import SqliteBroker
from fq.brokers.records import ACK, DUE, ClaimRequest, Commit, Delivery, EnqueueOp, SetMarkOp, StoreResultOp, UniqueKey


def produce(broker: SqliteBroker, name: str, count: str) -> None:
    """Send *count* messages, one by one and by the dozen in turn."""
    left = [EnqueueOp(f"{name}-{number}", "q", "act", number % 3, 0, b"{}") for number in range(int(count))]
    size = 1
    while left:
        broker.enqueue(left[:size])
        left, size = left[size:], 13 - size


def work(broker: SqliteBroker, name: str, journal: str, finished: str) -> None:
    """Claim and commit until the file *finished* is there, and write down, line by line, what was committed."""
    request = ClaimRequest(name, ("q", "r"), 64)
    held: dict[str, Delivery] = {}
    with Path(journal).open("w", encoding="utf-8") as lines:
        while not Path(finished).exists():
            turn = broker.turn([committed(delivery) for delivery in held.values()], request)
            lines.writelines(f"{message_id}\n" for message_id in held if message_id not in turn.stale)
            held = {delivery.message_id: delivery for delivery in turn.deliveries}
            if not held:
                broker.wait(request, 100)


def committed(delivery: Delivery) -> Commit:
    """Every message leaves a result, and every one of the first queue a follow-up in the other."""
    follow_up = (EnqueueOp(f"{delivery.message_id}-child", "r", "act", 0, 0, b"{}"),) if delivery.queue_name == "q" else ()
    return Commit(
        delivery.message_id, delivery.queue_name, delivery.token, ACK, (StoreResultOp(delivery.message_id, b"1", 3_600_000), *follow_up)
    )


def place(broker: SqliteBroker, name: str, count: str) -> None:
    """Send *count* messages, one by one, with the same unique keys as other processes, and a mark for each that is new: few are."""
    for number in range(int(count)):
        op = EnqueueOp(f"{name}-{number}", "q", "act", 0, 0, b"{}", unique=UniqueKey(f"k{number}"))
        if broker.place([op])[0].is_new:
            broker.set_marks([SetMarkOp(f"new-{name}-{number}", b"1", index="new", order=number)])


def set_due_mark(broker: SqliteBroker, name: str) -> None:
    """Set a mark that is due."""
    broker.set_marks([SetMarkOp(name, b"1", index=DUE, order=broker.now())])


def fork(broker: SqliteBroker, name: str) -> None:
    """Use the broker before a fork, and then on both sides, by turns."""
    broker.enqueue([EnqueueOp(f"{name}-before", "q", "act", 0, 0, b"{}")])
    broker.status("open the reader, too")
    children = [child(broker, f"{name}-{number}") for number in range(3)]
    for number in range(50):
        broker.enqueue([EnqueueOp(f"{name}-parent-{number}", "q", "act", 0, 0, b"{}")])
        broker.queues()
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    broker.enqueue([EnqueueOp(f"{name}-after", "q", "act", 0, 0, b"{}")])
    sys.exit(max(codes))


def child(broker: SqliteBroker, name: str) -> int:
    if pid := os.fork():
        return pid
    for number in range(50):
        broker.enqueue([EnqueueOp(f"{name}-{number}", "q", "act", 0, 0, b"{}")])
    assert broker.status(f"{name}-49").state == "ready"
    broker.wait(ClaimRequest(name, ("q",), 1), 10_000)
    sys.exit(0)  # and not os._exit: the interpreter must be able to end here, too


def main(what: str, path: str, *arguments: str) -> None:
    {"produce": produce, "work": work, "fork": fork, "place": place, "set_due_mark": set_due_mark}[what](SqliteBroker(path), *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
