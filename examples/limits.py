"""
Limits: a mail service that accepts 5 calls in any 250 ms, and customers who may each have one running export.

``python -m examples.limits`` runs it in one process with eight threads, and prints the limits that were kept.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock

from fq import App, ConcurrentRateLimiter, Message, concurrency_limit, rate_limit

CUSTOMERS = ("ada", "grace", "edsger")

app = App("memory://")
archive = ConcurrentRateLimiter(app, "archive", limit=2)  # limits part of an actor; the layers below limit the whole actor

lock = Lock()
mails: dict[str, float] = {}
running: Counter[str] = Counter()
most: Counter[str] = Counter()
exported: defaultdict[str, list[int]] = defaultdict(list)


def customer(message: Message) -> str:
    """Return the customer of *message*: each customer has a limit of its own."""
    return str(message.kwargs["customer"])


@app.actor(rate_limit(limit=5, window=timedelta(milliseconds=250)))
def send_mail(to: str) -> None:
    """Call the mail service."""
    mails[to] = time.monotonic()


@app.actor(concurrency_limit(limit=1, key=customer))
def export(number: int, *, customer: str) -> None:
    """Export something for *customer*, and put it into the archive, which accepts two at a time."""
    with counted(customer), archive.acquire():  # a message that the archive refuses runs again later, without using up an attempt
        time.sleep(0.01)
        exported[customer].append(number)


@contextmanager
def counted(customer: str) -> Iterator[None]:
    """Count the running exports of *customer*."""
    with lock:
        running[customer] += 1
        most[customer] = max(most[customer], running[customer])
    try:
        yield
    finally:
        with lock:
            running[customer] -= 1


def main() -> None:
    """Send the messages, let a worker run them, and print the result."""
    app.send_many(send_mail.call(f"{n}@example.com") for n in range(20))
    app.send_many(export.call(n, customer=name) for n in range(6) for name in CUSTOMERS)
    with app.worker(threads=8):
        while len(mails) < 20 or sum(map(len, exported.values())) < 18:
            time.sleep(0.01)
    times = sorted(mails.values())
    fastest = min(later - earlier for earlier, later in zip(times, times[5:], strict=False))
    print(f"{len(mails)} mails, never more than 5 in 250 ms: the closest six were {fastest * 1_000:.0f} ms apart")
    for name in CUSTOMERS:
        print(f"{len(exported[name])} exports for {name}, at most {most[name]} at once")
    print(f"dead letters: {len(app.broker.dead_letters())}")


if __name__ == "__main__":
    main()
